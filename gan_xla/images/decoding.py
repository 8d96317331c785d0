"""Image files into pixels: Pillow's decoders, kept to our formats, quiet, and clear about what is wrong."""

import contextlib
import io
import os
import struct
import threading
import warnings
from pathlib import Path

import numpy as np
from PIL import ExifTags, Image

from gan_xla.errors import UserError

# Pillow knows many more, and hands some of them, such as PostScript, to other programs.
_FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "GIF")

MAX_PIXELS = 178_956_970  # Pillow's own limit, above which it suspects a bomb

# What Pillow's decoders raise on damaged files; OSError covers truncated and unknown ones.
_DAMAGED = (
    OSError, SyntaxError, ValueError, TypeError, LookupError, ArithmeticError, EOFError, struct.error,
    Image.DecompressionBombError,
)  # fmt: skip

_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}

_filters = threading.Lock()  # warnings.catch_warnings changes them for all threads


class Unreadable(UserError):
    """An image file is missing, truncated, too large or no image."""


def decode(file, name, max_pixels=MAX_PIXELS):
    """The pixels of an image file, upright: uint8 [h, w, 3], or [h, w, 4] with straight alpha.

    Args:
      file: as `images.read`, which says more.
      name: what messages call it.
      max_pixels: the largest image that is decoded.
    Raises:
      Unreadable: the file is missing, truncated, too large or no image.
    """
    content = _content(file, name)
    try:
        with _quiet():
            opened = Image.open(io.BytesIO(content), formats=_FORMATS)
        with opened:
            if opened.width * opened.height > max_pixels:
                raise Unreadable(
                    f"{name}: {opened.width}x{opened.height} pixels are more than max_pixels={max_pixels}; raise that "
                    "if the file may be so large, or remove it"
                )
            deep = ";16B" in str(opened.tile)  # known before loading only
            opened.load()
            return _pixels(_upright(opened), deep)
    except _DAMAGED as error:
        known = not isinstance(error, Image.UnidentifiedImageError)  # which says nothing of the content
        reason = error if known else "not a PNG, JPEG, WebP, BMP or GIF image"
        raise Unreadable(f"{name}: cannot be read as an image ({reason}); replace or remove it") from error


def _content(file, name):
    """The bytes of `file`, as `read` takes and calls it."""
    if isinstance(file, bytes):
        return file
    if isinstance(file, (str, os.PathLike)) and not os.path.isfile(file):  # a pipe would be waited for
        raise Unreadable(f"{name}: {'is not a file' if os.path.exists(file) else 'no such file'}")
    try:
        return file.read() if hasattr(file, "read") else Path(file).read_bytes()
    except OSError as error:
        raise Unreadable(f"{name}: cannot be read ({error.strerror}); check its permissions, or remove it") from error


@contextlib.contextmanager
def _quiet():
    """Keeps Pillow from warning of damage to what we do not need, and from a limit of its own."""
    with _filters, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        limit, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
        try:
            yield
        finally:
            Image.MAX_IMAGE_PIXELS = limit


def _upright(image):
    """A decoded Pillow image turned as its EXIF orientation says; damaged EXIF says nothing."""
    try:
        with _quiet():
            orientation = image.getexif().get(ExifTags.Base.Orientation)
    except _DAMAGED:
        return image
    return image.transpose(_UPRIGHT[orientation]) if orientation in _UPRIGHT else image


def _pixels(image, deep):
    """uint8 [h, w, 3], or [h, w, 4] with transparency, of a decoded Pillow image of any mode.

    `deep`: the file has 16 bits a channel.
    """
    transparency = image.info.get("transparency")
    if image.mode.startswith("I"):
        # Pillow's own conversion clips 16-bit greyscale at 255 instead of scaling it.
        wide = np.asarray(image).astype(np.int64).clip(0, 65535)
        grey = np.repeat(((wide * 255 + 32767) // 65535).astype(np.uint8)[..., None], 3, axis=-1)
        if transparency is None:
            return grey
        return np.dstack([grey, np.where(wide == transparency, 0, 255).astype(np.uint8)])
    if image.mode == "F":
        raise ValueError("floating-point pixels have no fixed range")
    if deep and isinstance(transparency, tuple):
        # Pillow keeps the pixels' high bytes, but compares them with the low bytes of this colour.
        image.info["transparency"] = tuple(value >> 8 for value in transparency)
    if image.mode in ("RGBA", "LA", "PA", "RGBa", "La") or transparency is not None:
        # Pillow goes from La to RGBA by way of LA only.
        straight = image.convert("LA") if image.mode == "La" else image
        return np.array(straight.convert("RGBA"))
    return np.array(image.convert("RGB"))
