"""Reading, resizing and writing image files: the one decoder of training and inference.

numpy and Pillow only, so that inference needs no TensorFlow. Colour profiles
are ignored: pixel values are taken as sRGB.
"""

import io
import os
import struct
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from gan_xla.errors import UserError

EXTENSIONS = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif")
WHITE = (255, 255, 255)

# What Pillow's decoders raise on damaged files; OSError covers truncated and unknown ones.
_UNREADABLE = (OSError, SyntaxError, ValueError, EOFError, struct.error, Image.DecompressionBombError)


def read(path, channels=3, background=WHITE):
    """Decodes an image file into 8-bit pixels, upright and without transparency.

    EXIF orientation is applied, animated files give their first frame, 16-bit
    greyscale is scaled to 8 bits, and transparent pixels are composed on
    `background`.

    Args:
      path: a PNG, JPEG, WebP, BMP or GIF file.
      channels: 3 for RGB, 1 for greyscale.
      background: RGB colour, 0 to 255, behind transparent pixels.
    Returns:
      uint8 [h, w, channels].
    Raises:
      UserError: the file is missing, truncated or no image; the message names it.
    """
    if channels not in (1, 3):
        raise ValueError(f"channels must be 1 or 3, not {channels}")
    try:
        with Image.open(path) as file:
            file.load()
            rgb = _to_rgb(ImageOps.exif_transpose(file), background)
    except FileNotFoundError:
        raise UserError(f"{path}: no such file") from None
    except _UNREADABLE as error:
        # An UnidentifiedImageError repeats the path; other reasons are worth showing.
        reason = "not an image" if isinstance(error, Image.UnidentifiedImageError) else error
        raise UserError(f"{path}: cannot be read as an image ({reason}); replace or remove it") from error
    if channels == 1:
        return np.asarray(Image.fromarray(rgb).convert("L"))[..., None]
    return rgb


def _to_rgb(image, background):
    """uint8 [h, w, 3] of a decoded Pillow image of any mode."""
    if image.mode.startswith("I"):
        # Pillow's own conversion clips 16-bit greyscale at 255 instead of scaling it.
        wide = np.asarray(image).astype(np.int64).clip(0, 65535)
        grey = ((wide * 255 + 32767) // 65535).astype(np.uint8)
        return np.repeat(grey[..., None], 3, axis=-1)
    if image.mode == "F":
        raise ValueError("floating-point pixels have no fixed range")
    if image.mode in ("RGBA", "LA", "PA", "RGBa", "La") or "transparency" in image.info:
        # Pillow goes from La to RGBA by way of LA only.
        straight = image.convert("LA") if image.mode == "La" else image
        return compose(np.asarray(straight.convert("RGBA")), background)
    return np.array(image.convert("RGB"))


def compose(rgba, background=WHITE):
    """Lays straight-alpha pixels on a plain background.

    Args:
      rgba: uint8 [..., 4], colour not multiplied by alpha.
      background: RGB colour, 0 to 255.
    Returns:
      uint8 [..., 3], rounded to nearest.
    """
    alpha = rgba[..., 3:].astype(np.uint32)
    behind = np.asarray(background, np.uint32)
    mixed = rgba[..., :3] * alpha + behind * (255 - alpha)
    return ((mixed + 127) // 255).astype(np.uint8)


def resize(image, size):
    """Resizes with Pillow's bicubic filter, which is antialiased when it shrinks.

    Args:
      image: uint8 [h, w, c] with c = 1, 3 or 4 (straight alpha, resized premultiplied).
      size: an int for a square, or (height, width); the aspect ratio is not kept.
    Returns:
      uint8 [height, width, c].
    """
    height, width = (size, size) if isinstance(size, (int, np.integer)) else size
    if image.shape[:2] == (height, width):
        return image
    resized = _to_pillow(image).resize((int(width), int(height)), Image.Resampling.BICUBIC)
    return np.asarray(resized).reshape(height, width, image.shape[-1])


def encode(image):
    """The bytes of a PNG file of uint8 [h, w, c], c = 1, 3 or 4."""
    buffer = io.BytesIO()
    _to_pillow(image).save(buffer, format="PNG")
    return buffer.getvalue()


def write(path, image):
    """Writes uint8 [h, w, c] (c = 1, 3 or 4) as a PNG file.

    A reader never sees half a file: the bytes go to a temporary file beside
    it, which then takes its name.
    """
    path = Path(path)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        temporary.write_bytes(encode(image))
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def _to_pillow(image):
    image = np.asarray(image)
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[-1] not in (1, 3, 4):
        raise ValueError(f"expected uint8 [h, w, 1, 3 or 4], got {image.dtype} {list(image.shape)}")
    return Image.fromarray(np.ascontiguousarray(image[..., 0] if image.shape[-1] == 1 else image))


def find(directory):
    """The image files directly inside a directory, by extension, sorted by name.

    Hidden files are skipped (macOS leaves `._name.jpg` in archives).

    Raises:
      UserError: the directory is missing, is a file, or holds no image.
    """
    directory = Path(directory)
    if not directory.exists():
        raise UserError(f"{directory}: no such directory")
    if not directory.is_dir():
        raise UserError(f"{directory}: is a file; give the directory that holds the images")
    files = sorted(
        path
        for path in directory.iterdir()
        if path.suffix.lower() in EXTENSIONS and not path.name.startswith(".") and path.is_file()
    )
    if not files:
        kinds = " ".join(extension[1:] for extension in EXTENSIONS)
        raise UserError(f"{directory}: no images in this directory (looked for {kinds}, not in subdirectories)")
    return files
