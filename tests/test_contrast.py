"""CUT, FastCUT and DCLGAN: what is compared with what, and what learns from it."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gan_xla import gans, nets
from gan_xla.contract import Ctx
from gan_xla.errors import UserError
from gan_xla.gans import cut
from gan_xla.gans.shared import contrast
from gan_xla.nets import blocks
from gan_xla.run import settings

COUNT, SIZE = 6, 16


@pytest.fixture(scope="module")
def batch():
    generator = np.random.default_rng(0)
    return {f"x_{d}": jnp.asarray(generator.uniform(-1, 1, (COUNT, SIZE, SIZE, 3)), jnp.float32) for d in "AB"}


def context(rows=slice(None)):
    return Ctx(key=jax.random.key(1), step=jnp.zeros((), jnp.int32), index=jnp.arange(COUNT)[rows])


def made(spec, *fields):
    """A method, and its networks."""
    gan = gans.build(settings.load(spec, *(f"config.{field}" for field in fields)))
    return gan, jax.jit(gan.init)(jax.random.key(0))


def test_places_are_the_samples_own_each_once():
    x = jnp.arange(COUNT * 20).reshape(COUNT, 4, 5, 1)
    chosen = np.asarray(contrast.at_places(x, jax.random.split(jax.random.key(0), COUNT), 7))[..., 0]
    assert chosen.shape == (COUNT, 7) and all(len(set(row)) == 7 for row in chosen)
    np.testing.assert_array_equal(chosen // 20, np.arange(COUNT)[:, None].repeat(7, 1))
    assert len({tuple(row % 20) for row in chosen}) == COUNT
    assert contrast.at_places(x, jax.random.split(jax.random.key(0), COUNT), 100).shape == (COUNT, 20, 1)


@pytest.mark.parametrize("spec", ["cut:tiny", "dclgan:tiny"])
def test_the_generators_loss_is_that_of_the_features_at_places_in_float64(spec, batch):
    """Queries, keys and their loss against numpy, from the activations that the generators show."""
    with jax.enable_x64(True):
        config = settings.load(spec)
        gan, (gen, disc) = made(spec)
        gen, disc, batch = jax.tree.map(lambda x: jnp.asarray(x, jnp.float64), (gen, disc, batch))
        # Biases, so that no query is 0 where all hidden units are.
        moved = jax.tree.map(lambda x: x + 0.01, {name: gen.params[name] for name in gen.params if name[0] == "F"})
        gen = gen._replace(params={**gen.params, **moved})
        ctx = context()
        fakes, _ = jax.jit(lambda p, s: gan.generate(p, s, batch, ctx))(*gen)
        _, logs = jax.jit(lambda d, f: gan.gen_loss(*d, batch, f, ctx))(disc, fakes)
        generator = nets.build(config.model.generator, "Generator", channels=3, **nets.common(config, None))
        one = spec == "cut:tiny"
        networks = {d: ("G_AB", "F") for d in "AB"} if one else {"A": ("G_AB", "F_A"), "B": ("G_BA", "F_B")}

        def projected(domain, x, fake):
            name, head = networks[domain]
            (_, shown), _ = nets.apply(generator, (gen.params[name], gen.stats[name]), x, "batch", features=True)
            return _heads(gen.params[head], [shown[i] for i in config.loss.nce_layers], fake, ctx)

        for fake in ("x_AB", "x_BB") if one else ("x_AB", "x_BA"):
            source, target = fake[-2:]
            queries, keys = projected(target, fakes[fake], fake), projected(source, batch[f"x_{source}"], fake)
            for ours, theirs in zip(fakes[f"queries_{fake}"] + fakes[f"keys_{fake}"], queries + keys, strict=True):
                np.testing.assert_allclose(ours, theirs, atol=1e-10)
            expected = (1 if one else 2) * np.mean([_surprise(*pair, 0.07) for pair in zip(queries, keys, strict=True)])
            np.testing.assert_allclose(logs[f"loss/nce_{fake[-2:]}"], expected, rtol=1e-9)


def _heads(params, features, fake, ctx):
    """Both layers of each perceptron in numpy, of 16 places or as many as there are, of length 1."""
    made = []
    for i, x in enumerate(features):
        x = np.asarray(x).reshape(COUNT, -1, x.shape[-1])
        keys = [jax.random.fold_in(key, i) for key in ctx.keys(f"places {fake}")]
        places = np.stack([jax.random.permutation(key, x.shape[1])[:16] for key in keys])
        x = np.stack([row[at] for row, at in zip(x, places, strict=True)])
        for name, bound in ((f"first_{i}", 0), (f"last_{i}", -np.inf)):
            x = np.maximum(x @ np.asarray(params[name]["kernel"]) + np.asarray(params[name]["bias"]), bound)
        made.append(x / np.linalg.norm(x, axis=-1, keepdims=True))
    return made


def _surprise(queries, keys, tau):
    likeness = np.einsum("npd,nqd->npq", queries, keys) / tau
    return np.mean(np.log(np.exp(likeness).sum(-1)) - np.einsum("npd,npd->np", queries, keys) / tau)


@pytest.mark.parametrize("spec", ["cut:tiny", "dclgan:tiny"])
def test_a_sample_is_compared_alike_whoever_shares_the_batch(spec, batch):
    gan, (gen, _) = made(spec, "loss.flip_equivariance=True") if spec == "cut:tiny" else made(spec)
    half = slice(COUNT // 2, None)
    whole, _ = jax.jit(lambda batch: gan.generate(*gen, batch, context()))(batch)
    part, _ = jax.jit(lambda batch: gan.generate(*gen, batch, context(half)))({n: x[half] for n, x in batch.items()})
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b[half], atol=2e-5), part, whole)


class Mirror(blocks.Network):
    """A generator that gives and shows the image as it is."""

    channels: int = 3

    @nn.compact
    def __call__(self, x, batch_statistics, keys=None):
        return self.show(x)


def test_what_was_mirrored_is_compared_with_its_source_as_it_was(batch):
    features = contrast.Contrast(Mirror(), {"F": "G_AB"}, (0,), 16, 4)
    heads = contrast.Heads(4).init(jax.random.key(0), [jnp.zeros((1, 1, 3))])["params"]
    params, stats = {"G_AB": {}, "F": heads}, {"G_AB": {}, "F": {}}
    for flip in (False, True):
        generate = cut._generate(Mirror(), features, cut._chains("AtoB", identity=False), flip)
        fakes, _ = generate(params, stats, batch, context())
        np.testing.assert_array_equal(*fakes["queries_x_AB"], *fakes["keys_x_AB"])
        same = (fakes["x_AB"] == batch["x_A"]).all((1, 2, 3))
        turned = (fakes["x_AB"] == batch["x_A"][:, :, ::-1]).all((1, 2, 3))
        assert (same != turned).all() and 0 < turned.sum() < COUNT if flip else same.all()


def test_keys_teach_nothing_and_each_perceptron_learns_from_images_of_its_own_domain(batch):
    gan, (gen, _) = made("dclgan:tiny")

    fakes, _ = jax.eval_shape(lambda: gan.generate(*gen, batch, context()))

    @jax.jit
    def pulled_back(cotangents):
        return jax.vjp(lambda params: gan.generate(params, gen.stats, batch, context())[0], gen.params)[1](cotangents)[
            0
        ]

    def moved(name):
        shown = {
            key: jax.tree.map(lambda x, key=key: jnp.full(x.shape, float(key == name)), fakes[key]) for key in fakes
        }
        gradients = pulled_back(shown)
        return {name for name, tree in gradients.items() if any(np.any(x) for x in jax.tree.leaves(tree))}

    assert moved("keys_x_AB") == moved("keys_x_BA") == set()
    # The translation is made by one generator, and looked at through the other.
    assert moved("queries_x_AB") == {"G_AB", "G_BA", "F_B"} and moved("queries_x_BA") == {"G_AB", "G_BA", "F_A"}


def test_terms_of_weight_0_are_left_out(batch):
    for fields, fakes, terms in (
        (("cut:tiny",), {"x_AB", "x_BB"}, {"nce_AB", "nce_BB"}),
        (("cut:tiny", "loss.lambda_Y=0"), {"x_AB"}, {"nce_AB"}),
        (("cut:tiny", "model.direction=BtoA"), {"x_BA", "x_AA"}, {"nce_BA", "nce_AA"}),
        (("dclgan:tiny",), {"x_AB", "x_BA", "x_AA", "x_BB"}, {"nce_AB", "nce_BA", "identity_A", "identity_B"}),
        (("dclgan:tiny", "loss.lambda_identity=0"), {"x_AB", "x_BA"}, {"nce_AB", "nce_BA"}),
    ):
        gan = gans.build(settings.load(fields[0], *(f"config.{field}" for field in fields[1:])))

        def played(key, gan=gan):
            gen, disc = gan.init(key)
            made, _ = gan.generate(*gen, batch, context())
            return made, gan.gen_loss(*disc, batch, made, context())[1]

        made, logs = jax.eval_shape(played, jax.random.key(0))
        assert {name for name in made if name.startswith("x_")} == fakes
        assert {name.removeprefix("loss/") for name in logs if "gan" not in name} == {"G", *terms}


def test_fastcut_is_cut_of_weight_10_without_identity_and_with_mirrors():
    fast = settings.load("cut:fast")
    assert (fast.loss.lambda_X, fast.loss.lambda_Y, fast.loss.flip_equivariance) == (10.0, 0.0, True)
    assert fast.train.epochs * fast.optimizer.decay_start == 150 and fast.train.epochs == 200


@pytest.mark.parametrize(
    "spec, fields, message",
    [
        (
            "cut:tiny",
            ("loss.nce_layers=(0,4)",),
            r"loss.nce_layers=\(0, 4\): the generator shows 4 .*; use some of 0 to 3",
        ),
        ("dclgan:tiny", ("loss.nce_layers=()",), r"loss.nce_layers=\(\): the generator shows 4"),
        ("cut:tiny", ("data.channels_a=1",), "gan='cut' .* needs as many channels in both, not .1, 3.; .* use dclgan"),
        ("dclgan:tiny", ("data.channels_a=1",), "set loss.lambda_identity=0"),
        ("cut:tiny", ("loss.temperature=0.0",), "loss.temperature=0.0 must be more than 0"),
        ("cut:tiny", ("loss.patches=0",), "loss.patches=0 must be a whole number from 1"),
        (
            "cut:tiny",
            ("model.generator.initial=kaiming",),
            "model.generator.initial='kaiming' is unknown; use one of normal, xa",
        ),
    ],
)
def test_impossible_values_are_one_line(spec, fields, message):
    with pytest.raises(UserError, match=message):
        gan = gans.build(settings.load(spec, *(f"config.{field}" for field in fields)))
        jax.eval_shape(gan.init, jax.random.key(0))


def test_dclgan_takes_images_of_different_channels_where_nothing_is_to_stay():
    config = settings.load("dclgan:tiny", "config.data.channels_a=1", "config.loss.lambda_identity=0")
    gan = gans.build(config)
    batch = {"x_A": jnp.zeros((2, SIZE, SIZE, 1)), "x_B": jnp.zeros((2, SIZE, SIZE, 3))}
    fakes, _ = jax.eval_shape(lambda key: gan.generate(*gan.init(key).gen, batch, context(slice(2))), jax.random.key(0))
    assert fakes["x_AB"].shape[-1] == 3 and fakes["x_BA"].shape[-1] == 1
