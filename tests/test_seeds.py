"""Many seeds at once."""

import json

import jax
import numpy as np
import pytest

import gan_xla
from gan_xla.errors import UserError
from gan_xla.main import main

pytestmark = pytest.mark.slow

TOY = ("--config=toy_gmm", "--config.train.batch_size=16", "--config.train.steps_per_call=2", "--config.seed=5")


def _train(workdir, steps: int, *fields: str) -> None:
    every = (f"--config.train.{name}_every={steps}" for name in ("log", "sample", "checkpoint"))
    assert main(["main", *TOY, *every, f"--config.train.steps={steps}", *fields, f"--workdir={workdir}"]) == 0


def test_each_of_many_seeds_is_its_single_run_and_a_resume_keeps_them_apart(tmp_path):
    _train(tmp_path / "many", 2, "--config.train.num_seeds=3")
    _train(tmp_path / "many", 6, "--config.train.num_seeds=3")
    losses = []
    for number in range(3):
        alone = tmp_path / f"seed{5 + number}"
        _train(alone, 6, f"--config.seed={5 + number}")
        expected, found = gan_xla.load(alone), gan_xla.load(tmp_path / "many", number=number)
        for side in ("gen", "disc"):
            jax.tree.map(
                lambda a, b: np.testing.assert_allclose(a, b, atol=1e-6, rtol=1e-4),
                found.variables[side],
                expected.variables[side],
            )
        losses.append(json.loads((alone / "metrics.jsonl").read_text().splitlines()[-1])["loss/D"])
    assert len(set(losses)) == 3
    mean = json.loads((tmp_path / "many" / "metrics.jsonl").read_text().splitlines()[-1])["loss/D"]
    np.testing.assert_allclose(mean, np.mean(losses), rtol=1e-4)
    with pytest.raises(UserError, match=r"number=3: this run has 3 seed\(s\)"):
        gan_xla.load(tmp_path / "many", number=3)


def test_networks_that_grow_train_alone(tmp_path, capsys):
    assert main(["main", "--config=pggan:quick", "--config.train.num_seeds=2", f"--workdir={tmp_path / 'run'}"]) == 2
    assert "train.num_seeds=2: networks that grow train alone" in capsys.readouterr().err
