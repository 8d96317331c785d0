"""Label maps: the class of every pixel, as a number in a file, as one channel for each class in a network."""

import numpy as np

from gan_xla.images.decoding import MAX_PIXELS, Unreadable, decode

VOID = 255  # the number of pixels that belong to no class, as in PASCAL VOC and Cityscapes
BLACK = (0, 0, 0)


def read(file, name=None, max_pixels=MAX_PIXELS, palette=()):
    """The classes of a label map.

    Args:
      file: as `images.read`: a palette or greyscale image, whose numbers are the classes, or, with a palette, one in
        exactly these colours.
      name, max_pixels: as there.
      palette: the colour of each class, ((red, green, blue), ...).
    Returns:
      (uint8 or uint16 [h, w, 1], the palette of the file or ()).
    Raises:
      Unreadable: as `images.read`; or the file is in colours that are no palette's.
    """
    name = file if name is None else name
    pixels, colours = decode(file, name, max_pixels, indexed=True)
    if pixels.shape[-1] == 1:
        return _whole(pixels, name), colours or ()
    if pixels.shape[-1] < 3 or pixels.dtype != np.uint8 or not palette:
        raise Unreadable(
            f"{name}: is no label map, which has one whole number a pixel; save it so, or with a palette, or say "
            "what its colours mean with data.palette_a or palette_b"
        )
    codes = pixels[..., :3].astype(np.int64) @ [65536, 256, 1]
    known = np.asarray(palette, np.int64) @ [65536, 256, 1]
    order = np.argsort(known)
    found = order[np.searchsorted(known, codes, sorter=order).clip(0, len(known) - 1)]
    if (wrong := known[found] != codes).any():
        colour = tuple(pixels[wrong][0, :3].tolist())
        raise Unreadable(f"{name}: its colour {colour} is none of data.palette_a or palette_b; add it, or replace it")
    return found.astype(np.uint8 if len(palette) < VOID else np.uint16)[..., None], ()


def _whole(pixels, name):
    """Numbers of any type as classes: segmentations in medical files are often signed, or floats."""
    if pixels.dtype in (np.uint8, np.uint16):
        return pixels
    found = pixels.clip(0, 65535).astype(np.uint16)
    if (found != pixels).any():
        raise Unreadable(f"{name}: is no label map: it has values that are no whole numbers from 0 on; replace it")
    return found


def one_hot(classes, count):
    """uint8 [..., count] of [..., 1]: 255 in the channel of the class, 0 in others; `VOID` has none."""
    return (classes == np.arange(count)).astype(np.uint8) * np.uint8(255)


def of(x):
    """The classes uint8 or uint16 [..., 1] of [..., count]: the channel that is largest; `VOID` where all are 0."""
    found = x.argmax(axis=-1)
    void = (x == 0).all(axis=-1)
    return np.where(void, VOID, found).astype(np.uint8 if x.shape[-1] < VOID else np.uint16)[..., None]


def painted(x, palette):
    """Colours uint8 [..., 3] of the classes of [..., count]; what has none is black."""
    table = np.array([*palette, *[BLACK] * (VOID + 1 - len(palette))], np.uint8)
    return table[of(x)[..., 0]]


def colours(count):
    """A palette of `count` colours that differ, those of PASCAL VOC: the bits of a number shuffled."""

    def channel(number, shift):
        return sum((number >> (3 * place + shift) & 1) << (7 - place) for place in range(8))

    return tuple(tuple(channel(number, shift) for shift in range(3)) for number in range(count))
