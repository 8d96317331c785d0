"""What a method may count on, and what it is told where it breaks the contract."""

import dataclasses
import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gan_xla import gans, nets
from gan_xla.contract import Ctx, Phase
from gan_xla.errors import UserError
from gan_xla.gans import discogan
from gan_xla.gans.shared.guard import guarded
from gan_xla.main import main
from gan_xla.run import settings
from gan_xla.run.state import create, optimizers
from gan_xla.training.step import make_step

N, SIDE = 2, 16


@pytest.fixture(scope="module")
def config():
    return settings.load("discogan:tiny")


def _play(gan, config):
    """One step, of shapes alone."""
    optimizer = optimizers(config.optimizer, 2)
    batch = {name: jnp.zeros((1, N, SIDE, SIDE, 3)) for name in ("x_A", "x_B")} | {
        "index": jnp.zeros((1, N), jnp.int32)
    }
    state = jax.eval_shape(lambda: create(gan, optimizer, 0))
    return jax.eval_shape(make_step(gan, optimizer, gan.turns), state, batch)


BROKEN = {
    "generate gives statistics of another structure": lambda gan: {
        "generate": lambda p, s, batch, ctx: (gan.generate(p, s, batch, ctx)[0], {})
    },
    r"generate must give \(\{name: fake\}, statistics\)": lambda gan: {"generate": lambda p, s, b, c: b["x_A"]},
    "disc_loss gives a loss of shape \\[2\\], not a scalar": lambda gan: {
        "disc_loss": lambda p, s, b, f, c: (jnp.zeros(2), ({"loss/D": jnp.zeros(())}, s))
    },
    r"disc_loss must give \(loss, \(logs, statistics\)\)": lambda gan: {
        "disc_loss": lambda p, s, b, f, c: jnp.zeros(())
    },
    "gen_loss must give logs that are scalars by name": lambda gan: {
        "gen_loss": lambda p, s, b, f, c: (f["x_AB"].sum(), {"loss/G": f["x_AB"]})
    },
    r"gen_loss fails with KeyError: 'x_CD' \(test_contract.py, line \d+\)": lambda gan: {
        "gen_loss": lambda p, s, b, f, c: f["x_CD"]
    },
    "judged names 'x_CD', which is none of x_AB, x_BA": lambda gan: {"judged": ("x_CD",)},
    "grid names 'x_CD', which is none of": lambda gan: {"grid": (("x_A", "x_CD"),)},
    "learns names 'F', which is none of G_AB, G_BA": lambda gan: {"learns": lambda ctx: {"F": True}},
    "has neither translate nor sample": lambda gan: {"translate": None},
    "translates, but has neither directions nor labels": lambda gan: {"directions": ()},
}


@pytest.mark.parametrize("message", BROKEN)
def test_a_broken_contract_is_one_line_that_says_which_function_and_how(message, config):
    gan = discogan.build(config)
    with pytest.raises(UserError) as caught:
        _play(guarded(dataclasses.replace(gan, **BROKEN[message](gan)), "mine"), config)
    assert re.fullmatch(f"gan='mine': {message}.*; see gan_xla/contract.py", str(caught.value))


def test_a_sample_must_be_what_draws_says():
    config = settings.load("gan:tiny")
    gan = gans.build(config)
    (params, stats), _ = jax.eval_shape(gan.init, jax.random.key(0))
    z = jnp.zeros((N, gan.latent))
    ctx = Ctx(None, jnp.zeros(()), None, Phase(), train=False)
    for fields, message in (
        ({"draws": ("x_A", "x_B")}, "sample must give a dict of x_A, x_B"),
        ({"sample": lambda *args: {"x_A": gan.sample(*args)}}, "sample gives x_A; name them in draws"),
    ):
        broken = guarded(dataclasses.replace(gan, **fields), "mine")
        with pytest.raises(UserError, match=message):
            jax.eval_shape(lambda p, s, broken=broken: broken.sample(p, s, z, None, ctx), params, stats)


@pytest.mark.parametrize("config", ["discogan", "discogan_unet", "cyclegan", "pix2pix", "stargan", "cut"])
def test_generators_show_their_activations_and_give_the_same_image(config):
    config = settings.load(f"{config}:tiny")
    fields = config.model.generator
    generator = nets.build(fields, "Generator", channels=3, **nets.common(config, None))
    x = jnp.asarray(np.random.default_rng(0).normal(size=(N, SIDE, SIDE, 3)).astype(np.float32))
    net = nets.init(generator, jax.random.key(0), x)
    for statistics in nets.STATISTICS:
        (y, shown), stats = nets.apply(generator, net, x, statistics, features=True)
        plain, same_stats = nets.apply(generator, net, x, statistics)
        np.testing.assert_array_equal(y, plain)
        jax.tree.map(np.testing.assert_array_equal, stats, same_stats)
        assert len(shown) >= 2 and all(feature.ndim == 4 and len(feature) == N for feature in shown)
    assert "features" not in net.params


def test_a_dry_run_says_what_a_run_would_be_and_writes_nothing(tmp_path, capsys):
    command = ["main", "--config=discogan:tiny", "--dry_run", f"--workdir={tmp_path}/run"]
    assert main(command) == 0
    said = capsys.readouterr().out
    for line in (r"data      chairs2cars: 1248 \+ 240 views", "method    discogan, turns dg", "G_AB [0-9,]+, G_BA"):
        assert re.search(line, said), said
    for word in (
        "steps 0 to 2: 16x16 pixels, batch 4",
        "GiB of state and batch",
        "s a step on 1 x cpu: about 1 minute(s) in all",
    ):
        assert word in said, said
    assert not (tmp_path / "run").exists()
    assert main(["main", "--mode=sample", "--dry_run"]) == 2
    assert "--dry_run: says what training would be" in capsys.readouterr().err
