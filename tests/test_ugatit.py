"""U-GAT-IT's networks, losses and gradients against PyTorch's operations in float64; rho. Needs the extra `parity`."""

from functools import partial
from itertools import count

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gan_xla import gans, nets
from gan_xla.contract import Ctx
from gan_xla.gans import ugatit
from gan_xla.nets import ugatit as networks
from gan_xla.run import settings

torch = pytest.importorskip("torch")
from torch.nn import functional as F

pytestmark = pytest.mark.slow

SIZE, WIDTH, BLOCKS = 16, 4, 1


def _tree(tree):
    return jax.tree.map(lambda x: torch.tensor(np.asarray(x), dtype=torch.float64, requires_grad=True), tree)


class Torch:
    """PyTorch's operations on our parameters, layer by layer in the order in which they run."""

    def __init__(self, params):
        self.params, self.counts = params, {}

    def next(self, kind):
        number = next(self.counts.setdefault(kind, count()))
        return self.params[f"{kind}_{number}"]

    def conv(self, x, stride=1, layer=None):
        layer = layer or self.next("Conv")
        kernel = layer["kernel"].permute(3, 2, 0, 1).contiguous()
        pad = {7: 3, 4: 1, 3: 1, 1: 0}[kernel.shape[-1]]
        return F.conv2d(F.pad(x, [pad] * 4, mode="reflect"), kernel, layer.get("bias"), stride)

    def linear(self, x):
        return x @ self.next("Dense")["kernel"]

    def attention(self, x, normalised):
        weights = self.next("Attention")
        maps, logits = [], []
        for name, pool in (("mean", F.adaptive_avg_pool2d), ("max", F.adaptive_max_pool2d)):
            w = weights[name] / weights[name].norm() if normalised else weights[name]
            logits.append(F.linear(pool(x, 1).flatten(1), w[None]))
            maps.append(x * w[None, :, None, None])
        return torch.cat(maps, 1), torch.cat(logits, 1)

    def adalin(self, x, gamma=None, beta=None):
        layer = self.next("LayerInstanceNorm")
        gamma = layer["scale"][None] if gamma is None else gamma
        beta = layer["bias"][None] if beta is None else beta
        rho = layer["rho"][None, :, None, None]
        x = rho * F.instance_norm(x) + (1 - rho) * F.layer_norm(x, x.shape[1:])
        return x * gamma[:, :, None, None] + beta[:, :, None, None]


def generator(params, x, light):
    run = Torch(params)
    x = F.relu(F.instance_norm(run.conv(x)))
    for _ in range(2):
        x = F.relu(F.instance_norm(run.conv(x, 2)))
    for _ in range(BLOCKS):
        x = x + F.instance_norm(run.conv(F.relu(F.instance_norm(run.conv(x)))))
    x, logits = run.attention(x, False)
    x = F.relu(run.conv(x))
    style = x.mean((2, 3)) if light else x.permute(0, 2, 3, 1).flatten(1)
    for _ in range(2):
        style = F.relu(run.linear(style))
    gamma, beta = run.linear(style), run.linear(style)
    for _ in range(BLOCKS):
        x = x + run.adalin(run.conv(F.relu(run.adalin(run.conv(x), gamma, beta))), gamma, beta)
    for _ in range(2):
        x = F.relu(run.adalin(run.conv(F.interpolate(x, scale_factor=2, mode="nearest"))))
    return torch.tanh(run.conv(x)), logits


def _scaled(layer, u):
    """A convolution divided by its largest singular value after one power iteration from u."""
    matrix, u = layer["kernel"].flatten(0, 2).T, u.double()  # [out, ...]
    with torch.no_grad():
        v = F.normalize(u @ matrix, dim=-1)
        u = F.normalize(v @ matrix.T, dim=-1)
    return layer | {"kernel": layer["kernel"] / (u @ matrix @ v.T).squeeze()}


def discriminator(params, stats, x, layers):
    outputs = []
    for number, strided in enumerate(layers):
        run, kept, y = Torch(params[f"_Judge_{number}"]), stats[f"_Judge_{number}"], x
        convs = [
            _scaled(run.params[f"Conv_{i}"], torch.tensor(np.asarray(kept[f"SpectralNorm_{i}"][f"Conv_{i}/kernel/u"])))
            for i in range(strided + 1)
        ]
        for i, layer in enumerate(convs):
            y = F.leaky_relu(run.conv(y, 2 if i < strided else 1, layer), 0.2)
        y, logits = run.attention(y, True)
        y = F.leaky_relu(run.conv(y, layer=run.params[f"Conv_{strided + 1}"]), 0.2)
        kernel = f"Conv_{strided + 2}"
        u = torch.tensor(np.asarray(kept[f"SpectralNorm_{strided + 1}"][f"{kernel}/kernel/u"]))
        outputs += [run.conv(y, layer=_scaled(run.params[kernel], u)), logits]
    return outputs


def _setting(light=False):
    config = settings.load("ugatit:tiny")
    config.model.generator.light = light
    gan = gans.build(config)
    sides = gan.init(jax.random.key(0))
    draws = np.random.default_rng(1)

    def moved(path, x):  # so that nothing is zero or one by chance
        noise = 0.1 * draws.standard_normal(x.shape)
        return np.clip(x + noise, 0.1, 0.9) if path[-1].key == "rho" else x + noise

    gen, disc = (jax.tree_util.tree_map_with_path(moved, side.params) for side in sides)
    batch = {name: draws.uniform(-1, 1, (2, SIZE, SIZE, 3)) for name in ("x_A", "x_B")}
    return config, gan, gen, disc, sides.disc.stats, batch


def _nchw(x):
    return torch.tensor(np.asarray(x), dtype=torch.float64).permute(0, 3, 1, 2)


def _images(gen, batch, light):
    """All fakes and logits, PyTorch's."""
    found = {}
    for result, name, source in ugatit.CHAINS:
        x = found[source] if source in found else _nchw(batch[source])
        found[result], logits = generator(gen[name], x, light)
        if source in batch:
            found[f"cam{result[1:]}"] = logits
    return found


def _gen_loss(gen, disc, stats, batch, config):
    fakes = _images(gen, batch, config.model.generator.light)
    layers = (config.model.discriminator.layers, config.model.discriminator.local)
    ones = torch.ones_like
    total = 0
    for a, b in ("AB", "BA"):
        outputs = discriminator(disc[f"D_{b}"], stats[f"D_{b}"], fakes[f"x_{a}{b}"], layers)
        total = total + sum(F.mse_loss(y, ones(y)) for y in outputs)
        total = total + 10 * F.l1_loss(fakes[f"x_{a}{b}{a}"], _nchw(batch[f"x_{a}"]))
        total = total + 10 * F.l1_loss(fakes[f"x_{b}{b}"], _nchw(batch[f"x_{b}"]))
        told, kept = fakes[f"cam_{a}{b}"], fakes[f"cam_{b}{b}"]
        bce = F.binary_cross_entropy_with_logits
        total = total + 1000 * (bce(told, ones(told)) + bce(kept, torch.zeros_like(kept)))
    return total


def _disc_loss(disc, stats, batch, fakes, config):
    layers = (config.model.discriminator.layers, config.model.discriminator.local)
    total = 0
    for a, b in ("AB", "BA"):
        for image, wanted in ((_nchw(batch[f"x_{b}"]), 1.0), (_nchw(fakes[f"x_{a}{b}"]), 0.0)):
            outputs = discriminator(disc[f"D_{b}"], stats[f"D_{b}"], image, layers)
            total = total + sum(F.mse_loss(y, torch.full_like(y, wanted)) for y in outputs)
    return total


def _compare(ours, theirs):
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b.grad.numpy(), rtol=1e-7, atol=1e-8), ours, theirs)


def test_losses_and_gradients_of_both_players_are_pytorchs():
    with jax.enable_x64(True):
        config, gan, gen, disc, stats, batch = _setting()
        ctx = Ctx(key=jax.random.key(0), step=jnp.zeros((), int), index=np.arange(2), phase=gan.phases[0])

        @jax.jit
        def play(gen, disc):
            def loss(gen):
                fakes, _ = gan.generate(gen, {name: {} for name in gen}, batch, ctx)
                return gan.gen_loss(disc, stats, batch, fakes, ctx)[0], fakes

            (value, fakes), grads = jax.value_and_grad(loss, has_aux=True)(gen)
            judged = {name: fakes[name] for name in gan.judged}
            judge = jax.value_and_grad(lambda disc: gan.disc_loss(disc, stats, batch, judged, ctx)[0])
            return value, grads, fakes, judge(disc)

        value, grads, fakes, (disc_value, disc_grads) = play(gen, disc)
        their_gen, their_disc = _tree(gen), _tree(disc)
        theirs = _gen_loss(their_gen, their_disc, stats, batch, config)
        theirs.backward()
        np.testing.assert_allclose(value, theirs.item(), rtol=1e-10)
        _compare(grads, their_gen)
        their_disc = _tree(disc)
        theirs = _disc_loss(their_disc, stats, batch, jax.device_get(fakes), config)
        theirs.backward()
        np.testing.assert_allclose(disc_value, theirs.item(), rtol=1e-10)
        _compare(disc_grads, their_disc)


def test_the_light_form_is_pytorchs():
    with jax.enable_x64(True):
        config, _, gen, _, _, batch = _setting(light=True)
        module, _ = nets.pair(config, None)
        (y, (logits,)), _ = nets.apply(module, (gen["G_AB"], {}), batch["x_A"], "batch", features=True)
        theirs, told = generator(_tree(gen["G_AB"]), _nchw(batch["x_A"]), light=True)
        np.testing.assert_allclose(y, theirs.detach().permute(0, 2, 3, 1), atol=1e-10)
        np.testing.assert_allclose(logits, told.detach(), atol=1e-10)


def test_rho_stays_between_zero_and_one():
    params = {"G_AB": {"LayerInstanceNorm_0": {"rho": np.array([-0.1, 0.5, 1.2]), "scale": np.array([-3.0, 2.0, 5.0])}}}
    found = ugatit._constrain(params)["G_AB"]["LayerInstanceNorm_0"]
    np.testing.assert_array_equal(found["rho"], [0, 0.5, 1])
    np.testing.assert_array_equal(found["scale"], [-3, 2, 5])


def _shapes(module):
    return jax.eval_shape(partial(nets.init, module), jax.random.key(0), jnp.zeros((1, 256, 256, 3)))


def test_full_sizes_are_the_authors():
    """Parameters at 256 pixels, light and full: a layer of a million maps' pixels makes the difference."""
    sizes = {}
    for light in (True, False):
        sizes[light] = sum(x.size for x in jax.tree.leaves(_shapes(networks.Generator(light=light)).params))
    assert sizes[False] - sizes[True] == (64 * 64 - 1) * 256 * 256
    made = _shapes(networks.Discriminator())
    widths = [made.params["_Judge_0"][f"Conv_{i}"]["kernel"].shape[-1] for i in range(6)]
    assert widths == [64, 128, 256, 512, 1024, 2048]
