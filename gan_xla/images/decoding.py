"""Image files into pixels: Pillow's decoders, kept to our formats, quiet, and clear about what is wrong.

What is no picture of bytes goes to `arrays` and `slices`.
"""

import contextlib
import io
import os
import struct
from pathlib import Path

import numpy as np
from PIL import ExifTags, Image

from gan_xla.errors import UserError
from gan_xla.images import arrays, slices
from gan_xla.images.quiet import quiet

# Pillow knows many more, and hands some of them, such as PostScript, to other programs.
_FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "GIF", "TIFF")

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


class Unreadable(UserError):
    """An image file is missing, truncated, too large or no image."""


def decode(file, name, max_pixels=MAX_PIXELS, deep=False, indexed=False):
    """The pixels of an image file, upright, and whether they are a picture's.

    Args:
      file: as `images.read`, which says more.
      name: what messages call it.
      max_pixels: the largest image that is decoded.
      deep: whether PNG of 16 bits keeps them.
      indexed: whether the numbers of greyscale and palette images stay as they are.
    Returns:
      (uint8, or uint16, [h, w, 3], or [h, w, 4] with straight alpha, True); or ([h, w, c] of numbers, False); if
      `indexed`, numbers [h, w, 1] and the colours of the palette, ((red, green, blue), ...), or ().
    Raises:
      Unreadable: the file is missing, truncated, too large or no image.
    """
    if (found := slices.volume(file)) and os.path.isfile(found[0]):
        return _guarded(lambda most: slices.read(*found, most), name, max_pixels), False
    content = _content(file, name)
    reader = slices.dicom if slices.is_dicom(content) else arrays.kind(content)
    if reader:
        pixels, picture = _guarded(lambda most: reader(content, most), name, max_pixels)
        if pixels is not None:
            return pixels, picture
    return _picture(content, name, max_pixels, deep or indexed, indexed)


def _guarded(read, name, max_pixels):
    """What a reader of arrays gives, told how many numbers it may; Unreadable where it fails."""
    try:
        return read(4 * max_pixels)
    except UserError:
        raise
    except Exception as error:  # decoders of others, which can fail in any way
        reason = str(error).partition("\n")[0] or type(error).__name__
        raise Unreadable(f"{name}: cannot be read as an image ({reason}); replace or remove it") from error


def _picture(content, name, max_pixels, deep, indexed):
    """As `decode`, of bytes that Pillow reads."""
    try:
        with quiet():
            opened = Image.open(io.BytesIO(content), formats=_FORMATS)
        with opened:
            if opened.width * opened.height > max_pixels:
                raise Unreadable(
                    f"{name}: {opened.width}x{opened.height} pixels are more than max_pixels={max_pixels}; raise that "
                    "if the file may be so large, or remove it"
                )
            wide = ";16B" in str(opened.tile)  # known before loading only
            if deep and wide and opened.format == "PNG":
                return _guarded(lambda _: arrays.png(content), name, max_pixels)
            with quiet() if opened.format == "TIFF" else contextlib.nullcontext():  # tags are read when it is decoded
                opened.load()
            upright = _upright(opened)
            if indexed and upright.mode in ("P", "L", "1"):
                return np.asarray(upright).astype(np.uint8)[..., None], _palette(upright)
            return _pixels(upright, wide), True
    except _DAMAGED as error:
        known = not isinstance(error, Image.UnidentifiedImageError)  # which says nothing of the content
        reason = error if known else "not a PNG, JPEG, WebP, BMP, GIF, TIFF, NPY, DICOM or NIfTI image"
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


def _upright(image):
    """A decoded Pillow image turned as its EXIF orientation says; damaged EXIF says nothing."""
    try:
        with quiet():
            orientation = image.getexif().get(ExifTags.Base.Orientation)
    except _DAMAGED:
        return image
    return image.transpose(_UPRIGHT[orientation]) if orientation in _UPRIGHT else image


def _palette(image):
    """The colours of a palette image; () of others."""
    colours = image.getpalette("RGB") if image.mode == "P" else None
    return tuple(zip(*[iter(colours)] * 3, strict=True)) if colours else ()


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
