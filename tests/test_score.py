"""Scores while a run trains, and the best checkpoint."""

import json
import re

import numpy as np
import pytest
from devices import configure
from gan_xla.configs import base

import gan_xla
from gan_xla import data, images
from gan_xla.errors import UserError
from gan_xla.evaluation.evaluate import evaluate
from gan_xla.evaluation.suite import Suite
from gan_xla.main import main
from gan_xla.report import curves
from gan_xla.report import run as report
from gan_xla.run import changes, settings
from gan_xla.run.checkpoint import Checkpoints
from gan_xla.training.score import Scorer

TREE = {"w": np.zeros(3, np.float32)}


def _train(workdir, steps: int, *fields: str) -> int:
    train = dict(steps=steps, batch_size=16, steps_per_call=1, checkpoint_every=2, log_every=1)
    fields = (
        *(f"--config.train.{name}={value}" for name, value in train.items()),
        "--config.eval.score.every=4",
        *fields,
    )
    return main(["main", "--config=toy_gmm", *fields, f"--workdir={workdir}"])


@pytest.mark.slow
def test_a_run_is_scored_and_its_best_checkpoint_outlives_newer_ones(tmp_path, capsys):
    for steps in (8, 16):  # the scores of the first part are known after the resume
        assert _train(tmp_path, steps, "--config.optimizer.learning_rate=0.02") == 0
    rows = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    scores = {
        row["step"]: np.mean([row["eval/modes/AtoB"], row["eval/modes/BtoA"]])
        for row in rows
        if any(name.startswith("eval/") for name in row)
    }
    assert sorted(scores) == [4, 8, 12, 16] and [row["step"] for row in rows] == list(range(1, 17))
    best = max(sorted(scores), key=scores.get)
    assert gan_xla.load(tmp_path, "best").step == best
    with Checkpoints(tmp_path, read_only=True) as checkpoints:
        assert set(checkpoints.steps()) == {best, 12, 14, 16}
    assert set(evaluate(tmp_path, metrics=["modes"])) == {str(best), "16"}, "the best and the last"
    assert f"the best checkpoint is of step {best}" in capsys.readouterr().out or best == 16


@pytest.mark.slow
def test_a_run_whose_scores_get_no_better_stops_and_stays_stopped_until_it_may_be_more_patient(tmp_path, capsys):
    flags = ("--config.optimizer.learning_rate=0.0", "--config.train.patience=2")  # all scores are alike
    assert _train(tmp_path, 100, *flags) == 0
    assert "finished at step 12; no score since that of step 4 was better; pictures" in capsys.readouterr().out
    before = (tmp_path / "metrics.jsonl").read_bytes()
    assert _train(tmp_path, 100, *flags) == 0
    assert "was better; raise --config.train.patience to go on" in capsys.readouterr().out
    assert (tmp_path / "metrics.jsonl").read_bytes() == before
    assert _train(tmp_path, 100, flags[0], "--config.train.patience=3") == 0
    with Checkpoints(tmp_path, read_only=True) as checkpoints:
        assert checkpoints.best() == 4 and checkpoints.latest() == 16
    assert _train(tmp_path / "other", 8, *flags, "--config.eval.score.every=0") == 2
    assert "train.patience=2: needs eval.score.every" in capsys.readouterr().err


def test_the_lowest_score_is_the_best_and_of_equal_ones_the_first(tmp_path):
    with Checkpoints(tmp_path) as checkpoints:
        assert checkpoints.best() is None
        for step, score in enumerate([3.0, 1.0, 1.0, 2.0, None, float("nan"), 4.0], start=1):
            checkpoints.save(step, TREE, score)
        assert checkpoints.best() == 2 and checkpoints.steps() == [2, 5, 6, 7]
    with Checkpoints(tmp_path) as checkpoints:
        checkpoints.save(8, TREE, 0.5)
        assert checkpoints.best() == 8 and checkpoints.steps() == [6, 7, 8]
        assert checkpoints.load("best", TREE)[0] == 8


def test_the_best_of_those_that_are_left_is_kept_when_the_best_was_damaged(tmp_path):
    with Checkpoints(tmp_path) as checkpoints:
        for step, score in enumerate([2.0, 3.0, 1.0], start=1):
            checkpoints.save(step, TREE, score)
        (checkpoints.directory / "3" / "state" / "_METADATA").unlink()
        for path in (checkpoints.directory / "3" / "about").iterdir():
            path.write_bytes(b"")
        assert checkpoints.newest(TREE)[0] == 2
        for step in (4, 5, 6):
            checkpoints.save(step, TREE, 5.0)
        assert checkpoints.best() == 1 and checkpoints.steps() == [1, 4, 5, 6]


def test_a_run_without_scores_has_no_best_checkpoint(tmp_path):
    with Checkpoints(tmp_path) as checkpoints:
        checkpoints.save(1, TREE)
        with pytest.raises(UserError, match="--checkpoint=best: no checkpoint of this run has a score"):
            checkpoints.load("best", TREE)


def test_azimuths_are_said_in_words():
    config = configure("discogan", ("dg",), 16)
    with config.unlocked():
        config.data.update(source="builtin", name="chairs2faces", path="", load_size=16)
        config.eval.score.update(type="azimuth", every=2)
    scorer = Scorer(config, data.load(config.data))
    found = {"azimuth": 23.4, "azimuth_turned": 20.0, "azimuth_mirrored": 81.0}
    found |= {"azimuth_chance": 54.8, "azimuth_real": 7.1}
    assert scorer.sentence({f"eval/{name}/AtoB": value for name, value in found.items()}) == (
        "faces look where the chairs do: mean error 23 degrees, chance 55; less the best turn 20, mirrored 81; "
        "the regressor that tells errs by 7 on real faces"
    )
    assert scorer.sentence({"eval/kid/AtoB": 0.1}) == ""


@pytest.mark.parametrize(
    "score, message",
    [
        ("type=beauty", "eval.score.type='beauty' must be one of modes"),
        ("type=psnr", "eval.score.type='psnr', every 4 steps: --metrics=psnr: needs"),
        ("direction=CtoD", "eval.score.type='', every 4 steps: direction='CtoD': this run has AtoB, BtoA"),
        ("split=test", "the best checkpoint is not chosen on test images; set eval.score.split=val"),
        ("split=all", "eval.score.split='all' must be val or test"),
        ("better=more", "eval.score.better='more' must be lower or higher"),
    ],
)
def test_a_score_that_a_run_cannot_have_is_refused_before_anything_is_written(score, message, tmp_path, capsys):
    assert _train(tmp_path / "run", 4, f"--config.eval.score.{score}") == 2
    assert message in capsys.readouterr().err and not (tmp_path / "run").exists()


def test_too_few_validation_images_are_said_before_a_run_begins(tmp_path, capsys):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        for number in range(3):
            images.write(tmp_path / name / f"{number}.png", np.full((18, 18, 3), number, np.uint8))
    fields = ("source=folder", f"path_a={tmp_path}/a", f"path_b={tmp_path}/b")
    command = ["main", "--config=discogan:tiny", *(f"--config.data.{field}" for field in fields)]
    assert main([*command, "--config.eval.score.every=2", f"--workdir={tmp_path}/run"]) == 2
    (error,) = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error: ")]
    assert "kid, AtoB: too few images: this measure needs 3 or more of each set, got 1; add images, or" in error
    assert not (tmp_path / "run").exists()


RECIPE = """
from gan_xla.configs import toy_gmm

def get_config(variant=""):
    config = toy_gmm.get_config("tiny")
    with config.unlocked():
        config.eval = dict(
            coverage=dict(type="modes", every=2, direction="AtoB"),
            quality=dict(type="high_quality", every=3, split="test", images=100, better="lower"),
            off=dict(type="modes"),
        )
    config.train.update(steps=6, checkpoint_every=2, log_every=1, batch_size=16, steps_per_call=1, best="coverage")
    return config
"""


@pytest.mark.slow
def test_evaluators_have_their_own_intervals_splits_and_directions_and_one_tells_the_best(tmp_path, capsys):
    (tmp_path / "recipe.py").write_text(RECIPE)
    command = ["main", f"--config={tmp_path}/recipe.py", f"--workdir={tmp_path}/run"]
    assert main([*command, "--config.train.keep_every=1"]) == 0
    rows = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    found = {name: {row["step"] for row in rows if name in row} for row in rows for name in row if name[:5] == "eval/"}
    assert found == {
        **{f"eval/coverage/{name}/AtoB": {2, 4, 6} for name in ("modes", "high_quality")},
        **{f"eval/quality/{name}/{way}": {3, 6} for name in ("modes", "high_quality") for way in ("AtoB", "BtoA")},
    }
    with Checkpoints(tmp_path / "run", read_only=True) as checkpoints:
        scored = {row["step"]: row["eval/coverage/modes/AtoB"] for row in rows if "eval/coverage/modes/AtoB" in row}
        assert checkpoints.best() == max(sorted(scored), key=scored.get)
    config = settings.read(tmp_path / "run")
    assert config.eval.quality.better == "lower" and config.eval.off.every == 0 and config.data.validation == 0.05
    test = Suite(config, data.load(config.data), metrics=("modes",), num=100, most=100)
    quality = test.scores(gan_xla.load(tmp_path / "run", 3))["high_quality/BtoA"]
    assert quality == pytest.approx(next(row["eval/quality/high_quality/BtoA"] for row in rows if row["step"] == 3))
    assert "high_quality of quality, measured while training" in curves.plan([report.read(tmp_path / "run")])
    more = ("--config.eval.quality.every=1", "--config.eval.more.type=modes", "--config.eval.more.every=4")
    assert main([*command, "--config.train.steps=8", *more]) == 0, "intervals may change, and evaluators come"
    rows = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    assert {row["step"] for row in rows if "eval/more/modes/AtoB" in row} == {8}
    assert main([*command, "--config.train.steps=8", "--config.eval.coverage.direction=BtoA"]) == 2
    assert "eval.coverage.direction='AtoB', not 'BtoA', which its state cannot follow" in capsys.readouterr().err


def test_evaluators_of_a_recipe_are_checked(tmp_path, capsys):
    for old, new, message in (
        ("type=", "typ=", "eval.coverage.typ: no such field; use one of: type, every"),
        (
            'best="coverage"',
            'best="coverages"',
            "train.best='coverages': must be one of the evaluators",
        ),
        ('best="coverage"', 'best="", patience=2', "train.patience=2: needs train.best"),
    ):
        (tmp_path / "recipe.py").write_text(RECIPE.replace(old, new))
        assert main(["main", f"--config={tmp_path}/recipe.py", f"--workdir={tmp_path}/run"]) == 2
        assert message in capsys.readouterr().err and not (tmp_path / "run").exists()


def test_fields_of_earlier_versions_are_those_of_the_first_evaluator(tmp_path):
    config = settings.load("toy_gmm", "config.train.evaluate_every=7", "config.train.score=modes")
    assert (config.eval.score.every, config.eval.score.type) == (7, "modes")
    settings.freeze(config, tmp_path)
    tree = json.loads((tmp_path / "config.json").read_text())
    del tree["eval"], tree["train"]["best"]
    tree["train"] |= {"evaluate_every": 7, "score": "modes"}
    (tmp_path / "config.json").write_text(json.dumps(tree))
    assert settings.read(tmp_path).to_dict() == config.to_dict() | {"data": settings.read(tmp_path).data.to_dict()}
    assert changes.since(tmp_path, settings.read(tmp_path)) == []


def test_evaluators_may_be_named_on_the_command_line():
    fields = ("type=fd", "every=500", "features=inception-clean", "split=test")
    config = settings.load("discogan", *(f"config.eval.fid.{field}" for field in fields), "config.eval.score.images=9")
    assert config.eval.fid.to_dict() == base.EVALUATOR | {
        "type": "fd", "every": 500, "features": "inception-clean", "split": "test"
    }  # fmt: skip
    assert config.eval.score.to_dict() == base.EVALUATOR | {"images": 9}
    for field, message in (
        ("fid.evry=5", "eval.fid.evry: no such field; use one of: type, every"),
        ("fid.every=often", "--config.eval.fid.every=often: must be a whole number"),
        ("fid.split=all", "eval.fid.split='all' must be val or test"),
        ("score=5", "--config.eval.score=5: must be a dict of fields"),
    ):
        with pytest.raises(UserError, match=re.escape(message)):
            settings.load("discogan", f"config.eval.{field}")
