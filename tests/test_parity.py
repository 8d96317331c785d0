"""DiscoGAN against an independent PyTorch implementation. Needs the extra `parity`."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from devices import configure

from gan_xla import gans
from gan_xla.state import create, optimizers
from gan_xla.step import make_step

torch = pytest.importorskip("torch")
from experiments.benchmarks import torch_discogan  # noqa: E402

SIZE, WIDTH, BATCH, STEPS = 16, 4, 5, 3


def _kernel(weight, transposed: bool) -> np.ndarray:
    """PyTorch's weight as a Flax kernel [kh, kw, in, out]."""
    weight = weight.detach().numpy()
    return weight.transpose(2, 3, 0, 1)[::-1, ::-1] if transposed else weight.transpose(2, 3, 1, 0)


def _params(module) -> dict:
    """A PyTorch network's parameters under the names that Flax gives to the same layers in the same order."""
    params, counts = {}, {"Conv": 0, "ConvTranspose": 0, "Norm": 0}
    for layer in module.modules():
        if isinstance(layer, (torch.nn.Conv2d, torch.nn.ConvTranspose2d)):
            transposed = isinstance(layer, torch.nn.ConvTranspose2d)
            kind, value = "ConvTranspose" if transposed else "Conv", {"kernel": _kernel(layer.weight, transposed)}
        elif isinstance(layer, torch.nn.BatchNorm2d):
            scale, bias = layer.weight.detach().numpy(), layer.bias.detach().numpy()
            kind, value = "Norm", {"BatchNorm_0": {"scale": scale, "bias": bias}}
        else:
            continue
        params[f"{kind}_{counts[kind]}"] = jax.tree.map(jnp.array, value)  # a copy: PyTorch updates in place
        counts[kind] += 1
    return params


def _play(trainer, batches):
    """Three steps of ours from PyTorch's weights: (state, logs per step)."""
    config = configure("discogan", ("dg",), size=SIZE)
    gan, optimizer = gans.build(config), optimizers(config.optimizer, STEPS)
    state = create(gan, optimizer, 0)
    state = jax.tree.map(lambda x: x.astype(jnp.float64) if jnp.issubdtype(x.dtype, jnp.floating) else x, state)
    gen, disc = (
        {name: _params(net) for name, net in players.items()}
        for players in (trainer.generators, trainer.discriminators)
    )
    state = state.replace(gen=state.gen.replace(params=gen), disc=state.disc.replace(params=disc))
    step, logs = jax.jit(make_step(gan, optimizer, ("dg",))), []
    for a, b in batches:
        batch = {"x_A": a.transpose(0, 2, 3, 1)[None], "x_B": b.transpose(0, 2, 3, 1)[None]}
        state, new = step(state, {**batch, "index": np.arange(BATCH)[None]})
        logs.append((float(new["loss/D"]), float(new["loss/G"])))
    return state, logs


def test_three_training_steps_equal_pytorchs_in_float64():
    torch.manual_seed(0)
    trainer = torch_discogan.Trainer(SIZE, WIDTH, weight_decay=1e-4, dtype=torch.float64)
    generator = np.random.default_rng(0)
    batches = [generator.uniform(size=(2, BATCH, 3, SIZE, SIZE)) for _ in range(STEPS)]
    with jax.enable_x64(True):
        state, logs = _play(trainer, batches)
        np.testing.assert_allclose(logs, [trainer.step(a, b) for a, b in batches], rtol=1e-9)
        for ours, players in ((state.gen.params, trainer.generators), (state.disc.params, trainer.discriminators)):
            theirs = {name: _params(net) for name, net in players.items()}
            jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-10), ours, theirs)
