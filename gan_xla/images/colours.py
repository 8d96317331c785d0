"""Colours: transparency laid on a background, greyscale, and what people are shown of any number of channels."""

import numpy as np
from PIL import Image

WHITE = (255, 255, 255)


def compose(rgba, background=WHITE):
    """Lays straight-alpha pixels on a plain background.

    Args:
      rgba: uint8 or uint16 [..., 4], colour not multiplied by alpha.
      background: RGB colour, 0 to 255.
    Returns:
      [..., 3] of the same type, rounded to nearest.
    """
    most = np.iinfo(rgba.dtype).max
    wide = np.uint16 if most == 255 else np.uint64  # 255 * 255 + 127 fits
    alpha = rgba[..., 3:].astype(wide)
    behind = np.asarray(background, wide) * wide(most // 255)
    mixed = rgba[..., :3] * alpha + behind * (most - alpha)
    return ((mixed + most // 2) // most).astype(rgba.dtype)


def luminance(rgb):
    """Greyscale [h, w, 1] of [h, w, 3] of the same type: 0.299 R + 0.587 G + 0.114 B."""
    if rgb.dtype == np.uint8:
        return np.asarray(Image.fromarray(rgb).convert("L"))[..., None]
    grey = rgb.astype(np.float64) @ np.array([0.299, 0.587, 0.114])
    return (grey if rgb.dtype == np.float32 else np.rint(grey)).astype(rgb.dtype)[..., None]


def visible(x):
    """What is shown of images: bytes, in grey or colours.

    Args:
      x: uint8, or shares of 255 of another type, [..., c].
    Returns:
      uint8 [..., 1, 3 or 4]: of two channels the first, of more than four the first three.
    """
    x = x[..., : {2: 1}.get(x.shape[-1], x.shape[-1] if x.shape[-1] <= 4 else 3)]
    return x if x.dtype == np.uint8 else np.rint(x[..., :3]).astype(np.uint8)
