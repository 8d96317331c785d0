"""What TensorFlow says at its start: nothing but what is wrong."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[1]
NOISE = re.compile("absl::InitializeLog|cuInit|E0000|[Cc]ould not find|Unable to register|already registered|oneDNN")
# In the place of TensorFlow: what one on a machine without CUDA says, then an error of its own.
STUB = r"""
import os
os.write(2, b"WARNING: All log messages before absl::InitializeLog() is called are written to STDERR\n")
os.write(2, b"E0000 00:00:1 1 cuda_platform.cc:52] failed call to cuInit: INTERNAL: CUDA error: UNKNOWN ERROR (303)\n")
os.write(2, b"F0000 00:00:1 1 cpu_feature_guard.cc:1] compiled to use AVX2, which this machine has not\n")
os.abort()
"""
# TensorFlow warns of a cache that is left half full.
READS = "from gan_xla.tf import tf; print(len([*tf.data.Dataset.range(5).cache().take(2)]))"


def _run(*command, **environment) -> subprocess.CompletedProcess:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("TF_")}
    return subprocess.run(
        [sys.executable, *command], cwd=ROOT, env=kept | environment, text=True, capture_output=True, check=False
    )


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has builds with CUDA")
@pytest.mark.parametrize("level, lines", [("1", 1), ("0", 3)])
def test_a_crash_at_the_start_is_told_and_all_of_it_to_who_asks(level, lines, tmp_path):
    (tmp_path / "tensorflow.py").write_text(STUB)
    process = _run("-c", "import gan_xla.tf", PYTHONPATH=f"{tmp_path}:{ROOT}", TF_CPP_MIN_LOG_LEVEL=level)
    told = process.stderr.splitlines()
    assert process.returncode and len(told) == lines and "AVX2" in told[-1]


def test_a_first_run_prints_nothing_that_looks_like_an_error(tmp_path):
    process = _run("-m", "gan_xla.main", "--config=toy_gmm", f"--workdir={tmp_path}", "--config.train.steps=50")
    assert process.returncode == 0, process.stderr
    assert not [line for line in process.stderr.splitlines() if NOISE.search(line)], process.stderr


def test_warnings_of_tensorflow_are_shown(tmp_path):
    process = _run("-c", READS)
    assert process.stdout == "2\n" and "partially cached" in process.stderr
    assert not NOISE.search(process.stderr), process.stderr
