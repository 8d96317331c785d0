"""Damaged images, unusual names and places that cannot be written: one clear line, and nothing is lost."""

import os
import struct
import warnings
from pathlib import Path
from types import SimpleNamespace

import ml_collections
import numpy as np
import pytest
from PIL import Image

import gan_xla
from experiments.reliability import bad_input
from gan_xla import data, images
from gan_xla.contract import BYTES
from gan_xla.errors import UserError
from gan_xla.inference.translate import translate

# Images


@pytest.fixture
def quiet():
    """Warnings are errors."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


def bmp(width, height):
    """The header of a bitmap, and none of its pixels."""
    return b"BM" + struct.pack("<IIIIiiHHIIIIII", 54, 0, 54, 40, width, height, 1, 24, 0, 0, 0, 0, 0, 0)


def test_a_header_that_claims_too_many_pixels_is_refused_before_decoding(tmp_path, quiet):
    (tmp_path / "bomb.bmp").write_bytes(bmp(100_000, 100_000))
    with pytest.raises(images.Unreadable, match=r"bomb\.bmp: 100000x100000 pixels are more than max_pixels=178956970"):
        images.read(tmp_path / "bomb.bmp")


def test_a_large_image_within_the_limit_is_read_without_a_warning(monkeypatch, quiet):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    assert images.read(images.encode(np.zeros((15, 15, 3), np.uint8))).shape == (15, 15, 3)
    assert Image.MAX_IMAGE_PIXELS == 100  # which is other people's, too
    with pytest.raises(images.Unreadable, match="15x15 pixels are more than max_pixels=224; raise that"):
        images.read(images.encode(np.zeros((15, 15, 3), np.uint8)), max_pixels=224)


def test_damaged_exif_costs_neither_the_image_nor_a_warning(tmp_path, quiet):
    exif = Image.Exif()
    exif[0x0112], exif[0x010E] = 6, "described"
    Image.new("RGB", (4, 8)).save(tmp_path / "whole.jpg", exif=exif)
    assert images.read(tmp_path / "whole.jpg").shape == (4, 8, 3)
    content = (tmp_path / "whole.jpg").read_bytes()
    at = content.index(b"MM\0*")
    for damage in (b"\xff" * 4, b"\0\0\0\x09", b"\0\0\xff\xff"):  # where the directory begins
        assert images.read(content[: at + 4] + damage + content[at + 8 :]).shape == (8, 4, 3)


@pytest.mark.parametrize("kind", ["JPEG2000", "EPS", "ICO", "PPM"])
def test_formats_that_we_do_not_name_are_not_decoded(tmp_path, kind):
    Image.new("RGB", (32, 32)).save(tmp_path / "a.png", kind)
    with pytest.raises(images.Unreadable, match=r"a\.png: .*not a PNG, .*NIfTI image"):
        images.read(tmp_path / "a.png")


def test_a_pipe_and_a_directory_named_like_images_are_refused_and_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe.png")
    (tmp_path / "directory.png").mkdir()
    for name in ("pipe.png", "directory.png"):
        with pytest.raises(images.Unreadable, match=f"{name}: is not a file"):
            images.read(tmp_path / name)
    with pytest.raises(UserError, match="no images in this directory"):
        images.find(tmp_path)


def test_an_image_that_may_not_be_read_is_named(tmp_path, monkeypatch):
    images.write(tmp_path / "a.png", np.zeros((2, 2, 3), np.uint8))

    def refuse(path):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "read_bytes", refuse)
    with pytest.raises(images.Unreadable, match=r"a\.png: cannot be read \(Permission denied\); check its permissions"):
        images.read(tmp_path / "a.png")


# Names


NAMES = (
    "plain.png",
    "with  spaces.png",
    "ünïcödé 写真 🚗.PNG",
    "two\nlines.png",
    "\udcff.png",
    "-rf.png",
    "'$(x)`;*.png",
)


def test_links_that_lead_nowhere_and_unusual_names_do_not_hide_the_images_beside_them(tmp_path):
    for name in NAMES:
        images.write(tmp_path / name, np.zeros((2, 2, 3), np.uint8))
    (tmp_path / "loop.png").symlink_to(tmp_path / "loop.png")
    (tmp_path / "broken.png").symlink_to(tmp_path / "gone.png")
    (tmp_path / "up").symlink_to(tmp_path)
    assert [path.name for path in images.find(tmp_path)] == sorted(NAMES)
    fields = {"source": "folder", "path": str(tmp_path), "unlabelled": True, "image_size": 2}
    dataset = data.load(ml_collections.ConfigDict(fields))
    assert sum(map(len, dataset.train + dataset.test)) == len(NAMES), "the link upwards shows none of them again"
    with pytest.raises(UserError, match=r"loop\.png: cannot be listed \(Too many levels of symbolic links\)"):
        images.find(tmp_path / "loop.png")


def test_directories_that_cannot_be_listed_are_named(tmp_path, monkeypatch):
    long = str(tmp_path / ("x" * 300))
    with pytest.raises(UserError, match=r"x: cannot be listed \(File name too long\)"):
        images.find(long)
    with pytest.raises(UserError, match="data.path: .*File name too long; check its name"):
        data.load(ml_collections.ConfigDict({"source": "folder", "path": long}))

    def refuse(path):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(os, "listdir", refuse)
    with pytest.raises(UserError, match=r"cannot be listed \(Permission denied\); check its name and permissions"):
        images.find(tmp_path)


def test_a_message_is_one_line_that_no_name_can_break():
    assert str(UserError("a\nb\x1b[31m\udcff é 写")) == r"a\nb\x1b[31m\udcff é 写"


# Translating files


@pytest.fixture
def identity(monkeypatch):
    """A model that changes nothing."""
    fields = {"image_size": 8, "channels": 3, "fit": "stretch", "background": (255, 255, 255)}
    config = ml_collections.ConfigDict({"data": fields})
    model = SimpleNamespace(
        style=None,
        config=config,
        step=1,
        size_multiple=1,
        directions=("AtoB",),
        ends=lambda direction: ("x_A", "x_B"),
        values=lambda name: BYTES,
        channels=lambda name: 3,
        translate=lambda x, direction, **options: x,
    )
    monkeypatch.setattr(gan_xla, "load", lambda workdir, checkpoint: model)


def picture(path, value):
    images.write(path, np.full((8, 8, 3), value, np.uint8))
    return path


def test_translating_again_replaces_other_results_where_asked_to_and_the_longest_names_fit(tmp_path, identity):
    (tmp_path / "in").mkdir()
    long = picture(tmp_path / "in" / f"{'x' * 251}.png", 1)
    places = ("run", str(tmp_path / "in"), str(tmp_path / "out"))
    for _ in range(2):
        translate(*places)
    picture(long, 2)
    with pytest.raises(UserError, match="is there already, and differs"):
        translate(*places)
    assert (images.read(tmp_path / "out" / long.name) == 1).all()
    translate(*places, overwrite=True)
    assert (images.read(tmp_path / "out" / long.name) == 2).all()
    assert len(list((tmp_path / "out").iterdir())) == 1


def test_no_output_replaces_an_input_or_what_lies_beside_it(tmp_path, identity):
    jpeg, beside = tmp_path / "a.jpg", picture(tmp_path / "a.png", 7)
    Image.new("RGB", (8, 8)).save(jpeg)
    (tmp_path / "links").mkdir()
    (tmp_path / "links" / "b.png").symlink_to(beside)
    linked = picture(tmp_path / "links" / "c.png", 5)
    cases = [
        (jpeg, tmp_path),  # beside the input, where a.png is somebody's
        (jpeg, tmp_path / "links" / ".."),
        (beside, tmp_path),
        (tmp_path / "links", tmp_path / "links"),
    ]
    for source, target in cases:
        with pytest.raises(UserError, match="would overwrite .*; use another directory"):
            translate("run", str(source), str(target))
    assert (images.read(beside) == 7).all() and (images.read(linked) == 5).all()
    translate("run", str(linked), str(tmp_path))  # a link or file of another directory's input is no input
    assert (images.read(tmp_path / "c.png") == 5).all()


def test_an_output_that_is_a_file_is_refused_and_kept(tmp_path, identity):
    target = tmp_path / "out"
    target.write_text("precious")
    with pytest.raises(UserError, match=r"--output=.*out: cannot be written to \(File exists\); use another directory"):
        translate("run", str(picture(tmp_path / "a.png", 1)), str(target))
    assert target.read_text() == "precious"


# All at once


def test_nothing_that_is_read_is_unpickled():
    """But PyTorch's files, by a reader of its own that knows a few names only: tests/test_torch_file.py."""
    package = Path(gan_xla.__file__).parent
    (reader,) = package.rglob("torch_file.py")
    assert "def find_class" in reader.read_text()
    for path in set(package.rglob("*.py")) - {reader}:
        assert "pickle" not in path.read_text().replace("allow_pickle=False", ""), path


def test_damaged_images_and_broken_configs_end_in_clear_refusals_and_change_no_file(capsys):
    pytest.importorskip("nibabel")
    pytest.importorskip("pydicom")
    assert bad_input.main(["--images=60", "--configs=40"]) == 0
    *_, last = capsys.readouterr().out.strip().splitlines()
    tried, refused, read, tracebacks, lost = (int(cell) for cell in last.strip("|").split("|")[1:])
    assert tried == 60 + 1 + 40 == refused + read and tracebacks == lost == 0 and refused > 70 and read > 10
