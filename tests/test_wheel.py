"""What people install, and the README's examples."""

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from devices import configure
from test_inference import _save

import gan_xla
from gan_xla.run import settings

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parent.parent
DIGITS = tuple("0123456789")


def test_the_readmes_python_runs(tmp_path, monkeypatch):
    _save(tmp_path / "runs/discogan-quick", configure("discogan", ("dg",)))
    _save(tmp_path / "runs/stargan", configure("stargan", ("dg",)))
    digits = settings.resolve(settings.load("cgan"), 10, {"labels": DIGITS, "exclusive": (DIGITS,)})
    _save(tmp_path / "runs/cgan", digits)
    monkeypatch.chdir(tmp_path)
    examples = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    names = {name: np.zeros((2, 16, 16, 3), np.uint8) for name in ("chairs", "faces")}
    for example in examples:
        exec(compile(example, "README.md", "exec"), names)
    assert names["faces"].shape == (2, 16, 16, 3) and names["digits"].shape == (16, 28, 28, 1)


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """The wheel's files where nothing else of the checkout is."""
    directory = tmp_path_factory.mktemp("wheel")
    pip = [sys.executable, "-m", "pip", "-q"]
    subprocess.run([*pip, "wheel", "--no-deps", "--wheel-dir", directory, ROOT], check=True)
    (wheel,) = directory.glob("*.whl")
    subprocess.run([*pip, "install", "--no-deps", "--target", directory / "site", wheel], check=True)
    assert wheel.name == f"gan_xla-{gan_xla.__version__}-py3-none-any.whl"
    return directory / "site"


def test_the_wheel_holds_what_the_package_reads(installed):
    for name in ("py.typed", "configs/base.py", "data/objects/ATTRIBUTION.md", "export/page/index.html"):
        assert (installed / "gan_xla" / name).is_file(), name
    assert (installed / "gan_xla/report/templates/report.html").is_file()
    assert not (installed / "tests").exists() and not (installed / "experiments").exists()


def test_the_wheel_trains_a_shipped_config_by_name_and_writes_its_report(installed, tmp_path):
    fields = {"steps": 2, "steps_per_call": 1, "batch_size": 8}
    flags = [f"--config.train.{name}={value}" for name, value in fields.items()]
    command = [sys.executable, "-P", "-m", "gan_xla.main", "--config=toy_gmm", *flags]
    environment = {**os.environ, "PYTHONPATH": str(installed)}
    process = subprocess.run(command, cwd=tmp_path, env=environment, text=True, capture_output=True)
    assert process.returncode == 0, process.stderr
    assert "report in runs/toy_gmm/report.html" in process.stdout
    assert (tmp_path / "runs/toy_gmm/checkpoints/2").is_dir() and (tmp_path / "runs/toy_gmm/report.html").is_file()
