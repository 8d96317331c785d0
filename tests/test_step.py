"""The paired update: whose turn changes what."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from devices import configure, difference

from gan_xla import gans
from gan_xla.errors import UserError
from gan_xla.run.state import create, optimizers
from gan_xla.training.step import make_step


@pytest.fixture(scope="module")
def game():
    """A tiny DiscoGAN: (gan, optimizer, state, batches of two steps)."""
    config = configure("toy_gmm", ("dg",), size=0)
    gan, optimizer = gans.build(config), optimizers(config.optimizer, 10)
    generator = np.random.default_rng(0)
    batches = {name: jnp.asarray(generator.normal(size=(2, 8, 2)), jnp.float32) for name in ("x_A", "x_B")}
    batches["index"] = jnp.tile(jnp.arange(8), (2, 1))
    return gan, optimizer, create(gan, optimizer, 0), batches


def _compiled(*args):
    return jax.jit(make_step(*args))


def _after(game, *turns):
    gan, optimizer, state, batches = game
    return _compiled(gan, optimizer, turns)(state, jax.tree.map(lambda x: x[: len(turns)], batches))


def _changed(one, other) -> bool:
    return any((a != b).any() for a, b in zip(jax.tree.leaves(one), jax.tree.leaves(other), strict=True))


@pytest.mark.parametrize("turn, gen, disc", [("d", False, True), ("g", True, False), ("dg", True, True)])
def test_a_turn_changes_its_players_alone(game, turn, gen, disc):
    before = game[2]
    after, logs = _after(game, turn)
    assert _changed(before.gen, after.gen) is gen and _changed(before.disc, after.disc) is disc
    assert ("loss/G" in logs, "loss/D" in logs) == (gen, disc)
    assert after.step == 1


def test_in_dg_the_generator_is_judged_by_the_new_discriminator_and_in_gd_by_the_old(game):
    """On one and the same batch, "dg" is "d" then "g", and "gd" is "g" then "d" on the old fakes."""
    gan, optimizer, state, batches = game
    same = jax.tree.map(lambda x: jnp.stack([x[0], x[0]]), batches)
    first = jax.tree.map(lambda x: x[:1], batches)
    dg, _ = _compiled(gan, optimizer, ("dg",))(state, first)
    d_then_g, _ = _compiled(gan, optimizer, ("d", "g"))(state, same)
    assert difference64(dg.gen, d_then_g.gen) < 1e-6
    gd, _ = _compiled(gan, optimizer, ("gd",))(state, first)
    g_alone, _ = _compiled(gan, optimizer, ("g",))(state, first)
    assert difference64(gd.gen, g_alone.gen) < 1e-6
    assert difference64(gd.disc, dg.disc) < 1e-6
    assert difference64(gd.gen.opt_state, dg.gen.opt_state) > 1e-5


def difference64(one, other) -> float:
    """`difference` of float32 trees."""
    return difference(*(jax.tree.map(lambda x: np.asarray(x, np.float64), tree) for tree in (one, other)))


def test_several_cycles_in_one_call_equal_one_call_each(game):
    gan, optimizer, state, batches = game
    together, _ = _compiled(gan, optimizer, ("dg",))(state, batches)
    step = _compiled(gan, optimizer, ("dg",))
    for i in range(2):
        state, _ = step(state, {name: x[i : i + 1] for name, x in batches.items()})
    assert difference64(together.gen.params, state.gen.params) < 1e-6
    assert together.step == state.step == 2


def test_every_network_starts_from_its_own_key(game):
    params = game[2].gen.params
    assert _changed(params["G_AB"], params["G_BA"])


def test_weight_decay_is_added_to_the_gradient_before_adam():
    config = configure("toy_gmm", ("dg",))
    config.optimizer.weight_decay = 0.5
    transform = optimizers(config.optimizer, 10).gen.transform
    params, grads = {"w": jnp.asarray([2.0])}, {"w": jnp.asarray([-1.0])}
    updates, _ = transform.update(grads, transform.init(params), params)
    np.testing.assert_allclose(updates["w"], 0.0, atol=1e-6)  # -1 + 0.5 * 2


def test_the_linear_schedule_is_constant_over_the_first_half_then_falls_to_zero():
    config = configure("toy_gmm", ("dg",))
    config.optimizer.schedule = "linear"
    rate = optimizers(config.optimizer, 100).gen.learning_rate
    np.testing.assert_allclose([rate(s) for s in (0, 50, 75, 100)], np.array([1, 1, 0.5, 0]) * 2e-4, rtol=1e-6)


def test_schedules_begin_with_a_warm_up_and_are_each_players_own():
    config = configure("toy_gmm", ("dg",))
    config.optimizer.update(schedule="cosine", decay_start=0.0, warmup=10)
    config.optimizer.disc.update(schedule="linear", decay_start=0.2, warmup=0)
    gen, disc = (side.learning_rate for side in optimizers(config.optimizer, 100))
    warm = (1 + np.cos(np.pi * np.array([0, 0.04, 0.5, 0.75, 1]))) / 2 * np.array([0.1, 0.5, 1, 1, 1])
    np.testing.assert_allclose([gen(s) for s in (0, 4, 50, 75, 100)], warm * 2e-4, rtol=1e-5, atol=1e-11)
    falling = np.array([1, 1, 0.5, 0])
    np.testing.assert_allclose([disc(s) for s in (0, 20, 60, 100)], falling * 2e-4, rtol=1e-5, atol=1e-11)


def test_the_linear_schedule_has_the_bits_that_it_had_when_it_always_fell_from_the_middle():
    config = configure("toy_gmm", ("dg",))
    config.optimizer.schedule = "linear"
    steps = np.arange(1, 200, dtype=np.int32)
    now = jax.jit(optimizers(config.optimizer, 199).gen.learning_rate)(steps)
    np.testing.assert_array_equal(now, jax.jit(lambda step: 2e-4 * jnp.clip(2 - 2 * step / 199, 0, 1))(steps))


def test_the_moving_average_follows_the_parameters_and_changes_nothing_else(game):
    _, optimizer, plain, batches = game
    config = configure("toy_gmm", ("dg",), size=0, ema_decay=0.75)
    gan, optimizer = gans.build(config), optimizers(config.optimizer, 10)
    state, expected = create(gan, optimizer, 0), plain.gen.params
    for i in range(2):
        batch = {name: x[i : i + 1] for name, x in batches.items()}
        state, _ = _compiled(gan, optimizer, ("dg",))(state, batch)
        plain, _ = _compiled(*game[:2], ("dg",))(plain, batch)
        expected = jax.tree.map(lambda e, p: 0.75 * e + 0.25 * p, expected, plain.gen.params)
    assert not _changed(state.gen.params, plain.gen.params)
    assert difference64(state.gen.ema.params, expected) < 1e-6 and state.disc.ema is None
    assert state.gen.best() is state.gen.ema and plain.gen.best().params is plain.gen.params


def test_overrides_of_one_player_leave_the_other_alone():
    config = configure("toy_gmm", ("dg",))
    config.optimizer.disc.learning_rate = 1e-5
    pair = optimizers(config.optimizer, 10)
    assert pair.disc.learning_rate(0) == 1e-5 and pair.gen.learning_rate(0) == 2e-4


def test_an_unknown_turn_is_an_error_that_names_the_known_ones(game):
    with pytest.raises(UserError, match="train.turns=.*'x'.*d, g, dg, gd, d.g"):
        make_step(game[0], game[1], ("x",))


def test_an_average_that_warms_up_begins_as_the_mean_of_all_steps_of_a_phase(game):
    gan, optimizer, _, batches = game
    optimizer = optimizer._replace(gen=optimizer.gen._replace(ema_decay=0.99, ema_warmup=1.0))
    state, step, seen = create(gan, optimizer, 0), _compiled(gan, optimizer, ("dg",)), []
    for i in (0, 1, 0):
        state, _ = step(state, jax.tree.map(lambda x, i=i: x[i : i + 1], batches))
        seen.append(state.gen.params)
        mean = jax.tree.map(lambda *x: sum(x) / len(x), *seen)
        assert difference64(state.gen.ema.params, mean) < 1e-6
    assert optimizer.gen.decay(jnp.asarray(10_000)) == np.float32(0.99)
