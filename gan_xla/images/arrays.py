"""Images that are arrays of numbers, not pictures: TIFF, NPY, NPZ and PNG of 16 bits, of any number of channels."""

import io
import logging
import math
import zipfile

import numpy as np

TIFF = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
NPY, NPZ = b"\x93NUMPY", b"PK\x03\x04"
EXACT = 2**24  # up to here float32 holds whole numbers
TYPES = ("uint8", "uint16", "int16", "float32")


def kind(content):
    """The function that reads a file of these bytes as an array, or None where they are no array's."""
    if content.startswith(TIFF):
        return tiff
    return npy if content.startswith(NPY) else npz if content.startswith(NPZ) else None


def tiff(content, most):
    """(array [h, w, c] of a TIFF file, False), or (None, True) where Pillow reads it as a picture.

    Pages of one size are channels; of several sizes, such as thumbnails, the first counts.

    Args:
      content: the bytes of the file.
      most: the most numbers that the array may have.
    """
    import tifffile  # half a second, with what reads compressed files

    logging.getLogger("tifffile").disabled = True  # it tells of damage beside raising
    with tifffile.TiffFile(io.BytesIO(content)) as file:
        series, page = file.series[0], file.pages[0]
        photometric = getattr(page.photometric, "name", "")
        if page.dtype is None or _pillows(page, series, photometric):
            return None, True
        if photometric not in ("MINISBLACK", "MINISWHITE", "RGB", "YCBCR", ""):
            raise ValueError(f"TIFF of {series.dtype} values in {photometric} colours is not read")
        check(series.shape, most)
        array, axes = series.asarray(), list(series.axes)
        if photometric == "MINISWHITE" and np.issubdtype(array.dtype, np.unsignedinteger):
            array = np.iinfo(array.dtype).max - array
    rows, columns = axes.index("Y"), axes.index("X")
    array = np.moveaxis(array, (rows, columns), (0, 1))
    return own(array.reshape(*array.shape[:2], -1)), False


def _pillows(page, series, photometric):
    """Whether a TIFF file is a picture of bytes: one page in grey, colours of a palette, RGB or RGB with alpha."""
    alpha = [extra.name in ("ASSOCALPHA", "UNASSALPHA") for extra in page.extrasamples or ()]
    bits = page.dtype == np.bool_ or np.dtype(page.dtype).itemsize == 1
    plain = len(series.pages) == 1 and bits and page.dtype.kind != "i" and page.imagedepth == 1
    return plain and photometric not in ("", "SEPARATED", "CIELAB", "CFA") and (not alpha or alpha == [True])


def npy(content, most):
    """(array [h, w, c] of an NPY file, False); [h, w] is one channel."""
    stream = io.BytesIO(content)
    version = np.lib.format.read_magic(stream)
    header = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, _, dtype = header(stream)
    if dtype.hasobject or dtype.names or dtype.kind not in "biuf":
        raise ValueError(f"its values are {dtype}, not numbers")
    if len(shape) not in (2, 3) or 0 in shape:
        raise ValueError(f"its array is {list(shape)}, not [height, width] or [height, width, channels]")
    check(shape, most)
    array = np.load(io.BytesIO(content), allow_pickle=False)
    return own(array if array.ndim == 3 else array[..., None]), False


def npz(content, most):
    """As `npy`, of a file that holds one array."""
    with zipfile.ZipFile(io.BytesIO(content)) as file:
        names = file.namelist()
        if len(names) != 1:
            raise ValueError(f"it holds {len(names)} arrays ({', '.join(names[:5])}), not one")
        if file.getinfo(names[0]).file_size > 8 * most + 4096:
            raise ValueError("its array is larger than max_pixels")
        return npy(file.read(names[0]), most)


def png(content):
    """(uint16 [h, w, 1, 3 or 4] of a PNG file of 16 bits, whether it has colours or transparency)."""
    import imagecodecs

    array = imagecodecs.png_decode(content)
    if array.ndim == 2:
        return own(array)[..., None], False
    return own(array if array.shape[-1] > 2 else array[..., [0, 0, 0, 1]]), True


def check(shape, most):
    """Raises ValueError where an array of a shape has more than so many numbers."""
    if math.prod(shape) > most:
        raise ValueError(f"its {' x '.join(map(str, shape))} values are more than max_pixels={most // 4} allows")


def own(array):
    """An array as the one of `TYPES` that holds its numbers; float64 is rounded to float32.

    Raises:
      ValueError: no such type, or numbers that are not finite.
    """
    if array.dtype == np.bool_:
        return array.astype(np.uint8) * np.uint8(255)
    if array.dtype.kind == "i" and array.dtype.itemsize == 1:
        return array.astype(np.int16)
    array = array.astype(array.dtype.newbyteorder("="), copy=False)
    if array.dtype.name in TYPES[:3]:
        return array
    if array.dtype.kind not in "iuf":
        raise ValueError(f"its values are {array.dtype}, not numbers")
    if array.dtype.kind in "iu" and array.size and max(abs(int(array.min())), abs(int(array.max()))) > EXACT:
        raise ValueError(f"its whole numbers go beyond {EXACT}, which float32 does not hold exactly")
    with np.errstate(over="ignore"):
        array = array.astype(np.float32)
    if not np.isfinite(array).all():
        raise ValueError("it holds NaN or infinite values")
    return array
