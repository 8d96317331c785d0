"""Training steps against independent PyTorch implementations. Needs the extra `parity`."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from devices import configure

from gan_xla import gans
from gan_xla.state import create, optimizers
from gan_xla.step import make_step

torch = pytest.importorskip("torch")
from torch import nn  # noqa: E402
from torch_networks import PatchGAN, ResNet, UNet, flax_variables  # noqa: E402

from experiments.benchmarks import torch_discogan  # noqa: E402

SIZE, WIDTH, BATCH, STEPS = 16, 4, 5, 3


def _play(config, players, batches):
    """Three steps of ours from PyTorch's weights: (state, logs per step)."""
    config.optimizer.schedule = "constant"
    gan, optimizer = gans.build(config), optimizers(config.optimizer, STEPS)
    state = create(gan, optimizer, 0)
    state = jax.tree.map(lambda x: x.astype(jnp.float64) if jnp.issubdtype(x.dtype, jnp.floating) else x, state)
    gen, disc = ({name: flax_variables(net)[0] for name, net in nets.items()} for nets in players)
    state = state.replace(gen=state.gen.replace(params=gen), disc=state.disc.replace(params=disc))
    step, logs = jax.jit(make_step(gan, optimizer, gan.turns)), []
    for a, b in batches:
        batch = {"x_A": a.transpose(0, 2, 3, 1)[None], "x_B": b.transpose(0, 2, 3, 1)[None]}
        state, new = step(state, {**batch, "index": np.arange(BATCH)[None]})
        logs.append((float(new["loss/D"]), float(new["loss/G"])))
    return state, logs


class CycleGAN:
    """CycleGAN's step in PyTorch, without a pool: G's update, then D's on the fakes made before it."""

    def __init__(self):
        self.generators = nn.ModuleDict({name: ResNet(WIDTH, 1, "instance", False) for name in ("G_AB", "G_BA")})
        self.discriminators = nn.ModuleDict({name: PatchGAN(WIDTH, 1, "instance") for name in ("D_A", "D_B")})
        self.optimise_g, self.optimise_d = (
            torch.optim.Adam(nets.double().parameters(), 2e-4, (0.5, 0.999))
            for nets in (self.generators, self.discriminators)
        )

    def step(self, a, b):
        a, b = torch.from_numpy(a), torch.from_numpy(b)
        (g_ab, g_ba), (d_a, d_b) = self.generators.values(), self.discriminators.values()
        mse, l1 = nn.functional.mse_loss, nn.functional.l1_loss

        def judged(d, x, target):
            y = d(x)
            return mse(y, torch.full_like(y, target))

        ab, ba = g_ab(a), g_ba(b)
        g_loss = judged(d_b, ab, 1) + judged(d_a, ba, 1) + 10 * l1(g_ba(ab), a) + 10 * l1(g_ab(ba), b)
        g_loss = g_loss + 5 * l1(g_ab(b), b) + 5 * l1(g_ba(a), a)
        self.optimise_g.zero_grad()
        g_loss.backward()
        self.optimise_g.step()
        d_loss = sum((judged(d, x, 1) + judged(d, y.detach(), 0)) / 2 for d, x, y in ((d_a, a, ba), (d_b, b, ab)))
        self.optimise_d.zero_grad()
        d_loss.backward()
        self.optimise_d.step()
        return d_loss.item(), g_loss.item()


class Pix2pix:
    """pix2pix's step in PyTorch: D's update, then G's against the new D. Too narrow a U-Net for dropout."""

    def __init__(self):
        self.generators = nn.ModuleDict({"G_AB": UNet(WIDTH, 4)})
        self.discriminators = nn.ModuleDict({"D_B": PatchGAN(WIDTH, 1, "batch", 6)})
        self.optimise_g, self.optimise_d = (
            torch.optim.Adam(nets.double().parameters(), 2e-4, (0.5, 0.999))
            for nets in (self.generators, self.discriminators)
        )

    def step(self, a, b):
        a, b = torch.from_numpy(a), torch.from_numpy(b)
        g, d = self.generators["G_AB"], self.discriminators["D_B"]

        def judged(y, target):
            logits = d(torch.cat([a, y], 1))
            return nn.functional.binary_cross_entropy_with_logits(logits, torch.full_like(logits, target))

        fake = g(a)
        d_loss = (judged(b, 1) + judged(fake.detach(), 0)) / 2
        self.optimise_d.zero_grad()
        d_loss.backward()
        self.optimise_d.step()
        g_loss = judged(fake, 1) + 100 * nn.functional.l1_loss(fake, b)
        self.optimise_g.zero_grad()
        g_loss.backward()
        self.optimise_g.step()
        return d_loss.item(), g_loss.item()


def _pix2pix():
    return configure("pix2pix", ("dg",), size=SIZE), Pix2pix()


def _cyclegan():
    config = configure("cyclegan", ("gd",), size=SIZE)
    config.loss.lambda_identity, config.train.pool_size = 0.5, 0
    return config, CycleGAN()


def _discogan():
    trainer = torch_discogan.Trainer(SIZE, WIDTH, weight_decay=1e-4, dtype=torch.float64)
    return configure("discogan", ("dg",), size=SIZE), trainer


@pytest.mark.parametrize("method", [_discogan, _cyclegan, _pix2pix])
def test_three_training_steps_equal_pytorchs_in_float64(method):
    torch.manual_seed(0)
    config, trainer = method()
    generator = np.random.default_rng(0)
    batches = [generator.uniform(size=(2, BATCH, 3, SIZE, SIZE)) for _ in range(STEPS)]
    with jax.enable_x64(True):
        state, logs = _play(config, (trainer.generators, trainer.discriminators), batches)
        np.testing.assert_allclose(logs, [trainer.step(a, b) for a, b in batches], rtol=1e-9)
        for ours, players in ((state.gen.params, trainer.generators), (state.disc.params, trainer.discriminators)):
            theirs = {name: flax_variables(net)[0] for name, net in players.items()}
            jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-10), ours, theirs)
