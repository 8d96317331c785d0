"""Reading, resizing and writing image files: the one decoder of training and inference.

numpy and Pillow only, so that inference needs no TensorFlow. Colour profiles
are ignored: pixel values are taken as sRGB.
"""

import contextlib
import io
import os
import threading
from pathlib import Path

import numpy as np
from PIL import Image

from gan_xla.errors import UserError
from gan_xla.images.decoding import MAX_PIXELS, decode
from gan_xla.images.sizes import sides

EXTENSIONS = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif")
APART = ("test", "val", "results", "masks")  # directories among others whose images are no training images
WHITE = (255, 255, 255)

FITS = ("stretch", "crop", "pad", "native")


def read(file, channels=3, background=WHITE, name=None, max_pixels=MAX_PIXELS):
    """Decodes an image file into 8-bit pixels, upright.

    EXIF orientation is applied and animated files give their first frame.
    16-bit greyscale is scaled to the nearest of 8 bits; 16-bit colour gives
    its high bytes, which is within one level of that.

    Args:
      file: a PNG, JPEG, WebP, BMP or GIF file: its path, its bytes or an open binary file.
      channels: 1 for greyscale, 3 for RGB, 4 for RGB with straight alpha (255 where the file has none).
      background: RGB colour, 0 to 255, behind transparent pixels; 4 channels do not need it.
      name: what messages call the file; default: its path.
      max_pixels: larger images are not decoded.
    Returns:
      uint8 [h, w, channels].
    Raises:
      Unreadable: the file is missing, truncated, too large or no image; the message names it.
    """
    if channels not in (1, 3, 4):
        raise ValueError(f"channels must be 1, 3 or 4, not {channels}")
    if name is None:
        name = file if isinstance(file, (str, os.PathLike)) else "image"
    pixels = decode(file, name, max_pixels)
    transparent = pixels.shape[-1] == 4
    if channels == 4:
        return pixels if transparent else np.insert(pixels, 3, 255, axis=-1)
    rgb = compose(pixels, background) if transparent else pixels
    return luminance(rgb) if channels == 1 else rgb


def compose(rgba, background=WHITE):
    """Lays straight-alpha pixels on a plain background.

    Args:
      rgba: uint8 [..., 4], colour not multiplied by alpha.
      background: RGB colour, 0 to 255.
    Returns:
      uint8 [..., 3], rounded to nearest.
    """
    alpha = rgba[..., 3:].astype(np.uint16)  # 255 * 255 + 127 fits
    behind = np.asarray(background, np.uint16)
    mixed = rgba[..., :3] * alpha + behind * (255 - alpha)
    return ((mixed + 127) // 255).astype(np.uint8)


def luminance(rgb):
    """Greyscale uint8 [h, w, 1] of uint8 [h, w, 3]: 0.299 R + 0.587 G + 0.114 B."""
    return np.asarray(Image.fromarray(rgb).convert("L"))[..., None]


def resize(image, size):
    """Resizes with Pillow's bicubic filter, which is antialiased when it shrinks.

    Args:
      image: uint8 [h, w, c] with c = 1, 3 or 4 (straight alpha, resized premultiplied).
      size: height and width, or one number for both; the aspect ratio is not kept.
    Returns:
      uint8 [height, width, c].
    """
    height, width = sides(size)
    if image.shape[:2] == (height, width):
        return image
    resized = _to_pillow(image).resize((int(width), int(height)), Image.Resampling.BICUBIC)
    return np.asarray(resized).reshape(height, width, image.shape[-1])


def fit(image, size, how="stretch", background=WHITE, where=None):
    """Brings an image to a size.

    Args:
      image: uint8 [h, w, c] with c = 1, 3 or 4.
      size: height and width in pixels, or one number for both.
      how: "stretch" to the size, "crop" the largest part of its aspect ratio, "pad" the whole image, centred, with the
        background, or "native": cut the size out at the image's own scale, and enlarge what is smaller until it covers
        the size.
      background: RGB colour of the padding, where 4 channels are transparent and 1 has its luminance.
      where: two shares, 0 up to 1, of the places that "native" can cut at, from the top and from the left; default:
        the middle.
    Returns:
      uint8 [height, width, c].
    Raises:
      UserError: `how` is none of these.
    """
    check_fit(how)
    height, width = sides(size)
    if how == "pad":
        rows, columns = _window(image.shape, size)
        padded = np.empty((height, width, image.shape[-1]), np.uint8)
        padded[:] = _padding(background, image.shape[-1])
        padded[rows, columns] = resize(image, (rows.stop - rows.start, columns.stop - columns.start))
        return padded
    if how == "crop":
        return resize(_cut(image, _largest((height, width), image.shape)), size)
    if how == "native":
        return _cut(_covering(image, (height, width)), (height, width), where)
    return resize(image, size)


def _cut(image, size, where=None):
    """[height, width, c] of an image, as `fit` says."""
    room = [whole - part for whole, part in zip(image.shape, size)]
    top, left = (n // 2 for n in room) if where is None else (int((n + 1) * share) for n, share in zip(room, where))
    return image[top : top + size[0], left : left + size[1]]


def _largest(ratio, within):
    """(height, width) of the largest window of the aspect ratio of the pair `ratio` in a shape, within it nearest."""
    (rows, columns), (height, width) = ratio, within[:2]
    if height * columns > width * rows:
        return max(1, (2 * width * rows + columns) // (2 * columns)), width
    return height, max(1, (2 * height * columns + rows) // (2 * rows))


def _covering(image, size):
    """An image, enlarged without distortion until neither side is below those of `size`."""
    scale = max(least / length for least, length in zip(size, image.shape))
    if scale <= 1:
        return image
    return resize(image, tuple(max(least, int(length * scale + 0.5)) for least, length in zip(size, image.shape)))


def unfit(image, shape, how):
    """Cuts the padding of `fit` off, so that the image has its original's aspect ratio again.

    Args:
      image: [height, width, c], made from an image that `fit` brought to this size.
      shape: (height, width) of the original; more entries are ignored.
      how: as in `fit`; only "pad" has something to cut off.
    Returns:
      [h, w, c], of which one side at least is the size's.
    Raises:
      UserError: `how` is unknown.
    """
    check_fit(how)
    return image[_window(shape, image.shape[:2])] if how == "pad" else image


def check_fit(how):
    """Raises UserError for an unknown value of data.fit."""
    if how not in FITS:
        raise UserError(f"data.fit={how!r} is unknown; use one of: {', '.join(FITS)}")


def _window(shape, size):
    """The rows and columns (two slices) of a padded image of a size that hold one of `shape`."""
    whole = sides(size)
    held = _largest(shape[:2], whole)
    return tuple(slice((length - side) // 2, (length - side) // 2 + side) for length, side in zip(whole, held))


def _padding(background, channels):
    """The pixel of `channels` values that padding repeats."""
    colour = np.asarray(background, np.uint8)
    return {1: luminance(colour[None, None])[0, 0], 3: colour, 4: np.append(colour, np.uint8(0))}[channels]


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
    path, content = Path(path), encode(image)
    temporary = path.with_name(f".{os.getpid()}-{threading.get_ident()}.tmp")  # fits where the longest names do
    try:
        temporary.write_bytes(content)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


@contextlib.contextmanager
def output(path):
    """Makes the directory `path` for results where it is missing, and gives it, as a Path, to write into.

    Raises:
      UserError: it is a file, or the system refuses to make it or to write.
    """
    try:
        Path(path).mkdir(parents=True, exist_ok=True)
        yield Path(path)
    except OSError as error:
        raise UserError(f"--output={path}: cannot be written to ({error.strerror}); use another directory") from error


def _to_pillow(image):
    image = np.asarray(image)
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[-1] not in (1, 3, 4):
        raise ValueError(f"expected uint8 [h, w, 1, 3 or 4], got {image.dtype} {list(image.shape)}")
    return Image.fromarray(np.ascontiguousarray(image[..., 0] if image.shape[-1] == 1 else image))


def find(directory):
    """The image files directly inside a directory or, where there are none, in the directories below it; sorted.

    Hidden files and directories are skipped (macOS leaves `._name.jpg` in archives), and below it those called as
    `APART` says.

    Raises:
      UserError: the directory is missing, is a file, cannot be listed, or holds no image.
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


def _images(directory, names):
    chosen = (name for name in sorted(names) if name.lower().endswith(EXTENSIONS) and not name.startswith("."))
    return [path for path in (Path(directory) / name for name in chosen) if path.is_file()]


def _nested(directory):
    def refuse(error):
        raise error

    files = []
    for path, inside, names in os.walk(directory, onerror=refuse):  # follows no links, which may lead back
        inside[:] = [name for name in inside if not name.startswith(".") and name.lower() not in APART]
        files += _images(path, names)
    return sorted(files)
