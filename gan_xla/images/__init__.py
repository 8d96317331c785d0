"""Images on disk and in memory: `files` reads, fits and writes them, `decoding` is Pillow kept quiet and strict.

`sizes` are one number or two, `ranges` lies between bytes and the numbers that networks take, `grids` draws sample
pictures. numpy and Pillow alone, but for `ranges`.
"""

from gan_xla.images.decoding import MAX_PIXELS, Unreadable
from gan_xla.images.files import (
    APART,
    EXTENSIONS,
    FITS,
    WHITE,
    check_fit,
    compose,
    encode,
    find,
    fit,
    inside,
    luminance,
    output,
    read,
    resize,
    unfit,
    write,
)
from gan_xla.images.sizes import Size, check_multiples, halvings, shown, sides

__all__ = [
    "APART",
    "EXTENSIONS",
    "FITS",
    "MAX_PIXELS",
    "WHITE",
    "Size",
    "Unreadable",
    "check_fit",
    "check_multiples",
    "compose",
    "encode",
    "find",
    "fit",
    "halvings",
    "inside",
    "luminance",
    "output",
    "read",
    "resize",
    "shown",
    "sides",
    "unfit",
    "write",
]
