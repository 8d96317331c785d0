"""Training steps against independent PyTorch implementations. Needs the extra `parity`."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from devices import configure

from gan_xla import gans
from gan_xla.contract import Ctx
from gan_xla.gans.shared import noise
from gan_xla.run import settings
from gan_xla.run.state import create, optimizers
from gan_xla.training.step import make_step

torch = pytest.importorskip("torch")
from torch_networks import flax_variables, munit_variables, progressive_variables

from experiments.benchmarks import (
    torch_bigan,
    torch_common,
    torch_cyclegan,
    torch_discogan,
    torch_discogan_unet,
    torch_gan,
    torch_munit,
    torch_pggan,
    torch_pix2pix,
    torch_simgan,
)

pytestmark = pytest.mark.slow

SIZE, BATCH, STEPS = 16, 5, 3
CODE = (SIZE // 2, SIZE // 2, 8)  # of UNIT's, with one strided convolution


def _params(players):
    """Ours of PyTorch's players: by network where a player has several, as methods of two domains do."""

    def ours(net):
        if isinstance(net, torch_munit.Generator):
            return munit_variables(net)
        return progressive_variables(net) if hasattr(net, "rgb") else flax_variables(net)[0]

    trees = {name: ours(net) for name, net in players.items()}
    return trees[name] if (name := next(iter(trees))) in ("G", "D") else trees


def _channels_last(x):
    return x.transpose(0, 2, 3, 1) if x.ndim == 4 else x


def _channels_first(x):
    return x.transpose(0, 3, 1, 2) if x.ndim == 4 else x


def _drawn(gan, key, step, count):
    """Of this step what is drawn for D's turn and for G's, and where the gradient penalty is taken, for PyTorch."""
    root = jax.random.fold_in(jax.random.wrap_key_data(key), step)
    turns = [Ctx(jax.random.fold_in(root, part), step, np.arange(count)) for part in (0, 1)]
    z = [torch.tensor(np.asarray(noise.normal(ctx, gan.latent))) for ctx in turns]
    epsilon = [jax.random.uniform(key, dtype=jnp.float64) for key in turns[0].keys("penalty")]
    codes = [_codes(gan, ctx) for ctx in turns]
    return {"noise": z, "epsilon": torch.tensor(np.array(epsilon))[:, None, None, None], "codes": codes}


def _codes(gan, ctx):
    """MUNIT's styles, or what UNIT adds to its codes."""
    if gan.styles:
        drawn = {f"s_{domain}": noise.normal(ctx, gan.styles.latent, name=f"s_{domain}") for domain in "AB"}
    else:
        drawn = {name: noise.normal(ctx, *CODE, name=name) for name in ("z_A", "z_B", "z_AB", "z_BA")}
    return {name: torch.tensor(_channels_first(np.asarray(x))) for name, x in drawn.items()}


def _play(config, players, batches, drawn=()):
    """Three steps of ours from PyTorch's weights, of the last phase: (state, logs, what was `drawn`) per step."""
    config.optimizer.schedule = "constant"
    gan, optimizer = gans.build(config), optimizers(config.optimizer, STEPS)
    phase = gan.phases[-1]
    state = create(gan, optimizer, 0).replace(step=jnp.asarray(phase.start, jnp.int32))
    state = jax.tree.map(lambda x: x.astype(jnp.float64) if jnp.issubdtype(x.dtype, jnp.floating) else x, state)
    gen, disc = map(_params, players)
    gen = state.gen.replace(params=gen, ema=state.gen.ema and state.gen.ema._replace(params=gen))
    state = state.replace(gen=gen, disc=state.disc.replace(params=disc))
    step, logs, draws = jax.jit(make_step(gan, optimizer, gan.turns, phase=phase)), [], []
    for batch in batches:
        new = _drawn(gan, state.key, state.step, len(batch["index"])) if drawn else {}
        draws.append({name: new[name] for name in drawn})
        state, new = step(state, {name: _channels_last(x)[None] for name, x in batch.items()})
        logs.append((float(new["loss/D"]), float(new["loss/G"])))
    return state, logs, draws


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


def _discogan_unet():
    config = configure("discogan_unet", ("gd",), size=SIZE)
    config.model.generator.dropout = 0.0
    return config, torch_discogan_unet


@pytest.mark.parametrize("method", [_discogan, _cyclegan, _pix2pix, _simgan, _bigan, _discogan_unet])
def test_three_training_steps_equal_pytorchs_in_float64(method):
    config, module = method()
    images = np.random.default_rng(0).uniform(size=(STEPS, 2, BATCH, 3, SIZE, SIZE))
    _compare(config, module, [{"x_A": a, "x_B": b} for a, b in images])


@pytest.mark.parametrize("method", ["munit", "unit"])
def test_three_training_steps_of_autoencoders_equal_pytorchs_in_float64(method):
    config = configure(method, ("d+g",), SIZE)
    config.loss.lambda_cycle, config.model.discriminator.scales = 10.0, 2
    images = np.random.default_rng(0).uniform(-1, 1, size=(STEPS, 2, BATCH, 3, SIZE, SIZE))
    _compare(config, torch_munit, [{"x_A": a, "x_B": b} for a, b in images], ("codes",))


def _gan():
    config = configure("gan", ("d+g",), size=8)
    config.model.generator.hidden, config.model.discriminator.hidden = (4, 6), (6, 4)
    return config, torch_gan, ("noise",)


def _cgan():
    config = configure("cgan", ("d+g",), size=8)
    config.model.update(generator=dict(hidden=(4, 6)), discriminator=dict(hidden=(6, 4), embedding=0))
    config.data.labels = ("one", "two", "three")
    return config, torch_gan, ("noise",)


def _dcgan():
    return configure("dcgan", ("d+g",), size=SIZE), torch_gan, ("noise",)


def _pggan():
    """The last level, which fades in over four steps."""
    config = settings.load("pggan:quick")
    config.data.image_size = SIZE
    config.growth.update(first=8, fade_images=16, stable_images=8, batch_sizes=((4, 4),))
    for side in (config.model.generator, config.model.discriminator):
        side.update(fmap_base=64, fmap_max=8)
    config.model.discriminator.group = 2
    return config, torch_pggan, ("noise", "epsilon")


def _pggan_first():
    config, *rest = _pggan()
    config.data.image_size = 8
    return config, *rest


@pytest.mark.parametrize("method", [_gan, _cgan, _dcgan, _pggan, _pggan_first])
def test_three_training_steps_from_noise_equal_pytorchs_in_float64(method):
    config, module, drawn = method()
    config.model.latent, count, size = 5, 4, config.data.image_size
    generator = np.random.default_rng(0)
    batches = [{"x": generator.uniform(-1, 1, (count, config.data.channels, size, size))} for _ in range(STEPS)]
    for batch in batches if config.data.labels else ():
        batch |= {name: np.eye(3)[generator.integers(0, 3, count)] for name in ("label", "target")}
    _compare(config, module, batches, drawn)


def _compare(config, module, batches, drawn=()):
    """Losses, parameters and moving averages after a step on each batch, channels first."""
    torch.manual_seed(0)
    trainer = module.trainer(config, torch_common.Setup(dtype=torch.float64))
    close = lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-10)
    with jax.enable_x64(True):
        count = len(next(iter(batches[0].values())))
        indexed = [{**batch, "index": np.arange(count)} for batch in batches]
        state, logs, draws = _play(config, (trainer.generators, trainer.discriminators), indexed, drawn)
        expected = [
            [loss.item() for loss in trainer.step(*map(torch.from_numpy, batch.values()), **draw)]
            for batch, draw in zip(batches, draws, strict=True)
        ]
        np.testing.assert_allclose(logs, expected, rtol=1e-9)
        for ours, players in ((state.gen, trainer.generators), (state.disc, trainer.discriminators)):
            jax.tree.map(close, ours.params, _params(players))
        assert bool(trainer.average) == (state.gen.ema is not None)
        if trainer.average:
            averages = dict(zip(trainer.generators.state_dict(), trainer.average, strict=True))
            trainer.generators.load_state_dict(averages)
            jax.tree.map(close, state.gen.ema.params, _params(trainer.generators))
