"""Records of a run: metrics that survive a resume, pictures, TensorBoard."""

import importlib.util
import json

import numpy as np
import pytest
import tensorflow as tf

from gan_xla import images
from gan_xla.errors import UserError
from gan_xla.images.grids import HEADER, TILE, sample_grid
from gan_xla.run import settings
from gan_xla.training import boards
from gan_xla.training.boards import TensorBoard, WeightsAndBiases
from gan_xla.training.logs import Writer


def _rows(workdir):
    return [json.loads(line) for line in (workdir / "metrics.jsonl").read_text().splitlines()]


def test_a_resumed_run_writes_every_step_once(tmp_path):
    with Writer(tmp_path, step=0) as writer:
        for step in (1, 2, 3):
            writer.scalars(step, {"loss": step / 2})
    with Writer(tmp_path, step=2) as writer:  # the checkpoint of step 2 was the last one
        writer.scalars(3, {"loss": 9.0})
    assert _rows(tmp_path) == [{"step": 1, "loss": 0.5}, {"step": 2, "loss": 1.0}, {"step": 3, "loss": 9.0}]


def test_a_line_torn_by_a_kill_is_dropped(tmp_path):
    (tmp_path / "metrics.jsonl").write_text('{"step": 1, "loss": 1.0}\n{"step": 2, "lo')
    with Writer(tmp_path, step=2) as writer:
        writer.scalars(3, {"loss": 2.0})
    assert [row["step"] for row in _rows(tmp_path)] == [1, 3]


def test_scalars_and_pictures_reach_tensorboard(tmp_path):
    picture = np.zeros((4, 6, 3), np.uint8)
    with Writer(tmp_path, 0, [TensorBoard(tmp_path, 0)]) as writer:
        writer.scalars(7, {"loss/G": 0.25})
        path = writer.picture(7, picture)
    np.testing.assert_array_equal(images.read(path), picture)
    (events,) = (tmp_path / "tensorboard").glob("events.*")
    records = tf.compat.v1.io.tf_record_iterator(str(events))
    values = [value for record in records for value in tf.compat.v1.Event.FromString(record).summary.value]
    assert {value.tag for value in values} == {"loss/G", "samples"}


@pytest.mark.slow
def test_weights_and_biases_is_told_the_same_and_goes_on_as_one_run(tmp_path, monkeypatch):
    """Offline, where it writes what it would send."""
    pytest.importorskip("wandb")
    monkeypatch.setenv("WANDB_MODE", "offline")
    config = settings.load("discogan:tiny", "config.train.wandb=tests")
    for step in (1, 2):
        with Writer(tmp_path, step - 1, [WeightsAndBiases(config, tmp_path)]) as writer:
            writer.scalars(step, {"loss/G": 0.25 * step})
            writer.picture(step, np.full((4, 6, 3), 9, np.uint8))
    files = sorted((tmp_path / "wandb").glob("offline-run-*/run-*.wandb"))
    assert {file.stem for file in files} == {f"run-{(tmp_path / 'wandb.id').read_text()}"}, "one run, told of twice"
    told = b"".join(file.read_bytes() for file in files)
    assert all(text in told for text in (b"loss/G", b"0.25", b"0.5", b"encoder_decoder"))
    found = (tmp_path / "wandb").glob("offline-run-*/files/media/images/samples*.png")
    pictures = [images.read(path) for path in found]
    assert pictures and all((picture == 9).all() for picture in pictures)


def test_weights_and_biases_are_asked_for_where_they_are_not_installed(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    boards.check(settings.load("discogan:tiny"))
    with pytest.raises(UserError, match=r"train.wandb='mine' needs wandb: pip install 'gan_xla\[wandb\]'"):
        boards.check(settings.load("discogan:tiny", "config.train.wandb=mine"))


@pytest.mark.parametrize("size", [16, 48, 100])
def test_a_grid_has_a_labelled_column_for_each_name(size):
    x = np.full((3, size, size, 3), 200, np.uint8)
    grid = sample_grid({"x_A": x, "x_AB": x, "x_B": x}, (("x_A", "x_AB"), ("x_B",)))
    tile = size * -(-TILE // size) + 2
    assert grid.shape == (HEADER + 3 * tile, 3 * tile + 8, 3)
    assert (grid[:HEADER, :tile] < 128).any(), "the label is drawn"


def test_points_are_drawn_where_they_are():
    corner = np.full((50, 2), 2.0)
    grid = sample_grid({"x_A": corner}, (("x_A",),))[HEADER:]
    dark_rows, dark_columns = np.nonzero(grid[..., 0] < 128)
    assert dark_rows.max() < grid.shape[0] / 2 < dark_columns.min(), "large y is up, large x is right"


def test_a_grid_shows_grey_and_transparent_images_and_names_any_column():
    grey, clear = np.full((1, 64, 64, 1), 7, np.uint8), np.zeros((1, 64, 64, 4), np.uint8)
    grid = sample_grid({"x_A": grey, "red hair": clear}, [("x_A", "red hair")])
    assert grid.shape == (HEADER + TILE + 2, 2 * (TILE + 2), 3)
    assert (grid[HEADER + 1 : -1, 1:65] == 7).all() and (grid[HEADER + 1 : -1, 67:131] == 255).all()


def test_a_long_name_fits_its_column():
    x = np.full((1, 64, 64, 3), 255, np.uint8)
    header = sample_grid({"a very long name of a domain": x}, [("a very long name of a domain",)])[:HEADER]
    dark = np.nonzero((header < 200).any(axis=(0, 2)))[0]
    assert dark.min() > 0 and dark.max() < header.shape[1] - 1
