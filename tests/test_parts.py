"""Translations in part: by strength, inside a mask, or with the background kept."""

import numpy as np
import pytest
from devices import configure
from test_inference import _save

import gan_xla
from gan_xla import images
from gan_xla.errors import UserError
from gan_xla.inference import masks
from gan_xla.main import main


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    made = {}

    def run(name):
        if name not in made:
            made[name] = _save(tmp_path_factory.mktemp("parts") / name, configure(name, ("dg",)))
        return made[name]

    return run


@pytest.fixture(scope="module")
def pictures():
    return np.random.default_rng(0).integers(0, 256, (3, 16, 16, 3), np.uint8)


@pytest.mark.parametrize("name", ["stargan", "stargan_joint", "icgan"])
def test_strength_goes_from_the_labels_that_the_model_reads_to_those_asked_for(name, runs, pictures):
    model = gan_xla.load(runs(name))
    domain, space = model.domains[0], model.labels
    x = pictures / np.float32(127.5) - 1
    own = np.asarray(model._gan.classify(*model.variables["gen"], *model.variables["disc"], x))
    assert own.shape == (3, space.count) and (own >= 0).all() and (own <= 1).all()
    target = np.broadcast_to(space.vector([domain]), (3, space.size))
    first = space.columns(0) if len(space.sets) > 1 else slice(None)
    start = target.copy()
    start[:, first][:, : len(space.sets[0].labels)] = own[:, first][:, : len(space.sets[0].labels)]
    for strength in (0.0, 0.25, 1.0):
        expected = model.translate(pictures, domain=(1 - strength) * start + strength * target)
        found = model.translate(pictures, domain=domain, strength=strength)
        np.testing.assert_allclose(found.astype(int), expected, atol=1)
    assert len({tuple(map(tuple, row)) for row in start[:, None]}) == 3  # each image has labels of its own


def test_shares_of_classes_sum_to_one_and_those_of_free_labels_stand_alone(runs):
    space, logits = gan_xla.load(runs("stargan_joint")).labels, np.random.default_rng(0).normal(size=(4, 5))
    logits = np.resize(logits, (4, space.count)).astype(np.float32)
    found = np.asarray(space.shares(logits))
    for number, part in enumerate(space.sets):
        own, given = found[:, space.columns(number)], logits[:, space.columns(number)].astype(float)
        expected = np.exp(given) / np.exp(given).sum(-1, keepdims=True) if part.one_hot else 1 / (1 + np.exp(-given))
        np.testing.assert_allclose(own, expected, rtol=1e-5)


@pytest.mark.parametrize("name", ["munit", "starganv2"])
def test_strength_goes_from_the_mean_style_to_the_one_asked_for(name, runs, pictures):
    model = gan_xla.load(runs(name))
    aim = {"domain": model.domains[0]} if model.domains else {"direction": "AtoB"}
    code, mean = model.styles(1, seed=3, **aim)[0], model.styles(1024, seed=0, **aim).mean(axis=0)
    for strength in (0.0, 0.5, 1.0):
        expected = model.translate(pictures, style=mean + strength * (code - mean), **aim)
        found = model.translate(pictures, style=code, strength=strength, **aim)
        np.testing.assert_allclose(found.astype(int), expected, atol=1)


@pytest.mark.parametrize(
    "name, strength, message", [("discogan", 0.5, "has no labels and no styles"), ("stargan", 1.5, "between 0 and 1")]
)
def test_a_strength_that_does_not_go_is_a_clear_error(name, strength, message, runs, pictures):
    model = gan_xla.load(runs(name))
    with pytest.raises(UserError, match=message):
        model.translate(pictures, domain=model.domains[0] if model.domains else None, strength=strength)


def _translate(run, source, output, *flags):
    return main(["main", "--mode=translate", f"--workdir={run}", f"--input={source}", f"--output={output}", *flags])


def test_the_input_stays_outside_a_mask(runs, pictures, tmp_path):
    (tmp_path / "in").mkdir(), (tmp_path / "masks").mkdir()
    half = np.zeros((16, 16, 1), np.uint8)
    half[:, 8:] = 255
    for number, image in enumerate(pictures):
        images.write(tmp_path / "in" / f"{number}.png", image)
        images.write(tmp_path / "masks" / f"{number}.png", half if number else 255 - half)
    images.write(tmp_path / "half.png", half)
    whole = gan_xla.load(runs("discogan")).translate(pictures)
    for mask, sides in (("half.png", (8, 8, 8)), ("masks", (0, 8, 8))):
        assert _translate(runs("discogan"), tmp_path / "in", tmp_path / mask[:4], f"--mask={tmp_path / mask}") == 0
        for number, side in enumerate(sides):
            y = images.read(tmp_path / mask[:4] / f"{number}.png")
            inside, outside = np.s_[:, side : side + 8], np.s_[:, 8 - side : 16 - side]
            np.testing.assert_array_equal(y[outside], pictures[number][outside])
            np.testing.assert_allclose(y[inside].astype(int), whole[number][inside], atol=1)


def test_a_mask_is_cut_as_its_image_is(runs, tmp_path):
    """Of 32 by 64 pixels the model sees the middle square, so that of a mask counts."""
    config = configure("discogan", ("dg",))
    config.data.fit = "crop"
    run = _save(tmp_path / "run", config)
    x = np.random.default_rng(1).integers(0, 256, (32, 64, 3), np.uint8)
    mask = np.zeros((32, 64, 1), np.uint8)
    mask[:, :32] = 255
    images.write(tmp_path / "x.png", x), images.write(tmp_path / "mask.png", mask)
    assert _translate(run, tmp_path / "x.png", tmp_path / "out", f"--mask={tmp_path}/mask.png") == 0
    y, seen = images.read(tmp_path / "out" / "x.png"), images.fit(x, 16, "crop")
    np.testing.assert_array_equal(y[:, 10:], seen[:, 10:])  # beyond the resized edge
    assert (y[:, :6] != seen[:, :6]).any()


def test_the_background_is_what_is_transparent_or_plain_and_touches_the_border(tmp_path):
    image = np.full((24, 24, 3), 250, np.uint8)
    image[6:18, 6:18] = (200, 30, 30)
    image[10:14, 10:14] = 250  # a hole is no background
    weight = masks.background(image)
    assert weight[0, 0] == 0 and weight[12, 12] == 1 and weight[8, 8] > 0.9
    clear = np.concatenate([image, np.full((24, 24, 1), 255, np.uint8)], axis=-1)
    clear[:5, :, 3] = 0
    images.write(tmp_path / "clear.png", clear)
    np.testing.assert_array_equal(masks.background(image, tmp_path / "clear.png"), clear[..., 3:] / np.float32(255))
    noisy = np.random.default_rng(0).integers(0, 256, (24, 24, 3), np.uint8)
    with pytest.raises(images.Unreadable, match="neither transparent nor plain; give --mask"):
        masks.background(noisy)


def test_files_without_a_background_are_named_and_the_others_translated(runs, pictures, tmp_path, capsys):
    (tmp_path / "in").mkdir()
    plain = np.full((16, 16, 3), 255, np.uint8)
    plain[5:11, 5:11] = (0, 90, 0)
    images.write(tmp_path / "in" / "plain.png", plain), images.write(tmp_path / "in" / "noisy.png", pictures[0])
    assert _translate(runs("discogan"), tmp_path / "in", tmp_path / "out", "--keep_background") == 3
    assert "noisy.png: its background is neither" in capsys.readouterr().err
    y = images.read(tmp_path / "out" / "plain.png")
    assert (y[:2] == 255).all() and (y[7:9, 7:9] != plain[7:9, 7:9]).any()


@pytest.mark.parametrize(
    "flags, message",
    [
        (["--mask=no.png"], "--mask=no.png: no such file"),
        (["--mask={0}", "--keep_background"], "--mask and --keep_background are both set"),
    ],
)
def test_masks_that_do_not_go_are_one_line(flags, message, runs, pictures, tmp_path, capsys):
    images.write(tmp_path / "x.png", pictures[0])
    flags = [flag.format(tmp_path / "x.png") for flag in flags]
    assert _translate(runs("discogan"), tmp_path / "x.png", tmp_path / "out", *flags) == 2
    assert message in capsys.readouterr().err
