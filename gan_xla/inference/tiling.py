"""Images larger than the memory allows, translated in tiles that overlap and are blended."""

import itertools
from collections.abc import Callable, Iterator

import numpy as np

from gan_xla.errors import UserError
from gan_xla.images import rounded


def padded(image: np.ndarray, multiple: int) -> np.ndarray:
    """An image [h, w, c], repeated at the right and the bottom edge up to multiples of `multiple`."""
    h, w = image.shape[:2]
    return np.pad(image, ((0, -h % multiple), (0, -w % multiple), (0, 0)), mode="edge")


def check(tile: int, overlap: int, multiple: int) -> None:
    """Raises UserError where tiles of this size cannot cover an image, or the network cannot take them."""
    if tile < multiple or tile % multiple:
        raise UserError(f"--tile={tile}: this network takes multiples of {multiple}; use one of them")
    if not 0 <= overlap <= tile // 2:
        raise UserError(f"--overlap={overlap}: must be 0 to {tile // 2}, half of --tile={tile}")


def tiled(
    translate: Callable[[np.ndarray], np.ndarray], image: np.ndarray, *, tile: int, overlap: int, multiple: int
) -> np.ndarray:
    """Translates an image of any size; tile by tile where a side is above `tile`.

    Neighbours share `overlap` pixels or more, over which one fades linearly into the other. Equal to the whole
    image's translation where `overlap` is twice the generator's receptive field and nothing looks at the image as a
    whole; instance norm does, so its tiles differ in tone (measured in experiments/README.md).

    Args:
      translate: [1, h, w, c] -> [1, h, w, c'], for heights and widths that are multiples of `multiple`.
      image: [h, w, c].
      tile: largest height and width that `translate` is called with.
      overlap: pixels, at most half of `tile`.
      multiple: divides `tile`.

    Returns:
      [h, w, c'] of the type that `translate` gives.
    """
    h, w = image.shape[:2]
    image = padded(image, multiple)
    total, weight = None, np.zeros((*image.shape[:2], 1), np.float32)
    for (top, height, fade), (left, width, across) in itertools.product(
        *(list(windows(side, tile, overlap)) for side in image.shape[:2])
    ):
        place = np.s_[top : top + height, left : left + width]
        (found,) = translate(image[place][None])
        if total is None:
            total = np.zeros((*image.shape[:2], found.shape[2]), np.float32)
        blend = (fade[:, None] * across)[..., None]
        total[place] += blend * found
        weight[place] += blend
    return rounded((total / weight)[:h, :w], found.dtype)


def windows(side: int, tile: int, overlap: int) -> Iterator[tuple[int, int, np.ndarray]]:
    """Start, length and weights [length] of the tiles along a side."""
    length = min(side, tile)
    count = 1 + -(-(side - length) // (length - overlap)) if side > length else 1
    # Spread evenly, so that the last one is as long as the others.
    starts = np.rint(np.linspace(0, side - length, count)).astype(int)
    for number, start in enumerate(starts):
        fade = np.ones(length, np.float32)
        if number:
            shared = starts[number - 1] + length - start
            fade[:shared] = np.arange(1, shared + 1) / (shared + 1)
        if number + 1 < count:
            shared = start + length - starts[number + 1]
            fade[length - shared :] = np.arange(shared, 0, -1) / (shared + 1)
        yield int(start), length, fade
