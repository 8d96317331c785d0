"""Training steps against independent PyTorch implementations. Needs the extra `parity`."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from devices import configure

from gan_xla import gans
from gan_xla.run.state import create, optimizers
from gan_xla.training.step import make_step

torch = pytest.importorskip("torch")
from torch_networks import flax_variables

from experiments.benchmarks import (
    torch_bigan,
    torch_common,
    torch_cyclegan,
    torch_discogan,
    torch_pix2pix,
    torch_simgan,
)

pytestmark = pytest.mark.slow

SIZE, BATCH, STEPS = 16, 5, 3


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


def _discogan():
    return configure("discogan", ("dg",), size=SIZE), torch_discogan


def _cyclegan():
    config = configure("cyclegan", ("gd",), size=SIZE)
    config.loss.lambda_identity, config.train.pool_size = 0.5, 0
    return config, torch_cyclegan


def _pix2pix():
    """Too narrow a U-Net for dropout."""
    return configure("pix2pix", ("dg",), size=SIZE), torch_pix2pix


def _simgan():
    config = configure("simgan", ("dg",), size=SIZE)
    config.train.pool_size = 0
    return config, torch_simgan


def _bigan():
    config = configure("bigan", ("dg",), size=SIZE)
    config.train.pool_size = 0
    return config, torch_bigan


@pytest.mark.parametrize("method", [_discogan, _cyclegan, _pix2pix, _simgan, _bigan])
def test_three_training_steps_equal_pytorchs_in_float64(method):
    torch.manual_seed(0)
    config, module = method()
    trainer = module.trainer(config, torch_common.Setup(dtype=torch.float64))
    generator = np.random.default_rng(0)
    batches = [generator.uniform(size=(2, BATCH, 3, SIZE, SIZE)) for _ in range(STEPS)]
    with jax.enable_x64(True):
        state, logs = _play(config, (trainer.generators, trainer.discriminators), batches)
        expected = [[loss.item() for loss in trainer.step(*map(torch.from_numpy, pair))] for pair in batches]
        np.testing.assert_allclose(logs, expected, rtol=1e-9)
        for ours, players in ((state.gen.params, trainer.generators), (state.disc.params, trainer.discriminators)):
            theirs = {name: flax_variables(net)[0] for name, net in players.items()}
            jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-10), ours, theirs)
