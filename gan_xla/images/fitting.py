"""Bringing images to a size: stretched, cropped, padded or cut out at their own scale."""

import numpy as np
from PIL import Image

from gan_xla.errors import UserError
from gan_xla.images.colours import WHITE, luminance
from gan_xla.images.sizes import sides

FITS = ("stretch", "crop", "pad", "native")


def resize(image, size, nearest=False):
    """Resizes with Pillow's bicubic filter, which is antialiased when it shrinks, or to the nearest pixels.

    Args:
      image: [h, w, c]; uint8 with c = 1, 3 or 4 (straight alpha, resized premultiplied), or of any other type and c.
      size: height and width, or one number for both; the aspect ratio is not kept.
    Returns:
      [height, width, c] of the same type; whole numbers are rounded, and stay among those of the type.
    """
    height, width = sides(size)
    if image.shape[:2] == (height, width):
        return image
    if nearest:
        rows, columns = (((np.arange(n) + 0.5) * m / n).astype(int) for n, m in zip((height, width), image.shape))
        return image[rows[:, None], columns]
    if is_picture(image):
        resized = to_pillow(image).resize((int(width), int(height)), Image.Resampling.BICUBIC)
        return np.asarray(resized).reshape(height, width, image.shape[-1])
    planes = np.ascontiguousarray(np.moveaxis(image, -1, 0), np.float32)
    resized = [Image.fromarray(x).resize((int(width), int(height)), Image.Resampling.BICUBIC) for x in planes]
    return rounded(np.stack(resized, axis=-1), image.dtype)


def is_picture(image):
    """Whether an image is one of bytes in grey, RGB or RGB with alpha; else its channels are numbers of any meaning."""
    return image.dtype == np.uint8 and image.shape[-1] in (1, 3, 4)


def rounded(x, dtype):
    """Numbers as another type; whole ones are rounded to the nearest, and stay among those of the type."""
    if not np.issubdtype(dtype, np.integer):
        return x.astype(dtype)
    ends = np.iinfo(dtype)
    return np.rint(x).clip(ends.min, ends.max).astype(dtype)


def to_pillow(image):
    """The Pillow image of uint8 [h, w, 1, 3 or 4]."""
    image = np.asarray(image)
    if image.ndim != 3 or not is_picture(image):
        raise ValueError(f"expected uint8 [h, w, 1, 3 or 4], got {image.dtype} {list(image.shape)}")
    return Image.fromarray(np.ascontiguousarray(image[..., 0] if image.shape[-1] == 1 else image))


def fit(image, size, how="stretch", background=WHITE, where=None, low=0, nearest=False):
    """Brings an image to a size.

    Args:
      image: [h, w, c], as `resize` takes it.
      size: height and width in pixels, or one number for both.
      how: "stretch" to the size, "crop" the largest part of its aspect ratio, "pad" the whole image, centred, with the
        background, or "native": cut the size out at the image's own scale, and enlarge what is smaller until it covers
        the size.
      background: RGB colour of the padding, where 4 channels are transparent and 1 has its luminance.
      where: two shares, 0 up to 1, of the places that "native" can cut at, from the top and from the left; default:
        the middle.
      low: the padding of what is no picture of bytes, or `nearest`.
      nearest: whether pixels stay what they are, as of label maps.
    Returns:
      [height, width, c] of the same type.
    Raises:
      UserError: `how` is none of these.
    """
    check_fit(how)
    height, width = sides(size)
    if how == "pad":
        rows, columns = _window(image.shape, size)
        padded = np.empty((height, width, image.shape[-1]), image.dtype)
        padded[:] = _padding(background, image.shape[-1]) if is_picture(image) and not nearest else low
        padded[rows, columns] = resize(image, (rows.stop - rows.start, columns.stop - columns.start), nearest)
        return padded
    if how == "crop":
        return resize(_cut(image, _largest((height, width), image.shape)), size, nearest)
    if how == "native":
        return _cut(_covering(image, (height, width), nearest), (height, width), where)
    return resize(image, size, nearest)


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


def _covering(image, size, nearest):
    """An image, enlarged without distortion until neither side is below those of `size`."""
    scale = max(least / length for least, length in zip(size, image.shape))
    if scale <= 1:
        return image
    return resize(
        image, tuple(max(least, int(length * scale + 0.5)) for least, length in zip(size, image.shape)), nearest
    )


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
