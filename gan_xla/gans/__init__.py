"""Methods, one paper per file, found by the config's `gan` field: each has `build(config, axis_name=...) -> Gan`.

What several share lives in `shared`. Nothing here knows of data, devices, optimisers or runs.
"""

import dataclasses
import importlib
import pkgutil

import ml_collections

from gan_xla.contract import Gan
from gan_xla.data.dataset import values
from gan_xla.errors import UserError
from gan_xla.gans.shared.guard import guarded


def build(config: ml_collections.ConfigDict, axis_name: str | None = None) -> Gan:
    """The method `config.gan`, built from the config.

    Args:
      config: the whole config; only the method's file reads it.
      axis_name: mapped axis over which devices share a batch, or None.

    Returns:
      The method, whose functions say in one line what they do against the contract, see `shared.guard`.
    Raises:
      UserError: there is no such method, a field is missing or has an impossible value, or the contract is broken.
    """
    names = [module.name for module in pkgutil.iter_modules(__path__) if not module.ispkg]
    if config.gan not in names:
        raise UserError(f"gan={config.gan!r} is unknown; use one of {', '.join(names)}")
    method = importlib.import_module(f"{__name__}.{config.gan}")
    try:
        gan = guarded(method.build(config, axis_name=axis_name), config.gan)
        return dataclasses.replace(gan, values=values(config.data))
    except AttributeError as error:
        if not (error.args and isinstance(error.args[0], KeyError)):  # so ConfigDict says that it has no such field
            raise
        raise UserError(
            f"gan={config.gan!r} needs the field {error.args[0].args[0]}, which this config has not; "
            f"start from a config of that method, such as --config={config.gan}"
        ) from error
