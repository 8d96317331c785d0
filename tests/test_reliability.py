"""Short forms of experiments.reliability."""

import json

import pytest

from experiments import common
from experiments.reliability import faults, kills

pytestmark = pytest.mark.slow


def test_kills_at_random_moments_lose_nothing_but_the_steps_since_the_last_checkpoint(tmp_path):
    result = kills.play(5, interval=10, seed=1, root=tmp_path)
    assert result["kills"] == 5 and result["unreadable newest checkpoints"] == 0
    assert result["most steps lost"] <= 10
    assert result["missing or double lines of metrics.jsonl"] == result["changes told wrongly"] == 0
    assert result["arrays that differ from the undisturbed run's"] == 0


def test_full_disks_and_damage_and_numbers_that_are_not_finite_leave_a_good_checkpoint(tmp_path, capsys):
    """Where the process may not mount a file system, the disk is not filled, and the table says so."""
    assert common.run(faults.main, ["--damaged=8", f"--output={tmp_path}"]) == 0
    rows = json.loads((tmp_path / "faults.json").read_text())
    assert all(row["well"] for row in rows) and len(rows) >= 5
    assert "8 times" in capsys.readouterr().out
