"""Image files of every kind that is read, and what can happen to them."""

import io
import random
import struct
import zlib
from collections.abc import Sequence

import numpy as np
from PIL import Image

from gan_xla import images

FORMATS = {"png": "PNG", "jpg": "JPEG", "webp": "WEBP", "gif": "GIF", "bmp": "BMP", "tif": "TIFF"}
# (extension, type, channels) of what is no picture of bytes.
ARRAYS = (
    ("png", "uint16", 1), ("png", "uint16", 3), ("tif", "uint16", 1), ("tif", "int16", 5), ("tif", "float32", 2),
    ("npy", "uint8", 3), ("npy", "float32", 1), ("npy", "int16", 4), ("npz", "uint16", 2),
)  # fmt: skip
MODES = ("1", "L", "LA", "P", "RGB", "RGBA", "CMYK")
ORIENTATION = 0x0112
ENORMOUS = ((100_000, 100_000), (65_535, 65_535), (12_000, 10_000), (2**31 - 1, 1))
NAMES = (
    "{}", "{} with  spaces", "{} ünïcödé 写真 🚗", "{}\nnew line", "{}\udcff", "{}'\"$(x)`;*", "-{}", "{}." + 200 * "x"
)  # fmt: skip
FOREIGN = (
    b"", b"\0", b"not a picture", b"<html><img></html>", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n",
    b"PK\3\4" + bytes(60), b"\x89PNG\r\n\x1a\n", b"GIF89a", b"BM", b"\xff\xd8\xff", b"RIFF\4\0\0\0WEBP",
    b"II*\0\10\0\0\0",
)  # fmt: skip


def originals(view: Image.Image) -> list[tuple[str, bytes]]:
    """(extension, content) of sound files of an RGBA picture, in every mode that a format takes."""
    exif = Image.Exif()
    exif[ORIENTATION] = 6
    exif[0x010E], exif[0x011A] = "a description", 72.5
    modes = [view.convert("RGB").convert(mode) if mode == "CMYK" else view.convert(mode) for mode in MODES]
    modes.append(Image.fromarray(np.asarray(view.convert("L")).astype(np.uint16) * 257))
    modes.append(Image.new("RGB", (1, 1)))
    found = []
    for extension, kind in FORMATS.items():
        for picture in modes:
            animated = {"save_all": True, "append_images": [picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT)]}
            for options in ({}, {"exif": exif}, animated if kind in ("PNG", "GIF", "WEBP") else {"dpi": (72, 72)}):
                buffer = io.BytesIO()
                try:
                    picture.save(buffer, kind, **options)
                except (OSError, ValueError):  # the format has no such mode
                    continue
                found.append((extension, buffer.getvalue()))
    found += [(extension, _array(np.asarray(view), extension, *form)) for extension, *form in ARRAYS]
    return found + _medical(view)


def _array(view: np.ndarray, extension: str, kind: str, channels: int) -> bytes:
    """A file of numbers of a type."""
    numbers = np.resize(view.transpose(2, 0, 1), (channels, *view.shape[:2])).transpose(1, 2, 0).astype(kind)
    if extension == "npz":
        buffer = io.BytesIO()
        np.savez_compressed(buffer, numbers)
        return buffer.getvalue()
    return images.encode(numbers, f".{extension}")


def _medical(view: Image.Image) -> list[tuple[str, bytes]]:
    """A DICOM image and a NIfTI volume of a picture in grey."""
    import nibabel
    from pydicom.dataset import Dataset, FileMetaDataset
    from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid

    grey, buffer = np.asarray(view.convert("L")).astype(np.uint16), io.BytesIO()
    file, file.file_meta = Dataset(), FileMetaDataset()
    file.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    file.SOPClassUID, file.SOPInstanceUID = CTImageStorage, generate_uid(entropy_srcs=["gan_xla"])
    file.Rows, file.Columns, file.SamplesPerPixel, file.PhotometricInterpretation = *grey.shape, 1, "MONOCHROME2"
    file.BitsAllocated, file.BitsStored, file.HighBit, file.PixelRepresentation = 16, 12, 11, 0
    file.RescaleSlope, file.RescaleIntercept, file.PixelData = 1, -1024, grey.tobytes()
    file.save_as(buffer, enforce_file_format=True)
    volume = nibabel.Nifti1Image(np.stack([grey, grey[::-1]], axis=-1), np.eye(4))
    return [("dcm", buffer.getvalue()), ("nii", volume.to_bytes())]


def _bits(rng: random.Random, content: bytes, start: int, stop: int) -> bytes:
    """Some bits of content[start:stop] turned round."""
    changed = bytearray(content)
    for _ in range(rng.choice((1, 2, 4, 16))):
        changed[rng.randrange(start, max(start + 1, min(stop, len(changed))))] ^= 1 << rng.randrange(8)
    return bytes(changed)


def _truncated(rng, content, others):
    return content[: rng.randrange(len(content))]


def _flipped(rng, content, others):
    return _bits(rng, content, 0, len(content))


def _spliced(rng, content, others):
    other = rng.choice(others)[1]
    return content[: rng.randrange(len(content))] + other[rng.randrange(len(other)) :]


def _header(rng, content, others):
    at = rng.randrange(min(64, len(content)))
    number = rng.choice((b"\0\0\0\0", b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", b"\xff\xff\xff\x7f", b"\0\1\x86\xa0"))
    return content[:at] + number + content[at + 4 :]


def _zeroed(rng, content, others):
    at, length = rng.randrange(len(content)), rng.randrange(1, len(content) + 1)
    return content[:at] + bytes(len(content[at : at + length])) + content[at + length :]


def _moved(rng, content, others):
    at, extra = rng.randrange(len(content)), rng.randbytes(rng.randrange(8))
    return content[:at] + extra + content[at + rng.randrange(8) :]


def _chunk(name: bytes, content: bytes) -> bytes:
    """A chunk of a PNG file."""
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


def _metadata(rng, content, others):
    """Damage to the EXIF block, which no picture needs."""
    at, whole = rng.choice([(found, whole) for _, whole in others for found in [whole.find(b"MM\0*")] if found > 0])
    changed = _bits(rng, whole, at, at + 64)
    if whole[:4] != b"\x89PNG":
        return changed
    (length,) = struct.unpack(">I", whole[at - 8 : at - 4])
    return changed[: at - 8] + _chunk(b"eXIf", changed[at : at + length]) + whole[at + length + 4 :]


def _foreign(rng, content, others):
    return rng.choice((*FOREIGN, rng.randbytes(300)))


def _enormous(rng, content, others):
    """A header that claims a size, and nothing to fill it."""
    width, height = rng.choice(ENORMOUS)
    header = struct.pack(">IIBBBBB", width, height, 8, 6, 0, 0, 0)
    png = b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", header) + _chunk(b"IDAT", zlib.compress(bytes(9)))
    bmp = b"BM" + struct.pack("<IIIIiiHHIIIIII", 54, 0, 54, 40, width, height, 1, 24, 0, 0, 0, 0, 0, 0)
    gif = b"GIF89a" + struct.pack("<HHBBB", min(width, 65535), min(height, 65535), 0, 0, 0) + b"\x2c"
    npy = io.BytesIO()
    np.lib.format.write_array_header_1_0(npy, {"descr": "<u2", "fortran_order": False, "shape": (height, width)})
    return rng.choice((png, bmp, npy.getvalue(), gif + struct.pack("<HHHHB", 0, 0, 65535, 65535, 0) + b"\2\1\0\0\x3b"))


def _whole(rng, content, others):
    return content


KINDS = {
    "whole": _whole,
    "under another format's name": _whole,
    "truncated": _truncated,
    "bits flipped": _flipped,
    "spliced": _spliced,
    "header edited": _header,
    "zeroed": _zeroed,
    "bytes moved": _moved,
    "EXIF damaged": _metadata,
    "no image": _foreign,
    "enormous": _enormous,
}


def image(rng: random.Random, number: int, sound: Sequence[tuple[str, bytes]]) -> tuple[str, str, bytes]:
    """(kind of damage, name, content) of file `number`, made from sound files."""
    kind = list(KINDS)[number % len(KINDS)]
    extension, content = rng.choice(sound)
    if kind == "under another format's name":
        extension = rng.choice([other for other in FORMATS if other != extension])
    if rng.random() < 0.2:
        extension = extension.upper()
    name = f"{rng.choice(NAMES).format(number)}.{extension}"
    return kind, name, KINDS[kind](rng, content, sound)
