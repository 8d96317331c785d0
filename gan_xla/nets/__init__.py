"""Networks as linen modules, found by name.

A generator or discriminator module is called as `module(x, batch_statistics, keys)`:
`batch_statistics` static, True to normalise by the batch and update the running averages;
`keys` one random key per sample for dropout, or None for no dropout.
"""

import importlib
import pkgutil
from collections.abc import Mapping
from typing import Any

import flax.linen as nn
import jax

from gan_xla.contract import Array, Net, Tree
from gan_xla.errors import UserError
from gan_xla.nets import blocks


def build(fields: Mapping[str, Any], role: str, **common) -> nn.Module:
    """The module `role` ("Generator" or "Discriminator") of `gan_xla.nets.<fields["net"]>`.

    Args:
      fields: the config's `model.generator` or `model.discriminator`: `net`, and the
        module's own fields.
      common: fields that every module takes.
    Raises:
      UserError: no such module, or a field that it does not have, or of an unknown value.
    """
    where = f"model.{role.lower()}"
    modules = {part.name: importlib.import_module(f"{__name__}.{part.name}") for part in pkgutil.iter_modules(__path__)}
    networks = {name: getattr(module, role) for name, module in modules.items() if hasattr(module, role)}
    fields = {"net": None, **fields}
    for field, choices in (("net", networks), ("output", blocks.OUTPUTS), ("norm", blocks.NORMS)):
        if field in fields and fields[field] not in list(choices):
            raise UserError(f"{where}.{field}={fields[field]!r} is unknown; use one of {', '.join(choices)}")
    network = networks[fields.pop("net")]
    known = set(network.__dataclass_fields__) - {"parent", "name", *common}
    for field in fields:
        if field not in known:
            raise UserError(f"{where}.{field} is unknown; {network.__module__}.{role} has {', '.join(sorted(known))}")
    return network(**fields, **common)


def pair(model: Mapping[str, Any], size: int, channels: int, axis_name: str | None) -> tuple[nn.Module, nn.Module]:
    """(generator, discriminator) of the config's `model` section, as `build`.

    Args:
      model: the section.
      size: height and width of the training images; 0 for points.
      channels: of an image, or dimensions of a point.
      axis_name: mapped axis that shares batch statistics.
    """
    common = dict(size=size, axis_name=axis_name)
    return (
        build(model["generator"], "Generator", channels=channels, **common),
        build(model["discriminator"], "Discriminator", **common),
    )


def init(module: nn.Module, key: Array, x: Array) -> Net:
    """Parameters and statistics of `module` for input like `x`."""
    variables = module.init(key, x, batch_statistics=True)
    return Net(variables.get("params", {}), variables.get("batch_stats", {}))


STATISTICS = ("running", "batch", "image")


def apply(module: nn.Module, net: tuple[Tree, Tree], x: Array, statistics: str, keys: Array | None = None):
    """Calls `module` on x [n, ...].

    Args:
      module: the network.
      net: its parameters and statistics.
      x: input.
      statistics: one of `STATISTICS`, see `contract.Habit`; "batch" is what training does.
      keys: [n] random keys for dropout, or None.

    Returns:
      (output, statistics after the call: the running averages move with "batch" alone).
    """
    params, stats = net
    if statistics == "image":
        module = module.clone(axis_name=None)  # what one image gives is shared with nobody

        def alone(x, key):
            keys = None if key is None else key[None]
            return jax.tree.map(lambda y: y[0], apply(module, net, x[None], "batch", keys)[0])

        return jax.vmap(alone)(x, keys), stats
    y, updated = module.apply(
        {"params": params, "batch_stats": stats}, x, statistics == "batch", keys, mutable=["batch_stats"]
    )
    return y, updated.get("batch_stats", stats)
