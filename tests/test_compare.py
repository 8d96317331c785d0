"""`--mode=evaluate --compare`: whether two runs, or two kinds of runs, differ by more than noise."""

import json

import jax
import numpy as np
import pytest
from scipy import stats
from test_evaluate import BUILTIN, FD, _config, discogan, network, tiny  # noqa: F401 (fixtures)
from test_inference import _save

import gan_xla
from gan_xla.data.sources import builtin
from gan_xla.errors import UserError
from gan_xla.evaluation import judges
from gan_xla.evaluation.compare import compare
from gan_xla.evaluation.metrics import frechet, similarity
from gan_xla.main import main
from gan_xla.run import settings
from gan_xla.run.checkpoint import Checkpoints

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def runs(tmp_path_factory, discogan):  # noqa: F811
    """Untrained runs of seeds 1 and 2, beside `discogan` of seed 0 as "seed0"."""
    root = tmp_path_factory.mktemp("runs")
    (root / "seed0").symlink_to(discogan)
    for seed in (1, 2):
        _save(root / f"seed{seed}", _config("discogan", ("dg",), **BUILTIN), seed)
    return root


def _rows(rows, case="AtoB"):
    return {row.number: row for row in rows if row.case == case}


def test_two_runs_are_compared_image_by_image_on_the_same_test_images(runs, tiny, capsys, tmp_path):  # noqa: F811
    before = sorted(runs.glob("*/*"))
    flags = [f"--compare={runs}/seed0,{runs}/seed1", "--metrics=fd,cycle,sharpness", f"--output={tmp_path}/rows.json"]
    assert main(["main", "--mode=evaluate", *flags]) == 0
    assert sorted(runs.glob("*/*")) == before, "nothing is written into the runs"
    out = capsys.readouterr().out
    saved = json.loads((tmp_path / "rows.json").read_text())["rows"]
    found = {(row["case"], row["number"]): row for row in saved}
    assert set(found) == {(case, name) for case in ("AtoB", "BtoA") for name in ("fd", "cycle", "sharpness")}
    views = builtin.views("chairs2cars", "test", 16)
    x, real, cycles, made = views["x_A"], views["x_B"], [], []
    for seed in (0, 1):
        model = gan_xla.load(runs / f"seed{seed}")
        made.append(model.translate(x, "AtoB"))
        cycles.append(similarity.l1(model.translate(made[-1], "BtoA"), x))
    cycle = found["AtoB", "cycle"]
    assert cycle["difference"]["value"] == pytest.approx(np.mean(cycles[0] - cycles[1]), rel=1e-3)
    assert cycle["difference"]["error"] == pytest.approx(stats.sem(cycles[0] - cycles[1]), rel=1e-3)
    assert cycle["difference"]["test"] == "images exchanged"
    better = "first" if np.mean(cycles[0]) < np.mean(cycles[1]) else "second"
    assert cycle["verdict"] == f"{better} is better" and f"{better} is better" in out
    distances = [frechet.estimate(tiny(real), tiny(y)).value for y in made]
    assert found["AtoB", "fd"]["difference"]["value"] == pytest.approx(distances[0] - distances[1], rel=1e-3)
    assert found["AtoB", "sharpness"]["verdict"] in ("differs", "noise") and FD in out


def test_a_run_does_not_differ_from_itself(runs):
    rows = compare([str(runs / "seed0"), f"{runs}/seed0/"], metrics=["fd", "kid", "cycle"], num=12)
    assert {row.verdict for row in rows} == {"noise"} and all(row.difference.value == 0 for row in rows)


def test_several_runs_are_compared_over_seeds(runs, monkeypatch, capsys):
    rows = compare([f"{runs}/seed[01]", f"{runs}/seed*"], metrics=["cycle"], num=12)
    each = [compare([f"{runs}/seed{n}", f"{runs}/seed0"], metrics=["cycle"], num=12)[0].sides[0][0] for n in range(3)]
    row = _rows(rows)["cycle"]
    assert row.difference.test == "seeds"
    assert row.difference.p == pytest.approx(stats.ttest_ind(each[:2], each, equal_var=False).pvalue)
    assert row.sides[0] == pytest.approx((np.mean(each[:2]), stats.sem(each[:2])))
    assert f"second: {runs}/seed* (3 runs)" in capsys.readouterr().out


def test_a_run_of_several_seeds_is_several_runs(runs, tmp_path):
    config = _config("discogan", ("dg",), **BUILTIN)
    config.train.num_seeds = 2
    with Checkpoints(runs / "seed0", read_only=True) as one, Checkpoints(tmp_path) as both:
        from gan_xla.run import state

        _, like = state.of_run(settings.read(runs / "seed0"), runs / "seed0")
        saved = one.load("last", like)[1]
        shifted = jax.tree.map(lambda x: np.asarray(x * 1.5 if np.issubdtype(x.dtype, np.floating) else x), saved)
        both.save(2, jax.tree.map(lambda *xs: np.stack(xs), saved, shifted.replace(step=saved.step)))
    settings.freeze(config, tmp_path)
    rows = compare([str(tmp_path), f"{runs}/seed[12]"], metrics=["cycle"], num=6)
    alone = compare([str(runs / "seed0"), f"{runs}/seed1"], metrics=["cycle"], num=6)
    assert _rows(rows)["cycle"].difference.test == "seeds"
    assert _rows(rows)["cycle"].sides[0][0] != _rows(alone)["cycle"].sides[0][0]


def test_judges_are_trained_once_for_all_runs(runs, monkeypatch):
    trained = []
    fit = judges.azimuth.fit
    monkeypatch.setattr(judges, "STEPS", 5)
    monkeypatch.setattr(judges.azimuth, "fit", lambda *args, **options: trained.append(1) or fit(*args, **options))
    rows = compare([f"{runs}/seed0", f"{runs}/seed1"], metrics=["azimuth"], num=24)
    assert len(trained) == 2, "one for each domain"
    assert set(_rows(rows)) == {"azimuth", "azimuth_turned", "azimuth_mirrored", "azimuth_correlation"}
    assert _rows(rows)["azimuth_turned"].difference.test == "errors, as if independent"


def test_what_cannot_be_compared_is_one_clear_line(runs, tmp_path, capsys):
    other = _save(tmp_path / "other", _config("discogan", ("dg",), **{**BUILTIN, "name": "chairs2chairs"}))
    for sides, message in {
        f"{runs}/seed0": "give two runs",
        f"{runs}/seed0,{runs}/nowhere": "nowhere: no run there",
        f"{runs}/seed0,{runs}/seed*": "one run and several",
        f"{runs}/seed0,{other}": "other was not tested on the images of",
    }.items():
        assert main(["main", "--mode=evaluate", f"--compare={sides}", "--metrics=cycle", "--num=4"]) == 2
        assert message in capsys.readouterr().err


def test_a_number_that_one_side_lacks_is_said_and_not_tested(runs):
    rows = compare([f"{runs}/seed0", f"{runs}/seed1"], num=2)
    row = _rows(rows)["kid"]
    assert row.difference is None and "not measured: too few images" in row.verdict
    with pytest.raises(UserError, match="too few images"):
        compare([f"{runs}/seed0", f"{runs}/seed1"], metrics=["kid"], num=2)
