"""What may change when a run goes on: equal bits where that is promised, a line of history.jsonl, or one error line."""

import json
import shutil

import numpy as np
import pytest
from test_main import _assert_same_state, _command

import gan_xla
from gan_xla import data, images
from gan_xla.errors import UserError
from gan_xla.main import main
from gan_xla.run import changes, settings
from gan_xla.run.checkpoint import Checkpoints

RANDOM = np.random.default_rng(0)


@pytest.fixture(scope="module")
def begun(tmp_path_factory):
    """A run on files that is at step 2, and its data."""
    root = tmp_path_factory.mktemp("begun")
    for domain in ("trainA", "trainB", "testA", "testB"):
        (root / "data" / domain).mkdir(parents=True)
        for number in range(8):
            image = RANDOM.integers(0, 256, (20, 20, 3), np.uint8)
            images.write(root / "data" / domain / f"{number}.png", image)
    assert main(_command("discogan", root / "run", *_on(root / "data"))) == 0
    return root


def _on(path, *flags, steps=2):
    return ("--config.data.source=folder", f"--config.data.path={path}", f"--config.train.steps={steps}", *flags)


@pytest.fixture
def copy(begun, tmp_path):
    shutil.copytree(begun / "run", tmp_path / "run")
    return tmp_path / "run"


@pytest.fixture(scope="module")
def straight(begun, tmp_path_factory):
    """The same without a stop, four steps long."""
    workdir = tmp_path_factory.mktemp("straight")
    assert main(_command("discogan", workdir, *_on(begun / "data", steps=4))) == 0
    return workdir


def _history(workdir):
    path = workdir / changes.FILE
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def _files(workdir):
    """All but the lock, with the times of their last change."""
    return {path: path.stat().st_mtime_ns for path in workdir.rglob("*") if path.is_file() and path.name != ".lock"}


def test_moved_data_kept_on_the_device_and_other_logs_change_no_bit(begun, copy, straight, tmp_path, capsys):
    shutil.copytree(begun / "data", tmp_path / "moved")
    flags = ("--config.data.on_device=True", "--config.train.log_every=2", "--config.train.max_rollbacks=9")
    assert main(_command("discogan", copy, *_on(tmp_path / "moved", *flags, steps=4))) == 0
    assert f"from step 2 on: data.path={str(tmp_path / 'moved')!r}, until now" in capsys.readouterr().out
    _assert_same_state(copy, straight)
    rows = {row["field"]: row for row in _history(copy)}
    assert rows.keys() == {
        "data.path", "data.on_device", "train.log_every", "train.max_rollbacks", "train.steps"
    }  # fmt: skip
    assert rows["data.on_device"] == {"step": 2, "field": "data.on_device", "old": False, "new": True}
    assert settings.read(copy).data.path == str(tmp_path / "moved") and not _history(straight)


@pytest.mark.slow
def test_remat_and_several_steps_in_a_call_change_nothing_but_rounding(begun, copy, straight):
    flags = ("--config.train.remat=True", "--config.train.steps_per_call=2")
    assert main(_command("discogan", copy, *_on(begun / "data", *flags, steps=4))) == 0
    x = RANDOM.integers(0, 256, (4, 16, 16, 3), np.uint8)
    one, other = (gan_xla.load(workdir).translate(x).astype(int) for workdir in (copy, straight))
    assert np.abs(one - other).max() <= 1


def test_other_images_and_other_rates_are_refused_unless_they_are_allowed(begun, copy, tmp_path, capsys):
    shutil.copytree(begun / "data", tmp_path / "more")
    images.write(tmp_path / "more" / "trainA" / "9.png", np.zeros((20, 20, 3), np.uint8))
    command = _command("discogan", copy, *_on(tmp_path / "more", "--config.optimizer.learning_rate=1e-3", steps=3))
    before = (copy / "config.json").read_bytes()
    assert main(command) == 2
    error = capsys.readouterr().err
    assert "optimizer.learning_rate=0.0002, not 0.001; other training images. Go on" in error
    assert "--allow_changes" in error and (copy / "config.json").read_bytes() == before
    assert main([*command, "--allow_changes"]) == 0
    rows = _history(copy)
    assert [row["old"] for row in rows if row["field"] == "optimizer.learning_rate"] == [0.0002]
    assert all(row["step"] == 2 for row in rows)
    assert main(command) == 0, "a change that was made is the run's own"


@pytest.mark.parametrize(
    "flag, message",
    [
        ("model.generator.width=8", "model.generator.width=4, not 8, which its state cannot follow"),
        ("train.num_seeds=2", "train.num_seeds=1, not 2, which its state cannot follow"),
        ("optimizer.gen.ema_decay=0.9", "does not fit the run's config"),
        ("train.steps_per_call=4", "train.steps_per_call=4: this run is at step 2, which is no multiple of it"),
    ],
)
def test_what_the_state_cannot_follow_is_one_line_and_changes_nothing(flag, message, begun, copy, capsys):
    before = _files(copy)
    command = _command("discogan", copy, *_on(begun / "data", f"--config.{flag}", steps=4))
    assert main([*command, "--allow_changes"]) == 2
    (error,) = capsys.readouterr().err.splitlines()[-1:]
    assert error.startswith("error: ") and message in error
    assert ("--init_from" in error) == ("steps_per_call" not in flag)
    assert _files(copy) == before


def test_a_run_that_noted_no_images_has_the_same_where_its_path_is_the_same(begun, copy, tmp_path):
    (copy / changes.DATA_FILE).unlink()
    config = settings.read(copy)
    config.data.path = str(tmp_path)
    dataset = data.load(settings.read(copy).data)
    assert changes.since(copy, settings.read(copy), dataset) == []
    found = changes.since(copy, config, dataset)
    assert [change.field for change in found] == ["data.path", changes.IMAGES]
    with pytest.raises(UserError, match=f"this run has {changes.IMAGES}"):
        changes.check(found, copy, 2)
    (copy / changes.DATA_FILE).write_text("{")
    with pytest.raises(UserError, match="data.json: is damaged"):
        changes.since(copy, config, dataset)
    with Checkpoints(copy, read_only=True) as checkpoints:
        assert checkpoints.latest() == 2


def test_changes_that_a_dying_process_wrote_down_are_not_written_twice(begun, copy):
    dataset = data.load(settings.read(copy).data)
    first, second = (changes.Change("optimizer.b1", old, new) for old, new in ((0.5, 0.4), (0.4, 0.5)))
    for found in ([first], [first], [], [second], [first], [first]):
        changes.note(copy, 2, found, dataset)
    assert [row["new"] for row in _history(copy)] == [0.4, 0.5, 0.4]
    changes.note(copy, 0, [], dataset)
    assert not (copy / changes.FILE).exists(), "what begins anew has no history"
