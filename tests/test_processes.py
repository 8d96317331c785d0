"""Several real processes train one run."""

import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import jax
import numpy as np
import pytest
from devices import difference
from test_main import _command, _metrics, _wait_for

import gan_xla
from gan_xla import gans
from gan_xla.run import settings
from gan_xla.run.checkpoint import Checkpoints
from gan_xla.run.state import create, optimizers

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parent.parent
SMALL = ("--config.train.batch_size=8", "--config.optimizer.schedule=constant")


def _free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def _start(count: int, command: list[str], bits: int = 64, more: Mapping[str, str] = {}) -> list[subprocess.Popen]:
    """The command in `count` processes of one device each; 0: without --distributed."""
    where = f"127.0.0.1:{_free_port()}"
    script = [sys.executable, "tests/processes.py", str(bits)]
    flags = "--xla_force_host_platform_device_count=1 --xla_backend_optimization_level=0"
    env = {**os.environ, "XLA_FLAGS": flags, "JAX_PLATFORMS": "cpu", "PYTHONPATH": str(ROOT), **more}
    return [
        subprocess.Popen(
            [*script, *([where, str(count), str(i)] if count else []), "--", *command[1:]],
            cwd=ROOT, text=True, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )
        for i in range(max(count, 1))
    ]  # fmt: skip


def _finish(processes: list[subprocess.Popen], code: int = 0) -> list[str]:
    outputs = [process.communicate(timeout=900)[0] for process in processes]
    assert [process.returncode for process in processes] == [code] * len(processes), "\n\n".join(outputs)
    return outputs


def _state64(workdir):
    config = settings.read(workdir)
    with jax.enable_x64(True):
        like = jax.eval_shape(
            lambda: create(gans.build(config), optimizers(config.optimizer, config.train.steps), config.seed)
        )
        wide = lambda x: jax.ShapeDtypeStruct(x.shape, np.float64 if x.dtype == np.float32 else x.dtype)
        with Checkpoints(workdir, read_only=True) as checkpoints:
            return checkpoints.load("last", jax.tree.map(wide, like))[1]


def test_processes_equal_one_and_resume(tmp_path):
    """One process, and two that are resumed by four."""
    one, several = (_command("discogan", tmp_path / name, *SMALL) for name in ("one", "several"))
    steps = "--config.train.steps={}"
    _finish(_start(0, [*one, steps.format(3)]))
    first, second = _finish(_start(2, [*several, steps.format(2)]))
    assert "2 x cpu in 2 processes" in first and "finished at step 2" in first and "step" not in second
    _finish(_start(4, [*several, steps.format(3)]))
    assert [row["step"] for row in _metrics(tmp_path / "several")] == [1, 2, 3]
    assert difference(_state64(tmp_path / "one"), _state64(tmp_path / "several")) < 1e-9
    losses = [_metrics(tmp_path / name)[-1]["loss/D"] for name in ("one", "several")]
    assert losses[1] == pytest.approx(losses[0])


def test_phases_are_compiled_ahead_and_once(tmp_path):
    """No process compiles a phase's step twice, or looks for it in the cache that the first one writes."""
    fields = ("growth.fade_images=32", "growth.stable_images=32", "data.image_size=8")
    command = ["main", "--config=pggan:tiny", f"--workdir={tmp_path}/run", *(f"--config.{field}" for field in fields)]
    cache = {"JAX_COMPILATION_CACHE_DIR": str(tmp_path / "cache"), "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0"}
    outputs = _finish(_start(2, command, 32, {**cache, "JAX_DEBUG_LOG_MODULES": "jax._src.compiler"}))
    assert "step 8: 8x8" in outputs[0] and "finished at step 24" in outputs[0], outputs[0]
    for output in outputs:
        assert "Traceback" not in output, output
        asked = re.findall(r"(?:MISS|hit) for '(?:jit__fun|jit_step)' with key '(.*)'", output)
        assert len(asked) == len(set(asked)) == 2, output


LONG = ("--config.train.steps=1000000", "--config.train.steps_per_call=1", "--config.train.checkpoint_every=20")


def test_sigterm_to_one_process_saves_and_ends_all(tmp_path):
    processes = _start(2, _command("toy_gmm", tmp_path, *SMALL, *LONG), bits=32)
    _wait_for(tmp_path / "checkpoints" / "20", processes[0])
    processes[1].send_signal(signal.SIGTERM)
    first, _ = _finish(processes)
    assert "stopped by SIGTERM; saved at step" in first
    model = gan_xla.load(tmp_path)
    assert model.step >= 20 and model.translate(np.zeros((3, 2))).shape == (3, 2)


def test_when_a_process_dies_the_others_end_with_a_clear_error(tmp_path):
    processes = _start(2, _command("toy_gmm", tmp_path, *SMALL, *LONG), bits=32)
    _wait_for(tmp_path / "checkpoints" / "20", processes[0])
    processes[1].kill()
    output = processes[0].communicate(timeout=600)[0]
    assert processes[0].returncode == 2, output
    assert "error: " in output and "another process of this run is gone" in output
