"""Data of which some images belong together in pairs (`data.paired_share`)."""

import json
from pathlib import Path

import numpy as np
import pytest
from ml_collections import ConfigDict

from gan_xla import data, images
from gan_xla.data import augmentation, pipeline, validation
from gan_xla.errors import UserError
from gan_xla.main import main

COUNT, STEPS, BATCH, SHARE = 7, 40, 3, 0.25


def _image(number, domain):
    """Its number in red, its domain in green, its columns in blue."""
    x = np.zeros((12, 12, 3), np.uint8)
    x[..., 0], x[..., 1], x[..., 2] = number, 100 * (domain == "B"), 20 * np.arange(12)
    return x


@pytest.fixture
def folder(tmp_path):
    """Five pairs, and others of A and of B alone: their numbers are 0 to 4, 10 to 16, 20 to 26."""
    names = {"A": [*range(5), *range(10, 10 + COUNT)], "B": [*range(5), *range(20, 20 + COUNT)]}
    for domain, numbers in names.items():
        for split in ("train", "test"):
            (tmp_path / "set" / f"{split}{domain}").mkdir(parents=True)
            for number in numbers:
                name = tmp_path / "set" / f"{split}{domain}" / f"{'both' if number < 5 else domain}{number}.png"
                images.write(name, _image(number, domain))
    return str(tmp_path / "set")


def _load(folder, **fields):
    return data.load(ConfigDict({"source": "folder", "path": folder, "image_size": 8, "load_size": 12} | fields))


def _batches(dataset, **options):
    options = dict(batch_size=BATCH, seed=3, start=0, stop=STEPS, image_size=8, load_size=12) | options
    options |= dict(pairs=dataset.pairs.source, paired_share=SHARE, augment=augmentation.Augment(flip=True))
    found = list(pipeline.batches(dataset.train, **options))
    return {name: np.concatenate([batch[name] for batch in found]) for name in found[0]}


def test_a_share_of_the_rows_shows_pairs_cut_alike_and_the_others_show_all(folder):
    dataset = _load(folder, paired_share=SHARE)
    assert "12 + 12 training and 12 + 12 test images, 5 of them in pairs" in dataset.about
    batch = _batches(dataset)
    assert batch["paired"].shape == (STEPS, BATCH) and batch["paired"].sum() == SHARE * STEPS * BATCH
    rows = {name: batch[name].reshape(-1, *batch[name].shape[2:]) for name in ("x_A", "x_B")}
    shows = batch["paired"].reshape(-1) == 1
    numbers = {name: x[:, 0, 0, 0] for name, x in rows.items()}
    np.testing.assert_array_equal(numbers["x_A"][shows], numbers["x_B"][shows])
    np.testing.assert_array_equal(rows["x_A"][shows][..., 2], rows["x_B"][shows][..., 2])  # crop and mirror
    assert (np.bincount(numbers["x_A"][shows]) == 6).all()  # 30 rows, 5 pairs
    assert set(numbers["x_A"][~shows]) == {*range(5), *range(10, 17)}
    assert (rows["x_A"][~shows][..., 2] != rows["x_B"][~shows][..., 2]).any()
    assert set(rows["x_A"][..., 1].flat) == {0} and set(rows["x_B"][..., 1].flat) == {100}


def test_what_is_shown_follows_from_seed_and_step_whoever_shows_it(folder):
    dataset = _load(folder, paired_share=SHARE)
    whole = _batches(dataset)
    for name, x in _batches(dataset, start=13).items():
        np.testing.assert_array_equal(x, whole[name][13:])
    for name, x in _batches(dataset, rows=slice(1, 3), steps_per_call=4).items():
        np.testing.assert_array_equal(x, whole[name][:, 1:3])
    several = _batches(dataset, seed=[3, 4])
    np.testing.assert_array_equal(several["paired"], whole["paired"])
    np.testing.assert_array_equal(several["x_B"][:, :, 0], whole["x_B"])


def test_images_for_scores_are_in_no_pair(folder):
    dataset = validation.hold_out(_load(folder, paired_share=SHARE), 0.4)
    every = lambda source, key: set(source.read(np.arange(len(source)))[key][:, 0, 0, 0])
    lost = every(dataset.validation[0], "x_A") | every(dataset.validation[1], "x_B")
    assert lost & set(range(5)) and every(dataset.pairs.source, "x_A") == set(range(5)) - lost


def test_an_image_that_cannot_be_read_costs_the_pair(folder):
    dataset = _load(folder, paired_share=SHARE)
    (Path(folder) / "trainB" / "both2.png").write_bytes(b"no image")
    batch = _batches(dataset)
    shows = batch["paired"] == 1
    numbers = [batch[name][shows][:, 0, 0, 0] for name in ("x_A", "x_B")]
    assert 2 not in numbers[0]
    np.testing.assert_array_equal(*numbers)


def test_a_run_learns_from_pairs_of_drawings_and_of_files(folder, tmp_path):
    drawings = ("data.source=builtin", "data.name=edges2objects", "train.num_seeds=2")
    for name, fields in (("drawn", drawings), ("files", ("data.source=folder", f"data.path={folder}"))):
        flags = [f"--config.{field}" for field in (*fields, "data.paired_share=0.5")]
        assert main(["main", "--config=cut:tiny", f"--workdir={tmp_path / name}", *flags]) == 0
        rows = [json.loads(line) for line in (tmp_path / name / "metrics.jsonl").read_text().splitlines()]
        assert len(rows) == 2 and all(np.all(np.asarray(row["loss/paired_AB"]) > 0) for row in rows)


@pytest.mark.parametrize(
    "fields, message",
    [
        ({"paired": True}, "data.paired_share=0.25 and data.paired=True do not go together"),
        ({"on_device": True}, "data.paired_share=0.25 and data.on_device=True do not go together"),
        ({"source": "builtin", "name": "chairs2cars"}, "no training image of A belongs to one of B; give files"),
    ],
)
def test_data_that_cannot_show_pairs_are_refused(fields, message, folder):
    with pytest.raises(UserError, match=message):
        _load(folder, paired_share=SHARE, **fields)
