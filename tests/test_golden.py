"""Old runs live: those of earlier versions (golden/make.py) load, give what they gave, and go on as they would have."""

import importlib.util
import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from gan_xla.main import main
from gan_xla.run import compat

HERE = Path(__file__).parent / "golden"
RUNS = sorted(path.parent for path in HERE.glob("*/*/expected.json"))
# By which other machines may differ, in images, and in points before and after training on: a hundred steps of the toy
# make 0.25 of the rounding by which jax 0.10 without optimisation differs from jax 0.12, and from itself with it.
LEVELS, DISTANCE = 2, {"before": 1e-3, "after": 0.5}

_spec = importlib.util.spec_from_file_location("make", HERE / "make.py")
make = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(make)


USUAL = ("toy", "discogan")
MARKED = [pytest.param(path, marks=() if path.name in USUAL else pytest.mark.slow) for path in RUNS]


@pytest.fixture(params=MARKED, ids=lambda path: f"{path.parent.name}-{path.name}")
def golden(request, tmp_path):
    """(a copy of a golden run, what is known of it, its arrays, whether this machine computes the same bits)."""
    workdir = shutil.copytree(request.param, tmp_path / "run", ignore=shutil.ignore_patterns("expected.*"))
    about = json.loads((request.param / "expected.json").read_text())
    with np.load(request.param / "expected.npz", allow_pickle=False) as arrays:
        return workdir, about, dict(arrays), about["machine"] == make.machine()


def _assert_gives(workdir, arrays, when, same):
    found = make.outputs(workdir, arrays["inputs"])
    assert {f"{when}/{name}" for name in found} == {name for name in arrays if name.startswith(when)}
    for name, x in found.items():
        wanted = arrays[f"{when}/{name}"]
        if same:
            np.testing.assert_array_equal(x, wanted, err_msg=name)
        else:
            images = x.dtype == np.uint8
            np.testing.assert_allclose(
                x.astype(float), wanted.astype(float), rtol=0, atol=LEVELS if images else DISTANCE[when]
            )


def test_an_old_run_loads_gives_what_it_gave_and_goes_on(golden):
    workdir, about, arrays, same = golden
    _assert_gives(workdir, arrays, "before", same)
    assert main(make.command(about["config"], about["fields"], workdir, about["kept"], about["steps"])) == 0
    if same:
        assert make.checksums(workdir, about["steps"]) == about["checksums"]
    _assert_gives(workdir, arrays, "after", same)
    steps = [json.loads(line)["step"] for line in (workdir / "metrics.jsonl").read_text().splitlines()]
    assert steps == sorted(set(steps)) and steps[-1] == about["steps"]


def test_a_run_of_a_newer_version_is_refused_in_one_line(tmp_path, capsys):
    workdir = shutil.copytree(RUNS[0], tmp_path / "run")
    config = json.loads((workdir / "config.json").read_text())
    (workdir / "config.json").write_text(json.dumps({**config, "format": compat.FORMAT + 1}))
    assert main(["main", "--mode=sample", f"--workdir={workdir}", f"--output={tmp_path}/out"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "made by a newer gan_xla" in line and "upgrade" in line
