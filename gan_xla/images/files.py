"""Reading image files: the one decoder of training and inference, and where the files are.

numpy and Pillow, and for what these do not read the libraries of `arrays` and `slices`, so that inference needs no
TensorFlow. Colour profiles are ignored: pixel values are taken as sRGB.
"""

import os
from pathlib import Path

import numpy as np

from gan_xla.errors import UserError
from gan_xla.images import slices
from gan_xla.images.colours import WHITE, compose, luminance
from gan_xla.images.decoding import MAX_PIXELS, Unreadable, decode

PICTURES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif")
EXTENSIONS = (*PICTURES, ".tif", ".tiff", ".npy", ".npz", ".dcm", *slices.VOLUMES)
APART = ("test", "val", "results", "masks")  # directories among others whose images are no training images


def read(file, channels=3, background=WHITE, name=None, max_pixels=MAX_PIXELS, dtype="uint8"):
    """Decodes an image file, upright.

    EXIF orientation is applied and animated files give their first frame. As bytes,
    16-bit greyscale PNG is scaled to the nearest of 8 bits; 16-bit colour gives
    its high bytes, which is within one level of that.

    Args:
      file: a PNG, JPEG, WebP, BMP, GIF, TIFF, NPY, NPZ or DICOM file, or a slice of a NIfTI volume (`slices`): its
        path, or, but for the last, its bytes or an open binary file.
      channels: of pictures 1 for greyscale, 3 for RGB, 4 for RGB with straight alpha (all where the file has none);
        of other arrays their own number, or 3 for grey ones; None: as the file has it.
      background: RGB colour, 0 to 255, behind transparent pixels; 4 channels do not need it.
      name: what messages call the file; default: its path.
      max_pixels: larger images are not decoded.
      dtype: uint8, uint16, int16 or float32, which must hold the file's values; None: as the file has them.
    Returns:
      [h, w, channels] of that type.
    Raises:
      Unreadable: the file is missing, truncated, too large or no image, or of other channels or values; the message
        names it.
    """
    if name is None:
        name = file if isinstance(file, (str, os.PathLike)) else "image"
    pixels, picture = decode(file, name, max_pixels, deep=dtype != "uint8")
    if channels is not None:
        pixels = _coloured(pixels, channels, background, name) if picture else _counted(pixels, channels, dtype, name)
    if dtype is None or pixels.dtype == dtype:
        return pixels
    if not np.can_cast(pixels.dtype, dtype):
        raise Unreadable(
            f"{name}: its values are {pixels.dtype}, which {dtype} does not hold; set data.dtype (or dtype_a, dtype_b) "
            f"to {pixels.dtype}, or replace it"
        )
    return pixels.astype(dtype)


def _coloured(pixels, channels, background, name):
    """A picture [h, w, 3 or 4], the fourth alpha, in 1, 3 or 4 channels."""
    if channels not in (1, 3, 4):
        raise Unreadable(
            f"{name}: is a picture in grey or colours, not of data.channels={channels}; set that (or channels_a, "
            "channels_b) to 1, 3 or 4, or replace it"
        )
    transparent = pixels.shape[-1] == 4
    if channels == 4:
        return pixels if transparent else np.insert(pixels, 3, np.iinfo(pixels.dtype).max, axis=-1)
    rgb = compose(pixels, background) if transparent else pixels
    return luminance(rgb) if channels == 1 else rgb


def _counted(pixels, channels, dtype, name):
    """An array of numbers, if it has so many channels; a grey one in 3."""
    found = pixels.shape[-1]
    if found == channels == 4 and (dtype or pixels.dtype) == "uint8":
        raise Unreadable(
            f"{name}: its 4 channels of bytes are not RGB with alpha; set data.dtype='uint16' (or dtype_a, dtype_b) to "
            "take them as numbers"
        )
    if found == 1 and channels == 3:
        return np.repeat(pixels, 3, axis=-1)
    if found != channels:
        raise Unreadable(
            f"{name}: has {found} channels, not data.channels={channels}; set that (or channels_a, channels_b) to "
            f"{found}, or replace it"
        )
    return pixels


def find(directory):
    """The image files directly inside a directory or, where there are none, in the directories below it; sorted.

    Hidden files and directories are skipped (macOS leaves `._name.jpg` in archives), and below it those called as
    `APART` says. Volumes give their slices.

    Raises:
      UserError: the directory is missing, is a file, cannot be listed, or holds no image; or a volume is damaged.
    """
    directory = Path(directory)
    try:
        files = inside(directory) or _nested(directory)
    except FileNotFoundError:
        raise UserError(f"{directory}: no such directory") from None
    except NotADirectoryError:
        raise UserError(f"{directory}: is a file; give the directory that holds the images") from None
    except OSError as error:
        raise UserError(
            f"{error.filename}: cannot be listed ({error.strerror}); check its name and permissions"
        ) from error
    if not files:
        kinds = " ".join(extension[1:] for extension in EXTENSIONS)
        raise UserError(f"{directory}: no images in this directory or below it (looked for {kinds})")
    return files


def inside(directory):
    """The image files directly inside a directory, sorted; OSError where it cannot be listed."""
    return _images(directory, os.listdir(directory))


def is_image(name):
    """Whether the name of a file is an image's."""
    return str(name).lower().endswith(EXTENSIONS)


def _images(directory, names):
    chosen = (name for name in sorted(names) if is_image(name) and not name.startswith("."))
    files = [path for path in (Path(directory) / name for name in chosen) if path.is_file()]
    return [part for path in files for part in slices.of(path)]


def _nested(directory):
    def refuse(error):
        raise error

    files = []
    for path, inside, names in os.walk(directory, onerror=refuse):  # follows no links, which may lead back
        inside[:] = [name for name in inside if not name.startswith(".") and name.lower() not in APART]
        files += _images(path, names)
    return sorted(files)
