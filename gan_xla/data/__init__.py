"""Data sets: `load(config.data)` gives the sources, `gan_xla.data.pipeline` batches them.

Importing this package does not import TensorFlow; only `pipeline` and the tfds source do.
"""

import importlib
import pkgutil

from gan_xla import images
from gan_xla.data import labelled
from gan_xla.data.sources import Arrays, Dataset, Source, field, test_batch
from gan_xla.errors import UserError

__all__ = ["Arrays", "Dataset", "Source", "load", "test_batch"]

_HELPERS = {"attributes", "labelled", "pipeline", "reading", "resident", "sources", "table"}


def load(data):
    """The data set that a config's `data` section describes, jointly with those of `data.joint`.

    `data.source` names a module of this package, whose `load(data)` is called. Labels become
    vectors as `gan_xla.label_space` describes them.

    Raises:
      UserError: `data.source` names no source, or the source finds a mistake.
    """
    dataset = _one(data)
    if not dataset.labels:
        return dataset
    parts = {name: _one(section) for name, section in labelled.sections(data).items() if name != "data"}
    return labelled.join({"data": dataset, **parts}, data)


def _one(data):
    images.check_fit(field(data, "fit", "stretch"))  # which some sources leave to translation
    name = field(data, "source", "builtin")
    available = sorted({module.name for module in pkgutil.iter_modules(__path__)} - _HELPERS)
    if name not in available:
        raise UserError(f"data.source={name!r} is no data source; use one of: {', '.join(available)}")
    return importlib.import_module(f"gan_xla.data.{name}").load(data)
