"""The training loop, the only one."""

import contextlib
import itertools
import time
from collections.abc import Iterator
from functools import partial

import jax
import ml_collections
import numpy as np
from etils import epath

from gan_xla import data, gans, lock, parallel, settings
from gan_xla.ahead import Ahead
from gan_xla.checkpoint import Checkpoints
from gan_xla.contract import Phase, Tree
from gan_xla.errors import UserError
from gan_xla.interrupt import Interrupt
from gan_xla.previews import Previewer
from gan_xla.reporter import Reporter, Silent, due
from gan_xla.state import TrainState, create, optimizers, reset
from gan_xla.step import for_seeds, make_step
from gan_xla.writers import Progress, Writer

ASK_EVERY = 50  # steps; whether a phase may end early


class NonFinite(Exception):
    """An update could not be made, because a loss or gradient was not finite."""

    def __init__(self, before: int, after: int, logs: Tree):
        logs = jax.device_get(logs)
        names = sorted(logs, key=lambda name: (name.startswith("grad"), name))
        values = {name: float(np.mean(logs[name])) for name in names}
        shown = ", ".join(f"{name}={value:.4g}" for name, value in values.items() if "/" in name)
        wrong = [name for name, value in values.items() if not np.isfinite(value) and name.startswith("loss/")]
        where = f"step {after}" if after - before == 1 else f"a step of {before + 1} to {after}"
        super().__init__(f"{where}: {', '.join(wrong) or 'a gradient'} not finite ({shown})")


def _batches(
    config: ml_collections.ConfigDict, dataset: data.Dataset, phase: Phase, start: int, stop: int, rollbacks: int = 0
) -> Iterator[Tree]:
    """Batches as the mapped step takes them, one for each call of the steps [start, stop) of a phase.

    Every rollback of the run puts the data in a new order.
    """
    # TensorFlow stays out of the way of whoever imports this module to read it.
    from gan_xla.data import pipeline

    batch_size = phase.batch_size or config.train.batch_size
    batches = pipeline.batches(
        dataset.train,
        others=[part.train for part in dataset.others],
        batch_size=batch_size,
        seed=[config.seed + number + (rollbacks << 32) for number in range(config.train.num_seeds)],
        start=start,
        stop=stop,
        origin=(phase.start, phase.rows),
        rows=parallel.rows(batch_size, config.train.accumulate),
        steps_per_call=config.train.steps_per_call,
        image_size=config.data.image_size,
        load_size=config.data.load_size,
        flip=config.data.flip,
        resolution=phase.resolution,
    )
    return map(parallel.shard, batches)


class Loop:
    """Plays the phases of a run; reports and saves what is due.

    Args:
      config: resolved.
      dataset, gan, optimizer: what to train on, what, and how.
      checkpoints, reporter, interrupt: told of every call.
    """

    def __init__(self, config, dataset, gan, optimizer, checkpoints, reporter, interrupt):
        self._config, self._dataset, self._gan, self._optimizer = config, dataset, gan, optimizer
        self._checkpoints, self._reporter, self._interrupt = checkpoints, reporter, interrupt
        self._saves = [every for every in (config.train.checkpoint_every, config.train.keep_every) if every]
        self._skipped, self._waited = 0, 0.0
        self._ahead, self._made = Ahead(), {}

    def run(self, state: TrainState, start: int) -> tuple[TrainState, int]:
        """From step `start` to the end or to an interruption; returns the state and its step.

        Raises:
          NonFinite: an update was not made, and `train.nonfinite` is not "skip".
        """
        steps, count = self._config.train.steps, len(self._gan.phases)
        self._skipped = int(np.sum(state.skipped))
        for number in range(count):
            phase, *later = self._gan.schedule(int(np.max(state.early)))[number:]
            end = min(later[0].start, steps) if later else steps
            if start >= end:
                continue
            if count > 1:
                self._reporter.announce(phase)
            self._ahead.wait()
            programs = self._programs(phase)
            self._next = later[0] if later and end < steps else None
            for begin, stop in itertools.pairwise(sorted({phase.start, min(phase.fades_until, end), end})):
                if start == begin and phase.resets:
                    state = reset(state, self._optimizer)
                if start < stop:
                    planned = later[0].start if later and begin >= phase.fades_until else None
                    state, start, asked = self._play(programs, state, phase, start, stop, planned)
                    if asked:
                        return state, start
        return state, start

    def _play(self, programs, state, phase, start, end, planned) -> tuple[TrainState, int, bool]:
        """Steps [start, end) of a phase; fewer if asked to leave, or if the next, `planned` for a step, may begin.

        Returns:
          The state, its step, and whether the run was asked to leave.
        """
        train, logs, after, asked = self._config.train, {}, start, False
        batches = _batches(self._config, self._dataset, phase, start, end, int(np.max(state.rollbacks)))
        for before, batch in zip(range(start, end, train.steps_per_call), self._timed(batches), strict=False):
            previous = logs
            state, logs = programs[before % len(programs)](state, batch)
            # One call stays in flight while the host prepares the next, but no more, so that
            # an interruption is answered after a step.
            self._check(before, previous)
            after = before + train.steps_per_call
            self._reporter.report(before, after, state, logs, phase, self._waited)
            if self._next:
                self._ahead.start(self._programs(self._next), state, batch, self._next)
                self._next = None
            asked = bool(self._interrupt.requested(after))
            grown = planned and due(ASK_EVERY, before, after) and self._ready(state)
            if grown:
                state = state.replace(early=state.early + (planned - after))
            save = asked or grown or after == train.steps or any(due(every, before, after) for every in self._saves)
            if save or after >= end:
                self._check(after, logs)  # no checkpoint of what may have to be undone
            if save:
                self._checkpoints.save(after, state)
            if asked or grown:
                break
        return state, after, asked

    def _timed(self, batches: Iterator[Tree]) -> Iterator[Tree]:
        """The batches; how long each was waited for is counted."""
        while True:
            start = time.monotonic()
            batch = next(batches, None)
            self._waited += time.monotonic() - start
            if batch is None:
                return
            yield batch

    def _check(self, after: int, logs: Tree) -> None:
        """Waits for a call; raises if it could not make an update that it should have made."""
        if not logs:
            return
        skipped = int(np.sum(logs["skipped_updates"]))
        if skipped > self._skipped:
            fault = NonFinite(after - self._config.train.steps_per_call, after, logs)
            if self._config.train.nonfinite != "skip":
                raise fault
            self._reporter.say(f"{fault}; skipped, {skipped} so far")
            self._skipped = skipped

    def _ready(self, state) -> bool:
        return self._gan.ready is not None and bool(self._gan.ready(parallel.on_one_device(state.disc.stats)))

    def _programs(self, phase) -> list:
        """The mapped steps of a phase, made once; the call at step s runs program s modulo their number."""
        if phase not in self._made:
            self._made = {phase: self._make_programs(phase)}
        return self._made[phase]

    def _make_programs(self, phase) -> list:
        turns = self._gan.turns
        cycles = [turns] if self._config.train.steps_per_call > 1 else [(turn,) for turn in turns]
        step = partial(
            make_step,
            self._gan,
            self._optimizer,
            axis_name=parallel.AXIS,
            phase=phase,
            accumulate=self._config.train.accumulate,
        )
        several = for_seeds if self._config.train.num_seeds > 1 else lambda step: step
        made = {cycle: parallel.map_step(several(step(cycle))) for cycle in set(cycles)}
        return [made[cycle] for cycle in cycles]


def _resume(config, checkpoints: Checkpoints, gan, optimizer, rollbacks: int = 0) -> tuple[TrainState, int]:
    """The newest state that can be read, or the first one; and its step."""
    new = partial(create, gan, optimizer, config.seed, config.train.num_seeds)
    step, state = checkpoints.newest(jax.eval_shape(new)) or (0, new())
    return state.replace(rollbacks=np.maximum(state.rollbacks, np.int32(rollbacks))), step


def _give_up(fault: NonFinite, train: ml_collections.ConfigDict, rollbacks: int, last: int | None) -> None:
    """Raises what to do after `fault` where the run may not go back once more."""
    good = f"the last good checkpoint is of step {last}" if last else "there is no checkpoint yet"
    if train.nonfinite == "stop":
        raise UserError(
            f"{fault}; {good}. Go on with --config.train.nonfinite=skip or rollback, or begin anew with a lower "
            "optimizer.learning_rate or with optimizer.grad_clip"
        ) from fault
    if rollbacks >= train.max_rollbacks:
        raise UserError(
            f"{fault}, after {rollbacks} rollbacks (train.max_rollbacks); {good}. Begin anew with a lower "
            "optimizer.learning_rate or with optimizer.grad_clip"
        ) from fault


class Run:
    """A run in its work directory.

    Args:
      config: resolved.
      dataset: what to train on.
      gan, optimizer: what, and how.
      workdir: its directory.
      hint: as `train`.
    """

    def __init__(self, config, dataset, gan, optimizer, workdir, hint):
        self._config, self._dataset, self._gan, self._optimizer = config, dataset, gan, optimizer
        self._workdir, self._hint = workdir, hint

    def play(self, checkpoints: Checkpoints, interrupt: Interrupt) -> tuple[TrainState, int]:
        """To the end, or to an interruption, from the newest checkpoint; goes back to one as often as it may."""
        config, rollbacks = self._config, 0
        while True:
            state, start = _resume(config, checkpoints, self._gan, self._optimizer, rollbacks)
            rollbacks = int(np.max(state.rollbacks))
            if start >= config.train.steps:
                return state, start
            if parallel.is_first():
                settings.freeze(config, self._workdir)
            begin = f"resuming at step {start}" if start else "new run"
            with self._reporter(start) as reporter:
                reporter.say(f"{self._dataset.about}\n{parallel.describe()}, {begin}: {self._workdir}")
                reporter.say("compiling the training step: about a minute on a CPU, seconds when it is in the cache")
                parts = (self._dataset, self._gan, self._optimizer, checkpoints, reporter, interrupt)
                try:
                    return Loop(config, *parts).run(state, start)
                except NonFinite as fault:
                    _give_up(fault, config.train, rollbacks, checkpoints.latest())
                    rollbacks += 1
                    reporter.say(f"{fault}; rollback {rollbacks} of {config.train.max_rollbacks}, data in a new order")

    @contextlib.contextmanager
    def _reporter(self, start: int) -> Iterator[Reporter | Silent]:
        if not parallel.is_first():
            yield Silent()
            return
        with Writer(self._workdir, start) as writer, Progress(start, self._config.train.steps) as progress:
            yield Reporter(self._config, writer, progress, Previewer(self._gan, self._dataset), self._hint)


def train(config: ml_collections.ConfigDict, workdir: epath.PathLike, hint: str = "") -> TrainState:
    """Trains `config.gan` until `train.steps`, or resumes the run in `workdir`.

    Args:
      config: a whole config, as the files in configs/ give it.
      workdir: the run's directory, made if it is missing.
      hint: what to tell a user whose run will take hours on this machine.

    Returns:
      The last state.
    Raises:
      UserError: a mistake in the config, the data, or the work directory; a disk that cannot be
        written; numbers that are not finite, as `train.nonfinite` says.
    """
    parallel.use_compilation_cache()
    dataset = data.load(config.data)
    config = settings.resolve(config, dataset.images, dataset.fields)
    gan = gans.build(config, axis_name=parallel.AXIS)
    config.train.steps = config.train.steps or gan.length
    optimizer = optimizers(config.optimizer, config.train.steps)
    for phase in gan.phases:  # finds mistakes before anything is made or written
        _batches(config, dataset, phase, phase.start, phase.start + 1)
    run = Run(config, dataset, gan, optimizer, workdir, hint)
    try:
        with (
            lock.only_one(workdir) if parallel.is_first() else contextlib.nullcontext(),
            Checkpoints(workdir, keep_every=config.train.keep_every) as checkpoints,
            Interrupt() as interrupt,
        ):
            if before := checkpoints.latest():
                settings.compare(config, workdir)
            state, step = run.play(checkpoints, interrupt)
    except OSError as error:
        raise UserError(
            f"{error.filename or workdir}: {error.strerror or error}; the run's checkpoints stay: see to the disk (is "
            "it full, or read-only?), then the same command goes on"
        ) from error
    except jax.errors.JaxRuntimeError as error:
        if not parallel.several():
            raise
        raise UserError(
            f"another process of this run is gone ({str(error).splitlines()[0]}); start all of them again, and the run "
            "goes on from its last checkpoint"
        ) from error
    if parallel.is_first():
        _farewell(workdir, step, before, config.train.steps, interrupt)
    return state


def _farewell(workdir: epath.PathLike, step: int, before: int | None, steps: int, interrupt: Interrupt) -> None:
    if step < steps:
        print(f"{workdir}: stopped by {interrupt.noted}; saved at step {step}, the same command resumes")
    elif before == step:
        print(f"{workdir}: this run is finished, at step {step}; raise --config.train.steps to go on")
    else:
        print(f"{workdir}: finished at step {step}; pictures in {workdir}/samples")
