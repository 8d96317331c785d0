"""The commands that a user gives, in-process, and one real process where it matters."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import jax
import numpy as np
import pytest

import gan_xla
from gan_xla import gans, images
from gan_xla.main import main
from gan_xla.run import settings
from gan_xla.run.checkpoint import Checkpoints
from gan_xla.run.state import create, optimizers

ROOT = Path(__file__).parent.parent


def _command(config: str, workdir, *flags: str) -> list[str]:
    """A training command of the shipped config's tiny form."""
    return ["main", f"--config=configs/{config}.py:tiny", f"--workdir={workdir}", *flags]


def _metrics(workdir) -> list[dict]:
    return [json.loads(line) for line in (Path(workdir) / "metrics.jsonl").read_text().splitlines()]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A finished run of discogan.py, three steps long; nobody writes into it."""
    workdir = tmp_path_factory.mktemp("run") / "discogan"
    assert main(_command("discogan", workdir, "--config.train.steps=3")) == 0
    return workdir


def test_a_run_leaves_its_config_metrics_pictures_tensorboard_and_checkpoints(run):
    assert settings.read(run).train.steps == 3
    assert [row["step"] for row in _metrics(run)] == [1, 2, 3]
    assert {"loss/D", "loss/G", "loss/const_A", "loss/gan_B"} <= _metrics(run)[0].keys()
    picture = images.read(run / "samples" / "00000003.png")
    assert picture.shape[0] > 8 * 64 and picture.shape[1] > 6 * 64
    assert list((run / "tensorboard").glob("events.out.tfevents.*"))
    with Checkpoints(run, read_only=True) as checkpoints:
        assert checkpoints.latest() == 3


def test_a_finished_run_says_so_and_changes_nothing(run, capsys):
    before = (run / "metrics.jsonl").read_bytes()
    assert main(_command("discogan", run, "--config.train.steps=3")) == 0
    assert "this run is finished, at step 3" in capsys.readouterr().out
    assert (run / "metrics.jsonl").read_bytes() == before


def _state(workdir):
    """All that the last checkpoint holds: parameters, moments, pool, key."""
    config = settings.read(workdir)
    optimizer = optimizers(config.optimizer, config.train.steps)
    like = jax.eval_shape(lambda: create(gans.build(config), optimizer, config.seed))
    with Checkpoints(workdir, read_only=True) as checkpoints:
        return checkpoints.load("last", like)[1]


def _assert_same_state(one, other):
    jax.tree.map(np.testing.assert_array_equal, _state(one), _state(other))


def test_one_step_then_two_more_equal_three_bit_for_bit(run, tmp_path):
    assert main(_command("discogan", tmp_path, "--config.train.steps=1")) == 0
    assert main(_command("discogan", tmp_path, "--config.train.steps=3")) == 0
    assert [row["step"] for row in _metrics(tmp_path)] == [1, 2, 3]
    _assert_same_state(tmp_path, run)


@pytest.mark.slow
def test_the_image_pool_and_the_averages_resume_bit_for_bit(tmp_path):
    """The pool is full in the second step, so that the third one shows images from before the interruption."""
    fields = (
        "--config.train.pool_size=6",
        "--config.optimizer.schedule=constant",
        "--config.optimizer.gen.ema_decay=0.9",
    )
    for workdir, stops in (("straight", (3,)), ("resumed", (2, 3))):
        for steps in stops:
            assert main(_command("cyclegan", tmp_path / workdir, *fields, f"--config.train.steps={steps}")) == 0
    _assert_same_state(tmp_path / "resumed", tmp_path / "straight")
    state = _state(tmp_path / "resumed")
    assert state.pool.count == 6 and state.gen.ema is not None
    assert "gen_raw" in gan_xla.load(tmp_path / "resumed").variables


def _process(command: list[str]) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-m", "gan_xla.main", *command[1:]],
        cwd=ROOT, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip


def _wait_for(path: Path, process: subprocess.Popen) -> None:
    while not path.exists():
        assert process.poll() is None, process.communicate()[0]
        time.sleep(0.05)


@pytest.mark.slow
def test_a_killed_run_continues_from_its_last_checkpoint_to_the_same_parameters(run, tmp_path):
    """SIGKILL in one real process, then the same command; compared with the run never killed."""
    long = "--config.train.steps=100000"
    process = _process(_command("discogan", tmp_path, long, "--config.train.checkpoint_every=2"))
    _wait_for(tmp_path / "checkpoints" / "2", process)
    process.kill()
    process.wait()
    kept = max(int(path.name) for path in (tmp_path / "checkpoints").iterdir() if path.name.isdecimal())
    other = tmp_path / "straight"
    for workdir in (tmp_path, other):
        assert main(_command("discogan", workdir, f"--config.train.steps={kept + 2}")) == 0
    _assert_same_state(tmp_path, other)
    assert [row["step"] for row in _metrics(tmp_path)] == list(range(1, kept + 3))


@pytest.mark.slow
def test_sigterm_saves_and_exits_cleanly(tmp_path):
    process = _process(_command("toy_gmm", tmp_path, "--config.train.steps=1000000"))
    _wait_for(tmp_path / "metrics.jsonl", process)
    while not _metrics(tmp_path):
        time.sleep(0.05)
    process.send_signal(signal.SIGTERM)
    output = process.communicate(timeout=600)[0]
    assert process.returncode == 0, output
    assert "stopped by SIGTERM; saved at step" in output and "the same command resumes" in output
    with Checkpoints(tmp_path, read_only=True) as checkpoints:
        assert checkpoints.latest() >= 1


@pytest.mark.slow
def test_own_directories_of_pairs_train_with_the_pixelwise_loss_and_translate(tmp_path):
    generator = np.random.default_rng(0)
    for side in ("a", "b"):
        (tmp_path / side).mkdir()
        for number in range(8):
            images.write(tmp_path / side / f"{number}.png", generator.integers(0, 255, (20, 24, 3), np.uint8))
    data = ("source=folder", f"path_a={tmp_path}/a", f"path_b={tmp_path}/b", "paired=True", "load_size=18", "flip=True")
    fields = (*(f"--config.data.{field}" for field in data), "--config.loss.pixel_weight=0.5")
    run = tmp_path / "run"
    assert main(_command("discogan", run, *fields)) == 0
    assert {"loss/pixel_A", "loss/pixel_B"} <= _metrics(run)[-1].keys()
    translate = ["main", "--mode=translate", f"--workdir={run}", f"--input={tmp_path}/a", f"--output={tmp_path}/out"]
    assert main(translate) == 0
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [f"{number}.png" for number in range(8)]


BUILTIN = ("--config.data.source=builtin",)
MISTAKES = {
    "an unknown config": (["--config=nope.py"], "--config=nope.py.*shipped configs are .*discogan"),
    "no config": ([], "--mode=train needs --config"),
    "a part of configs": (
        ["--config=configs/base.py"],
        "--config=configs/base.py: no such file; shipped configs are bigan, cgan",
    ),
    "an unknown variant": (["--config=discogan:huge"], "unknown variant 'huge'; this config has: quick, tiny"),
    "an unknown field": (["--config=discogan", "--config.train.stesp=3"], "stesp"),
    "a wrong type": (["--config=discogan", "--config.train.steps=many"], "many"),
    "an unknown flag": (["--config=discogan", "--mod=train"], "mod"),
    "a stray word": (["--config=discogan", "train"], "unexpected argument 'train'"),
    "an unknown method": (["--config=discogan", "--config.gan=biggan"], "gan='biggan' is unknown.*discogan"),
    "an unknown objective": (["--config=discogan", "--config.loss.objective=x"], "loss.objective='x'.*gan_recon"),
    "an unknown distance": (
        ["--config=discogan", "--config.loss.reconstruction=l3"],
        "loss.reconstruction='l3'.*huber",
    ),
    "an unknown game": (
        ["--config=cyclegan", *BUILTIN, "--config.loss.adversarial=ls"],
        "loss.adversarial='ls'.*hinge",
    ),
    "unpaired data": (["--config=pix2pix:quick", "--config.data.paired=False"], "aligned pairs; set data.paired=True"),
    "unpaired domains": (
        ["--config=pix2pix", *BUILTIN, "--config.data.name=chairs2cars"],
        "data.name='chairs2cars'.*pairs",
    ),
    "too small for the U-Net": (
        ["--config=pix2pix:quick", "--config.data.image_size=48"],
        "data.image_size=48.*powers of",
    ),
    "an unknown label": (["--config=stargan:quick", "--config.data.labels=('bus',)"], "data.labels=.*'bus'.*'chairs'"),
    "an unknown data set": (["--config=gan", "--config.data.name=mnits"], "data.name='mnits'.*mnist"),
    "no direction": (["--config=pix2pix:quick", "--config.model.direction=AB"], "model.direction='AB'.*AtoB, BtoA"),
    "an average of ones": (["--config=cyclegan:quick", "--config.optimizer.gen.ema_decay=1"], "ema_decay=1.0 must be"),
    "an unknown optimiser": (["--config=discogan", "--config.optimizer.name=lion"], "optimizer.name='lion'.*adam"),
    "no steps": (["--config=discogan", "--config.train.steps=0"], "train.steps or train.epochs"),
    "steps and epochs": (
        ["--config=discogan", "--config.train.epochs=3", "--config.train.steps=5"],
        "train.steps=5 and train.epochs=3",
    ),
    "a batch of none": (["--config=discogan", "--config.train.batch_size=0"], "train.batch_size=0"),
    "three sides": (["--config=discogan", "--config.data.image_size=(8,8,8)"], "image_size=.8, 8, 8. must be .*or two"),
    "sides in words": (
        ["--config=discogan", "--config.data.image_size=big"],
        "image_size='big' must be a whole number",
    ),
    "a rectangle that grows": (["--config=pggan:quick", "--config.data.image_size=(16,32)"], "networks that grow take"),
    "crops of renders": (["--config=discogan", "--config.data.fit=native"], "data.fit='native' crops large images"),
    "a size that cannot be halved": (
        ["--config=discogan", "--config.data.image_size=50"],
        "data.image_size=50.*multiples of 8, such as powers of two",
    ),
    "a missing directory": (["--config=discogan", "--config.data.source=folder", "--config.data.path=/nope"], "/nope"),
    "unpaired pixels": (["--config=discogan", "--config.loss.pixel_weight=1.0"], "data.paired=True"),
    "no run to use": (["--mode=translate", "--workdir=/nope", "--input=README.md", "--output=o"], "/nope: no run"),
    "no input": (["--mode=translate", "--workdir=/nope"], "--mode=translate needs --input"),
}


@pytest.mark.parametrize("arguments, message", MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_is_one_clear_line_and_exit_code_2(arguments, message, tmp_path, capsys, monkeypatch):
    workdir = [] if any(a.startswith("--workdir") for a in arguments) else [f"--workdir={tmp_path}/run"]
    monkeypatch.chdir(ROOT)
    assert main(["main", *arguments, *workdir]) == 2
    error = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error: ")]
    assert len(error) == 1
    assert re.search(message, error[0]), error[0]


def test_unpaired_directories_given_to_pix2pix_are_one_clear_line(tmp_path, capsys):
    for side, names in (("trainA", "abc"), ("trainB", "bcd")):
        (tmp_path / side).mkdir()
        for name in names:
            images.write(tmp_path / side / f"{name}.png", np.zeros((64, 64, 3), np.uint8))
    command = ["main", "--config=pix2pix:quick", f"--workdir={tmp_path}/run", "--config.data.source=folder"]
    assert main([*command, f"--config.data.path={tmp_path}"]) == 2
    (error,) = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error: ")]
    assert "2 names are in only one of" in error and "data.paired=False" in error and "cyclegan" in error
    assert not (tmp_path / "run").exists()


def test_fewer_steps_than_a_run_has_leave_its_config_alone(run):
    before = (run / "config.json").read_bytes()
    assert main(_command("discogan", run, "--config.train.steps=2")) == 0
    assert (run / "config.json").read_bytes() == before


def test_a_resumed_run_must_keep_its_config(run, capsys):
    assert main(_command("discogan", run, "--config.train.steps=3", "--config.optimizer.learning_rate=1e-3")) == 2
    assert "this run has optimizer.learning_rate=0.0002, not 0.001" in capsys.readouterr().err


def test_help_lists_the_flags(capsys):
    assert main(["main", "--help"]) == 0
    assert "--workdir" in capsys.readouterr().out


def test_importing_the_package_is_quick_and_brings_no_tensorflow():
    code = "import sys, gan_xla; sys.exit('tensorflow' in sys.modules or 'jax' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0


def test_the_compute_core_imports_no_tensorflow():
    code = (
        "import sys, gan_xla.training.step, gan_xla.gans.discogan, gan_xla.devices;"
        "import gan_xla.inference.model, gan_xla.inference.translate;"
        "sys.exit('tensorflow' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0
