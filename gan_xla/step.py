"""The paired update of generator and discriminator, the same for every method."""

from collections.abc import Callable, Sequence
from functools import partial

import jax
import jax.numpy as jnp
import optax

from gan_xla import image_pool
from gan_xla.contract import Array, Ctx, Gan, Net, Pair, Phase, Tree
from gan_xla.errors import UserError
from gan_xla.limits import TURNS
from gan_xla.ranges import normalise
from gan_xla.state import Optimizer, Player, TrainState


def _update(player: Player, optimizer: Optimizer, grads: Tree, stats: Tree, step: Array) -> Player:
    """One optimiser step of either player."""
    updates, opt_state = optimizer.transform.update(grads, player.opt_state, player.params)
    rate = optimizer.learning_rate(step)
    params = optax.apply_updates(player.params, jax.tree.map(lambda u: -rate * u, updates))
    if optimizer.clip:
        params = jax.tree.map(lambda p: jnp.clip(p, -optimizer.clip, optimizer.clip), params)
    ema = player.ema
    if ema is not None:
        ema = optax.incremental_update(Net(params, stats), ema, 1 - optimizer.ema_decay)
    return Player(params, stats, opt_state, ema)


def _averaged(loss: Array, grads: Tree, axis_name) -> tuple[Tree, Array, Array]:
    """Gradients averaged over the devices, their norm, and whether norm and loss are finite on all devices."""
    if axis_name is not None:
        loss, grads = jax.lax.pmean((loss, grads), axis_name)
    norm = optax.tree.norm(grads)
    return grads, norm, jnp.isfinite(loss) & jnp.isfinite(norm)


def _where(ok: Array, new: Tree, old: Tree) -> Tree:
    return jax.tree.map(lambda a, b: jnp.where(ok, a, b), new, old)


def _play(turn: str, gan: Gan, optimizer: Pair, axis_name, phase: Phase, state: TrainState, batch: Tree, key: Array):
    """One turn of "d", "g", "dg" or "gd" on one batch; the generators run once."""
    gen, disc, pool = state.gen, state.disc, state.pool
    ctx = Ctx(key=key, step=state.step, index=batch["index"], phase=phase)
    generate = partial(gan.generate, batch=batch, ctx=ctx)
    fakes, pull_back, gen_stats = jax.vjp(lambda p: generate(p, gen.stats), gen.params, has_aux=True)
    logs, skipped = {}, state.skipped
    if "d" in turn:
        judged = {name: fakes[name] for name in gan.judged}
        if pool is not None:
            judged, pool = image_pool.query(pool, judged, ctx, axis_name)
        loss = jax.value_and_grad(gan.disc_loss, has_aux=True)
        (value, (logs, stats)), grads = loss(disc.params, disc.stats, batch, judged, ctx)
        grads, logs["grad_norm/D"], ok = _averaged(value, grads, axis_name)
        # What is not finite would poison parameters, moments, averages and pool for good.
        disc = _where(ok, _update(disc, optimizer.disc, grads, stats, state.step), disc)
        pool, skipped = _where(ok, pool, state.pool), skipped + ~ok
    if "g" in turn:
        judge = state.disc if turn == "gd" else disc
        loss = jax.value_and_grad(lambda f: gan.gen_loss(judge.params, judge.stats, batch, f, ctx), has_aux=True)
        (value, gen_logs), cotangents = loss(fakes)
        (grads,) = pull_back(cotangents)
        grads, gen_logs["grad_norm/G"], ok = _averaged(value, grads, axis_name)
        gen = _where(ok, _update(gen, optimizer.gen, grads, gen_stats, state.step), gen)
        logs, skipped = {**logs, **gen_logs}, skipped + ~ok
    return state.replace(gen=gen, disc=disc, pool=pool, skipped=skipped), logs


def _turn(turn: str, gan: Gan, optimizer: Pair, axis_name, phase: Phase, state: TrainState, batch: Tree):
    """Plays one turn, counts it, and averages what it logs over the devices."""
    batch = normalise(batch, gan.value_range)
    key = jax.random.fold_in(jax.random.wrap_key_data(state.key), state.step)
    logs = {}
    for number, part in enumerate(turn.split("+")):
        part_key = jax.random.fold_in(key, number)
        state, part_logs = _play(part, gan, optimizer, axis_name, phase, state, batch, part_key)
        logs.update(part_logs)
    if axis_name is not None:
        logs = jax.lax.pmean(logs, axis_name)
    logs |= {"skipped_updates": state.skipped, "rollbacks": state.rollbacks}
    return state.replace(step=state.step + 1), logs


def make_step(
    gan: Gan, optimizer: Pair, turns: Sequence[str], axis_name: str | None = None, phase: Phase | None = None
) -> Callable:
    """The function that plays `turns` over and over, once per batch given.

    Args:
      gan: the method.
      optimizer: Pair of `Optimizer`.
      turns: the cycle, each of `TURNS`.
      axis_name: name of the mapped axis over which devices share the batch, or None.
      phase: one of `gan.phases`; None for the first.

    Returns:
      step(state, batches) -> (state, logs): leaves of `batches` are [k, n, ...] with k a
      multiple of len(turns), images uint8 or already in the networks' range; logs are
      scalars, those of the last time that each turn was played.
    Raises:
      UserError: an unknown turn, or none.
    """
    unknown = set(turns) - set(TURNS)
    if unknown or not turns:
        raise UserError(f"train.turns={tuple(turns)}: each must be one of {', '.join(TURNS)}")

    phase = phase or gan.phases[0]

    def cycle(state, batches):  # leaves [len(turns), n, ...]
        logs = {}
        for number, turn in enumerate(turns):
            batch = {name: x[number] for name, x in batches.items()}
            state, turn_logs = _turn(turn, gan, optimizer, axis_name, phase, state, batch)
            logs.update(turn_logs)
        return state, logs

    def step(state, batches):
        cycles = batches["index"].shape[0] // len(turns)
        if cycles == 1:
            return cycle(state, batches)
        split = jax.tree.map(lambda x: x.reshape(cycles, len(turns), *x.shape[1:]), batches)
        state, logs = jax.lax.scan(cycle, state, split)
        return state, jax.tree.map(lambda x: x[-1], logs)

    return step
