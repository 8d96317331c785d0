"""What goes wrong while a run trains, and what is left of it."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from devices import configure
from test_main import _assert_same_state, _command, _metrics, _state

import gan_xla
from experiments.reliability import faults
from gan_xla import gans
from gan_xla.errors import UserError
from gan_xla.main import main
from gan_xla.run import lock
from gan_xla.run.checkpoint import FORMAT, Checkpoints, Damaged
from gan_xla.run.state import create, optimizers
from gan_xla.training.boards import TensorBoard
from gan_xla.training.logs import Writer
from gan_xla.training.step import make_step

ROOT = Path(__file__).parent.parent


TOY = ("--config.train.log_every=1", "--config.train.checkpoint_every=1", "--config.train.batch_size=8")


@pytest.fixture
def poisoned():
    with faults.poison(8):
        yield


def _finite(workdir) -> bool:
    return all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(_state(workdir)))


def test_what_is_not_finite_stops_a_run_with_a_diagnosis_and_its_checkpoints_stay_good(poisoned, tmp_path, capsys):
    assert main(_command("toy_gmm", tmp_path, *TOY, "--config.train.steps=6")) == 2
    message = capsys.readouterr().err
    assert "error: step 3: loss/" in message and "grad_norm/D=nan" in message and "grad_norm/G=nan" in message
    assert "the last good checkpoint is of step 2" in message and "--config.train.nonfinite=skip or rollback" in message
    assert _finite(tmp_path) and _state(tmp_path).step == 2
    again = _command("toy_gmm", tmp_path, *TOY, "--config.train.steps=6", "--config.train.nonfinite=skip")
    assert main(again) == 0, "the same run goes on under another policy"
    assert "skipped, 2 so far" in capsys.readouterr().out
    assert _finite(tmp_path) and [row["skipped_updates"] for row in _metrics(tmp_path)] == [0, 0, 2, 2, 2, 2]
    assert [row["loss/D"] is None for row in _metrics(tmp_path)] == [False, False, True, False, False, False]


@pytest.mark.slow
def test_a_rollback_goes_on_from_the_last_checkpoint_with_other_data(poisoned, tmp_path, capsys):
    command = _command("toy_gmm", tmp_path, *TOY, "--config.train.nonfinite=rollback", "--config.train.steps=6")
    assert main(command) == 0
    assert "rollback 1 of 3, data in a new order" in capsys.readouterr().out
    assert [(row["step"], row["rollbacks"]) for row in _metrics(tmp_path)] == [(i, int(i > 2)) for i in range(1, 7)]
    assert _finite(tmp_path) and _state(tmp_path).skipped == 0


@pytest.mark.slow
def test_rollbacks_are_bounded(tmp_path, capsys):
    hopeless = ("--config.optimizer.learning_rate=1e30", "--config.train.nonfinite=rollback")
    assert main(_command("toy_gmm", tmp_path, *TOY, *hopeless, "--config.train.max_rollbacks=2")) == 2
    assert "after 2 rollbacks (train.max_rollbacks)" in capsys.readouterr().err


@pytest.mark.parametrize(
    "field, message",
    [
        ("train.nonfinite=ignore", "train.nonfinite='ignore' must be one of stop, skip, rollback"),
        ("train.max_rollbacks=0", "train.max_rollbacks=0 must be a whole number from 1"),
        ("optimizer.grad_clip=-1.0", "optimizer.grad_clip=-1.0 must be 0 or more"),
        ("train.keep_every=-1", "train.keep_every=-1 must be a whole number from 0"),
    ],
)
def test_impossible_policies_are_clear_errors(field, message, tmp_path, capsys):
    assert main(_command("toy_gmm", tmp_path / "run", f"--config.{field}")) == 2
    assert message in capsys.readouterr().err and not (tmp_path / "run").exists()


def test_an_update_that_is_not_finite_changes_nothing_but_the_count():
    config = configure("cyclegan", ("dg",))
    gan, optimizer = gans.build(config), optimizers(config.optimizer, 10)
    before = create(gan, optimizer, 0)
    batch = {f"x_{domain}": np.full((1, 4, 16, 16, 3), np.nan, np.float32) for domain in "AB"}
    after, logs = jax.jit(make_step(gan, optimizer, ("dg",)))(before, {**batch, "index": np.arange(4)[None]})
    for part in ("gen", "disc", "pool"):
        jax.tree.map(np.testing.assert_array_equal, getattr(before, part), getattr(after, part))
    assert (after.step, after.skipped, logs["skipped_updates"]) == (1, 2, 2)


def test_gradients_are_clipped_by_the_norm_of_all_of_them():
    config = configure("toy_gmm", ("dg",), size=0)
    config.optimizer.name, config.optimizer.grad_clip = "sgd", 0.5
    transform = optimizers(config.optimizer, 10).gen.transform
    grads = {"a": jnp.asarray([3.0]), "b": jnp.asarray([4.0])}
    clipped, _ = transform.update(grads, transform.init(grads), grads)
    np.testing.assert_allclose([clipped["a"][0], clipped["b"][0]], [0.3, 0.4], rtol=1e-6)


TREE = {"w": np.arange(3000, dtype=np.float32), "step": np.int32(1)}


def _truncate(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def _flip(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize("damage", [_truncate, _flip, Path.unlink, lambda path: path.write_bytes(b"")])
def test_a_checkpoint_of_which_any_file_is_damaged_is_recognised_and_the_one_before_is_used(damage, tmp_path, caplog):
    with Checkpoints(tmp_path) as checkpoints:
        for step in (1, 2):
            checkpoints.save(step, TREE)
    files = sorted((path for path in (tmp_path / "checkpoints" / "2").rglob("*") if path.is_file()), key=str)
    contents = {path: path.read_bytes() for path in files}
    used = {}
    for path in files:
        damage(path)
        caplog.clear()
        with Checkpoints(tmp_path, read_only=True) as checkpoints:
            step, state = checkpoints.newest(TREE)
        np.testing.assert_array_equal(state["w"], TREE["w"])
        used[path.name] = step
        assert step == 2 or f"{tmp_path}/checkpoints/2: " in caplog.text
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(contents[path])
    assert 1 in used.values()


@pytest.mark.slow
def test_a_run_puts_its_damaged_checkpoint_aside_and_comes_to_the_same_end(tmp_path, caplog):
    steps = "--config.train.steps={}"
    for stop in (2, 4):
        assert main(_command("toy_gmm", tmp_path / "straight", *TOY, steps.format(stop))) == 0
    assert main(_command("toy_gmm", tmp_path / "run", *TOY, steps.format(2))) == 0
    _flip(max((tmp_path / "run/checkpoints/2/state").rglob("d/*"), key=lambda path: path.stat().st_size))  # of arrays
    with pytest.raises(UserError, match="damaged checkpoint: .*/2: .*; others: 1"):
        gan_xla.load(tmp_path / "run", 2)
    assert gan_xla.load(tmp_path / "run").step == 1
    assert main(_command("toy_gmm", tmp_path / "run", *TOY, steps.format(4))) == 0
    assert "damaged checkpoint, using the one before" in caplog.text
    assert (tmp_path / "run/damaged-checkpoints/2.0").is_dir()
    assert [row["step"] for row in _metrics(tmp_path / "run")] == [1, 2, 3, 4]
    _assert_same_state(tmp_path / "run", tmp_path / "straight")


def test_checkpoints_that_are_all_damaged_newer_or_of_another_shape_are_clear_errors(tmp_path, monkeypatch):
    with Checkpoints(tmp_path / "a") as checkpoints:
        checkpoints.save(1, TREE)
    with Checkpoints(tmp_path / "a", read_only=True) as checkpoints:
        with pytest.raises(UserError, match=r"\['w'\] is \['float32', \[3000\]\] there and \['float32', \[2\]\]"):
            checkpoints.newest({**TREE, "w": np.zeros(2, np.float32)})
    (tmp_path / "a/checkpoints/1/about").rename(tmp_path / "about")
    with Checkpoints(tmp_path / "a") as checkpoints:
        with pytest.raises(UserError, match="all checkpoints are damaged .1.; use another --workdir"):
            checkpoints.newest(TREE)
    monkeypatch.setattr("gan_xla.run.checkpoint.FORMAT", FORMAT + 1)
    with Checkpoints(tmp_path / "b") as checkpoints:
        checkpoints.save(1, TREE)
    monkeypatch.undo()
    with Checkpoints(tmp_path / "b", read_only=True) as checkpoints:
        with pytest.raises(UserError, match=f"format {FORMAT + 1}.*upgrade gan_xla"):
            checkpoints.restore(1, TREE)
    assert issubclass(Damaged, Exception)


def test_a_second_process_in_a_work_directory_is_refused(tmp_path, capsys):
    with lock.only_one(tmp_path):
        assert main(_command("toy_gmm", tmp_path)) == 2
    assert "is training here; wait for it, or use another --workdir" in capsys.readouterr().err
    assert main(_command("toy_gmm", tmp_path)) == 0


LIMITED = """
import resource, signal, sys
from gan_xla.main import main
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))
sys.exit(main(sys.argv))
"""


def test_a_disk_that_takes_no_more_is_one_clear_error_and_the_checkpoints_stay(tmp_path):
    """A limit on the size of files stands for the disk: the checkpoint's arrays do not fit."""
    wide = (*TOY, "--config.model.generator.hidden=128", "--config.model.discriminator.hidden=128")
    assert main(_command("toy_gmm", tmp_path, *wide)) == 0
    more = _command("toy_gmm", tmp_path, *wide, "--config.train.steps=4")
    command = [sys.executable, "-c", LIMITED, *more[1:]]
    process = subprocess.run(command, cwd=ROOT, text=True, capture_output=True, timeout=600)
    assert process.returncode == 2, process.stderr
    # Orbax's threads print tracebacks of their own, of which a piece may have begun the line.
    errors = re.findall(r"error: /.*", process.stderr)
    assert len(errors) == 1 and "a checkpoint could not be written" in errors[0], process.stderr
    assert "the last good one is of step 2" in errors[0]
    assert _state(tmp_path).step == 2


def test_a_disk_without_room_or_read_only_is_found_out_before_the_checkpoint_is_begun(tmp_path, monkeypatch):
    usage = shutil.disk_usage(tmp_path)
    with Checkpoints(tmp_path) as checkpoints:
        checkpoints.save(1, TREE)
        monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=2000))
        with pytest.raises(UserError, match=r"it needs 1.0 MB, 0.0 MB are free\); the last good one is of step 1"):
            checkpoints.save(2, TREE)
        monkeypatch.undo()
        monkeypatch.setattr(os, "access", lambda path, mode: False)
        with pytest.raises(
            UserError, match=r"the directory or its disk is read-only\); the last good one is of step 1"
        ):
            checkpoints.save(2, TREE)


def test_a_work_directory_that_cannot_be_made_is_a_clear_error(capsys):
    assert main(_command("toy_gmm", "/proc/nothing/run")) == 2
    assert "/proc/nothing" in capsys.readouterr().err


@pytest.mark.slow
def test_tensorboard_has_every_step_once_after_a_resume(tmp_path):
    import tensorflow as tf
    from tensorboard.compat.proto.event_pb2 import Event

    for start, stop in ((0, 5), (3, 6)):
        with Writer(tmp_path, start, [TensorBoard(tmp_path, start)]) as writer:
            for step in range(start + 1, stop + 1):
                writer.scalars(step, {"loss/D": 0.5})
        torn = next((tmp_path / "tensorboard").glob("events*"))
        torn.write_bytes(torn.read_bytes() + b"\x10\x00\x00")
    TensorBoard(tmp_path, 6).close()
    files = (tmp_path / "tensorboard").glob("events*")
    events = [Event.FromString(r) for f in files for r in tf.data.TFRecordDataset(str(f)).as_numpy_iterator()]
    assert sorted(event.step for event in events if event.summary.value) == [1, 2, 3, 4, 5, 6]
    assert [json.loads(line)["step"] for line in (tmp_path / "metrics.jsonl").open()] == [1, 2, 3, 4, 5, 6]
