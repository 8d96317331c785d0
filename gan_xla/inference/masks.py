"""Where a translation counts: the input stays outside a mask, or as the background."""

import os
from pathlib import Path

import numpy as np
from scipy import ndimage

from gan_xla import images
from gan_xla.errors import UserError

NEAR = 16  # of 255: how far from a plain background's colour its pixels may be
PLAIN = 0.75  # of an image's border that has the background's colour, at least


class Masks:
    """The weight of the translation at each pixel of an image.

    Args:
      mask: an image for all, white where translations count; or a directory with one for each, of the same name before
        the dot; None: without.
      keep_background: the background stays instead: what is transparent in the file, or else of the plain colour that
        reaches the border.
    Raises:
      UserError: both are asked for, or there is no such file.
    """

    def __init__(self, mask: str | None = None, keep_background: bool = False):
        if mask and keep_background:
            raise UserError("--mask and --keep_background are both set; set one of them")
        if mask and not os.path.exists(mask):
            raise UserError(f"--mask={mask}: no such file or directory")
        self._mask, self._background = mask, keep_background
        self._by_name = {path.stem: path for path in images.inside(mask)} if mask and os.path.isdir(mask) else None
        self._one = _shares(mask) if mask and self._by_name is None else None

    def __bool__(self) -> bool:
        return bool(self._mask or self._background)

    def of(self, image: np.ndarray, file: Path | None) -> np.ndarray:
        """float32 [h, w, 1], 0 to 1, for an image [h, w, c]; `file` is None for one of a video.

        Raises:
          Unreadable: no mask of its name, a mask that cannot be read, or no plain background.
        """
        if self._background:
            return background(image, file)
        weight = self._one
        if self._by_name is not None:
            if file is None or file.stem not in self._by_name:
                raise images.Unreadable(f"{file or 'video'}: there is no mask of its name in {self._mask}")
            weight = _shares(self._by_name[file.stem])
        return np.clip(images.resize(weight, image.shape[:2]), 0, 1)


def _shares(file) -> np.ndarray:
    return images.read(file, 1).astype(np.float32) / 255


def background(image: np.ndarray, file: Path | None = None) -> np.ndarray:
    """0 where the background of an image is, 1 elsewhere, softly: float32 [h, w, 1].

    Raises:
      Unreadable: nothing in the file is transparent, and the border has no plain colour.
    """
    if file is not None:
        alpha = images.read(file, 4)[..., 3:]
        if alpha.min() < 255:
            return alpha.astype(np.float32) / 255
    x = image.astype(np.float32) * (255 / np.iinfo(image.dtype).max if image.dtype != np.uint8 else 1)
    edge = np.ones(x.shape[:2], bool)
    edge[1:-1, 1:-1] = False
    near = np.abs(x - np.median(x[edge], axis=0)).max(axis=-1) <= NEAR
    if near[edge].mean() < PLAIN:
        raise images.Unreadable(f"{file or 'frame'}: its background is neither transparent nor plain; give --mask")
    parts, _ = ndimage.label(near)
    outside = np.isin(parts, np.setdiff1d(parts[edge], [0]))
    return ndimage.gaussian_filter((~outside).astype(np.float32), 1)[..., None]


def kept(x: np.ndarray, y: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """The translation `y` [h, w, c] where the weight [h, w, 1] is 1, the input `x` of the same size where it is 0.

    Raises:
      UserError: their pixels are of different kinds.
    """
    if x.dtype != y.dtype or x.shape[-1] not in (1, y.shape[-1]):
        kinds = " and ".join(f"{z.shape[-1]} channels of {z.dtype}" for z in (x, y))
        raise UserError(f"--mask, --keep_background: inputs and results are of different kinds, {kinds}")
    return images.rounded(y * weight + x * (1 - weight), y.dtype)
