"""UNIT's and MUNIT's losses and gradients against PyTorch's operations in float64. Needs the extra `parity`."""

from itertools import count

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gan_xla import gans
from gan_xla.contract import Ctx
from gan_xla.run import settings

torch = pytest.importorskip("torch")
from torch.nn import functional as F

pytestmark = pytest.mark.slow

SIZE = 16


def _nchw(x):
    return torch.tensor(np.asarray(x), dtype=torch.float64).permute(0, 3, 1, 2)


def _tree(tree):
    return jax.tree.map(lambda x: torch.tensor(np.asarray(x), dtype=torch.float64, requires_grad=True), tree)


class Layers:
    """PyTorch's operations on our parameters, layer by layer in the order in which they run."""

    def __init__(self, params):
        self.params, self.counts = params, {}

    def next(self, kind):
        return self.params[f"{kind}_{next(self.counts.setdefault(kind, count()))}"]

    def conv(self, x, stride=1):
        layer = self.next("Conv")
        kernel = layer["kernel"].permute(3, 2, 0, 1)
        pad = {7: 3, 5: 2, 4: 1, 3: 1, 1: 0}[kernel.shape[-1]]
        return F.conv2d(F.pad(x, [pad] * 4, mode="reflect"), kernel, layer["bias"], stride)

    def linear(self, x):
        layer = self.next("Dense")
        return x @ layer["kernel"] + layer["bias"]


class Autoencoder:
    """The generator of a domain."""

    def __init__(self, params, model):
        self.params, self.model = params, model

    def encode(self, x):
        run = Layers(self.params["content_encoder"])
        c = F.relu(F.instance_norm(run.conv(x)))
        for _ in range(self.model.layers):
            c = F.relu(F.instance_norm(run.conv(c, 2)))
        for _ in range(self.model.blocks):
            c = c + F.instance_norm(run.conv(F.relu(F.instance_norm(run.conv(c)))))
        if not self.model.style:
            return c, None
        run = Layers(self.params["style_encoder"])
        s = F.relu(run.conv(x))
        for _ in range(self.model.style_layers):
            s = F.relu(run.conv(s, 2))
        return c, run.linear(s.mean((2, 3)))

    def decode(self, x, style=None):
        run, norms = Layers(self.params["decoder"]), None
        if style is not None:
            style = run.linear(F.relu(run.linear(F.relu(run.linear(style)))))
            norms = iter(style.reshape(len(style), 2 * self.model.blocks, 2, -1).unbind(1))

        def norm(x):
            if norms is None:
                return F.instance_norm(x)
            bias, scale = next(norms).unbind(1)
            return F.instance_norm(x) * scale[..., None, None] + bias[..., None, None]

        for _ in range(self.model.blocks):
            x = x + norm(run.conv(F.relu(norm(run.conv(x)))))
        for _ in range(self.model.layers):
            x = run.conv(F.interpolate(x, scale_factor=2, mode="nearest"))
            layer = run.next("LayerNorm")
            x = F.layer_norm(x, x.shape[1:]) * layer["scale"][:, None, None] + layer["bias"][:, None, None]
            x = F.relu(x)
        return torch.tanh(run.conv(x))


def discriminator(params, x, model):
    run, logits = Layers(params), []
    for scale in range(model.scales):
        if scale:
            x = F.avg_pool2d(x, 3, 2, 1, count_include_pad=False)
        y = x
        for _ in range(model.layers):
            y = F.leaky_relu(run.conv(y, 2), 0.2)
        logits.append(run.conv(y))
    return logits


def _munit(gen, batch, drawn, config):
    """(images by name, the weighted distances that are MUNIT's own)."""
    coders = {d: Autoencoder(gen[f"G_{d}"], config.model.generator) for d in "AB"}
    made, terms = {}, 0
    for a, b in ("AB", "BA"):
        content, style = coders[a].encode(_nchw(batch[f"x_{a}"]))
        s = torch.tensor(np.asarray(drawn[f"s_{b}"]))
        made[f"x_{a}{a}"] = coders[a].decode(content, style)
        made[f"x_{a}{b}"] = coders[b].decode(content, s)
        again, read = coders[b].encode(made[f"x_{a}{b}"])
        terms = terms + F.l1_loss(again, content) + F.l1_loss(read, s)
        made[f"x_{a}{b}{a}"] = coders[a].decode(again, style)
    return made, terms


def _unit(gen, batch, drawn, config):
    coders = {d: Autoencoder(gen[f"G_{d}"], config.model.generator) for d in "AB"}
    made, terms = {}, 0
    for a, b in ("AB", "BA"):
        mean, _ = coders[a].encode(_nchw(batch[f"x_{a}"]))
        z = mean + _nchw(drawn[f"z_{a}"])
        made[f"x_{a}{a}"], made[f"x_{a}{b}"] = coders[a].decode(z), coders[b].decode(z)
        again, _ = coders[b].encode(made[f"x_{a}{b}"])
        made[f"x_{a}{b}{a}"] = coders[a].decode(again + _nchw(drawn[f"z_{a}{b}"]))
        terms = terms + 0.01 * mean.square().mean() + 0.01 * again.square().mean()
    return made, terms


def _gen_loss(method, gen, disc, batch, drawn, config):
    made, total = method(gen, batch, drawn, config)
    for a, b in ("AB", "BA"):
        logits = discriminator(disc[f"D_{b}"], made[f"x_{a}{b}"], config.model.discriminator)
        total = total + sum(F.mse_loss(y, torch.ones_like(y)) for y in logits)
        for name in (f"x_{a}{a}", f"x_{a}{b}{a}"):
            total = total + 10 * F.l1_loss(made[name], _nchw(batch[f"x_{a}"]))
    return total, made


def _disc_loss(disc, batch, made, config):
    total = 0
    for a, b in ("AB", "BA"):
        for image, wanted in ((_nchw(batch[f"x_{b}"]), 1.0), (made[f"x_{a}{b}"].detach(), 0.0)):
            for y in discriminator(disc[f"D_{b}"], image, config.model.discriminator):
                total = total + F.mse_loss(y, torch.full_like(y, wanted))
    return total


def _compare(ours, theirs):
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b.grad.numpy(), rtol=1e-7, atol=1e-8), ours, theirs)


@pytest.mark.parametrize("name, method", [("munit", _munit), ("unit", _unit)])
def test_losses_and_gradients_of_both_players_are_pytorchs(name, method):
    with jax.enable_x64(True):
        config = settings.load(f"{name}:tiny")
        config.loss.lambda_cycle = 10.0
        gan = gans.build(config)
        draws = np.random.default_rng(1)
        moved = lambda x: np.asarray(x, np.float64) + 0.1 * draws.standard_normal(x.shape)
        gen, disc = (jax.tree.map(moved, side.params) for side in gan.init(jax.random.key(0)))
        batch = {key: draws.uniform(-1, 1, (2, SIZE, SIZE, 3)) for key in ("x_A", "x_B")}
        ctx = Ctx(key=jax.random.key(0), step=jnp.zeros((), int), index=np.arange(2), phase=gan.phases[0])

        @jax.jit
        def play(gen, disc):
            def loss(gen):
                fakes, _ = gan.generate(gen, {key: {} for key in gen}, batch, ctx)
                return gan.gen_loss(disc, {key: {} for key in disc}, batch, fakes, ctx)[0], fakes

            (value, fakes), grads = jax.value_and_grad(loss, has_aux=True)(gen)
            judged = {key: fakes[key] for key in gan.judged}
            none = {key: {} for key in disc}
            judge = jax.value_and_grad(lambda disc: gan.disc_loss(disc, none, batch, judged, ctx)[0])
            return value, grads, fakes, judge(disc)

        value, grads, fakes, (disc_value, disc_grads) = play(gen, disc)
        drawn = fakes if name == "munit" else _noise(ctx, config)
        their_gen, their_disc = _tree(gen), _tree(disc)
        theirs, made = _gen_loss(method, their_gen, their_disc, batch, drawn, config)
        theirs.backward()
        np.testing.assert_allclose(value, theirs.item(), rtol=1e-10)
        _compare(grads, their_gen)
        their_disc = _tree(disc)
        theirs = _disc_loss(their_disc, batch, made, config)
        theirs.backward()
        np.testing.assert_allclose(disc_value, theirs.item(), rtol=1e-10)
        _compare(disc_grads, their_disc)


def _noise(ctx, config):
    """What UNIT adds to its means."""
    side, width = SIZE // 4, 4 * config.model.generator.width
    draw = jax.vmap(lambda key: jax.random.normal(key, (side, side, width)))
    return {name: draw(ctx.keys(name)) for name in ("z_A", "z_B", "z_AB", "z_BA")}
