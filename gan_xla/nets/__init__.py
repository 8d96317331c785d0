"""Networks as linen modules, found by name.

A generator or discriminator module is called as `module(x, batch_statistics, keys)`:
`batch_statistics` static, True to normalise by the batch and update the running averages;
`keys` one random key per sample for dropout, or None for no dropout.
"""

import importlib
from collections.abc import Mapping
from typing import Any

import flax.linen as nn

from gan_xla.contract import Array, Net, Tree
from gan_xla.errors import UserError


def build(fields: Mapping[str, Any], role: str, **common) -> nn.Module:
    """The module `role` ("Generator" or "Discriminator") of `gan_xla.nets.<fields["net"]>`.

    Args:
      fields: the config's `model.generator` or `model.discriminator`: `net`, and the
        module's own fields.
      common: fields that every module takes.
    Raises:
      UserError: no such module, or a field that it does not have.
    """
    fields = dict(fields)
    where = f"model.{role.lower()}"
    name = f"{__name__}.{fields.pop('net', None)}"
    try:
        module = getattr(importlib.import_module(name), role)
    except (ModuleNotFoundError, AttributeError) as error:
        raise UserError(f"{where}.net: there is no {role.lower()} in {name.replace('.', '/')}.py") from error
    known = set(module.__dataclass_fields__) - {"parent", "name"}
    for field in fields:
        if field not in known:
            raise UserError(f"{where}.{field} is unknown; {name}.{role} has {', '.join(sorted(known))}")
    return module(**fields, **common)


def init(module: nn.Module, key: Array, x: Array) -> Net:
    """Parameters and statistics of `module` for input like `x`."""
    variables = module.init(key, x, batch_statistics=True)
    return Net(variables.get("params", {}), variables.get("batch_stats", {}))


def apply(module: nn.Module, net: tuple[Tree, Tree], x: Array, batch_statistics: bool, keys: Array | None = None):
    """Calls `module`; returns (output, statistics after the call)."""
    params, stats = net
    y, updated = module.apply(
        {"params": params, "batch_stats": stats}, x, batch_statistics, keys, mutable=["batch_stats"]
    )
    return y, updated.get("batch_stats", stats)
