"""What becomes of training images on their way: crops, mirror images, turns, small rotations and scales, colours.

All is drawn from bits of the row's position in the run, so that it is the same on any number of devices and after a
resume, and the same for all images of a pair.
"""

from collections.abc import Callable
from typing import NamedTuple

import ml_collections
import numpy as np
from scipy import ndimage

from gan_xla import images
from gan_xla.data.dataset import field, of_domain, values
from gan_xla.data.order import AUGMENT, COLOR, TURN, WARP
from gan_xla.errors import UserError

Random = Callable[[int], np.ndarray]  # from what bits are for, as `order` names it, to 64 bits a row: uint64 [n]
LUMINANCE = np.float32([0.299, 0.587, 0.114])


class Augment(NamedTuple):
    """Changes of training images beside the crop, as the fields of `data` of these names."""

    flip: bool = False
    flip_vertical: bool = False
    turn: bool = False
    rotate: float = 0.0
    scale: float = 0.0
    color: float = 0.0


def of(data: ml_collections.ConfigDict) -> Augment:
    """The `Augment` of a config's `data` section.

    Raises:
      UserError: turns of what is no square, or changes that `data.on_device` cannot make.
    """
    chosen = Augment(*(field(data, name, default) for name, default in Augment._field_defaults.items()))
    size = field(data, "image_size", 64)
    if chosen.turn and len(set(images.sides(size))) > 1:
        raise UserError(f"data.turn=True needs squares, and data.image_size={size}; use flip and flip_vertical")
    pictures = all(
        one.dtype == "uint8" and not one.palette and of_domain(data, "channels", domain, 3) in (1, 3, 4)
        for domain, one in values(data).items()
    )
    if chosen.color and not pictures:
        raise UserError(f"data.color={chosen.color} changes grey or coloured pictures of bytes; set it to 0")
    blended = [name for name in ("rotate", "scale", "color") if getattr(chosen, name)]
    if blended and field(data, "on_device", False):
        raise UserError(f"data.{blended[0]} is done on the host; set data.on_device=False")
    return chosen


def _parts(bits: np.ndarray, count: int, width: int) -> np.ndarray:
    """`count` whole numbers of `width` bits each, uint64 [count, n], of the 64 bits of uint64 [n]."""
    return np.stack([bits >> np.uint64(width * part) & np.uint64(2**width - 1) for part in range(count)])


def where(random: Random) -> np.ndarray:
    """The place of a crop as shares of the room that it has, float64 [n, 2] from 0 up to 1; as `draw` has it."""
    return _parts(random(AUGMENT), 2, 24).T / 2.0**24


def draw(random: Random, size: tuple[int, int], cut: images.Size | None, augment: Augment) -> np.ndarray:
    """Where to cut, and which of the exact changes to make: top, left and a code, int32 [n, 3].

    Args:
      random: gives bits of the rows.
      size: height and width of the images.
      cut: of the crops; None for no crop.
      augment: what is asked for.
    """
    bits = random(AUGMENT)
    room = np.array([length - side + 1 for length, side in zip(size, images.sides(cut or size))], np.uint64)
    top, left = _parts(bits, 2, 24) * room[:, None] >> np.uint64(24)
    code = (bits >> np.uint64(63)) * np.uint64(augment.flip)
    if augment.flip_vertical or augment.turn:
        more = random(TURN)
        code |= (more >> np.uint64(63)) * np.uint64(2 * augment.flip_vertical)
        code |= (more >> np.uint64(61) & np.uint64(3)) * np.uint64(4 * augment.turn)
    return np.column_stack([top, left, code]).astype(np.int32)


def changed(
    x: np.ndarray, places: np.ndarray, random: Random, cut: images.Size | None, augment: Augment, resolution: int | None
) -> np.ndarray:
    """All changes of images [n, h, w, c]: first rotated and scaled, then as `apply`, then in their colours."""
    if augment.rotate or augment.scale:
        x = warp(x, _parts(random(WARP), 2, 24).T / 2.0**24, augment)
    x = apply(x, places, cut, resolution)
    return recolour(x, _parts(random(COLOR), 3, 21).T / 2.0**21, augment) if augment.color else x


def apply(x: np.ndarray, places: np.ndarray, cut: images.Size | None, resolution: int | None) -> np.ndarray:
    """Images [n, h, w, c], cut and turned as `draw` says (first mirrored, then upside down, then turned), then
    shrunk to `resolution` by the means of blocks."""
    height, width = images.sides(cut or x.shape[1:3])
    if x.shape[1:3] != (height, width):
        x = np.stack([image[y : y + height, z : z + width] for image, (y, z, _) in zip(x, places)])
    if places[:, 2].any():
        x = np.stack([_turned(image, code) for image, code in zip(x, places[:, 2])])
    if resolution and x.shape[1] != resolution:
        n, h, w, c = x.shape
        blocks = x.reshape(n, resolution, h // resolution, resolution, w // resolution, c)
        x = images.rounded(blocks.mean(axis=(2, 4), dtype=np.float64), x.dtype)
    return x


def _turned(image, code):
    image = image[:, ::-1] if code & 1 else image
    image = image[::-1] if code & 2 else image
    return np.rot90(image, code >> 2)


def warp(x: np.ndarray, drawn: np.ndarray, augment: Augment) -> np.ndarray:
    """Images [n, h, w, c], rotated and scaled about their middle as two numbers each [n, 2] from 0 to 1 say.

    Bilinear; what comes in at the edges is mirrored.
    """
    angles = np.deg2rad(augment.rotate) * (2 * drawn[:, 0] - 1)
    factors = (1 + augment.scale) ** (2 * drawn[:, 1] - 1)
    middle = (np.asarray(x.shape[1:3]) - 1) / 2
    result = np.empty_like(x)
    for image, angle, factor, out in zip(x, angles, factors, result):
        matrix = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]) / factor
        options = dict(offset=middle - matrix @ middle, order=1, mode="reflect", output=np.float32)
        for channel in range(x.shape[-1]):
            out[..., channel] = images.rounded(
                ndimage.affine_transform(image[..., channel], matrix, **options), x.dtype
            )
    return result


def recolour(x: np.ndarray, drawn: np.ndarray, augment: Augment) -> np.ndarray:
    """Images uint8 [n, h, w, c] with other brightness, contrast and, of three channels, saturation, each times a factor
    of 1 - color to 1 + color that a number from 0 to 1 gives (`drawn` [n, 3]); alpha stays."""
    brightness, contrast, saturation = (1 + augment.color * (2 * drawn.T[..., None, None, None] - 1)).astype(np.float32)
    colours = x[..., :3].astype(np.float32)
    colours = (colours - (mean := colours.mean(axis=(1, 2, 3), keepdims=True))) * contrast + mean * brightness
    if x.shape[-1] >= 3:
        grey = (colours @ LUMINANCE)[..., None]
        colours = grey + (colours - grey) * saturation
    made = np.rint(colours).clip(0, 255).astype(np.uint8)
    return np.concatenate([made, x[..., 3:]], axis=-1)
