"""Images on disk and in memory: `files` reads, fits and writes them, `decoding` is Pillow kept quiet and strict.

`ranges` lies between bytes and the numbers that networks take, `grids` draws sample pictures. numpy and Pillow
alone, but for `ranges`.
"""

from gan_xla.images.decoding import Unreadable
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
    luminance,
    output,
    read,
    resize,
    unfit,
    write,
)

__all__ = [
    "APART",
    "EXTENSIONS",
    "FITS",
    "WHITE",
    "Unreadable",
    "check_fit",
    "compose",
    "encode",
    "find",
    "fit",
    "luminance",
    "output",
    "read",
    "resize",
    "unfit",
    "write",
]
