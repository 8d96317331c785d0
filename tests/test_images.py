import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from gan_xla import images
from gan_xla.errors import UserError


def gradient(height=24, width=32):
    """A smooth image [h, w, 3] without symmetry."""
    y, x = np.mgrid[:height, :width]
    return np.stack([8 * y % 256, 7 * x, 100 + y + x], axis=-1).astype(np.uint8)


def png16(pixels, transparent=None):
    """The bytes of a PNG file of uint16 [h, w, c], c = 1 to 4; Pillow cannot write them all.

    `transparent`: the colour (c values) that the file declares transparent.
    """

    def chunk(kind, content):
        checksum = struct.pack(">I", zlib.crc32(kind + content))
        return struct.pack(">I", len(content)) + kind + content + checksum

    height, width, channels = pixels.shape
    colour_type = {1: 0, 2: 4, 3: 2, 4: 6}[channels]
    content = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 16, colour_type, 0, 0, 0))
    if transparent is not None:
        content += chunk(b"tRNS", struct.pack(f">{channels}H", *transparent))
    lines = b"".join(b"\0" + line.astype(">u2").tobytes() for line in pixels)
    return b"\x89PNG\r\n\x1a\n" + content + chunk(b"IDAT", zlib.compress(lines)) + chunk(b"IEND", b"")


@pytest.mark.parametrize("name", ["a.png", "a.bmp", "a.webp"])
def test_lossless_formats_give_the_pixels_that_were_saved(tmp_path, name):
    options = {"lossless": True} if name.endswith("webp") else {}
    Image.fromarray(gradient()).save(tmp_path / name, **options)
    np.testing.assert_array_equal(images.read(tmp_path / name), gradient())


def test_jpeg_is_near_the_pixels_that_were_saved(tmp_path):
    Image.fromarray(gradient()).save(tmp_path / "a.jpg", quality=95, subsampling=0)
    assert np.abs(images.read(tmp_path / "a.jpg").astype(int) - gradient()).mean() < 2


def test_sixteen_bit_greyscale_is_scaled_and_not_clipped(tmp_path):
    wide = np.array([[0, 256, 32768, 65535]], np.uint16)
    Image.fromarray(wide).save(tmp_path / "a.png")
    assert Image.open(tmp_path / "a.png").mode.startswith("I")
    np.testing.assert_array_equal(images.read(tmp_path / "a.png"), np.repeat([[[0], [1], [128], [255]]], 3, axis=-1))
    np.testing.assert_array_equal(images.read(tmp_path / "a.png", channels=1)[..., 0], [[0, 1, 128, 255]])


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_sixteen_bit_colour_and_alpha_are_scaled_and_not_clipped(tmp_path, channels):
    wide = np.random.default_rng(channels).integers(0, 65536, (16, 16, channels), np.uint16)
    wide[0, 0], wide[0, 1] = 0, 65535
    (tmp_path / "a.png").write_bytes(png16(wide))
    colour, alpha = (wide, None) if channels % 2 else (wide[..., :-1], wide[..., -1])
    expected = np.broadcast_to(colour / 257, (16, 16, 3))
    rgba = images.read(tmp_path / "a.png", channels=4).astype(float)
    assert np.abs(rgba[..., :3] - expected).max() <= 1
    assert np.abs(rgba[..., 3] - (255 if alpha is None else alpha / 257)).max() <= 1
    assert rgba[0, 0, :3].tolist() == [0] * 3 and rgba[0, 1].tolist() == [255] * 4


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("value", [0, 255, 256, 257 * 9, 65535])
def test_a_transparent_colour_of_sixteen_bits_is_transparent_and_no_other(channels, value):
    others = [grey for grey in (0, 255 * 257, 257 * 9, 300 * 100) if grey >> 8 != value >> 8]
    wide = np.repeat(np.array([[value, *others]], np.uint16)[..., None], channels, axis=-1)
    rgba = images.read(png16(wide, transparent=(value,) * channels), channels=4)
    assert rgba[0, :, 3].tolist() == [0] + [255] * len(others)


def test_one_bit_and_grey_images_become_rgb(tmp_path):
    Image.fromarray(np.array([[0, 255]], np.uint8)).convert("1").save(tmp_path / "bit.png")
    Image.fromarray(np.array([[7, 9]], np.uint8)).save(tmp_path / "grey.png")
    np.testing.assert_array_equal(images.read(tmp_path / "bit.png")[0], [[0] * 3, [255] * 3])
    np.testing.assert_array_equal(images.read(tmp_path / "grey.png")[0], [[7] * 3, [9] * 3])


def test_alpha_is_straight_and_composed_on_the_background(tmp_path):
    rgba = np.array([[[200, 100, 0, 0], [200, 100, 0, 255], [200, 100, 0, 51]]], np.uint8)
    Image.fromarray(rgba).save(tmp_path / "a.png")
    np.testing.assert_array_equal(images.read(tmp_path / "a.png")[0], [[255, 255, 255], [200, 100, 0], [244, 224, 204]])
    np.testing.assert_array_equal(
        images.read(tmp_path / "a.png", background=(0, 0, 50))[0], [[0, 0, 50], [200, 100, 0], [40, 20, 40]]
    )


def test_palette_with_a_transparent_entry_shows_the_background_there(tmp_path):
    palette = Image.fromarray(np.array([[0, 1]], np.uint8)).convert("P")
    palette.putpalette([10, 20, 30, 40, 50, 60])
    palette.save(tmp_path / "a.png", transparency=0)
    np.testing.assert_array_equal(images.read(tmp_path / "a.png", background=(1, 2, 3))[0], [[1, 2, 3], [40, 50, 60]])


def test_grey_with_alpha_and_grey_with_a_transparent_value_show_the_background(tmp_path):
    Image.fromarray(np.array([[[9, 0], [9, 255]]], np.uint8)).save(tmp_path / "la.png")
    Image.fromarray(np.array([[9, 8]], np.uint8)).save(tmp_path / "trns.png", transparency=9)
    for name, right in (("la.png", 9), ("trns.png", 8)):
        np.testing.assert_array_equal(images.read(tmp_path / name)[0], [[255] * 3, [right] * 3])


def test_cmyk_jpeg_becomes_rgb(tmp_path):
    Image.new("CMYK", (8, 8), (0, 255, 255, 0)).save(tmp_path / "a.jpg", quality=95)
    red = images.read(tmp_path / "a.jpg")
    assert red.shape == (8, 8, 3) and np.abs(red.astype(int) - [255, 0, 0]).max() <= 3


@pytest.mark.parametrize(
    "orientation,upright",
    [(3, lambda image: image[::-1, ::-1]), (6, lambda image: np.rot90(image, -1)), (2, lambda image: image[:, ::-1])],
)
def test_exif_orientation_is_applied(tmp_path, orientation, upright):
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(gradient()).save(tmp_path / "a.png", exif=exif)
    np.testing.assert_array_equal(images.read(tmp_path / "a.png"), upright(gradient()))


def test_gif_gives_its_first_frame(tmp_path):
    frames = [Image.new("RGB", (4, 4), colour) for colour in ((255, 0, 0), (0, 255, 0))]
    frames[0].save(tmp_path / "a.gif", save_all=True, append_images=frames[1:])
    np.testing.assert_array_equal(images.read(tmp_path / "a.gif"), np.full((4, 4, 3), [255, 0, 0]))


def test_one_channel_is_the_luminance(tmp_path):
    Image.new("RGB", (2, 2), (255, 0, 0)).save(tmp_path / "a.png")
    assert images.read(tmp_path / "a.png", channels=1).tolist() == [[[76]] * 2] * 2
    with pytest.raises(images.Unreadable, match=r"a\.png: is a picture in grey or colours, not of data.channels=2"):
        images.read(tmp_path / "a.png", channels=2)


def test_four_channels_keep_straight_alpha_and_are_opaque_without(tmp_path):
    rgba = np.random.default_rng(0).integers(0, 256, (5, 6, 4), np.uint8)
    images.write(tmp_path / "rgba.png", rgba)
    np.testing.assert_array_equal(images.read(tmp_path / "rgba.png", channels=4), rgba)
    images.write(tmp_path / "rgb.png", rgba[..., :3])
    opaque = images.read(tmp_path / "rgb.png", channels=4)
    np.testing.assert_array_equal(opaque[..., :3], rgba[..., :3])
    assert (opaque[..., 3] == 255).all()


def test_bytes_and_open_files_are_read_like_paths_and_named_in_messages(tmp_path):
    content = images.encode(gradient())
    np.testing.assert_array_equal(images.read(content), gradient())
    np.testing.assert_array_equal(images.read(io.BytesIO(content)), gradient())
    with pytest.raises(images.Unreadable, match="^row 7: cannot be read as an image"):
        images.read(content[:60], name="row 7")
    with pytest.raises(images.Unreadable, match="^image: cannot be read as an image"):
        images.read(b"")


@pytest.mark.parametrize("extension", ["jpg", "png", "gif", "webp", "bmp"])
def test_a_truncated_file_is_named_in_one_line(tmp_path, extension):
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    path = tmp_path / f"broken.{extension}"
    Image.fromarray(noise).save(path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(UserError, match=rf"broken\.{extension}: cannot be read as an image") as caught:
        images.read(path)
    assert "\n" not in str(caught.value)


def test_missing_files_and_files_that_are_no_image_are_named(tmp_path):
    (tmp_path / "text.jpg").write_text("not a picture")
    (tmp_path / "empty.png").write_bytes(b"")
    with pytest.raises(UserError, match=r"text\.jpg: .*\(not a PNG, .*NIfTI image\)"):
        images.read(tmp_path / "text.jpg")
    with pytest.raises(UserError, match=r"empty\.png"):
        images.read(tmp_path / "empty.png")
    with pytest.raises(UserError, match=r"gone\.png: no such file"):
        images.read(tmp_path / "gone.png")


def test_compose_works_on_any_leading_dimensions_and_rounds_to_nearest():
    rgba = np.random.default_rng(0).integers(0, 256, (2, 3, 5, 4), np.uint8)
    alpha = rgba[..., 3:] / 255.0
    expected = rgba[..., :3] * alpha + np.array([9, 99, 200]) * (1 - alpha)
    assert np.abs(images.compose(rgba, (9, 99, 200)) - expected).max() <= 0.5 + 1e-9


def test_resize_is_antialiased_and_takes_a_side_or_height_and_width():
    stripes = np.zeros((64, 64, 3), np.uint8)
    stripes[:, ::2] = 255
    small = images.resize(stripes, 16)
    assert small.shape == (16, 16, 3) and np.abs(small[:, 2:-2].astype(int) - 128).max() < 12
    assert images.resize(stripes, (10, 20)).shape == (10, 20, 3)
    assert images.resize(stripes[..., :1], 8).shape == (8, 8, 1)
    assert images.resize(stripes, 64) is stripes


def test_resize_does_not_let_hidden_colours_bleed_out_of_transparent_pixels():
    rgba = np.zeros((8, 8, 4), np.uint8)
    rgba[:, :4] = [255, 0, 0, 255]
    rgba[:, 4:] = [0, 255, 0, 0]
    small = images.resize(rgba, 4)
    assert small[small[..., 3] > 0][:, 1].max() == 0


def test_fit_stretches_or_crops_the_centre():
    np.testing.assert_array_equal(images.fit(gradient(), 16), images.resize(gradient(), 16))
    np.testing.assert_array_equal(images.fit(gradient(), 24, "crop"), gradient()[:, 4:28])
    np.testing.assert_array_equal(images.fit(gradient(31, 20), 20, "crop"), gradient(31, 20)[5:25])


@pytest.mark.parametrize("channels,expected", [(1, [51]), (3, [10, 60, 110]), (4, [10, 60, 110, 0])])
def test_fit_pads_with_the_background_and_loses_nothing(channels, expected):
    image = np.random.default_rng(0).integers(0, 256, (6, 10, channels), np.uint8)
    padded = images.fit(image, 10, "pad", background=(10, 60, 110))
    assert padded.shape == (10, 10, channels)
    np.testing.assert_array_equal(padded[2:8], image)
    assert (padded[[0, 1, 8, 9]] == expected).all()


@pytest.mark.parametrize("shape", [(24, 32), (32, 24), (7, 100), (100, 7), (1, 500), (33, 33), (65, 64)])
@pytest.mark.parametrize("size", [16, 33])
def test_unfit_undoes_the_padding_of_fit_at_the_size_of_the_square(shape, size):
    image = np.full((*shape, 3), 7, np.uint8)
    cut = images.unfit(images.fit(image, size, "pad", background=(200, 200, 200)), shape, "pad")
    assert (cut == 7).all() and max(cut.shape) == size and abs(min(cut.shape[:2]) - size * min(shape) / max(shape)) < 1
    square = images.fit(image, size, "crop")
    assert images.unfit(square, shape, "crop") is square and images.unfit(square, shape, "stretch") is square


def test_fit_brings_images_to_rectangles():
    image = gradient(40, 60)
    np.testing.assert_array_equal(images.fit(image, (20, 60)), images.resize(image, (20, 60)))
    np.testing.assert_array_equal(images.fit(image, (20, 60), "crop"), images.resize(image[10:30], (20, 60)))
    np.testing.assert_array_equal(images.fit(image, (40, 20), "crop"), image[:, 20:40])
    padded = images.fit(image, (40, 100), "pad", background=(1, 2, 3))
    np.testing.assert_array_equal(padded[:, 20:80], image)
    assert (padded[:, [0, 19, 80, 99]] == (1, 2, 3)).all()
    np.testing.assert_array_equal(images.unfit(padded, image.shape, "pad"), image)


def test_native_cuts_at_the_images_own_scale_and_enlarges_what_is_too_small_alike_in_both_directions():
    image = gradient(40, 60)
    np.testing.assert_array_equal(images.fit(image, (10, 20), "native"), image[15:25, 20:40])
    for where, (top, left) in (((0, 0), (0, 0)), ((0.999, 0.999), (30, 40)), ((0.5, 0.25), (15, 10))):
        found = images.fit(image, (10, 20), "native", where=where)
        np.testing.assert_array_equal(found, image[top : top + 10, left : left + 20])
    assert images.fit(image, (40, 60), "native") is not None
    stripes = np.zeros((16, 32, 3), np.uint8)
    stripes[:, ::4] = stripes[:, 1::4] = 255  # of a period of 4 pixels
    enlarged = images.fit(stripes, 32, "native")  # twice
    np.testing.assert_array_equal(enlarged, images.resize(stripes, (32, 64))[:, 16:48])
    assert np.abs(np.fft.rfft(enlarged[0, :, 0])[1:]).argmax() + 1 == 32 // 8  # of a period of 8


def test_an_unknown_fit_names_the_field_and_the_known_ones():
    message = "data.fit='zoom' is unknown; use one of: stretch, crop, pad, native"
    with pytest.raises(UserError, match=message):
        images.fit(gradient(), 8, "zoom")
    with pytest.raises(UserError, match=message):
        images.unfit(gradient(8, 8), (4, 8), "zoom")


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_write_then_read_gives_the_pixels_and_leaves_no_temporary_file(tmp_path, channels):
    image = np.random.default_rng(0).integers(0, 256, (5, 7, channels), np.uint8)
    images.write(tmp_path / "a.png", image)
    np.testing.assert_array_equal(np.asarray(Image.open(tmp_path / "a.png")).reshape(image.shape), image)
    assert [path.name for path in tmp_path.iterdir()] == ["a.png"]


def test_a_failed_write_keeps_the_old_file(tmp_path):
    images.write(tmp_path / "a.png", gradient())
    with pytest.raises(ValueError, match="float64"):
        images.write(tmp_path / "a.png", gradient() / 255.0)
    np.testing.assert_array_equal(images.read(tmp_path / "a.png"), gradient())
    assert len(list(tmp_path.iterdir())) == 1


def test_find_sorts_by_name_and_skips_other_and_hidden_files(tmp_path):
    for name in ("b.JPG", "a.png", "c.webp", "notes.txt", "._a.png"):
        (tmp_path / name).write_bytes(b"")
    (tmp_path / "folder.png").mkdir()
    assert [path.name for path in images.find(tmp_path)] == ["a.png", "b.JPG", "c.webp"]


def test_find_goes_into_directories_where_there_are_no_images_beside_them(tmp_path):
    names = ("b/2.png", "b/deeper/1.png", "a/1.png", ".hidden/1.png", "results/1.png", "b/Test/1.png")
    for name in names:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    (tmp_path / "a" / "back").symlink_to(tmp_path)
    found = [path.relative_to(tmp_path).as_posix() for path in images.find(tmp_path)]
    assert found == ["a/1.png", "b/2.png", "b/deeper/1.png"]
    assert [path.name for path in images.find(tmp_path / "b")] == ["2.png"]


def test_find_says_what_is_wrong_with_a_directory(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="gone: no such directory"):
        images.find(tmp_path / "gone")
    with pytest.raises(UserError, match="is a file"):
        images.find(tmp_path / "file")
    with pytest.raises(UserError, match="no images in this directory"):
        images.find(tmp_path)
