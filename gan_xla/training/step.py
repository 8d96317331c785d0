"""The paired update of generator and discriminator, the same for every method."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import optax
from jax.experimental.layout import Layout, with_layout_constraint

from gan_xla.contract import Array, Ctx, Gan, Net, Pair, Phase, Tree
from gan_xla.errors import UserError
from gan_xla.images.ranges import normalise
from gan_xla.nets.convolution_forms import apart
from gan_xla.run import image_pool
from gan_xla.run.limits import TURNS
from gan_xla.run.state import Optimizer, Player, TrainState
from gan_xla.training.in_parts import in_parts


def _update(player: Player, optimizer: Optimizer, grads: Tree, stats: Tree, ctx: Ctx, gan: Gan | None) -> Player:
    """One optimiser step of either player; `gan`: the method, for the generators."""
    updates, opt_state = optimizer.transform.update(grads, player.opt_state, player.params)
    params = optimizer.applied(player.params, updates, ctx.step)
    if optimizer.clip:
        params = jax.tree.map(lambda p: jnp.clip(p, -optimizer.clip, optimizer.clip), params)
    params = gan.constrain(params) if gan and gan.constrain else params
    ema = player.ema
    if ema is not None:
        start = ctx.phase.start if ctx.phase else 0
        ema = optax.incremental_update(Net(params, stats), ema, 1 - optimizer.decay(ctx.step - start))
    new = Player(params, stats, opt_state, ema)
    return _kept(gan.learns(ctx), new, player) if gan and gan.learns else new


def _kept(learns: Mapping[str, Array | bool], new: Player, old: Player) -> Player:
    """`new`, but as `old` what belongs to networks that do not learn, by their names."""

    def leaf(path, a, b):
        name = next((key.key for key in path if getattr(key, "key", None) in learns), None)
        return a if name is None else jnp.where(learns[name], a, b)

    return jax.tree_util.tree_map_with_path(leaf, new, old)


def _placed(update: Callable, by_element: bool) -> Callable:
    """`update(ok, player, grads, stats, step)` as each platform runs it best; `by_element`: as `in_parts` wants it.

    On a CPU `apart`: else the moments of the last turn are computed from the gradients of all turns, which are kept for
    it (five turns of StarGAN at 128 pixels: 3.4 GB of temporaries in place of 1.6). On a GPU with gradients that lie as
    parameters do: else XLA carries the layout of the library's convolutions on, and transposes parameters, moments and
    averages there and back (pix2pix: 2.1 GB a step in place of 0.8).
    """

    def as_stored(ok, player, grads, *rest):
        rows = jax.tree.map(lambda g: with_layout_constraint(g, Layout(tuple(range(g.ndim)))), grads)
        return update(ok, player, rows, *rest)

    cpu = in_parts(update) if by_element else apart(update)
    return lambda *arrays: jax.lax.platform_dependent(*arrays, cpu=cpu, cuda=as_stored, default=update)


def _where(ok: Array, new: Tree, old: Tree) -> Tree:
    return jax.tree.map(lambda a, b: jnp.where(ok, a, b), new, old)


class _Result(NamedTuple):
    """What a player learns from a batch, on this device."""

    loss: Array
    logs: Tree
    stats: Tree
    grads: Tree


def _learn(name: str, player: Player, optimizer: Optimizer, result: _Result, ctx: Ctx, axis_name, gan=None):
    """(player after one update, logs, whether it was made: not where a loss or gradient is not finite on a device)."""
    loss, grads = result.loss, result.grads
    if axis_name is not None and jax.lax.axis_size(axis_name) > 1:  # over one device it would only copy
        loss, grads = jax.lax.pmean((loss, grads), axis_name)
    norm = optax.tree.norm(grads)
    ok = jnp.isfinite(loss) & jnp.isfinite(norm)

    def update(ok, player, grads, stats, step):
        # What is not finite would poison parameters, moments and averages for good.
        return _where(ok, _update(player, optimizer, grads, stats, ctx._replace(step=step), gan), player)

    by_element = optimizer.by_element and not (gan and gan.constrain)
    new = _placed(update, by_element)(ok, player, grads, result.stats, ctx.step)
    return new, {**result.logs, f"grad_norm/{name}": norm}, ok


def _disc_result(gan: Gan, disc: Player, stats: Tree, batch: Tree, judged: Tree, ctx: Ctx) -> _Result:
    loss = jax.value_and_grad(gan.disc_loss, has_aux=True)
    (value, (logs, stats)), grads = loss(disc.params, stats, batch, judged, ctx)
    return _Result(value, logs, stats, grads)


class _Whole:
    """Gradients of a batch at once; the generators run once for both players."""

    def __init__(self, gan: Gan, gen: Player, batch: Tree, ctx: Ctx):
        self._gan, self._batch, self._ctx = gan, batch, ctx
        self.fakes, self._pull_back, self._stats = jax.vjp(
            lambda params: gan.generate(params, gen.stats, batch, ctx), gen.params, has_aux=True
        )

    def disc(self, disc: Player, judged: Tree) -> _Result:
        return _disc_result(self._gan, disc, disc.stats, self._batch, judged, self._ctx)

    def gen(self, judge: Player) -> _Result:
        def loss(fakes):
            return self._gan.gen_loss(judge.params, judge.stats, self._batch, fakes, self._ctx)

        (value, logs), cotangents = jax.value_and_grad(loss, has_aux=True)(self.fakes)
        return _Result(value, logs, self._stats, *self._pull_back(cotangents))


class _Parts:
    """Mean gradients of the parts of a batch, one after the other, so that memory for one part is enough.

    The generators run again for G's turn. Equal to `_Whole` but for what looks at several samples together
    (batch norm, feature matching, the minibatch's standard deviation), which sees a part.
    """

    def __init__(self, gan: Gan, gen: Player, batch: Tree, ctx: Ctx, count: int):
        self._gan, self._gen, self._ctx, self._count = gan, gen, ctx, count
        self._batch = self._split(batch)
        fakes = jax.lax.map(lambda part: self._generate(gen.params, gen.stats, part)[0], self._batch)
        self.fakes = jax.tree.map(lambda x: x.reshape(-1, *x.shape[2:]), {name: fakes[name] for name in gan.judged})

    def _split(self, tree: Tree) -> Tree:
        return jax.tree.map(lambda x: x.reshape(self._count, -1, *x.shape[1:]), tree)

    def _context(self, part: Tree) -> Ctx:
        return self._ctx._replace(index=part["index"])

    def _generate(self, params: Tree, stats: Tree, part: Tree):
        return self._gan.generate(params, stats, part, self._context(part))

    def _mean(self, result: Callable, stats: Tree, parts: Tree) -> _Result:
        def add(carry, part):
            stats, total = carry
            new = result(stats, part)
            return (new.stats, jax.tree.map(jnp.add, total, (new.loss, new.logs, new.grads))), None

        # The first part gives the sums their shapes, and their kind of array on each device.
        first = result(stats, jax.tree.map(lambda x: x[0], parts))
        carry = first.stats, (first.loss, first.logs, first.grads)
        (stats, total), _ = jax.lax.scan(add, carry, jax.tree.map(lambda x: x[1:], parts))
        loss, logs, grads = jax.tree.map(lambda x: x / self._count, total)
        return _Result(loss, logs, stats, grads)

    def disc(self, disc: Player, judged: Tree) -> _Result:
        def result(stats, part):
            batch, judged = part
            return _disc_result(self._gan, disc, stats, batch, judged, self._context(batch))

        return self._mean(result, disc.stats, (self._batch, self._split(judged)))

    def gen(self, judge: Player) -> _Result:
        def loss(params, stats, part):
            fakes, stats = self._generate(params, stats, part)
            value, logs = self._gan.gen_loss(judge.params, judge.stats, part, fakes, self._context(part))
            return value, (logs, stats)

        def result(stats, part):
            (value, (logs, stats)), grads = jax.value_and_grad(loss, has_aux=True)(self._gen.params, stats, part)
            return _Result(value, logs, stats, grads)

        return self._mean(result, self._gen.stats, self._batch)


def _play(
    turn: str, gan: Gan, optimizer: Pair, axis_name, phase: Phase, parts: int, state: TrainState, batch: Tree, key
):
    """One turn of "d", "g", "dg" or "gd" on one batch."""
    gen, disc, pool = state.gen, state.disc, state.pool
    ctx = Ctx(key=key, step=state.step, index=batch["index"], phase=phase)
    shown = _Whole(gan, gen, batch, ctx) if parts == 1 else _Parts(gan, gen, batch, ctx, parts)
    logs, skipped = {}, state.skipped
    if "d" in turn:
        judged = {name: shown.fakes[name] for name in gan.judged}
        if pool is not None:
            judged, pool = image_pool.query(pool, judged, ctx, axis_name, gan.sequential_pool)
        result = shown.disc(disc, judged)
        disc, logs, ok = _learn("D", disc, optimizer.disc, result, ctx, axis_name)
        pool, skipped = _where(ok, pool, state.pool), skipped + ~ok
    if "g" in turn:
        result = shown.gen(state.disc if turn == "gd" else disc)
        gen, gen_logs, ok = _learn("G", gen, optimizer.gen, result, ctx, axis_name, gan)
        logs, skipped = {**logs, **gen_logs}, skipped + ~ok
    return dataclasses.replace(state, gen=gen, disc=disc, pool=pool, skipped=skipped), logs


def _turn(turn: str, gan: Gan, optimizer: Pair, axis_name, phase: Phase, parts: int, state: TrainState, batch: Tree):
    """Plays one turn, counts it, and averages what it logs over the devices."""
    batch = normalise(batch, gan)
    key = jax.random.fold_in(jax.random.wrap_key_data(state.key), state.step)
    logs = {}
    for number, part in enumerate(turn.split("+")):
        part_key = jax.random.fold_in(key, number)
        state, part_logs = _play(part, gan, optimizer, axis_name, phase, parts, state, batch, part_key)
        logs.update(part_logs)
    if axis_name is not None:
        logs = jax.lax.pmean(logs, axis_name)
    logs |= {"skipped_updates": state.skipped, "rollbacks": state.rollbacks}
    return dataclasses.replace(state, step=state.step + 1), logs


def for_seeds(step: Callable) -> Callable:
    """`step` for many seeds as one program: leaves of the state are [seeds, ...], of the batches [k, n, seeds, ...].

    What follows from a row's place in the run, `index` and `paired`, is one for all seeds.
    """

    def steps(states, batches):
        axes = {name: None if name in ("index", "paired") else 2 for name in batches}
        return jax.vmap(step, in_axes=(0, axes))(states, batches)

    return steps


def make_step(
    gan: Gan,
    optimizer: Pair,
    turns: Sequence[str],
    axis_name: str | None = None,
    phase: Phase | None = None,
    accumulate: int = 1,
) -> Callable:
    """The function that plays `turns` over and over, once per batch given.

    Args:
      gan: the method.
      optimizer: Pair of `Optimizer`.
      turns: the cycle, each of `TURNS`.
      axis_name: name of the mapped axis over which devices share the batch, or None.
      phase: one of `gan.phases`; None for the first.
      accumulate: parts of each device's batch whose gradients are taken one after the other.

    Returns:
      step(state, batches) -> (state, logs): leaves of `batches` are [k, n, ...] with k a
      multiple of len(turns), images as the data give them (`gan.values`), bytes also in the networks' range; logs are
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
            state, turn_logs = _turn(turn, gan, optimizer, axis_name, phase, accumulate, state, batch)
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
