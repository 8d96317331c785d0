"""What a model's networks take, and what they are given."""

import numpy as np

from gan_xla.contract import Values
from gan_xla.errors import UserError
from gan_xla.images import Size, shown, sides


def points(x: np.ndarray) -> np.ndarray:
    """Points [n, 2] as float32.

    Raises:
      UserError: they are of another shape.
    """
    if x.ndim != 2 or not len(x):
        raise UserError(f"points must be [n, 2] with n of 1 or more, not {list(x.shape)}")
    return x.astype(np.float32)


def pictures(x: np.ndarray, values: Values, channels: int, size: Size, multiple: int | None) -> np.ndarray:
    """Images [n, h, w, c] as they are.

    Args:
      x: of the type of `values`, or float in [0, 1].
      values: what their numbers are.
      channels: that the network takes.
      size: height and width of training.
      multiple: heights and widths that the network takes, as multiples; None: `size` alone.
    Raises:
      UserError: the network does not take them.
    """
    if x.ndim != 4 or not len(x):
        raise UserError(f"images must be [n, h, w, c] with n of 1 or more, not {list(x.shape)}")
    dtype, floats = values.dtype, np.issubdtype(x.dtype, np.floating)
    if dtype == "float32" and not (floats and np.isfinite(x).all()):
        raise UserError(f"images must be float32 of finite values, not {x.dtype} in [{x.min()}, {x.max()}]")
    if dtype != "float32" and x.dtype != dtype and not (floats and x.min() >= 0 and x.max() <= 1):
        raise UserError(f"images must be {dtype}, or float in [0, 1], not {x.dtype} in [{x.min()}, {x.max()}]")
    if x.shape[-1] != channels:
        raise UserError(f"images of {x.shape[-1]} channels: this network takes {channels}")
    if multiple is None and x.shape[1:3] != sides(size):
        raise UserError(f"images of {shown(x.shape[1:3])}: this network takes {shown(size)} alone; resize them")
    if multiple and (x.shape[1] % multiple or x.shape[2] % multiple):
        raise UserError(
            f"images of {x.shape[2]}x{x.shape[1]}: this network takes multiples of {multiple}; pad or resize them"
        )
    return x
