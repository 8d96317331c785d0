"""Label maps: classes in files, channels in networks, classes in files again."""

import numpy as np
import pytest
from ml_collections import ConfigDict
from PIL import Image
from test_values import identity

import gan_xla
from gan_xla import data, gans, images
from gan_xla.data import pipeline
from gan_xla.errors import UserError
from gan_xla.evaluation.suite import Suite
from gan_xla.images import classes
from gan_xla.inference import translate as translation
from gan_xla.inference.model import Model
from gan_xla.run import settings
from gan_xla.training.train import prepare

SIZE = 16
PALETTE = ((0, 0, 0), (255, 0, 0), (0, 0, 255), (9, 99, 200))


def label_map(seed, height=SIZE, width=SIZE, count=4):
    return np.random.default_rng(seed).integers(0, count, (height, width), np.uint8)


def save(path, numbers, palette=PALETTE):
    path.parent.mkdir(parents=True, exist_ok=True)
    images.write(path, numbers[..., None], palette)


def load(path, **fields):
    return data.load(ConfigDict({"source": "folder", "path": str(path), "image_size": SIZE, **fields}))


@pytest.fixture
def maps(tmp_path):
    """Label maps in A, pictures in B."""
    for split in ("train", "test"):
        (tmp_path / f"{split}B").mkdir()
        for number in range(6):
            save(tmp_path / f"{split}A/{number}.png", label_map(number))
            photo = np.random.default_rng(number).integers(0, 256, (SIZE, SIZE, 3), np.uint8)
            images.write(tmp_path / f"{split}B/{number}.png", photo)
    return tmp_path


def test_classes_are_the_numbers_of_palettes_and_of_grey_files_or_exact_colours(tmp_path):
    numbers = label_map(0)
    save(tmp_path / "palette.png", numbers)
    save(tmp_path / "grey.png", numbers, ())
    images.write(tmp_path / "array.npy", numbers[..., None])
    Image.fromarray(np.array(PALETTE, np.uint8)[numbers]).save(tmp_path / "colours.png")
    for name, palette in (("palette.png", ()), ("grey.png", ()), ("array.npy", ()), ("colours.png", PALETTE)):
        found, _ = classes.read(tmp_path / name, palette=palette)
        np.testing.assert_array_equal(found[..., 0], numbers)
    assert classes.read(tmp_path / "palette.png")[1][:4] == PALETTE
    np.save(tmp_path / "floats.npy", numbers.astype(np.float32))
    np.testing.assert_array_equal(classes.read(tmp_path / "floats.npy")[0][..., 0], numbers)
    np.save(tmp_path / "floats.npy", numbers - 0.5)
    with pytest.raises(images.Unreadable, match="values that are no whole numbers from 0 on"):
        classes.read(tmp_path / "floats.npy")
    with pytest.raises(images.Unreadable, match="is no label map, which has one whole number a pixel"):
        classes.read(tmp_path / "colours.png")
    with pytest.raises(images.Unreadable, match=r"its colour \(9, 99, 200\) is none of data.palette_a"):
        classes.read(tmp_path / "colours.png", palette=PALETTE[:3])


def test_channels_and_classes_are_each_others_inverse_and_void_is_none():
    numbers = label_map(0)[..., None]
    numbers[0, 0] = classes.VOID
    hot = classes.one_hot(numbers, 4)
    assert hot.dtype == np.uint8 and hot.sum(dtype=int) == 255 * (numbers.size - 1) and not hot[0, 0].any()
    np.testing.assert_array_equal(classes.of(hot), numbers)
    painted = classes.painted(hot, PALETTE)
    np.testing.assert_array_equal(painted[1:], np.array(PALETTE, np.uint8)[numbers[1:, :, 0]])
    assert len(set(classes.colours(40))) == 40 and classes.colours(3) == ((0, 0, 0), (128, 0, 0), (0, 128, 0))


def test_no_pixel_becomes_a_mixture_of_classes():
    numbers = label_map(0, 37, 23)[..., None]
    for how in images.FITS:
        fitted = images.fit(numbers, 16, how, nearest=True)
        assert fitted.shape == (16, 16, 1) and set(np.unique(fitted)) <= set(range(4))
    doubled = images.resize(numbers, (74, 46), nearest=True)
    np.testing.assert_array_equal(doubled, numbers.repeat(2, axis=0).repeat(2, axis=1))


def test_the_number_of_classes_and_their_colours_are_those_of_the_training_files(maps):
    dataset = load(maps, kind_a="labels")
    assert dataset.fields == {"channels_a": 4, "palette_a": PALETTE}
    assert "; A: 4 classes" in dataset.about
    batch = next(iter(pipeline.batches(dataset.train, batch_size=3, seed=0, start=0, stop=1)))
    assert batch["x_A"].shape == (1, 3, SIZE, SIZE, 4) and (batch["x_A"].sum(axis=-1, dtype=int) == 255).all()
    more = load(maps, kind_a="labels", channels_a=9)
    assert more.fields["channels_a"] == 9 and len(more.fields["palette_a"]) == 9
    few = load(maps, kind_a="labels", channels_a=3, palette_a=PALETTE[:3], max_unreadable=0)
    with pytest.raises(UserError, match="has the class 3, but there are 3 classes"):
        few.train[0].read(np.arange(4))
    with pytest.raises(UserError, match=r"only files of data.source='folder' are read as label maps"):
        load(maps, source="builtin", kind_a="labels")


def test_an_identity_network_gives_back_classes_and_palette(maps, monkeypatch, tmp_path):
    for split in ("train", "test"):
        for path in (maps / f"{split}A").iterdir():
            (maps / f"{split}B" / path.name).write_bytes(path.read_bytes())
    config = settings.load("discogan:tiny", "config.data.source=folder", "config.data.load_size=0")
    config.data.path, config.data.kind_a, config.data.kind_b = str(maps), "labels", "labels"
    config, *_ = prepare(config)
    model = Model(identity(config), config, 1, {"gen": ({}, {}), "disc": ({}, {})})
    monkeypatch.setattr(gan_xla, "load", lambda workdir, checkpoint: model)
    for size in ("train", "native"):
        translation.translate("run", str(maps / "testA"), str(tmp_path / size), size=size)
        for path in (maps / "testA").iterdir():
            before, after = (classes.read(at) for at in (path, tmp_path / size / path.name))
            np.testing.assert_array_equal(after[0], before[0])
            assert after[1][:4] == PALETTE
    monkeypatch.setattr(gans, "build", identity)
    suite = Suite(config, data.load(config.data), metrics=("classes",))
    found = {x.metric: x.value for x in suite.measure(model, quiet=True)["AtoB"]}
    assert found["miou"] == found["pixel_accuracy"] == found["iou_3"] == 1
    assert "AtoB: networks are shown the colours of 4 classes" in suite.shown
