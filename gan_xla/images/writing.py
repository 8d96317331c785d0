"""Writing image files: PNG, TIFF and NPY, each whole or not at all."""

import contextlib
import io
import os
import threading
from pathlib import Path

import numpy as np

from gan_xla.errors import UserError
from gan_xla.images.fitting import to_pillow

KEPT = {".tif": ".tif", ".tiff": ".tif", ".npy": ".npy", ".npz": ".npy"}  # whose results are files of the same kind


def ending(source, dtype, channels):
    """The ending of the file for what becomes of an image file `source`, and has this type and these channels.

    That of the source, where it is TIFF or NPY; else PNG, where that can hold it, or TIFF.
    """
    fits = dtype in ("uint8", "uint16") and channels in (1, 3, 4)
    return KEPT.get(Path(source).suffix.lower(), ".png" if fits else ".tif")


def encode(image, kind=".png", palette=()):
    """The bytes of a file of an image [h, w, c].

    Args:
      image: for PNG uint8 or uint16 with c = 1, 3 or 4; else of any type and c.
      kind: ".png", ".tif" or ".npy".
      palette: of uint8 with c = 1, as PNG: the colours of its numbers.
    """
    image, buffer = np.asarray(image), io.BytesIO()
    if kind == ".npy":
        np.save(buffer, image, allow_pickle=False)
    elif kind == ".tif":
        import tifffile  # as in `arrays`

        colours = image.dtype in (np.uint8, np.uint16) and image.shape[-1] in (3, 4)
        extra = {"extrasamples": ["unassalpha"]} if colours and image.shape[-1] == 4 else {}
        tifffile.imwrite(
            buffer,
            image[..., 0] if image.shape[-1] == 1 else image,
            photometric="rgb" if colours else "minisblack",
            planarconfig="contig" if image.shape[-1] > 1 else None,
            **extra,
        )
    elif image.dtype == np.uint16 and image.ndim == 3 and image.shape[-1] in (1, 3, 4):
        import imagecodecs

        return imagecodecs.png_encode(np.ascontiguousarray(image[..., 0] if image.shape[-1] == 1 else image))
    else:
        picture = to_pillow(image)
        if palette and picture.mode == "L":
            picture.putpalette([value for colour in palette for value in colour])
        picture.save(buffer, format="PNG")
    return buffer.getvalue()


def write(path, image, palette=(), overwrite=True):
    """Writes an image [h, w, c] as the file that the ending of `path` says, .png, .tif or .npy, as `encode`.

    A reader never sees half a file: the bytes go to a temporary file beside
    it, which then takes its name.

    Raises:
      UserError: another file is there already, and `overwrite` is False.
    """
    path = Path(path)
    content = encode(image, path.suffix, palette)
    if not overwrite and path.exists() and path.read_bytes() != content:
        raise UserError(f"{path}: is there already, and differs; use another --output, or --overwrite to replace it")
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
