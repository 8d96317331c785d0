"""StarGAN v2: losses and gradients against PyTorch's operations in float64, what learns when, references' labels."""

import itertools

import jax
import jax.numpy as jnp
import ml_collections
import numpy as np
import pytest

from gan_xla import data, gans
from gan_xla.contract import Ctx
from gan_xla.data.labelled import References, Vectors
from gan_xla.errors import UserError
from gan_xla.gans.shared import noise
from gan_xla.run import settings
from gan_xla.run.state import create, optimizers
from gan_xla.training.step import make_step

SIZE, LABELS = 16, np.array([[1.0, 0.0], [0.0, 1.0]])


def _config():
    config = settings.load("starganv2:tiny")
    config.data.labels, config.data.exclusive = ("chairs", "cars"), (("chairs", "cars"),)
    return config


def _batch(draws):
    images = {name: draws.uniform(-1, 1, (2, SIZE, SIZE, 3)) for name in ("x", "x_ref", "x_ref2")}
    return images | {"label": LABELS, "target": LABELS[::-1].copy()}


class Torch:
    """PyTorch's operations on our parameters, layer by layer in the order in which they run."""

    def __init__(self, torch, params):
        self.torch, self.F, self.params, self.counts = torch, torch.nn.functional, params, {}

    def next(self, kind):
        return self.params[f"{kind}_{next(self.counts.setdefault(kind, itertools.count()))}"]

    def inner(self, kind):
        return Torch(self.torch, self.next(kind))

    def conv(self, x, padding=0):
        layer = self.next("Conv")
        return self.F.conv2d(x, layer["kernel"].permute(3, 2, 0, 1), layer.get("bias"), padding=padding)

    def linear(self, x):
        layer = self.next("Dense")
        return x @ layer["kernel"] + layer["bias"]

    def active(self, x):
        return self.F.leaky_relu(x, 0.2)

    def affine(self, x):
        layer = self.next("Norm")["InstanceNorm_0"]
        return self.F.instance_norm(x, weight=layer["scale"], bias=layer["bias"])

    def shortcut(self, x, width):
        return x if x.shape[1] == width else self.conv(x)

    def block(self, x, halves=False, normed=False):
        run = self.inner("Block")
        norm = run.affine if normed else lambda x: x
        resized = (lambda x: self.F.avg_pool2d(x, 2)) if halves else lambda x: x
        y = resized(run.conv(run.active(norm(x)), 1))
        y = run.conv(run.active(norm(y)), 1)
        return (y + resized(run.shortcut(x, y.shape[1]))) / 2**0.5

    def styled(self, x, style, doubles=False):
        run = self.inner("StyledBlock")
        resized = (lambda x: self.F.interpolate(x, scale_factor=2)) if doubles else lambda x: x

        def norm(x):
            gamma, beta = run.linear(style).chunk(2, 1)
            return (1 + gamma)[..., None, None] * self.F.instance_norm(x) + beta[..., None, None]

        y = run.conv(resized(run.active(norm(x))), 1)
        y = run.conv(run.active(norm(y)), 1)
        return (y + run.shortcut(resized(x), y.shape[1])) / 2**0.5

    def generator(self, x, style, levels):
        x = self.conv(x, 1)
        for _ in range(levels):
            x = self.block(x, halves=True, normed=True)
        for _ in range(2):
            x = self.block(x, normed=True)
        for _ in range(2):
            x = self.styled(x, style)
        for _ in range(levels):
            x = self.styled(x, style, doubles=True)
        return self.conv(self.active(self.affine(x)))

    def trunk(self, x):
        run = self.inner("Trunk")
        x = run.conv(x, 1)
        while x.shape[-1] > 4:
            x = run.block(x, halves=True)
        return run.active(run.conv(run.active(x))).flatten(1)

    def mapping(self, z, label):
        heads = []
        for _ in range(4):
            z = self.F.relu(self.linear(z))
        for _ in range(label.shape[1]):
            h = z
            for _ in range(3):
                h = self.F.relu(self.linear(h))
            heads.append(self.linear(h))
        return (self.torch.stack(heads, 1) * label[..., None]).sum(1)

    def encoder(self, x, label):
        heads = self.linear(self.trunk(x))
        return (heads.reshape(len(x), label.shape[1], -1) * label[..., None]).sum(1)

    def judged(self, x, label):
        return (self.linear(self.trunk(x)) * label).sum(1)


class Reference:
    """The losses of a turn, PyTorch's."""

    def __init__(self, torch, gen, disc, batch, config, ctx):
        to = lambda tree: jax.tree.map(
            lambda x: torch.tensor(np.asarray(x), dtype=torch.float64, requires_grad=True), tree
        )
        self.torch, self.gen, self.disc, self.config = torch, to(gen), to(disc), config
        nchw = lambda x: torch.tensor(np.asarray(x)).permute(0, 3, 1, 2)
        self.batch = {name: nchw(x) if x.ndim == 4 else torch.tensor(x) for name, x in batch.items()}
        self.z = [torch.tensor(np.asarray(noise.normal(ctx, config.model.latent, name=name))) for name in ("z", "z2")]
        self.by_noise, self.fades = ctx.step % 2 == 0, 1 - float(ctx.step) / config.train.steps

    def run(self, name):
        return Torch(self.torch, self.gen[name])

    def styles(self):
        target = self.batch["target"]
        if self.by_noise:
            return [self.run("F").mapping(z, target) for z in self.z]
        return [self.run("E").encoder(self.batch[name], target) for name in ("x_ref", "x_ref2")]

    def generated(self):
        s, other = self.styles()
        draw = lambda x, style: self.run("G").generator(x, style, self.config.model.generator.levels)
        return draw, s, draw(self.batch["x"], s), draw(self.batch["x"], other).detach()

    def gen_loss(self):
        functional, x, target = self.torch.nn.functional, self.batch["x"], self.batch["target"]
        draw, s, fake, other = self.generated()
        adversarial = functional.softplus(-Torch(self.torch, self.disc).judged(fake, target)).mean()
        style = functional.l1_loss(self.run("E").encoder(fake, target), s)
        again = draw(fake, self.run("E").encoder(x, self.batch["label"]))
        diversity = functional.l1_loss(fake, other)
        return adversarial + style - self.fades * diversity + functional.l1_loss(again, x)

    def disc_loss(self):
        functional = self.torch.nn.functional
        x, fake = self.batch["x"].clone().requires_grad_(), self.generated()[2].detach()
        real = Torch(self.torch, self.disc).judged(x, self.batch["label"])
        (slope,) = self.torch.autograd.grad(real.sum(), x, create_graph=True)
        told = Torch(self.torch, self.disc).judged(fake, self.batch["target"])
        penalty = 0.5 * slope.square().sum((1, 2, 3)).mean()
        return functional.softplus(-real).mean() + functional.softplus(told).mean() + penalty


def _compare(ours, theirs):
    def same(a, b):
        np.testing.assert_allclose(a, np.zeros_like(a) if b.grad is None else b.grad.numpy(), rtol=1e-7, atol=1e-8)

    jax.tree.map(same, ours, theirs)


@pytest.mark.slow
@pytest.mark.parametrize("step", [0, 1], ids=["by noise", "by references"])
def test_losses_and_gradients_of_both_players_are_pytorchs(step):
    torch = pytest.importorskip("torch")
    with jax.enable_x64(True):
        config = _config()
        gan, draws = gans.build(config), np.random.default_rng(1)
        moved = lambda x: np.asarray(x, np.float64) + 0.1 * draws.standard_normal(x.shape)
        gen, disc = (jax.tree.map(moved, side.params) for side in gan.init(jax.random.key(0)))
        batch = _batch(draws)
        ctx = Ctx(key=jax.random.key(0), step=jnp.asarray(step), index=np.arange(2), phase=gan.phases[0])

        @jax.jit
        def play(gen, disc):
            def loss(gen):
                fakes, _ = gan.generate(gen, {name: {} for name in gen}, batch, ctx)
                return gan.gen_loss(disc, {}, batch, fakes, ctx)[0], fakes

            (value, fakes), grads = jax.value_and_grad(loss, has_aux=True)(gen)
            judge = jax.value_and_grad(lambda disc: gan.disc_loss(disc, {}, batch, fakes, ctx)[0])
            return value, grads, judge(disc)

        value, grads, (disc_value, disc_grads) = play(gen, disc)
        theirs = Reference(torch, gen, disc, batch, config, ctx)
        loss = theirs.gen_loss()
        loss.backward()
        np.testing.assert_allclose(value, loss.item(), rtol=1e-10)
        _compare(grads, theirs.gen)
        theirs = Reference(torch, gen, disc, batch, config, ctx)
        loss = theirs.disc_loss()
        loss.backward()
        np.testing.assert_allclose(disc_value, loss.item(), rtol=1e-10)
        _compare(disc_grads, theirs.disc)


@pytest.mark.slow
def test_a_cycle_of_turns_equals_pytorchs_in_float64():
    """Both players' updates in styles by noise and by references, F's own rate, decay of weights, the average."""
    torch = pytest.importorskip("torch")
    from torch_networks import starganv2_variables

    from experiments.benchmarks import torch_common, torch_starganv2

    torch.manual_seed(0)
    config = _config()
    config.optimizer.gen.ema_decay = 0.9
    trainer = torch_starganv2.trainer(config, torch_common.Setup(dtype=torch.float64))
    close = lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-10)
    with jax.enable_x64(True):
        gan, optimizer, draws = gans.build(config), optimizers(config.optimizer, 4), np.random.default_rng(2)
        ours = lambda: {name: starganv2_variables(net) for name, net in trainer.generators.items()}
        state = create(gan, optimizer, 0)
        state = jax.tree.map(lambda x: x.astype(jnp.float64) if jnp.issubdtype(x.dtype, jnp.floating) else x, state)
        gen = state.gen.replace(params=ours(), ema=state.gen.ema._replace(params=ours()))
        state = state.replace(gen=gen, disc=state.disc.replace(params=starganv2_variables(trainer.d)))
        steps = {turn: jax.jit(make_step(gan, optimizer, (turn,))) for turn in "dg"}
        assert gan.turns == ("d", "d", "g", "g")
        for number, turn in enumerate(gan.turns):
            batch = _batch(draws)
            root = jax.random.fold_in(jax.random.wrap_key_data(state.key), number)
            ctx = Ctx(jax.random.fold_in(root, 0), step=number, index=np.arange(2))
            z = [torch.tensor(np.asarray(noise.normal(ctx, config.model.latent, name=name))) for name in ("z", "z2")]
            tensors = [torch.tensor(x.transpose(0, 3, 1, 2) if x.ndim == 4 else x) for x in batch.values()]
            state, logs = steps[turn](state, {name: x[None] for name, x in (batch | {"index": np.arange(2)}).items()})
            np.testing.assert_allclose(logs[f"loss/{turn.upper()}"], trainer.step(*tensors, z).item(), rtol=1e-9)
        jax.tree.map(close, state.disc.params, starganv2_variables(trainer.d))
        jax.tree.map(close, state.gen.params, ours())
        trainer.generators.load_state_dict(dict(zip(trainer.generators.state_dict(), trainer.average, strict=True)))
        jax.tree.map(close, state.gen.ema.params, ours())


@pytest.mark.slow
def test_the_style_networks_learn_with_styles_by_noise_alone_and_the_mapping_network_slowly():
    config = _config()
    gan = gans.build(config)
    optimizer = optimizers(config.optimizer, 8)
    state = create(gan, optimizer, seed=0)
    step = jax.jit(make_step(gan, optimizer, ("g",)))
    batch = {name: x[None].astype(np.float32) for name, x in _batch(np.random.default_rng(0)).items()}
    batch["index"] = np.arange(2, dtype=np.int32)[None]
    kept = lambda state, name: (state.gen.params[name], state.gen.ema.params[name], state.gen.opt_state[-1].nu[name])
    far = lambda one, two: max(
        float(jnp.abs(a - b).max()) for a, b in zip(*map(jax.tree.leaves, (one, two)), strict=True)
    )
    states = [state]
    for _ in range(2):
        states.append(step(states[-1], batch)[0])
    by_noise, by_images = (
        {name: far(kept(one, name), kept(two, name)) for name in "GFE"} for one, two in itertools.pairwise(states)
    )
    assert min(by_noise.values()) > 0 and by_images["G"] > 0 and by_images["F"] == by_images["E"] == 0
    # Adam's first update is as long as the rate, whatever the gradient.
    assert 0.5e-6 < far(states[1].gen.params["F"], states[0].gen.params["F"]) < 2e-6
    assert 0.5e-4 < far(states[1].gen.params["G"], states[0].gen.params["G"]) < 2e-4


def test_rates_of_a_network_that_there_is_not_are_a_clear_error():
    config = _config()
    with config.unlocked():
        config.optimizer.gen.rates.H = 0.1
    gan, optimizer = gans.build(config), optimizers(config.optimizer, 8)
    shapes = jax.eval_shape(lambda: create(gan, optimizer, 0))
    batch = {name: np.float32(x[None]) for name, x in _batch(np.random.default_rng(0)).items()}
    batch["index"] = np.arange(2, dtype=np.int32)[None]
    with pytest.raises(UserError, match=r"optimizer.gen.rates.H: the networks are E, F, G"):
        jax.eval_shape(make_step(gan, optimizer, ("g",)), shapes, batch)


def test_references_are_two_images_of_the_target():
    dataset = data.load(ml_collections.ConfigDict({**_config().data.to_dict(), "labels": ("all",), "exclusive": ()}))
    vectors, references = dataset.train
    assert isinstance(vectors, Vectors) and isinstance(references, References)
    rows = np.arange(0, len(references), 50)
    found = references.read(rows)
    labelled = vectors.read(np.arange(len(vectors)))
    np.testing.assert_array_equal(found["target"], labelled["label"][rows])
    np.testing.assert_array_equal(found["x_ref"], labelled["x"][rows])
    assert (found["x_ref2"] != found["x_ref"]).any((1, 2, 3)).all()
    for image, target in zip(found["x_ref2"], found["target"], strict=True):
        same = (labelled["x"] == image).all((1, 2, 3))
        assert (labelled["label"][same] == target).all() and same.any()


def test_labels_that_are_no_classes_are_a_clear_error():
    config = _config()
    config.data.exclusive = ()
    with pytest.raises(UserError, match="data.labels: starganv2 takes classes"):
        gans.build(config)
