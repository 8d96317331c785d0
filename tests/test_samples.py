"""The experiments that judge images drawn from noise."""

import json

import numpy as np
import pytest
from test_classifier import _save

from experiments import common, samples
from gan_xla import images

pytestmark = pytest.mark.slow

PGGAN = (
    "data.image_size=16", "data.load_size=16", "growth.fade_images=16", "growth.stable_images=16",
    "model.latent=4", "model.generator.fmap_max=4", "model.discriminator.fmap_max=4",
)  # fmt: skip
CGAN = (
    "data.source=builtin", "data.name=chairs2cars", "data.image_size=16", "data.load_size=16", "data.channels=3",
    "model.latent=4",
)  # fmt: skip


def _judge(kind, run, output, *flags):
    return common.run(samples.main, [kind, f"--workdir={run}", f"--output={output}", "--images=20", *flags])


def test_every_checkpoint_has_a_distance_at_the_size_of_its_level(tmp_path, capsys):
    """One step at 4x4, two at 8x8 and at 16x16."""
    run = _save("pggan:quick", tmp_path / "run", *PGGAN, tiny=(), steps=(1, 3, 5))
    assert _judge("distance", run, tmp_path / "out") == 0
    scores = json.loads((tmp_path / "out" / "scores.json").read_text())
    assert list(scores["distances"]) == ["step 1, 8x8", "step 3, 16x16", "step 5, 16x16", "training images"]
    far, near = (scores["distances"][name]["16"] for name in ("step 5, 16x16", "training images"))
    assert scores["images"] == 20 and far > 2 * near > 0
    assert "| training images |" in capsys.readouterr().out
    assert images.read(tmp_path / "out" / "samples.png").shape[1] == 66 * 4
    assert _judge("labels", run, tmp_path / "out") == 2
    assert "this run knows no labels; give one of configs/cgan.py" in capsys.readouterr().err


def test_samples_are_enlarged_by_whole_pixels():
    x = np.arange(4, dtype=np.uint8).reshape(1, 2, 2, 1)
    np.testing.assert_array_equal(samples.enlarge(x, 4)[0, :, :, 0], [[0, 0, 1, 1]] * 2 + [[2, 2, 3, 3]] * 2)


def test_a_classifier_reads_the_samples_of_each_label(tmp_path, capsys):
    run = _save("cgan:quick", tmp_path / "run", *CGAN, tiny=())
    assert _judge("labels", run, tmp_path / "out", "--classifier_steps=60") == 0
    scores = json.loads((tmp_path / "out" / "scores.json").read_text())
    assert scores["classifier"]["accuracy"] > 0.9 and scores["images"] == 10
    # An untrained generator draws the same for both.
    assert list(scores["read_as_asked"]) == ["chairs", "cars"] and 0.6 < sum(scores["read_as_asked"].values()) < 1.4
    assert "| real held-out images (312) |" in capsys.readouterr().out
    assert _judge("labels", run, tmp_path / "out", "--images=0") == 2
    assert "--images=0 must be 1 or more" in capsys.readouterr().err
