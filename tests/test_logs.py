"""Records of a run: metrics that survive a resume, pictures, TensorBoard."""

import json

import numpy as np
import pytest
import tensorflow as tf

from gan_xla import images
from gan_xla.images.grids import HEADER, TILE, sample_grid
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
    with Writer(tmp_path, step=0) as writer:
        writer.scalars(7, {"loss/G": 0.25})
        path = writer.picture(7, picture)
    np.testing.assert_array_equal(images.read(path), picture)
    (events,) = (tmp_path / "tensorboard").glob("events.*")
    records = tf.compat.v1.io.tf_record_iterator(str(events))
    values = [value for record in records for value in tf.compat.v1.Event.FromString(record).summary.value]
    assert {value.tag for value in values} == {"loss/G", "samples"}


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
