"""The classifier of real images, and the experiment that judges StarGAN by it."""

import json

import numpy as np
import pytest

from experiments import common, stargan
from gan_xla import data, gans, images
from gan_xla.data.sources import builtin
from gan_xla.evaluation.judges import classifier
from gan_xla.run import settings
from gan_xla.run.checkpoint import Checkpoints
from gan_xla.run.state import create, optimizers

pytestmark = pytest.mark.slow


def _objects(split):
    """(views of chairs and cars, one-hot labels)."""
    views = builtin.views("chairs2cars", split, 32)
    counts = [len(views["x_A"]), len(views["x_B"])]
    return np.concatenate([views["x_A"], views["x_B"]]), np.eye(2)[np.repeat([0, 1], counts)]


def test_chairs_and_cars_that_it_never_saw_are_told_apart():
    predictor = classifier.fit(*_objects("train"), one_hot=True, seed=1, steps=70, mirror=True, width=8)
    x, label = _objects("test")
    p = classifier.predict(predictor, x)
    assert p.shape == (312, 2) and p.dtype == np.float32
    np.testing.assert_allclose(p.sum(axis=1), 1, rtol=1e-5)
    assert classifier.accuracy(predictor, x, label) > 0.95
    np.testing.assert_array_equal(classifier.decide(predictor, x).argmax(1), p.argmax(1))
    np.testing.assert_allclose(classifier.predict(predictor, x[-1:]), p[-1:], rtol=1e-4)  # chunks change nothing


def test_an_image_may_have_any_number_of_attributes():
    draws = np.random.default_rng(0)
    label = draws.integers(0, 2, (200, 2))
    x = draws.integers(0, 60, (200, 12, 13, 1))  # greyscale, of no even size
    x[:, :6] += 150 * label[:, 0, None, None, None]  # light above, light below
    x[:, 6:] += 150 * label[:, 1, None, None, None]
    x = x.astype(np.uint8)
    predictor = classifier.fit(x[:150], label[:150], one_hot=False, seed=0, steps=40, width=4)
    assert classifier.accuracy(predictor, x[150:], label[150:]) > 0.95
    read = classifier.decide(predictor, x[150:])
    assert {0, 1, 2} == set(read.sum(axis=1))


def test_mistakes_are_named():
    x, label = np.zeros((2, 16, 16, 3), np.uint8), np.eye(2)
    predictor = classifier.fit(x, label, one_hot=True, seed=0, steps=1, width=4)
    mistakes = {
        "uint8": lambda: classifier.fit(x / 255, label, one_hot=True, seed=0),
        "8 or more": lambda: classifier.fit(x[:, :4], label, one_hot=True, seed=0),
        r"labels \[2, k\]": lambda: classifier.fit(x, label[:1], one_hot=True, seed=0),
        "zeros and ones": lambda: classifier.fit(x, 2 * label, one_hot=True, seed=0),
        "exactly one": lambda: classifier.fit(x, np.ones((2, 2)), one_hot=True, seed=0),
        r"\[16, 16, 3\], not \[8, 16, 3\]": lambda: classifier.predict(predictor, x[:, :8]),
        r"labels \[2, 2\]": lambda: classifier.accuracy(predictor, x, label[:, :1]),
    }
    for message, call in mistakes.items():
        with pytest.raises(ValueError, match=message):
            call()


CLASSES = ("blue", "green", "red")
TINY = (
    "data.image_size=16", "model.generator.width=4", "model.generator.blocks=1",
    "model.discriminator.width=4", "model.discriminator.layers=1",
)  # fmt: skip


def _save(name, workdir, *fields, tiny=TINY, steps=(1,)):
    """An untrained run: to train a step would take most of this file's time."""
    config = settings.load(name, *(f"config.{field}" for field in (*tiny, *fields)))
    dataset = data.load(config.data)
    config = settings.resolve(config, dataset.images, dataset.fields)
    settings.freeze(config, workdir)
    with Checkpoints(workdir) as checkpoints:
        for step in steps:
            checkpoints.save(step, create(gans.build(config), optimizers(config.optimizer, 1), seed=0))
    return workdir


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Class folders of equal names."""
    root, draws = tmp_path_factory.mktemp("data"), np.random.default_rng(0)
    for split, count in (("train", 8), ("test", 3)):
        for channel, name in enumerate(CLASSES):
            (root / split / name).mkdir(parents=True)
            for number in range(count):
                image = draws.integers(0, 99, (16, 16, 3), np.uint8)
                image[..., 2 - channel] += 150
                images.write(root / split / name / f"{number}.png", image)
    return root


@pytest.fixture(scope="module")
def run(folder, tmp_path_factory):
    fields = (f"data.path={folder}", "data.labels=('all',)", "data.exclusive=()")
    return _save("stargan", tmp_path_factory.mktemp("runs") / "run", *fields)


def _judge(kind, run, output, *flags):
    return common.run(stargan.main, [kind, f"--workdir={run}", f"--output={output}", "--classifier_steps=12", *flags])


def test_every_direction_between_classes_is_scored(run, tmp_path, capsys):
    assert _judge("directions", run, tmp_path) == 0
    scores = json.loads((tmp_path / "scores.json").read_text())
    pairs = {f"{a} to {b}" for a in CLASSES for b in CLASSES if a != b}
    assert scores["directions"].keys() == pairs and scores["step"] == 1
    assert scores["classifiers"]["data"]["accuracy"] == 1  # the colours are plain
    one = scores["directions"]["red to blue"]
    assert {"l1", "ssim", "closer_than_input"} == one["translation"].keys() and 0 <= one["read_as_asked"] <= 1
    printed = capsys.readouterr().out
    assert "| L1 of the input |" in printed and "| read as asked |" in printed and "| mean |" in printed
    assert printed.endswith((tmp_path / "scores.md").read_text())
    assert images.read(tmp_path / "translations.png").shape[1] == 66 * 4 + 8  # the input, and every class


def test_every_label_is_asked_for_under_every_mask(run, folder, tmp_path, capsys):
    second = ("source=builtin", "name=chairs2cars", "labels=('front','back')")
    fields = (f"data.path={folder}", "data.labels=('all',)", "data.exclusive=()")
    joint = _save("stargan_joint", tmp_path / "joint", *fields, *(f"data.joint.second.{field}" for field in second))
    alone = ("data.source=builtin", "data.labels=('front','back')", "data.exclusive=()")
    single = _save("stargan", tmp_path / "single", *alone)
    assert _judge("mask", joint, tmp_path / "out", f"--single={single}") == 0
    scores = json.loads((tmp_path / "out" / "scores.json").read_text())
    asked = [(row["set"], row["asked"], row["mask"]) for row in scores["masks"]]
    labels = [("data", name) for name in CLASSES], [("second", name) for name in ("front", "back")]
    assert asked == [(*label, mask) for group in labels for mask in ("data", "second") for label in group]
    assert all(row["unchanged"].keys() == {"data", "second"} for row in scores["masks"] + scores["single"])
    assert [row["asked"] for row in scores["single"]] == ["front", "back"] and scores["single_step"] == 1
    assert sum(row["input_read_as_asked"] for row in scores["masks"][:3]) == pytest.approx(1)
    assert "| labels of second unchanged |" in capsys.readouterr().out
    assert images.read(tmp_path / "out" / "translations.png").shape[1] == 66 * 5 + 16
    assert _judge("mask", joint, tmp_path / "out", f"--single={run}") == 2
    assert "--single: this run knows blue, green, red at 16 pixels; give one" in capsys.readouterr().err


def test_a_run_that_cannot_be_judged_is_a_clear_error(run, folder, tmp_path, capsys):
    assert _judge("mask", run, tmp_path) == 2
    assert "this run knows one data set; train configs/stargan_joint.py" in capsys.readouterr().err
    missing = folder / "test" / "red" / "2.png"
    pixels = missing.read_bytes()
    missing.unlink()
    assert _judge("directions", run, tmp_path) == 2
    missing.write_bytes(pixels)
    assert "red: needs the same names as" in capsys.readouterr().err
