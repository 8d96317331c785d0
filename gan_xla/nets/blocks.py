"""Pieces that several networks share: normalisation, dropout, output ranges."""

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from gan_xla.contract import Array

OUTPUTS = {"sigmoid": (jax.nn.sigmoid, (0.0, 1.0)), "tanh": (jnp.tanh, (-1.0, 1.0)), "linear": (lambda x: x, None)}

# How DCGAN (Radford et al. 2016, section 4) and most networks after it begin: weights N(0, 0.02), biases 0.
NORMAL = {"kernel_init": nn.initializers.normal(0.02), "bias_init": nn.initializers.zeros}


def normal_scale(key: Array, shape: tuple[int, ...], dtype: Any = jnp.float32) -> Array:
    """Batch norm scales that go with `NORMAL` in those papers' code, N(1, 0.02)."""
    return 1 + NORMAL["kernel_init"](key, shape, dtype)


class Norm(nn.Module):
    """Normalisation of [n, h, w, c] with PyTorch's constants.

    Attributes:
      kind: "batch" (affine, running averages with PyTorch's momentum 0.1), "instance" (no
        affine, no running averages) or "none".
      axis_name: mapped axis over which batch statistics are shared.
      scale_init: initialiser of the scales of "batch".
    """

    kind: str = "batch"
    axis_name: str | None = None
    param_dtype: Any = jnp.float32
    scale_init: Any = nn.initializers.ones

    @nn.compact
    def __call__(self, x: Array, batch_statistics: bool) -> Array:
        if self.kind == "none":
            return x
        if self.kind == "instance":
            return nn.InstanceNorm(epsilon=1e-5, use_bias=False, use_scale=False)(x)
        if self.kind != "batch":
            raise ValueError(f"norm {self.kind!r} is none of batch, instance, none")
        # Initialisation runs outside of any mapped axis.
        axis_name = None if self.is_initializing() else self.axis_name
        return nn.BatchNorm(
            use_running_average=not batch_statistics,
            momentum=0.9,
            epsilon=1e-5,
            axis_name=axis_name,
            param_dtype=self.param_dtype,
            scale_init=self.scale_init,
        )(x)


def dropout(x: Array, keys: Array | None, layer: int, rate: float) -> Array:
    """Inverted dropout with one key per sample, so that devices do not matter.

    Args:
      x: [n, ...].
      keys: [n] keys, or None for no dropout.
      layer: the layer's number within its network, to draw anew in each.
      rate: share of values set to zero.
    """
    if keys is None or not rate:
        return x
    keep = jax.vmap(lambda key: jax.random.bernoulli(jax.random.fold_in(key, layer), 1 - rate, x.shape[1:]))(keys)
    return jnp.where(keep, x / (1 - rate), 0)
