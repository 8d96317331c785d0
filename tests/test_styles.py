"""Many translations of one image: styles drawn, read from images and given, in Python and on the command line."""

import itertools

import numpy as np
import pytest
from devices import configure
from test_inference import _save

import gan_xla
from gan_xla import data, images
from gan_xla.errors import UserError
from gan_xla.evaluation.evaluate import evaluate
from gan_xla.evaluation.features import stlpips
from gan_xla.main import main


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return _save(tmp_path_factory.mktemp("styles") / "munit", configure("munit", ("dg",)))


@pytest.fixture(scope="module")
def model(run):
    return gan_xla.load(run)


@pytest.fixture(scope="module")
def pictures():
    return np.random.default_rng(0).integers(0, 256, (3, 16, 16, 3), np.uint8)


def test_styles_are_drawn_anew_for_each_image_and_the_same_for_a_seed(model, pictures):
    same = np.stack([pictures[0]] * 3)
    y = model.translate(same, seed=1)
    assert (y[0] != y[1]).any() and (y[1] != y[2]).any()
    np.testing.assert_array_equal(model.translate(same, seed=1), y)
    assert (model.translate(same, seed=2) != y).any()
    np.testing.assert_array_equal(model.translate(same, style=model.styles(3, seed=1)), y)


def test_one_style_for_all_images_is_that_of_each(model, pictures):
    (code,) = model.styles(1)
    y = model.translate(pictures, "BtoA", style=code)
    for number, image in enumerate(pictures):
        np.testing.assert_allclose(model.translate(image[None], "BtoA", style=code)[0], y[number].astype(int), atol=1)


def test_a_style_is_read_from_an_image_of_the_domain_that_is_made(model, pictures):
    codes = model.styles(reference=pictures, direction="AtoB")
    assert codes.shape == (3, model.style.size)
    assert (codes != model.styles(reference=pictures, direction="BtoA")).any()
    np.testing.assert_array_equal(model.translate(pictures, reference=pictures), model.translate(pictures, style=codes))
    one = model.translate(pictures, reference=pictures[:1])
    np.testing.assert_array_equal(one, model.translate(pictures, style=codes[0]))
    mixed = 0.5 * codes[0] + 0.5 * codes[1]
    ends = [model.translate(pictures[:1], style=code) for code in (codes[0], mixed, codes[1])]
    assert (ends[0] != ends[1]).any() and (ends[1] != ends[2]).any()


@pytest.mark.parametrize(
    "style, message", [(np.zeros(3), r"codes are \[8\] or \[3, 8\], not \[3\]"), (np.zeros((2, 8)), r"not \[2, 8\]")]
)
def test_codes_of_another_shape_are_a_clear_error(model, pictures, style, message):
    with pytest.raises(UserError, match=message):
        model.translate(pictures, style=style)
    with pytest.raises(UserError, match="reference: 2 images for 3"):
        model.translate(pictures, reference=pictures[:2])
    with pytest.raises(UserError, match="style and reference are both set"):
        model.translate(pictures, style=np.zeros(8), reference=pictures)


def _translate(run, source, output, *flags):
    command = ("--mode=translate", f"--workdir={run}", f"--input={source}", f"--output={output}", *flags)
    return main(["main", *command])


@pytest.fixture
def files(tmp_path, pictures):
    (tmp_path / "in").mkdir()
    for name, image in zip("abc", pictures, strict=True):
        images.write(tmp_path / "in" / f"{name}.png", image)
    return tmp_path / "in"


def test_the_command_writes_as_many_styles_as_asked_the_same_for_all_files(run, model, files, pictures, tmp_path):
    assert _translate(run, files, tmp_path / "out", "--styles=2") == 0
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [f"{x}_{i}.png" for x in "abc" for i in "01"]
    for number, code in enumerate(model.styles(2)):
        y = model.translate(pictures, style=code)
        for name, expected in zip("abc", y, strict=True):
            np.testing.assert_array_equal(images.read(tmp_path / "out" / f"{name}_{number}.png"), expected)
    assert _translate(run, files / "a.png", tmp_path / "one") == 0
    assert [path.name for path in (tmp_path / "one").iterdir()] == ["a.png"]


def test_the_command_takes_the_style_of_an_image_or_goes_from_one_to_another(run, model, files, pictures, tmp_path):
    a, b = files / "a.png", files / "b.png"
    assert _translate(run, files / "c.png", tmp_path / "out", f"--reference={a}", "--direction=BtoA") == 0
    codes = model.styles(reference=pictures[:2], direction="BtoA")
    expected = model.translate(pictures[2:], "BtoA", style=codes[0])[0]
    np.testing.assert_array_equal(images.read(tmp_path / "out" / "c.png"), expected)
    way = (f"--reference={a},{b}", "--styles=3", "--direction=BtoA", "--overwrite")
    assert _translate(run, files / "c.png", tmp_path / "way", *way) == 0
    for number, code in enumerate((codes[0], codes.mean(0), codes[1])):
        expected = model.translate(pictures[2:], "BtoA", style=code)[0]
        np.testing.assert_array_equal(images.read(tmp_path / "way" / f"c_{number}.png"), expected)


def test_what_does_not_go_is_one_line(run, files, tmp_path, capsys):
    plain = _save(tmp_path / "plain", configure("cyclegan", ("gd",)))
    for flags, message in (
        ((plain, "--styles=2"), "--styles, --reference: this cyclegan model makes one translation of an image"),
        (
            (run, f"--reference={files}/a.png", "--styles=2"),
            "--styles=2: the way between two styles; --reference has 1",
        ),
        ((run, f"--reference={files}/none.png"), "none.png"),
    ):
        assert _translate(flags[0], files, tmp_path / "out", *flags[1:]) == 2
        assert message in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_evaluation_tells_how_far_styles_differ_which_is_nearest_and_whether_a_reference_is_followed(tmp_path):
    pytest.importorskip(stlpips.PACKAGE)
    config = configure("munit", ("dg",), size=24)
    config.data.update(source="builtin", name="edges2objects", load_size=24, flip=False, paired=True)
    run = _save(tmp_path / "run", config)
    numbers = evaluate(run, metrics=["cycle", "styles", "best"], num=6)["2"]["AtoB"].values()
    found = {number["metric"]: number for number in numbers}
    model, (test,) = gan_xla.load(run), data.load(config.data).test
    rows = test.read(np.linspace(0, len(test) - 1, 6).astype(int))
    x, truth = rows["x_A"], rows["x_B"]
    drawn = [model.translate(x, seed=seed) for seed in (1, 2, 3, 4)]
    nearest = np.min([np.abs(y.astype(float) - truth).mean((1, 2, 3)) for y in drawn], axis=0)
    np.testing.assert_allclose(found["best"]["value"], nearest.mean(), rtol=1e-6)
    far = [stlpips.distance(one, other).mean() for one, other in itertools.combinations(drawn, 2)]
    np.testing.assert_allclose(found["styles"]["value"], np.mean(far), rtol=1e-5)
    reference = test.read(np.arange(6))["x_B"]
    made = model.translate(x, style=model.styles(reference=reference))
    np.testing.assert_allclose(found["reference"]["value"], stlpips.distance(made, reference).mean(), rtol=1e-5)
    back = model.translate(model.translate(x), "BtoA", style=model.styles(reference=x, direction="BtoA"))
    np.testing.assert_allclose(found["cycle"]["value"], np.abs(back.astype(float) - x).mean(), rtol=1e-6)
