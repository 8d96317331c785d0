"""Sizes of images: one number of pixels, or (height, width)."""

import math

import numpy as np

from gan_xla.errors import UserError

Size = int | tuple[int, int]


def sides(size: Size) -> tuple[int, int]:
    """(height, width) of a size."""
    return (size, size) if isinstance(size, (int, np.integer)) else tuple(size)


def halvings(size: Size) -> int:
    """How often both sides can be halved."""
    common = math.gcd(*sides(size))
    return (common & -common).bit_length() - 1


def shown(size: Size) -> str:
    """A size as it is written, width first: 96x48 for (48, 96)."""
    height, width = sides(size)
    return f"{width}x{height}"


def check_multiples(size: Size, multiple: int) -> None:
    """Raises UserError where a network that takes multiples from 8 on cannot take `data.image_size`."""
    if any(side < 8 or side % multiple for side in sides(size)):
        raise UserError(f"data.image_size={size}: this network takes multiples of {multiple} from 8")
