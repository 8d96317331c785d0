"""Images on disk and in memory: `files` finds and reads them, `fitting` brings them to a size, `writing` writes them.

`decoding` is Pillow kept quiet and strict, `arrays` and `slices` read what is no picture; `sizes` are one number or
two, `ranges` lies between images' numbers and those that networks take, `colours` are what people see, `grids` draws
sample pictures.
"""

from gan_xla.images import classes
from gan_xla.images.colours import WHITE, compose, luminance, visible
from gan_xla.images.decoding import MAX_PIXELS, Unreadable
from gan_xla.images.files import APART, EXTENSIONS, find, inside, is_image, read
from gan_xla.images.fitting import FITS, check_fit, fit, resize, rounded, unfit
from gan_xla.images.sizes import Size, check_multiples, halvings, shown, sides
from gan_xla.images.slices import of as slices_of
from gan_xla.images.writing import encode, ending, output, write

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
    "classes",
    "compose",
    "encode",
    "ending",
    "find",
    "fit",
    "halvings",
    "inside",
    "is_image",
    "luminance",
    "output",
    "read",
    "resize",
    "rounded",
    "shown",
    "sides",
    "slices_of",
    "unfit",
    "visible",
    "write",
]
