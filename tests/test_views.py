"""What discriminators see: augmentation that samples have for themselves, and generators learn through."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gan_xla import gans
from gan_xla.contract import Ctx
from gan_xla.errors import UserError
from gan_xla.gans.shared import views
from gan_xla.run import settings

SIZE, COUNT = 16, 32
METHODS = (
    "discogan",
    "cyclegan",
    "pix2pix",
    "stargan",
    "gan",
    "dcgan",
    "cgan",
    "pggan",
    "cut",
    "dclgan",
    "cogan",
    "icgan",
)


@pytest.fixture(scope="module")
def images():
    generator = np.random.default_rng(0)
    return {name: jnp.asarray(generator.uniform(0.2, 0.9, (COUNT, SIZE, SIZE, 3)), jnp.float32) for name in "xy"}


@pytest.fixture(scope="module")
def ctx():
    return Ctx(key=jax.random.key(0), step=jnp.zeros((), jnp.int32), index=jnp.arange(COUNT))


def test_without_augmentation_the_image_itself_is_seen(images, ctx):
    assert views.make_view((), (0.0, 1.0))(images, "x", ctx) is images["x"]


def test_a_shift_moves_by_an_eighth_at_most_and_fills_with_the_middle_of_the_range(images, ctx):
    seen = np.asarray(views.make_view(("shift",), (0.0, 1.0))(images, "x", ctx))
    padded = np.pad(images["x"], ((0, 0), (2, 2), (2, 2), (0, 0)), constant_values=0.5)
    moves = set()
    for one, whole in zip(seen, padded, strict=True):
        found = [(i, j) for i in range(5) for j in range(5) if (whole[i : i + SIZE, j : j + SIZE] == one).all()]
        assert len(found) == 1
        moves.update(found)
    assert {i for i, _ in moves} == {j for _, j in moves} == set(range(5))


def test_a_cutout_takes_a_rectangle_of_half_the_side_that_the_border_may_cut(images, ctx):
    seen = views.make_view(("cutout",), (-1.0, 1.0))(images, "x", ctx)
    gone = np.asarray((seen == 0).all(-1))
    np.testing.assert_array_equal(np.where(gone[..., None], images["x"], seen), images["x"])
    rows, columns = gone.any(2).sum(1), gone.any(1).sum(1)
    np.testing.assert_array_equal(gone.sum((1, 2)), rows * columns)
    assert rows.max() == columns.max() == SIZE // 2 and rows.min() >= SIZE // 4 and len(set(rows)) > 2


def test_colours_change_as_in_the_paper(images, ctx):
    seen = views.make_view(("color",), (-1.0, 1.0))(images, "x", ctx)
    for x, key, one in zip(np.asarray(images["x"], np.float64), ctx.keys("color x"), np.asarray(seen), strict=True):
        brightness, saturation, contrast = np.asarray(jax.random.uniform(key, (3,)), np.float64)
        x = x + brightness - 0.5
        x = (x - x.mean(-1, keepdims=True)) * 2 * saturation + x.mean(-1, keepdims=True)
        x = (x - x.mean()) * (contrast + 0.5) + x.mean()
        np.testing.assert_allclose(one, x, atol=1e-5)


def test_a_sample_looks_the_same_whoever_shares_the_batch(images, ctx):
    view = views.make_view(tuple(views.AUGMENT), (0.0, 1.0))
    half = slice(COUNT // 2, None)
    part = view({"x": images["x"][half]}, "x", ctx._replace(index=ctx.index[half]))
    np.testing.assert_allclose(part, view(images, "x", ctx)[half], atol=1e-6)


def test_names_and_steps_are_augmented_anew(images, ctx):
    view = views.make_view(("shift", "cutout"), (0.0, 1.0))
    same = {"x": images["x"], "x_fake": images["x"]}
    assert (view(same, "x", ctx) != view(same, "x_fake", ctx)).any()
    assert (view(same, "x", ctx) != view(same, "x", ctx._replace(key=jax.random.key(1)))).any()


def test_a_source_is_augmented_as_the_image_beside_it(images, ctx):
    view = views.make_view(tuple(views.AUGMENT), (0.0, 1.0), source="x")
    beside = view({"x": images["x"], "same": images["x"]}, "same", ctx)
    assert beside.shape == (COUNT, SIZE, SIZE, 6)
    np.testing.assert_array_equal(beside[..., :3], beside[..., 3:])


def test_gradients_reach_the_image_where_it_is_seen(images, ctx):
    def seen(x):
        return jnp.sum(views.make_view(("shift", "cutout"), (0.0, 1.0))({"x": x}, "x", ctx))

    gradient = np.asarray(jax.grad(seen)(images["x"]))
    assert set(np.unique(gradient)) == {0.0, 1.0} and 0.5 < gradient.mean() < 0.9


def test_an_unknown_name_and_points_are_refused():
    with pytest.raises(UserError, match=r"loss.augment=\('blur',\): 'blur' is unknown; use some of color, shift"):
        views.make_view(("blur",), (0.0, 1.0))
    with pytest.raises(UserError, match="is for images"):
        gans.build(settings.load("toy_gmm", "config.loss.augment=('shift',)"))


def _trace(config):
    """Traces both losses of a method on a batch: what each logs."""
    gan, size = gans.build(config), config.data.image_size
    phase = gan.phases[0 if config.gan == "icgan" else -1]  # whose last has nothing for discriminators
    x = jnp.zeros((4, size, size, config.data.channels))
    batch = {"x": x, "x_A": x, "x_B": x}
    if gan.labels:
        batch |= dict.fromkeys(("label", "target"), jnp.zeros((4, gan.labels.size)))

    def losses(key):
        ctx = Ctx(key, phase.fades_until, jnp.arange(4), phase)
        gen, disc = gan.init(key)
        fakes, _ = gan.generate(*gen, batch, ctx)
        judged = {name: fakes[name] for name in gan.judged}
        return gan.disc_loss(*disc, batch, judged, ctx)[1][0], gan.gen_loss(*disc, batch, fakes, ctx)[1]

    return jax.eval_shape(losses, jax.random.key(0))


@pytest.mark.parametrize("method", METHODS)
def test_every_method_shows_its_discriminators_what_is_augmented(method, monkeypatch):
    uses, plain = [], Ctx.keys
    monkeypatch.setattr(Ctx, "keys", lambda self, name: uses.append(name) or plain(self, name))
    _trace(settings.load(f"{method}:tiny", "config.loss.augment=('shift',)"))
    seen = {name.removeprefix("shift ") for name in uses if name.startswith("shift ")}
    two = {"x_A", "x_B", "x_AB", "x_BA"}
    one = {"x_B", "x_AB"}
    sees = {"discogan": two, "cyclegan": two, "dclgan": two, "pix2pix": one, "cut": one}
    sees["cogan"] = {"x_A", "x_B", "fake_A", "fake_B"}
    assert seen == sees.get(method, {"x", "x_fake"})


@pytest.mark.parametrize(
    "method, penalty, count",
    [
        ("discogan", "r1", 2),
        ("cyclegan", "zero-gp", 2),
        ("pix2pix", "r2", 1),
        ("dcgan", "wgan-gp", 1),
        ("cut", "r1", 1),
    ],
)
def test_penalties_are_for_each_discriminator(method, penalty, count):
    config = settings.load(
        f"{method}:tiny", f"config.loss.penalty={penalty}", "config.model.discriminator.norm=instance"
    )
    logs, _ = _trace(config)
    assert sum("penalty" in name for name in logs) == count


def test_a_penalty_on_a_discriminator_that_mixes_samples_is_refused():
    with pytest.raises(UserError, match="which batch norm mixes; set model.discriminator.norm=instance or none"):
        gans.build(settings.load("discogan:tiny", "config.loss.penalty=r1"))
