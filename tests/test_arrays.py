"""Images that are no pictures of bytes: each type and number of channels, value for value, by each format."""

import io
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from gan_xla import images
from gan_xla.errors import UserError
from gan_xla.images import slices

HEIGHT, WIDTH = 7, 9
ENDS = {"uint8": (0, 255), "uint16": (0, 65535), "int16": (-32768, 32767), "float32": (-1e3, 1e3)}


def numbers(dtype, channels, seed=0):
    """[HEIGHT, WIDTH, channels] over all of a type's values."""
    rng, (low, high) = np.random.default_rng(seed), ENDS[dtype]
    return rng.uniform(low, high, (HEIGHT, WIDTH, channels)).astype(dtype)


def read(file, channels=None, dtype=None):
    return images.read(file, channels, dtype=dtype)


@pytest.mark.parametrize("channels", [1, 2, 3, 4, 6])
@pytest.mark.parametrize("dtype", ENDS)
@pytest.mark.parametrize("ending", [".png", ".tif", ".npy"])
def test_what_is_written_is_read_value_for_value(tmp_path, ending, dtype, channels):
    if ending == ".png" and (dtype not in ("uint8", "uint16") or channels not in (1, 3, 4)):
        with pytest.raises(ValueError, match=r"expected uint8 \[h, w, 1, 3 or 4\]"):
            images.encode(numbers(dtype, channels))
        return
    image, path = numbers(dtype, channels), tmp_path / f"a{ending}"
    images.write(path, image)
    if (ending, dtype, channels) == (".npy", "uint8", 4):
        with pytest.raises(
            images.Unreadable, match="4 channels of bytes are not RGB with alpha; set data.dtype='uint16'"
        ):
            read(path, 4)
        image = image.astype(np.uint16)
    found = read(path, channels, image.dtype.name)
    np.testing.assert_array_equal(found, image)
    assert found.dtype == image.dtype


@pytest.mark.parametrize(
    "form",
    [
        {"compression": "lzw"},
        {"compression": "deflate", "predictor": True},
        {"compression": "packbits"},
        {"compression": "zstd"},
        {"tile": (16, 16)},
        {"byteorder": ">"},
        {"bigtiff": True},
        {"planarconfig": "separate"},
    ],
)
def test_tiff_in_all_its_forms(tmp_path, form):
    planar = "planarconfig" in form
    image = numbers("uint16", 5 if planar else 1)
    data = np.moveaxis(image, -1, 0) if planar else image[..., 0]
    tifffile.imwrite(tmp_path / "a.tif", data, photometric="minisblack", **form)
    np.testing.assert_array_equal(read(tmp_path / "a.tif"), image)


def test_pages_are_channels_and_pictures_in_tiff_are_pictures(tmp_path):
    stack = numbers("int16", 4)
    tifffile.imwrite(tmp_path / "stack.tif", np.moveaxis(stack, -1, 0), photometric="minisblack")
    np.testing.assert_array_equal(read(tmp_path / "stack.tif", 4), stack)
    colours = np.random.default_rng(0).integers(0, 256, (6, 8, 3), np.uint8)
    turned = Image.Exif()
    turned[274] = 6
    for name, image, options in (
        ("rgb", Image.fromarray(colours), {"exif": turned, "compression": "tiff_lzw"}),
        ("palette", Image.fromarray(colours).convert("P"), {}),
        ("bits", Image.fromarray(colours).convert("1"), {}),
    ):
        image.save(tmp_path / f"{name}.tif", **options)
        image.save(tmp_path / f"{name}.png", **{key: x for key, x in options.items() if key == "exif"})
        found = [images.read(tmp_path / f"{name}.{end}") for end in ("tif", "png")]
        np.testing.assert_array_equal(*found)


def test_png_of_sixteen_bits_keeps_them_where_they_are_asked_for(tmp_path):
    twelve = np.linspace(0, 4095, HEIGHT * WIDTH).round().astype(np.uint16).reshape(HEIGHT, WIDTH, 1)
    images.write(tmp_path / "ct.png", twelve)
    assert len(np.unique(read(tmp_path / "ct.png", 1, "uint8"))) == 17  # as of old: grey levels of black
    np.testing.assert_array_equal(read(tmp_path / "ct.png", 1), twelve)
    np.testing.assert_array_equal(read(tmp_path / "ct.png", 3), twelve.repeat(3, axis=-1))
    rgba = numbers("uint16", 4)
    images.write(tmp_path / "rgba.png", rgba)
    alpha = rgba[..., 3:] / 65535
    assert np.abs(read(tmp_path / "rgba.png", 3) - (rgba[..., :3] * alpha + 65535 * (1 - alpha))).max() <= 0.5 + 1e-9


def test_types_are_widened_where_that_is_exact_and_never_narrowed(tmp_path):
    np.save(tmp_path / "a.npy", numbers("uint16", 1)[..., 0])
    assert read(tmp_path / "a.npy", 1, "float32").dtype == np.float32
    with pytest.raises(images.Unreadable, match="its values are uint16, which int16 does not hold; set data.dtype"):
        read(tmp_path / "a.npy", 1, "int16")
    for array, expected in (
        (np.ones((2, 3), bool), "uint8"),
        (np.ones((2, 3), np.int8), "int16"),
        (np.ones((2, 3), np.float64), "float32"),
        (np.full((2, 3), 2**24, np.int64), "float32"),
        (np.ones((2, 3), ">u2"), "uint16"),
    ):
        np.save(tmp_path / "b.npy", array)
        assert read(tmp_path / "b.npy").dtype == expected


@pytest.mark.parametrize(
    "array,message",
    [
        (np.array([[np.nan, 1.0]]), "holds NaN or infinite values"),
        (np.array([[np.inf, 1.0]]), "holds NaN or infinite values"),
        (np.array([[1e300, 1.0]]), "holds NaN or infinite values"),
        (np.array([[2**24 + 1, 1]]), "go beyond 16777216, which float32 does not hold exactly"),
        (np.array([["a"]]), "values are <U1, not numbers"),
        (np.array([[1j]]), "values are complex128, not numbers"),
        (np.array([[{}]]), "values are object, not numbers"),
        (np.zeros((0, 3)), r"array is \[0, 3\], not \[height, width\]"),
        (np.zeros((2, 2, 2, 2)), r"array is \[2, 2, 2, 2\], not"),
    ],
)
def test_arrays_that_are_no_images_are_refused_in_a_line(tmp_path, array, message):
    np.save(tmp_path / "a.npy", array, allow_pickle=True)
    with pytest.raises(images.Unreadable, match=rf"a\.npy: .*{message}"):
        read(tmp_path / "a.npy")


def test_archives_hold_one_array(tmp_path):
    np.savez_compressed(tmp_path / "one.npz", anything=numbers("float32", 2))
    np.testing.assert_array_equal(read(tmp_path / "one.npz", 2), numbers("float32", 2))
    np.savez(tmp_path / "two.npz", a=np.zeros((2, 2)), b=np.zeros((2, 2)))
    with pytest.raises(images.Unreadable, match=r"it holds 2 arrays \(a\.npy, b\.npy\), not one"):
        read(tmp_path / "two.npz")


def test_other_numbers_of_channels_are_refused_with_the_field(tmp_path):
    images.write(tmp_path / "a.tif", numbers("uint16", 6))
    with pytest.raises(images.Unreadable, match=r"has 6 channels, not data\.channels=3; set that \(or channels_a"):
        read(tmp_path / "a.tif", 3)


@pytest.mark.parametrize("ending", [".tif", ".npy", ".npz"])
def test_enormous_ones_are_not_decoded(tmp_path, ending):
    path = tmp_path / f"a{ending}"
    if ending == ".tif":
        tifffile.imwrite(path, np.zeros((300, 300), np.uint16), compression="deflate")
    else:
        (np.save if ending == ".npy" else np.savez_compressed)(path, np.zeros((300, 300), np.uint16))
    with pytest.raises(images.Unreadable, match="max_pixels"):
        images.read(path, None, dtype=None, max_pixels=10_000)


@pytest.mark.parametrize("ending", [".png", ".tif", ".npy"])
def test_damaged_ones_are_refused_in_a_line(tmp_path, ending):
    whole = images.encode(numbers("uint16", 3 if ending == ".png" else 5), ending)
    rng = np.random.default_rng(0)
    for attempt in range(60):
        content = bytearray(whole[: rng.integers(0, len(whole))] if attempt % 2 else whole)
        for place in rng.integers(0, min(len(content), 400), 3) if len(content) else ():
            content[place] ^= 1 << rng.integers(8)
        try:
            found = images.read(bytes(content), None, dtype=None, max_pixels=10**6)
        except UserError as error:
            assert "\n" not in str(error)
        else:
            assert found.ndim == 3


@pytest.mark.parametrize("dtype", ENDS)
def test_plain_numbers_are_resized_and_fitted_like_pictures(dtype):
    image = numbers("uint8", 6).astype(dtype)
    found = images.resize(image, (14, 5))
    assert found.dtype == dtype and found.shape == (14, 5, 6)
    as_picture = images.resize(image[..., :3].astype(np.uint8), (14, 5)).astype(float)
    assert np.abs(found[..., :3].clip(0, 255) - as_picture).max() <= 1.5  # Pillow rounds bytes between its two passes
    padded = images.fit(image, 12, "pad", low=7)
    assert padded.dtype == dtype and (padded[0] == 7).all()
    np.testing.assert_array_equal(images.unfit(padded, image.shape, "pad").shape, (9, 12, 6))


def test_the_ending_of_a_result_is_that_of_its_source_where_it_can_hold_it():
    for source, dtype, channels, expected in (
        ("a.jpg", "uint8", 3, ".png"),
        ("a.png", "uint16", 1, ".png"),
        ("a.png", "uint16", 2, ".tif"),
        ("a.png", "float32", 1, ".tif"),
        ("a.tiff", "uint8", 3, ".tif"),
        ("a.npz", "uint8", 3, ".npy"),
        ("a.dcm", "int16", 1, ".tif"),
        ("v.nii.gz/0003", "int16", 1, ".tif"),
    ):
        assert images.ending(source, dtype, channels) == expected, source


# Medical files: pydicom's and nibabel's own


@pytest.fixture(scope="module")
def medical():
    pydicom, nibabel = pytest.importorskip("pydicom"), pytest.importorskip("nibabel")
    return Path(pydicom.__file__).parent / "data/test_files", Path(nibabel.__file__).parent / "tests/data"


def test_a_ct_and_an_mr_are_read_in_their_own_units(medical):
    import pydicom

    folder, _ = medical
    for name, dtype in (("CT_small.dcm", "float32"), ("MR_small.dcm", "int16")):
        found, file = read(folder / name), pydicom.dcmread(folder / name)
        slope, intercept = float(file.get("RescaleSlope", 1)), float(file.get("RescaleIntercept", 0))
        np.testing.assert_array_equal(found[..., 0], file.pixel_array * slope + intercept)
        assert found.dtype == dtype, "all that the stored bits could say"
    assert read(folder / "CT_small.dcm").min() == -896  # Hounsfield units
    with pytest.raises(images.Unreadable, match="cannot be read as an image"):
        images.read((folder / "CT_small.dcm").read_bytes()[:3000])


def test_a_volume_is_its_slices(medical, tmp_path):
    import nibabel

    _, folder = medical
    paths = images.slices_of(folder / "anatomical.nii")
    volume = nibabel.as_closest_canonical(nibabel.load(folder / "anatomical.nii"))
    assert len(paths) == volume.shape[2] and paths[3].name == "0003"
    np.testing.assert_array_equal(read(paths[3])[..., 0], np.rot90(np.asarray(volume.dataobj)[:, :, 3]))
    (tmp_path / "a.nii.gz").write_bytes((folder / "example4d.nii.gz").read_bytes())
    found = images.find(tmp_path)
    assert [path.relative_to(tmp_path).as_posix() for path in found[:2]] == ["a.nii.gz/0000", "a.nii.gz/0001"]
    assert read(found[0]).shape[-1] == 2, "what comes fourth are channels"


def test_what_is_missing_to_read_medical_files_is_said(monkeypatch, medical):
    monkeypatch.setitem(__import__("sys").modules, "pydicom", None)
    with pytest.raises(UserError, match=r"DICOM files are read by pydicom: pip install 'gan_xla\[medical\]'"):
        read(medical[0] / "CT_small.dcm")


def test_an_array_of_a_stream_is_read():
    assert read(io.BytesIO(images.encode(numbers("int16", 2), ".npy")), 2).dtype == np.int16
    assert slices.volume("a/b.png") is None
