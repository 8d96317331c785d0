"""Data sets: `load(config.data)` reads one from a source, `pipeline` makes batches of it, on the host alone.

`sources` are the places that images come from, `labelled` and `resident` the forms that some methods and devices
take. Importing this room does not import TensorFlow; only `pipeline` and the tfds source do.
"""

import importlib
import pkgutil

import ml_collections

from gan_xla import images
from gan_xla.data import labelled, sources
from gan_xla.data.dataset import Arrays, Dataset, Source, check_bytes, field, test_batch
from gan_xla.errors import UserError

__all__ = ["Arrays", "Dataset", "Source", "load", "test_batch"]


def load(data):
    """The data set that a config's `data` section describes, jointly with those of `data.joint`.

    `data.source` names a module of `sources`, whose `load(data)` is called. Labels become
    vectors as `gan_xla.labels` describes them.

    Raises:
      UserError: `data.source` names no source, or the source finds a mistake.
    """
    share = field(data, "paired_share", 0.0)
    for name in ("paired", "on_device"):
        if share and field(data, name, False):
            raise UserError(f"data.paired_share={share} and data.{name}=True do not go together; set one of them")
    dataset = _one(data)
    if share and (dataset.pairs is None or not len(dataset.pairs.source)):
        raise UserError(
            f"data.paired_share={share}: no training image of A belongs to one of B; give files that do equal names in "
            "trainA/ and trainB/, or set it to 0"
        )
    if not dataset.labels:
        return dataset
    # Data sets that are shown in turn have one kind of values, those of the first.
    whole = ml_collections.ConfigDict({**data.to_dict(), **dataset.fields}) if dataset.fields else data
    parts = {name: _one(section) for name, section in labelled.sections(whole).items() if name != "data"}
    return labelled.join({"data": dataset, **parts}, data)


def _one(data):
    images.check_fit(field(data, "fit", "stretch"))  # which some sources leave to translation
    name = field(data, "source", "builtin")
    available = sorted(module.name for module in pkgutil.iter_modules(sources.__path__))
    if name not in available:
        raise UserError(f"data.source={name!r} is no data source; use one of: {', '.join(available)}")
    if name != "folder":
        check_bytes(data)
    return importlib.import_module(f"{sources.__name__}.{name}").load(data)
