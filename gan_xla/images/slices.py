"""Medical files, by pydicom and nibabel (the extra `medical`): DICOM images, and the slices of NIfTI volumes.

A slice is called as if the volume were a directory: scan.nii.gz/0007 is slice number 7.
"""

import functools
import io
import os
from pathlib import Path

import numpy as np

from gan_xla.errors import UserError
from gan_xla.images import arrays
from gan_xla.images.quiet import quiet

VOLUMES = (".nii", ".nii.gz")
DICOM = b"DICM"  # at byte 128


def of(path):
    """The slices of a volume as paths, or the path itself in a list where it is none, or none that can be read.

    Raises:
      UserError: nibabel is missing.
    """
    if not str(path).lower().endswith(VOLUMES):
        return [path]
    nibabel = _nibabel()
    try:
        with quiet():
            found = nibabel.load(path)
            shape, axes = found.shape, nibabel.io_orientation(found.affine)[:, 0].tolist()
            count = int(shape[axes.index(2)]) if len(shape) > 2 else 1
    except Exception:  # a reader of others' files, which can fail in any way; who reads the path is told of it
        return [path]
    return [Path(path) / f"{number:04d}" for number in range(count)] if 2 <= len(shape) <= 4 and count else [path]


def volume(path):
    """(volume, number) of a slice's path, or None where it is none."""
    if not isinstance(path, (str, os.PathLike)) or not str(Path(path).parent).lower().endswith(VOLUMES):
        return None
    path = Path(path)
    return (path.parent, int(path.name)) if path.name.isdecimal() and path.parent.is_file() else None


def read(path, number, most):
    """The array [h, w, c] of a slice of a NIfTI volume: seen from the feet, front up, as radiologists' tools show it.

    The scale of the file (scl_slope, scl_inter) is applied.
    """
    whole = _load(str(path), os.stat(path).st_mtime_ns, most)
    array = np.rot90(whole[:, :, number])
    return arrays.own(np.ascontiguousarray(array))


@functools.lru_cache(maxsize=4)  # slices of a volume are often read one after the other
def _load(path, changed, most):
    """All of a volume, [x, y, z, c], with x to the patient's right or left, as the file has it, y to the front."""
    with quiet():
        image = _nibabel().as_closest_canonical(_nibabel().load(path))
        arrays.check(image.shape[:2], most)
        found = np.asanyarray(image.dataobj)
    return found.reshape(*found.shape[:2], found.shape[2] if found.ndim > 2 else 1, -1)


def is_dicom(content):
    """Whether these are the bytes of a DICOM file."""
    return content[128:132] == DICOM


def dicom(content, most):
    """(array [h, w, c], False) of a DICOM image: its stored values after rescale slope and intercept; frames are
    channels.

    Of slopes and intercepts that are whole numbers, the type holds all that the stored bits could say, so that the
    images of a series have one type.
    """
    try:
        import pydicom
        from pydicom import pixels
    except ImportError:
        raise _missing("DICOM files", "pydicom") from None
    with quiet():
        file = pydicom.dcmread(io.BytesIO(content))
        arrays.check((int(file.Rows), int(file.Columns), int(file.get("NumberOfFrames", 1) or 1)), most)
        stored = file.pixel_array
        scaled = pixels.apply_rescale(stored, file)
    frames = int(file.get("NumberOfFrames", 1) or 1)
    samples = int(file.get("SamplesPerPixel", 1))
    found = _whole(file, scaled)
    if frames > 1:
        found = np.moveaxis(found, 0, 2)
    return arrays.own(found.reshape(*found.shape[:2], frames * samples)), False


def _whole(file, scaled):
    """Rescaled values as the smallest type for all that could be stored, where these are whole."""
    slope, intercept = float(file.get("RescaleSlope", 1)), float(file.get("RescaleIntercept", 0))
    if slope % 1 or intercept % 1:
        return scaled
    bits, signed = int(file.BitsStored), int(file.PixelRepresentation)
    ends = [-(2 ** (bits - 1)), 2 ** (bits - 1) - 1] if signed else [0, 2**bits - 1]
    ends = sorted(end * slope + intercept for end in ends)
    for name in arrays.TYPES[:3]:
        if np.iinfo(name).min <= ends[0] and ends[1] <= np.iinfo(name).max:
            return scaled.astype(name)
    return scaled


def _nibabel():
    try:
        import nibabel
    except ImportError:
        raise _missing("NIfTI volumes", "nibabel") from None
    return nibabel


def _missing(what, library):
    return UserError(f"{what} are read by {library}: pip install 'gan_xla[medical]', or pip install {library}")
