"""Networks as linen modules, found by name.

A generator or discriminator module is called as `module(x, batch_statistics, keys)`:
`batch_statistics` static, True to normalise by the batch and update the running averages;
`keys` one random key per sample for dropout, or None for no dropout. A discriminator gives
(logits, activations); a generator an image, and shows its activations where `apply` asks for
`features`: it marks them by `self.show(x)`.
"""

import importlib
import pkgutil
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

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
    named = {
        "net": networks,
        "output": blocks.OUTPUTS,
        "norm": blocks.NORMS,
        "padding": blocks.PADDINGS,
        "initial": blocks.INITIAL,
    }
    for field, choices in named.items():
        if field in fields and fields[field] not in list(choices):
            raise UserError(f"{where}.{field}={fields[field]!r} is unknown; use one of {', '.join(choices)}")
    network = networks[fields.pop("net")]
    known = set(network.__dataclass_fields__) - {"parent", "name", *common}
    for field in fields:
        if field not in known:
            raise UserError(f"{where}.{field} is unknown; {network.__module__}.{role} has {', '.join(sorted(known))}")
    return network(**fields, **common)


def common(config: Any, axis_name: str | None) -> dict[str, Any]:
    """The fields that all networks of a config take."""
    return dict(size=config.data.image_size, axis_name=axis_name, dtype=config.train.dtype, remat=config.train.remat)


def channels(data: Any) -> int | tuple[int, int]:
    """Channels of the images of a config's `data` section, or those of A and of B where they differ."""
    both = tuple(data.get(f"channels_{domain}") or data.channels for domain in "ab")
    return both[0] if both[0] == both[1] else both


def pair(config: Any, axis_name: str | None) -> tuple[nn.Module, nn.Module]:
    """(generator, discriminator) of the config's `model` section, as `build`.

    Where the images of A and B differ in channels, `channels` of the generator has both.

    Args:
      config: the whole of it.
      axis_name: mapped axis that shares batch statistics.
    """
    shared = common(config, axis_name)
    return (
        build(config.model.generator, "Generator", channels=channels(config.data), **shared),
        build(config.model.discriminator, "Discriminator", **shared),
    )


def init(module: nn.Module, key: Array, x: Array) -> Net:
    """Parameters and statistics of `module` for input like `x`."""
    variables = module.init(key, x, batch_statistics=True)
    return Net(variables.get("params", {}), variables.get("batch_stats", {}))


STATISTICS = ("running", "batch", "image")


def apply(
    module: nn.Module,
    net: tuple[Tree, Tree],
    x: Array,
    statistics: str,
    keys: Array | None = None,
    features: bool = False,
    method: str | None = None,
):
    """Calls `module` on x [n, ...].

    Args:
      module: the network.
      net: its parameters and statistics.
      x: input, or several in a tuple.
      statistics: one of `STATISTICS`, see `contract.Habit`; "batch" is what training does.
      keys: [n] random keys for dropout, or None.
      features: whether the output is (output, the activations that the network shows, in its order).
      method: of the module, called as it is; None for the module itself.

    Returns:
      (output, statistics after the call: the running averages move with "batch" alone).
    """
    params, stats = net
    if statistics == "image":
        module = module.clone(axis_name=None)  # what one image gives is shared with nobody

        def alone(x, key):
            keys = None if key is None else key[None]
            y, _ = apply(module, net, jax.tree.map(lambda x: x[None], x), "batch", keys, features, method)
            return jax.tree.map(partial(jnp.squeeze, axis=0), y)

        return jax.vmap(alone)(x, keys), stats

    def call(params, x):
        variables = {"params": params, "batch_stats": stats}
        kept = ["batch_stats", *shown]
        return module.apply(variables, x, statistics == "batch", keys, mutable=kept, method=method)

    shown = [blocks.SHOWN] if features else []
    y, updated = economical(module, call)(params, x)
    if features:
        y = y, tuple(updated.get(blocks.SHOWN, {}).get(blocks.SHOWN, ()))
    return y, updated.get("batch_stats", stats)


def economical(module: nn.Module, call: Callable) -> Callable:
    """`call(params, x)`, which applies `module`, with the module's `dtype` and `remat`, see `blocks.Network`."""
    if module.dtype == "bfloat16":
        inner = call

        def call(params, x):
            return _cast(inner(*_cast((params, x), jnp.bfloat16)), jnp.float32)

    return jax.checkpoint(call) if module.remat else call


def _cast(tree: Tree, dtype: Any) -> Tree:
    return jax.tree.map(lambda x: x.astype(dtype) if jnp.issubdtype(x.dtype, jnp.floating) else x, tree)
