"""The pages of `--mode=report`: a run's report, the comparison of runs, the blind test; looked at in a real browser."""

import base64
import dataclasses
import io
import json
import re
import sys

import numpy as np
import pytest
from devices import configure
from scipy.stats import binomtest
from test_inference import _save
from test_main import _command

from gan_xla import data, images, report
from gan_xla.errors import UserError
from gan_xla.evaluation import per_image
from gan_xla.main import main
from gan_xla.report import answers, beside, curves, page, pictures, tables, trials
from gan_xla.report import run as runs

pytestmark = pytest.mark.slow

HOSTILE = "<script>document.title='taken'<"
BUILTIN = {"source": "builtin", "name": "chairs2cars", "path": ""}
KINDS = {"labels": ("chairs", "cars"), "exclusive": (("chairs", "cars"),)}


def _config(shipped, turns=("dg",), size=16, **fields):
    config = configure(shipped, turns, size)
    with config.unlocked():
        config.data.update({"load_size": size, **BUILTIN, **fields})
    return config


def _number(value, metric="kid", **fields):
    return {"metric": metric, "value": value, "images": 64, "seed": 0, **fields}


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A run of three steps, and what the command printed of it; nobody writes into it."""
    workdir = tmp_path_factory.mktemp("trained") / "discogan"
    assert main(_command("discogan", workdir, "--config.train.steps=3", "--config.train.sample_every=1")) == 0
    return workdir


@pytest.fixture(scope="module")
def other(tmp_path_factory):
    """An untrained run like the other but for its learning rate, with a hostile name and config."""
    config = _config("discogan")
    config.optimizer.learning_rate = 3e-3
    config.data.domain_a = config.data.domain_b = ""
    config.model.generator.net = "encoder_decoder"
    workdir = _save(tmp_path_factory.mktemp("other") / HOSTILE, config)
    (workdir / "samples").mkdir()
    for step in (1, 2):
        images.write(workdir / "samples" / f"{step:08d}.png", np.full((40, 30, 3), 50 * step, np.uint8))
    lines = [{"step": step, "loss/G": 1.0 / step, "loss/D": step, "input_wait": 0.1} for step in (1, 2)]
    (workdir / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    found = {step: {"AtoB": {f"KD {HOSTILE}": _number(value, error=0.01)}} for step, value in (("1", 0.5), ("2", 0.7))}
    (workdir / "evaluation.json").write_text(json.dumps(found))
    return workdir


@pytest.fixture(scope="module")
def pages(trained, other, tmp_path_factory):
    """The three pages, written by the commands."""
    folder = tmp_path_factory.mktemp("pages")
    outputs = {name: folder / "deeper" / f"{name}.html" for name in ("report", "compare", "blind")}
    flags = {
        "report": [f"--workdir={other}"],
        "compare": [f"--compare={trained},{other}"],
        "blind": [f"--blind={trained},{other},real", "--num=8", "--seed=4"],
    }
    for name, output in outputs.items():
        assert main(["main", "--mode=report", *flags[name], f"--output={output}"]) == 0
    return outputs


def _error(capsys, *flags):
    assert main(["main", "--mode=report", *flags]) == 2
    (line,) = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error: ")]
    return line


def _wide(tab):
    """By how many pixels the page is wider than its window."""
    return tab.evaluate("document.documentElement.scrollWidth - window.innerWidth")


def test_training_ends_with_a_report_and_notes_its_environment(trained):
    text = (trained / "report.html").read_text()
    assert "3 of 3, finished" in text and "Begun" in text and "data:image/webp;base64," in text
    (start,) = [json.loads(line) for line in (trained / "environment.jsonl").read_text().splitlines()]
    assert start["step"] == 0 and start["devices"].endswith("cpu") and start["jax"] in text
    assert len(text) < 1_000_000


def test_a_report_that_cannot_be_written_does_not_fail_a_finished_run(tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    assert main(_command("toy_gmm", tmp_path)) == 0
    said = capsys.readouterr().out
    assert "finished at step 2" in said and "but no report: the report's curves need matplotlib: pip install" in said
    assert not (tmp_path / "report.html").exists()


def test_the_slider_moves_by_keyboard_through_the_pictures_of_the_run(browse, trained):
    tab, seen = browse()
    tab.goto((trained / "report.html").as_uri())
    slider, shown = tab.locator("#step"), tab.locator(".shots img:visible")
    assert tab.get_by_label("Step", exact=True).get_attribute("type") == "range"
    for key, step in (("Home", 1), ("ArrowRight", 2), ("End", 3), ("ArrowLeft", 2)):
        slider.press(key)
        assert slider.get_attribute("aria-valuetext") == f"step {step}"
        assert tab.inner_text("#step-shown") == str(step)
        assert shown.count() == 1 and shown.get_attribute("alt") == f"Sample grid of discogan at step {step}"
    assert tab.evaluate("[...document.images].every((x) => x.alt && (x.hidden || x.naturalWidth > 0))")
    assert tab.locator(".pictures").count() == 2 and tab.locator("th", has_text="back again").count() == 2
    assert tab.locator(".chart").count() >= 6 and seen.quiet, seen


def test_a_report_says_what_is_known_and_escapes_all_of_it(browse, pages):
    tab, seen = browse()
    tab.goto(pages["report"].as_uri())
    assert tab.title() == f"{HOSTILE}: report" and tab.inner_text("h1") == HOSTILE
    row = tab.locator("#metrics tbody tr").inner_text()
    assert f"KD {HOSTILE}" in row and "0.7 ± 0.01" in row and "0.5 ± 0.01" in row and "step 1" in row
    assert "lower is better" in row
    tab.fill("#search", "learning optimizer")
    fields = tab.locator("[data-field]:visible")
    assert fields.count() == 3 and tab.inner_text("#found").startswith("3 of ")
    tab.check("#changed")
    assert fields.count() == 1 and "0.003" in fields.inner_text() and "shipped: 0.0002" in fields.inner_text()
    assert tab.locator("main, header, footer, nav").count() == 4 and tab.locator("h1").count() == 1
    assert not tab.evaluate(
        "(ids => ids.length - new Set(ids).size)([...document.querySelectorAll('[id]')].map(x => x.id))"
    )
    assert seen.quiet, seen


def test_pages_fit_a_phone_in_the_light_and_in_the_dark(browse, pages):
    grounds = set()
    for scheme in ("light", "dark"):
        tab, seen = browse(color_scheme=scheme, reduced_motion="reduce", viewport={"width": 360, "height": 740})
        for path in pages.values():
            tab.goto(path.as_uri())
            assert _wide(tab) <= 0, path.name
        tab.get_by_role("button", name="Begin").click()
        assert _wide(tab) <= 0
        grounds.add(tab.evaluate("getComputedStyle(document.body).backgroundColor"))
        assert seen.quiet, seen
    assert len(grounds) == 2


def test_pages_forbid_themselves_the_network(browse, pages, tmp_path):
    text = pages["report"].read_text()
    assert not re.search(r'(?:src|href)="(?!data:|#)', text)
    (tmp_path / "page.html").write_text(text.replace("</main>", '<img src="https://example.com/x.png"></main>'))
    tab, seen = browse()
    tab.goto((tmp_path / "page.html").as_uri())
    assert "Content Security Policy" in seen.errors[0]


def test_a_comparison_has_one_slider_common_curves_and_the_differences(browse, pages, trained):
    tab, seen = browse()
    tab.goto(pages["compare"].as_uri())
    tab.locator("#step").press("Home")
    tab.locator("#step").press("ArrowRight")
    assert tab.locator(".shown").all_inner_texts() == ["2", "2"] and tab.locator(".shots img:visible").count() == 2
    tab.locator("#step").press("End")
    assert tab.locator(".shown").all_inner_texts() == ["3", "2"], "a run shows its newest up to the step"
    keys = tab.locator(".chart:has(h3:text-is('Loss G')) li").all_inner_texts()
    assert [key.split()[0] for key in keys] == ["discogan", HOSTILE]
    assert tab.locator("#metrics thead th").all_inner_texts() == ["metric", "discogan", HOSTILE]
    assert "not measured" in tab.locator("#metrics tbody tr").inner_text()
    assert f"--workdir={trained}" in tab.inner_text("#metrics")
    rows = {row.split("\t")[0]: row.split("\t")[1:] for row in tab.locator("#configuration tbody tr").all_inner_texts()}
    assert rows["optimizer.learning_rate"] == ["0.0002", "0.003"] and "gan" not in rows
    assert seen.quiet, seen


def test_the_blind_test_tells_nothing_until_the_end_and_keeps_and_saves_the_answers(browse, pages, tmp_path):
    tab, seen = browse()
    tab.goto(pages["blind"].as_uri())
    tab.get_by_role("button", name="Begin").click()
    for key in ("ArrowLeft", "2", "ArrowRight", "1"):
        tab.keyboard.press(key)
    tab.get_by_role("button", name="Left picture").click()
    _reload_until_kept(tab, "5 of 9")
    kept = json.loads(tab.evaluate("Object.values(localStorage)[0]"))
    assert kept["answers"] == ["left", "right", "right", "left", "left"]
    partial = _saved(tab, tmp_path / "partial.json")
    for text in (tab.inner_text("body"), tab.title(), json.dumps(partial), pages["blind"].read_text()):
        assert "discogan" not in text and "document.title" not in text
    for _ in range(5):
        tab.keyboard.press("ArrowRight")
    assert not tab.locator("#end").is_visible() and "rates" not in _saved(tab, tmp_path / "untold.json")
    tab.get_by_role("button", name="Show the results").click()
    rows = [row.split("\t") for row in tab.locator("#results tr").all_inner_texts()]
    assert len(rows) == 9 and {row[0] for row in rows} == {"discogan", HOSTILE, "real"}
    tab.keyboard.press("ArrowRight")
    tab.keyboard.press("Backspace")
    saved = _saved(tab, tmp_path / "answers.json")
    assert len(saved["answers"]) == 9, "no more than there are, and none is taken back any more"
    found = answers.read(str(tmp_path / "answers.json"))
    _compare_rates(rows, answers.rates([found]))
    assert (found.checks, len(found.picks), found.rater) == (1, 8, saved["rater"])
    assert tab.inner_text("#attention") == f"{found.passed} of 1 pairs that check attention were answered right."
    with pytest.raises(UserError, match="are answers of one person"):
        answers.read_all([str(tmp_path / f"{name}.json") for name in ("partial", "answers")])
    tab.once("dialog", lambda dialog: dialog.accept())
    tab.get_by_role("button", name="begin anew").click()
    assert tab.inner_text("#progress") == "0 of 9" and seen.quiet, seen


def test_the_last_answer_can_be_taken_back_by_key_and_by_button(browse, pages, tmp_path):
    tab, seen = browse()
    tab.goto(pages["blind"].as_uri())
    tab.keyboard.press("Backspace")
    tab.keyboard.press("1")
    assert tab.locator("#intro").is_visible(), "nothing is answered before the test begins"
    tab.get_by_role("button", name="Begin").click()
    back = tab.get_by_role("button", name="Take back the last answer")
    assert not back.is_visible()
    first = tab.get_attribute("#left img", "src")
    tab.keyboard.press("ArrowLeft")
    assert tab.get_attribute("#left img", "src") != first
    tab.keyboard.press("Backspace")
    assert tab.get_attribute("#left img", "src") == first and tab.inner_text("#progress") == "0 of 9"
    for _ in range(9):
        tab.keyboard.press("ArrowLeft")
    assert tab.locator("#ready").is_visible()
    back.click()
    tab.keyboard.press("ArrowRight")
    saved = _saved(tab, tmp_path / "answers.json")
    assert [answer["pick"] for answer in saved["answers"]] == ["left"] * 8 + ["right"] and saved["undone"] == 2
    assert seen.quiet, seen


def _reload_until_kept(tab, progress):
    """Chromium stores in a process of its own, on a busy machine later than a reload that nobody does by hand."""
    for _ in range(60):
        tab.reload()
        if tab.inner_text("#progress") == progress:
            return
        tab.wait_for_timeout(500)
    raise AssertionError("a reload loses answers")


def _saved(tab, path):
    with tab.expect_download() as download:
        tab.get_by_role("button", name="Save the answers").click()
    download.value.save_as(path)
    return json.loads(path.read_text())


def _compare_rates(rows, rates):
    for (name, against, share, interval, shown), rate in zip(rows, rates, strict=True):
        assert (name, against, int(shown)) == (rate.name, rate.against, rate.shown)
        known = binomtest(rate.picked, rate.shown).proportion_ci(method="wilson")
        assert (share, interval) == (
            f"{100 * rate.picked / rate.shown:.0f} %",
            f"{100 * known.low:.0f} % to {100 * known.high:.0f} %",
        )


def test_without_storage_the_blind_test_says_so_and_goes_on(browse, pages):
    tab, seen = browse()
    tab.add_init_script("Object.defineProperty(window, 'localStorage', { get() { throw new Error('denied'); } })")
    tab.goto(pages["blind"].as_uri())
    assert "keeps no answers" in tab.inner_text("#unkept")
    tab.get_by_role("button", name="Begin").click()
    tab.keyboard.press("1")
    assert tab.inner_text("#progress") == "1 of 9" and seen.quiet, seen


class Mirror:
    """In the place of a model: gives an image back as it is, or as its negative."""

    def __init__(self, path):
        self._negative = path.name != "discogan"

    def translate(self, x, direction, seed):
        return 255 - x if self._negative else x


def test_blind_pairs_are_of_the_same_input_on_sides_that_the_seed_draws(trained, other, monkeypatch):
    monkeypatch.setattr("gan_xla.load", Mirror)
    candidates = [str(trained), str(other)]
    test, again, third = (trials.Test.of(candidates, 8, "AtoB", seed) for seed in (0, 0, 1))
    asked = [both for both in zip(test.pairs, test.pictures) if min(both[0]) >= 0]
    assert {tuple(sorted(pair)) for pair, _ in asked} == {(0, 1)} and {pair[0] for pair, _ in asked} == {0, 1}
    assert all((left == 255 - right).all() for _, (left, right) in asked)
    assert len({min(x.tobytes() for x in pair) for _, pair in asked}) == 8, "every input once"
    assert again.pairs == test.pairs and np.array_equal(again.pictures, test.pictures)
    assert third.pairs != test.pairs or not np.array_equal(third.pictures, test.pictures)


def test_every_tenth_pair_is_a_real_picture_beside_its_shuffled_parts(trained, other, monkeypatch):
    monkeypatch.setattr("gan_xla.load", Mirror)
    test = trials.Test.of([str(trained), str(other)], 21, "AtoB")
    checks = [(pair, both) for pair, both in zip(test.pairs, test.pictures) if min(pair) < 0]
    assert len(checks) == 3 and len(test.pairs) == 24 and min(test.pairs[0]) >= 0
    for pair, both in checks:
        whole, spoilt = (both[pair.index(place)] for place in (answers.WHOLE, answers.SPOILT))
        assert not np.array_equal(whole, spoilt)
        np.testing.assert_array_equal(*(np.sort(x.reshape(-1, 3), axis=0) for x in (whole, spoilt)))
    odd = np.arange(17 * 20 * 3, dtype=np.uint8).reshape(17, 20, 3)
    assert trials.spoilt(odd, np.random.default_rng(0)).shape == odd.shape


def test_a_comparison_shows_what_the_runs_make_of_the_same_test_images(browse, pages, trained, young):
    tab, seen = browse()
    tab.goto(pages["compare"].as_uri())
    tables = tab.locator("#translations table.pictures")
    assert [tables.nth(i).locator("th").all_inner_texts() for i in range(2)] == [["input", "discogan", HOSTILE]] * 2
    assert tab.locator("#translations h3").all_inner_texts() == ["AtoB", "BtoA"]
    for i in range(2):
        shown = tables.nth(i).locator("tr:nth-child(1) img")
        assert len({shown.nth(j).get_attribute("src") for j in range(3)}) == 3
    assert seen.quiet, seen
    found, notes = beside.tables([runs.read(trained), runs.read(young)])
    assert [table.columns for table in found] == [["input", "discogan"]] * 2 and "young: " in notes[0]


def test_runs_of_other_test_images_are_not_set_side_by_side(trained, tmp_path):
    from gan_xla.run import settings

    settings.freeze(_config("discogan", size=32), tmp_path / "far")
    found, (note,) = beside.tables([runs.read(trained), runs.read(tmp_path / "far")])
    assert not found and note == "discogan and far see other test images: they have data.image_size=16 and 32."


@pytest.fixture
def young(tmp_path):
    """A run that has its config alone."""
    from gan_xla.run import settings

    settings.freeze(_config("discogan"), tmp_path / "young")
    return tmp_path / "young"


def test_a_young_run_says_what_is_missing_and_how_to_make_it(young):
    text = report.write(young).read_text()
    for said in ("No sample picture yet", "no checkpoint yet", "No numbers yet", "Not measured yet"):
        assert said in text
    assert f"--mode=evaluate --workdir={young}" in text and "does not tell what it was trained with" in text


def test_changes_on_the_way_are_told_and_marked_in_the_curves(young):
    (young / "metrics.jsonl").write_text("".join(f'{{"step": {step}, "loss/G": 2.0}}\n' for step in (1, 2, 3)))
    plain = report.write(young).read_text()
    row = {"step": 2, "field": "optimizer.learning_rate", "old": 0.1, "new": 0.2}
    (young / "history.jsonl").write_text(json.dumps(row) + "\n{")
    text = report.write(young).read_text()
    assert "This run went on with changes" in text and "This run went on" not in plain
    assert "<td>optimizer.learning_rate</td><td>0.1</td><td>0.2</td>" in text
    assert text.count("<svg viewBox") == plain.count("<svg viewBox")
    assert text.count("stroke-dasharray") > plain.count("stroke-dasharray")
    assert "history.jsonl: damaged, and left out: line 2" in text


def test_a_page_that_is_there_is_not_replaced_unless_asked_for(young, tmp_path):
    (tmp_path / "page.html").write_text("mine")
    with pytest.raises(UserError, match="page.html: is there already; use another --output, or --overwrite"):
        report.write(young, tmp_path / "page.html")
    assert (tmp_path / "page.html").read_text() == "mine"
    assert report.write(young, tmp_path / "page.html", overwrite=True).read_text() != "mine"
    assert report.write(young) == report.write(young), "the run's own page is made anew"


def test_damaged_files_are_named_and_the_rest_is_shown(young):
    (young / "samples").mkdir()
    images.write(young / "samples" / "00000001.png", np.zeros((8, 8, 3), np.uint8))
    (young / "samples" / "00000002.png").write_bytes(b"\x89PNG no more")
    rows = ['{"step": 1, "loss/G": 2.0}', "[1]", '{"step": 2, "loss/G": null, "loss/D": NaN}', '{"step": 3, "lo']
    (young / "metrics.jsonl").write_bytes("\n".join(rows).encode() + b"\xff\n")
    (young / "evaluation.json").write_text("[]")
    text = report.write(young).read_text()
    assert "metrics.jsonl: damaged, and left out: line 2, 4" in text and "not finite at step 2" in text
    assert re.search("Left out: .*00000002.png: cannot be read", text) and "at step 1" in text
    assert "evaluation.json: is damaged" in text


def test_many_pictures_are_thinned_and_shrunk_so_that_the_page_stays_small(young):
    (young / "samples").mkdir()
    noise = np.random.default_rng(0).integers(0, 256, (1200, 60, 3), np.uint8)
    for step in range(50):
        images.write(young / "samples" / f"{step:08d}.png", noise[: 1200 if step == 7 else 200])
    shots, wrong = pictures.shots(runs.read(young), 40, 300_000)
    assert not wrong and shots[0].step == 0 and shots[-1].step == 49
    assert sum(len(shot.uri) for shot in shots) <= 300_000 and 2 < len(shots) < 40
    assert len(pictures.shots(runs.read(young))[0]) == 40
    tall = base64.b64decode(pictures.uri(noise, 300).partition(",")[2])
    assert images.read(io.BytesIO(tall)).shape == (300, 15, 3)


METHODS = {
    "toy_gmm": ({}, ["AtoB", "test points there"]),
    "discogan": ({"name": "edges2objects", "paired": True}, ["AtoB", "BtoA", "truth", "back again"]),
    "stargan": (KINDS, ["chairs", "cars"]),
    "cgan": ({**KINDS, "turns": ("d+g",)}, ["samples by label", "chairs", "cars"]),
    "gan": ({"unlabelled": True, "turns": ("d+g",)}, ["samples"]),
}


@pytest.mark.parametrize("name", METHODS)
def test_every_method_shows_what_it_makes_of_test_data(name, tmp_path):
    fields, said = METHODS[name]
    config = configure("toy_gmm", ("dg",), 0) if name == "toy_gmm" else _config(name, **{"channels": 3, **fields})
    _, tables = pictures.made(runs.read(_save(tmp_path, config)))
    words = " ".join(word for table in tables for word in (table.title.replace(" to ", "to"), *table.columns))
    assert all(word in words for word in said), words
    assert all(len(row) == max(len(table.columns), 8 * (not table.columns)) for table in tables for row in table.rows)
    assert all(cell.startswith("data:image/webp;base64,") for table in tables for row in table.rows for cell in row)


def test_curves_are_logarithmic_where_they_span_much_and_lines_of_a_run_keep_their_colour(young):
    rows = [
        {"step": s, "loss/G": 10.0 ** (s / 10), "loss/D": -1.0, "images_per_s": 10.0 ** (s / 10)} for s in range(40)
    ]
    (young / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    run = runs.read(young)
    assert {chart.title: chart.log for chart in curves.charts([run])} == {
        "Losses of the players": False,
        "Learning rate": False,
        "Speed, images a second": False,
    }
    found = {chart.title: chart for chart in curves.charts([run, run])}
    assert found["Loss G"].log and [key.colour for key in found["Loss G"].keys] == [0, 1]
    assert "var(--c1)" in found["Loss G"].svg and "c0de" not in found["Loss G"].svg


def _answered(path, picks, trials=((0, 1), (1, 0)), **fields):
    key = base64.b64encode(json.dumps({"names": ["one", "real"], "trials": trials}).encode()).decode()
    picked = [{"trial": place + 1, "pick": pick} for place, pick in enumerate(picks)]
    path.write_text(json.dumps({"format": 2, "key": key, "answers": picked, **fields}))
    return str(path)


def test_answers_of_several_people_are_counted_together(tmp_path, capsys):
    files = [_answered(tmp_path / f"{n}.json", picks) for n, picks in enumerate((["left", "right"], ["right"]))]
    assert main(["main", "--mode=report", f"--answers={','.join(files)}"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[1].split() == ["one", "real", "67%", "21%", "to", "94%", "3"]
    assert lines[4:6] == [f"{files[0]}: 2 answers", f"{files[1]}: 1 answers"]
    assert lines[6].startswith("agreement on 1 pairs that two or more answered: 0%; Krippendorff's alpha 0.00")
    (tmp_path / "0.json").write_text("{}")
    assert "is no answers file" in _error(capsys, f"--answers={tmp_path}/0.json")
    assert "cannot be read" in _error(capsys, f"--answers={tmp_path}/nope.json")


def test_who_pays_no_attention_is_left_out_and_named(tmp_path, capsys):
    shown = ((0, 1), (-1, -2), (1, 0), (-2, -1))
    good = _answered(tmp_path / "good.json", ["left", "left", "right", "right"], shown, test="a", rater="x")
    bad = _answered(tmp_path / "bad.json", ["right"] * 4, shown, test="a", rater="y")
    assert main(["main", "--mode=report", f"--answers={good},{bad}"]) == 0
    text = capsys.readouterr().out
    assert "one     real     100%  34% to 100%    2" in text and "agreement" not in text
    assert f"{good}: 2 answers, 2 of 2 attention checks right\n" in text
    assert f"{bad}: 2 answers, 1 of 2 attention checks right: left out" in text
    assert "nobody passed the attention checks" in _error(capsys, f"--answers={bad}")


def test_agreement_is_krippendorffs_alpha():
    """His example of four observers and twelve units (2011), whose nominal alpha is 0.743."""
    rows = ["123321412...", "1233224125.3", ".3332342251.", "12332441251."]
    units = [[row[unit] for row in rows if row[unit] != "."] for unit in range(12)]
    assert round(answers.agreement(units).alpha, 3) == 0.743
    assert answers.agreement([["left"], ["right"]]) is None
    assert answers.agreement([["left", "left"]] * 3) == answers.Agreement(3, 1.0, None)
    agreed = answers.agreement([["left", "left"], ["right", "right"], ["left", "right"]])
    assert agreed.share == pytest.approx(2 / 3) and agreed.alpha == pytest.approx(1 - 2 / (18 / 5))


MISTAKES = {
    "no run": (["--workdir=/nope"], "/nope: no run in this directory"),
    "no workdir": ([], "--mode=report needs --workdir"),
    "a run alone to compare": (["--compare={run}", "--output={tmp}/a.html"], "give two runs or more"),
    "no run to compare": (["--compare={run},/nope", "--output={tmp}/a.html"], "/nope: no run"),
    "a run twice": (["--compare={run},{run}/.", "--output={tmp}/a.html"], "a run is there twice"),
    "no output": (["--compare={run},{other}"], "--mode=report needs --output"),
    "two kinds of page": (["--compare={run},{run}", "--blind={run},real"], "--compare and --blind are both set"),
    "a run alone to tell apart": (["--blind={run}", "--output={tmp}/a.html"], "runs and real, each once"),
    "an unknown direction": (["--blind={run},real", "--direction=X", "--output={tmp}/a.html"], "has AtoB, BtoA"),
    "other test images": (["--blind={run},{far}", "--output={tmp}/a.html"], "data.image_size=16 and 32"),
    "an output that is a directory": (["--workdir={run}", "--output={tmp}"], "is a directory; use another --output"),
}


@pytest.mark.parametrize("flags, message", MISTAKES.values(), ids=MISTAKES)
def test_mistakes_are_one_clear_line_and_nothing_is_written(flags, message, trained, other, tmp_path, capsys):
    from gan_xla.run import settings

    settings.freeze(_config("discogan", size=32), tmp_path / "far")
    before = sorted(tmp_path.rglob("*"))
    places = {"run": trained, "other": other, "far": tmp_path / "far", "tmp": tmp_path}
    assert message in _error(capsys, *(flag.format(**places) for flag in flags))
    assert sorted(tmp_path.rglob("*")) == before


def test_a_missing_library_is_named(trained, monkeypatch):
    monkeypatch.setitem(sys.modules, "jinja2", None)
    with pytest.raises(UserError, match="pip install jinja2"):
        page.render("report", "report")


def test_a_report_shows_the_worst_and_the_best_images_with_their_errors(tmp_path):
    workdir = _save(tmp_path / "run", _config("pix2pix", size=32, name="edges2objects"))
    assert main(["main", "--mode=evaluate", f"--workdir={workdir}", "--per_image", "--metrics=l1,sharpness"]) == 0
    rows = per_image.read(workdir, 2)
    order = sorted(rows, key=lambda row: float(row["l1"]))
    run = runs.read(workdir)
    *_, table = pictures.made(run)[1]
    assert table.title == f"AtoB, worst and best of {len(rows)} by L1 to the truth, of 255"
    assert table.columns == ["input", "translation", "truth", "error"]
    assert [label.partition(":")[0] for label in table.labels] == ["worst"] * 4 + ["best"] * 4
    assert table.labels[0] == f"worst: {order[-1]['image']}, {float(order[-1]['l1']):.4g}"
    assert table.labels[-1] == f"best: {order[0]['image']}, {float(order[0]['l1']):.4g}"
    source = data.load(run.config.data).test[0].read(np.array([int(order[-1]["number"])]))
    assert table.rows[0][0] == pictures.uri(source["x_A"][0]) and table.rows[0][2] == pictures.uri(source["x_B"][0])
    text = report.write(workdir).read_text()
    assert text.count("worst: ") == 4 and text.count("best: ") == 4
    per_image.path(workdir, 2).write_text(per_image.path(workdir, 2).read_text().replace(order[0]["image"], "gone"))
    assert len(pictures.made(run)[1]) == 1, "the scores are of other images"


def test_the_map_of_errors_is_black_where_images_are_equal_and_pale_where_they_are_far_apart():
    x = np.zeros((1, 2, 2, 3), np.uint8)
    truth = x.copy()
    truth[0, 0, 1], truth[0, 1] = 255, 30
    found = pictures.error_map(x, truth).astype(int).sum(axis=-1)[0]
    assert found[0, 0] < 10 < found[1, 0] == found[1, 1] < found[0, 1] and found[0, 1] > 600


@pytest.mark.parametrize("values, best", [((0.5, 0.7), [True, False]), ((0.5, 0.52), [False, False])])
def test_a_comparison_calls_best_what_is_so_by_more_than_noise(other, trained, values, best):
    found = [{"9": {"AtoB": {"KD": _number(value, error=0.01)}}} for value in values]
    pair = [dataclasses.replace(runs.read(path), evaluation=x) for path, x in zip((other, trained), found)]
    (row,) = tables.compared(pair)["AtoB"]
    assert [cell.best for cell in row.cells] == best
