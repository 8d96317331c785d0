"""Between the bytes of an image and the numbers that a network takes."""

import jax.numpy as jnp

from gan_xla.contract import Array, Tree


def normalise(batch: Tree, value_range: tuple[float, float] | None) -> Tree:
    """Maps uint8 leaves of a batch, 0 to 255, linearly to `value_range`; leaves the rest alone."""

    def leaf(x):
        if x.dtype != jnp.uint8 or value_range is None:
            return x
        low, high = value_range
        return x.astype(jnp.float32) * ((high - low) / 255) + low

    return {name: leaf(x) for name, x in batch.items()}


def to_uint8(x: Array, value_range: tuple[float, float]) -> Array:
    """Maps images in `value_range` to uint8, rounded to the nearest and clipped."""
    low, high = value_range
    return jnp.clip(jnp.round((x - low) * (255 / (high - low))), 0, 255).astype(jnp.uint8)
