"""Methods, one paper per file, found by the config's `gan` field."""

import importlib
import pkgutil

import ml_collections

from gan_xla.contract import Gan
from gan_xla.errors import UserError


def build(config: ml_collections.ConfigDict, axis_name: str | None = None) -> Gan:
    """The method `config.gan`, built from the config.

    Args:
      config: the whole config; only the method's file reads it.
      axis_name: mapped axis over which devices share a batch, or None.
    Raises:
      UserError: there is no such method, or a field is missing or has an impossible value.
    """
    names = [module.name for module in pkgutil.iter_modules(__path__) if not module.ispkg]
    if config.gan not in names:
        raise UserError(f"gan={config.gan!r} is unknown; use one of {', '.join(names)}")
    try:
        return importlib.import_module(f"{__name__}.{config.gan}").build(config, axis_name=axis_name)
    except AttributeError as error:
        if not (error.args and isinstance(error.args[0], KeyError)):  # so ConfigDict says that it has no such field
            raise
        raise UserError(
            f"gan={config.gan!r} needs the field {error.args[0].args[0]}, which this config has not; "
            f"start from a config of that method, such as --config={config.gan}"
        ) from error
