"""The drivers of the papers' experiments: their runs, what they measure, and what they write."""

import json

import numpy as np
import pytest
from driving import QUICK, TINY, flags, options

import gan_xla
from experiments import azimuth, driver, few, finetune, modes, quality, toy
from experiments.common import run
from gan_xla.data.sources import builtin, gmm
from gan_xla.errors import UserError

pytestmark = pytest.mark.slow

# Runs


def test_runs_are_processes_that_are_skipped_when_finished_and_refused_when_others(tmp_path):
    fields = {"train.steps": 2, "train.steps_per_call": 1, "model.generator.hidden": 4}
    variants = {"toy_gmm": driver.Variant("the toy", "toy_gmm")}
    found = driver.grid(variants, driver.PAPER, fields, options(tmp_path))
    assert [one.workdir.name for one in driver.by_seed(found)] == ["toy_gmm-seed0", "toy_gmm-seed1"]
    driver.train(driver.by_seed(found), options(tmp_path, "--jobs=2"))
    assert [gan_xla.load(one.workdir).config.seed for one in found["toy_gmm"]] == [0, 1]
    assert "finished at step 2" in (tmp_path / "runs" / "toy_gmm-seed0.log").read_text()

    def launch(line, log):
        raise AssertionError("a finished run was trained again")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(driver, "launch", launch)
        driver.train(driver.by_seed(found), options(tmp_path))
        other = driver.grid(variants, driver.PAPER, fields, options(tmp_path, "--set=config.train.batch_size=7"))
        with pytest.raises(UserError, match="this run has train.batch_size=200, not 7"):
            driver.train(driver.by_seed(other), options(tmp_path))
        less = driver.grid(variants, driver.PAPER, {**fields, "train.steps": 1}, options(tmp_path))
        with pytest.raises(UserError, match="at step 2, not 1; use another --workdir"):
            driver.train(driver.by_seed(less), options(tmp_path))


def test_a_failed_run_is_told_with_the_last_line_of_its_log(tmp_path):
    variants = {"discogan": driver.DISCOGAN["discogan"]}
    fields = {**TINY, "data.source": "folder", "data.path": "nowhere"}
    runs = driver.grid(variants, QUICK, fields, options(tmp_path, "--seeds=1"))
    with pytest.raises(UserError, match=r"discogan-seed0: not finished \(exit code 2\).*error: data.path=nowhere"):
        driver.train(driver.by_seed(runs), options(tmp_path, "--jobs=1"))


def test_no_run_is_begun_after_one_has_failed(tmp_path, monkeypatch):
    begun = []

    def launch(line, log):
        begun.append(log.name)
        log.touch()
        return 2

    monkeypatch.setattr(driver, "launch", launch)
    runs = driver.grid({"toy_gmm": driver.Variant("the toy", "toy_gmm")}, driver.PAPER, {}, options(tmp_path))
    with pytest.raises(UserError, match="toy_gmm-seed0: not finished"):
        driver.train(driver.by_seed(runs), options(tmp_path, "--jobs=1"))
    assert begun == ["toy_gmm-seed0.log"]


@pytest.mark.parametrize(
    "flag, message",
    [
        ("--set=train.steps=2", "write it as config.FIELD=VALUE"),
        ("--set=config.train.stpes=2", "did you mean train.steps?"),
    ],
)
def test_wrong_fields_are_refused_before_anything_is_trained(tmp_path, capsys, flag, message):
    assert run(toy.main, [f"--workdir={tmp_path / 'runs'}", f"--output={tmp_path / 'out'}", flag]) == 2
    assert message in capsys.readouterr().err
    assert not any(tmp_path.iterdir())


def test_no_seeds_are_refused(capsys):
    with pytest.raises(SystemExit):
        toy.main(["--seeds=0"])
    assert "'0' must be 1 or more" in capsys.readouterr().err


def test_fields_of_a_variant_go_before_those_of_all_and_flags_before_both(tmp_path):
    variants = {"a": driver.Variant("A", "discogan", {"train.steps": 3, "train.batch_size": 3})}
    scale = driver.Scale(":quick", {"train.steps": 1, "data.image_size": 16})
    line = ["--seeds=1", "--set=config.train.batch_size=4"]
    ((run_,),) = driver.grid(variants, scale, {"train.steps": 2}, options(tmp_path, *line), "more").values()
    config = run_.configured()
    assert (config.train.steps, config.train.batch_size, config.data.image_size) == (3, 4, 16)
    assert run_.workdir == tmp_path / "runs" / "more" / "a-seed0" and run_.config == "discogan:quick"


def test_steps_of_a_run_are_known_where_its_config_counts_epochs_or_phases(tmp_path):
    fields = {"data.source": "builtin", "data.image_size": 32, "data.load_size": 36, "train.epochs": 2}
    found = driver.Run("cyclegan", fields, tmp_path).resolved().train
    assert (found.steps, found.epochs) == (2 * 52 * 24, 0)  # of batch 1, and 52 chairs
    assert driver.Run("pggan:quick", {}, tmp_path).resolved().train.steps == 7 * 16_000 // 16


def test_a_cell_has_a_spread_only_of_several_seeds():
    assert driver.mean_and_spread([0.5], ".1f") == "0.5"
    assert driver.mean_and_spread([0.1, 0.3], ".1%") == "20.0% ± 14.1%"
    assert driver.mean_and_spread([-0.001], ".2f") == "0.00"


def test_stopped_experiments_are_one_line(capsys):
    def stop(argv):
        raise KeyboardInterrupt

    assert run(stop) == 130
    assert capsys.readouterr().err == "stopped; the same command goes on\n"


# The toy


def test_the_toy_goes_from_training_to_results(tmp_path, in_process):
    line = [f"--workdir={tmp_path / 'runs'}", f"--output={tmp_path / 'out'}", "--seeds=2", "--jobs=1"]
    fields = {"train.steps": 2, "train.steps_per_call": 1, "train.batch_size": 8, "model.generator.hidden": 4}
    line += flags(fields | {"model.discriminator.hidden": 4})
    assert run(toy.main, line) == 0
    assert len(in_process) == len(toy.OBJECTIVES)
    record = json.loads((tmp_path / "out" / "scores.json").read_text())["objectives"]
    assert list(record) == list(toy.OBJECTIVES)
    assert record["discogan"]["summary"]["seeds"] == 2
    assert record["discogan"]["history"]["steps"] == [1, 2]
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"scores.json", "scores.md", "modes.png", "time.png"}
    assert run(toy.main, line) == 0
    assert len(in_process) == len(toy.OBJECTIVES)


def test_toy_points_on_two_modes_are_counted_as_such():
    points = toy.CENTRES[np.where(toy.sources(np.empty(1000)) < 4, 0, 3)]
    found = toy.measure(points)
    assert found["covered"] == 2 and found["collapsed"] and found["shared"] == 1 and found["high_quality"] == 1
    modes, reached = toy.moment(points)
    assert np.flatnonzero(modes).tolist() == [0, 3] and reached.tolist() == [0, 0, 0, 0, 3]
    _, reached = toy.moment(np.where(toy.sources(np.empty(1000))[:, None] == 1, 50.0, points))
    assert reached.tolist() == [0, -1, 0, 0, 3]


# Azimuth


def test_azimuth_of_pairs_within_a_kind_uses_both_groups():
    config = driver.Run("discogan:quick", {"data.name": "cars2cars", **azimuth.FIELDS}, None).configured()
    found = azimuth.views(config, "test")
    x, true = azimuth.kind("cars2cars", found, "B")
    assert len(x) == len(true) == 3 * 11
    assert len(azimuth.kind("chairs2cars", found, "B")[0]) == len(found["x_B"]) == 11


@pytest.mark.parametrize("scale", azimuth.SCALES)
@pytest.mark.parametrize("group", azimuth.GROUPS)
def test_azimuth_knows_the_title_and_config_of_each_run(group, scale, tmp_path):
    options = driver.parser("azimuth", "", seeds=1).parse_args([f"--scale={scale}", f"--workdir={tmp_path}"])
    options.group = group
    for pair, runs in azimuth.plan(options).items():
        for method, (one,) in runs.items():
            config = one.configured()
            assert (config.data.name, config.data.azimuths) == (pair, (-75, 75)) and one.config == f"{method}:quick"


def test_azimuth_of_translations_that_turn_everything_by_the_same_angle():
    true = np.tile(np.arange(0, 360, 15.0), 4)
    found = azimuth.measure(true, true + 90)
    assert found["correlation"] == pytest.approx(1) and found["rmse"] == found["mae"] == pytest.approx(90)
    assert found["mae_less_offset"] == pytest.approx(0, abs=1e-5)
    by_chance = azimuth.chance(true, true)
    assert by_chance["agreement"] < 0.05 and by_chance["rmse"] == pytest.approx(104, abs=5)


def test_azimuth_may_be_kept_the_other_way_round():
    true = np.tile(np.arange(-75, 76, 15.0), 4)
    for found, sign in ((azimuth.either(true, true + 5), 1), (azimuth.either(true, 5 - true), -1)):
        assert found["correlation"] == pytest.approx(sign) and found["agreement"] == pytest.approx(1)
        assert found["mae"] == pytest.approx(5) and found["mae_less_offset"] == pytest.approx(0, abs=1e-5)
    rows = azimuth.spread(np.tile([0, 15, 30, 45, 60, 75, 285, 300, 315, 330, 345], 2))
    assert rows.tolist() == [6, 7, 9, 10, 1, 2, 4, 5, 17, 18, 20, 21, 12, 13, 15, 16]


def test_azimuth_is_read_from_views_whose_background_is_white():
    x = builtin.views("cars2cars", "test", 32)["x_A"][:4]
    found, background = quality.levelled(x // 2)
    assert (background == 127).all() and np.abs(found.astype(int) - x).max() <= 2
    again, background = quality.levelled(x)
    np.testing.assert_array_equal(again, x)
    assert (background == 255).all()


def test_azimuth_compares_silhouettes():
    x = builtin.views("cars2cars", "test", 32)["x_A"][:24]
    assert (azimuth.overlap(x, x) == 1).all() and azimuth.overlap(x, np.roll(x, 6, axis=0)).mean() < 0.8
    true = np.arange(0, 360, 15)
    assert azimuth.of_others(x, true, x[::-1], true[::-1]) == 1


def test_azimuth_goes_from_training_to_results(tmp_path, in_process, monkeypatch):
    monkeypatch.setitem(azimuth.GROUPS, "within", azimuth.Group(("cars2cars",)))
    line = ["within", f"--workdir={tmp_path / 'runs'}", f"--output={tmp_path / 'out'}", "--seeds=1", "--jobs=1"]
    assert run(azimuth.main, [*line, "--regressor_steps=2", *flags(TINY)]) == 0
    found = tmp_path / "out_within"
    assert {path.name for path in found.iterdir()} == {"scores.json", "scores.md", "scatter.png", "cars2cars.png"}
    record = json.loads((found / "scores.json").read_text())["pairs"]["cars2cars"]
    assert record["inputs"] == 33 and list(record["runs"]) == list(driver.DISCOGAN)


# Fine-tuning


def test_modes_are_counted_within_their_own_spread(tmp_path, in_process, monkeypatch):
    monkeypatch.setattr(modes, "VARIANTS", {name: modes.VARIANTS[name] for name in ("as it is", "modes twice as wide")})
    fields = {"train.steps": 50, "model.generator.hidden": 8, "model.discriminator.hidden": 8}
    places = [f"--workdir={tmp_path / 'runs'}", f"--output={tmp_path / 'out'}"]
    assert run(modes.main, [*places, "--seeds=2", *flags(fields)]) == 0
    assert [one.workdir.name for one in in_process] == ["as_it_is", "modes_twice_as_wide"]
    record = json.loads((tmp_path / "out" / "scores.json").read_text())["results"]
    assert all(len(seeds) == 2 and 0 <= seeds[0]["covered"] <= 10 for seeds in record.values())
    wide = gmm.points("B", "test", 0.2)
    assert toy.measure(wide, 0.2)["high_quality"] > 0.98 > 0.8 > toy.measure(wide)["high_quality"]


def test_few_images_are_trained_on_from_scratch_and_from_another_run(tmp_path, in_process, monkeypatch, capsys):
    means = lambda x: x.mean(axis=(1, 2))
    monkeypatch.setattr(finetune.features, "load", lambda: means)  # real features are other tests' matter
    places = [f"--{name}={tmp_path / name}" for name in ("workdir", "output", "data")]
    assert run(finetune.main, [*places, "--seeds=2", "--jobs=1", "--few=4", *flags(TINY)]) == 0
    base, *others = in_process
    assert [one.flags for one in others] == [(), (f"--init_from={base.workdir}",)] * 2
    assert capsys.readouterr().out.count(f"begun with {base.workdir}, step 1 (discogan)") == 2
    assert {path.name for path in (tmp_path / "output").iterdir()} == {"scores.json", "scores.md", "finetune.png"}
    record = json.loads((tmp_path / "output" / "scores.json").read_text())["results"]
    assert list(record) == ["scratch", "init"] and all(len(seeds) == 2 for seeds in record.values())
    assert len(list((tmp_path / "data" / "chairs2faces_4" / "trainB").iterdir())) == 4


def test_few_images_are_measured_with_and_without_the_options(tmp_path, in_process, monkeypatch):
    monkeypatch.setattr(few, "COUNTS", (4,))
    monkeypatch.setattr(few, "TASKS", {name: few.TASKS[name] for name in ("discogan", "dcgan")})
    monkeypatch.setattr(few.features, "load", lambda: lambda x: x[:, ::8, ::8].reshape(len(x), -1).astype(np.float32))
    places = [f"--{name}={tmp_path / name}" for name in ("workdir", "output", "data")]
    assert run(few.main, [*places, "--seeds=1", "--jobs=1", "--regressor_steps=2", *flags(TINY)]) == 0
    assert len(list((tmp_path / "data" / "chairs2faces-4" / "trainA").iterdir())) == 4
    record = json.loads((tmp_path / "output" / "scores.json").read_text())
    assert record["discogan"]["4"]["with"][0].keys() == few.MEASURES.keys()
    assert record["dcgan"]["4"]["without"][0].keys() == few.MEASURES.keys() - {"truth"}
    by_kind = {one.workdir.name: gan_xla.load(one.workdir).config.loss.augment for one in in_process}
    assert by_kind == {"without-seed0": (), "with-seed0": ("shift", "cutout", "color")}


def test_what_discriminators_know_by_heart_shows(tmp_path, in_process):
    """A D that sees four images again and again is surer of them than of others."""
    data = few.prepare(tmp_path, few.TASKS["dcgan"], 4)
    fields = {**TINY, "model.discriminator.width": 16, "train.batch_size": 4, "train.steps": 150, **few.PLAIN}
    fields |= {"data.source": "folder", "data.path": str(data), "data.image_size": 16}
    one = driver.Run("dcgan:quick", fields, tmp_path / "run")
    driver.train([one], options(tmp_path, "--jobs=1"))
    assert few.by_heart(one) > 0.1


def test_what_a_grown_discriminator_knows_by_heart_is_of_its_last_phase(tmp_path, in_process):
    data = few.prepare(tmp_path, few.TASKS["pggan"], 4)
    fields = {**few.OPTIONS, "data.source": "folder", "data.path": str(data), "data.load_size": 0}
    one = driver.Run("pggan:tiny", fields | {"data.image_size": 8, "growth.first": 8}, tmp_path / "run")
    driver.train([one], options(tmp_path, "--jobs=1"))
    assert np.isfinite(few.by_heart(one))
