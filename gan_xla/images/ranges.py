"""Between the numbers of an image and those that a network takes."""

import jax.numpy as jnp
import numpy as np

from gan_xla.contract import BYTES, Array, Gan, Tree, Values
from gan_xla.images.classes import painted

Range = tuple[float, float]


def normalise(batch: Tree, gan: Gan) -> Tree:
    """Maps the images of a batch to the range of a method's networks; leaves the rest alone, and floats for bytes."""

    def leaf(name, x):
        values = gan.values_of(name)
        if gan.value_range is None or name[0] != "x" or x.dtype != values.dtype:
            return x
        return into(x, values, gan.value_range)

    return {name: leaf(name, x) for name, x in batch.items()}


def into(x: Array, values: Values, value_range: Range) -> Array:
    """Maps images linearly to `value_range`; what lies outside the ends of `values` becomes the nearer one."""
    low, high = value_range
    if values == BYTES:
        return x.astype(jnp.float32) * ((high - low) / 255) + low
    share = (x.astype(jnp.float32) - values.low) * (1 / (values.high - values.low))
    return jnp.clip(share, 0, 1) * (high - low) + low


def out_of(x: Array, values: Values, value_range: Range) -> Array:
    """Maps images in `value_range` to their own numbers; whole ones are rounded to the nearest and clipped."""
    low, high = value_range
    if values == BYTES:
        return to_uint8(x, value_range)
    own = (x - low) * ((values.high - values.low) / (high - low)) + values.low
    if values.dtype == "float32":
        return own
    return jnp.clip(jnp.round(own), values.low, values.high).astype(values.dtype)


def to_uint8(x: Array, value_range: Range) -> Array:
    """Maps images in `value_range` to uint8, rounded to the nearest and clipped."""
    low, high = value_range
    return jnp.clip(jnp.round((x - low) * (255 / (high - low))), 0, 255).astype(jnp.uint8)


def window(x: np.ndarray, values: Values) -> np.ndarray:
    """What is seen of images in their own numbers: as they are where these are bytes, else shares of 255, float32; of
    label maps the colours, uint8."""
    if values == BYTES:
        return x
    if values.palette:
        return painted(x, values.palette)
    return ((x.astype(np.float32) - values.low) * (255 / (values.high - values.low))).clip(0, 255)
