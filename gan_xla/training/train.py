"""`train(config, workdir)`: a run from its first step, or from where it was, to its last."""

import contextlib
import logging
from collections.abc import Iterator
from functools import partial
from typing import NamedTuple

import jax
import ml_collections
import numpy as np
from etils import epath

from gan_xla import data, devices, gans
from gan_xla.contract import Gan, Pair
from gan_xla.data import validation
from gan_xla.errors import UserError
from gan_xla.run import changes, environment, lock, settings, transfer
from gan_xla.run.checkpoint import Checkpoints, Misfit
from gan_xla.run.state import TrainState, create, optimizers
from gan_xla.training import boards, likeness
from gan_xla.training.interrupt import Interrupt
from gan_xla.training.logs import Progress, Writer
from gan_xla.training.loop import Loop, NonFinite, batches, out_of_patience
from gan_xla.training.previews import Previewer
from gan_xla.training.reporter import Reporter, Silent
from gan_xla.training.score import Scorer

_log = logging.getLogger(__name__)


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
      parts: what it is made of.
      scorer: as `Loop`.
      workdir: its directory.
      hint: as `train`.
      origin: the run whose networks a new one begins with, or None.
      found: what differs from the run that goes on.
    """

    def __init__(self, parts, scorer, workdir, hint, origin, found):
        self._config, self._dataset, self._gan, self._optimizer = parts
        self._scorer, self._workdir, self._hint = scorer, workdir, hint
        self._origin, self._changes = origin, found

    def play(self, checkpoints: Checkpoints, interrupt: Interrupt) -> tuple[TrainState, int]:
        """To the end, or to an interruption, from the newest checkpoint; goes back to one as often as it may."""
        config, rollbacks = self._config, 0
        while True:
            state, start, (begin, *told) = self._begin(checkpoints, rollbacks)
            rollbacks = int(np.max(state.rollbacks))
            if start >= config.train.steps or out_of_patience(config, checkpoints, start):
                return state, start
            told += self._note(start)
            with self._reporter(start) as reporter:
                reporter.say(f"{self._dataset.about}\n{devices.describe()}, {begin}: {self._workdir}")
                for line in told:
                    reporter.say(line)
                reporter.say("compiling the training step: about a minute on a CPU, seconds when it is in the cache")
                parts = (self._dataset, self._gan, self._optimizer, self._scorer, checkpoints, reporter, interrupt)
                try:
                    return Loop(config, *parts).run(state, start)
                except NonFinite as fault:
                    _give_up(fault, config.train, rollbacks, checkpoints.latest())
                    rollbacks += 1
                    reporter.say(f"{fault}; rollback {rollbacks} of {config.train.max_rollbacks}, data in a new order")

    def _begin(self, checkpoints: Checkpoints, rollbacks: int) -> tuple[TrainState, int, list[str]]:
        """The newest state that can be read, or the first one; its step; and lines that say where it comes from."""
        new = partial(create, self._gan, self._optimizer, self._config.seed, self._config.train.num_seeds)
        try:
            found = checkpoints.newest(jax.eval_shape(new))
        except Misfit as error:
            way = f"another --workdir with --init_from={self._workdir} takes what fits"
            raise UserError(f"{error}; {way}") from error
        step, state = found or (0, new())
        told = [f"resuming at step {step}" if found else "new run"]
        if self._origin and found:
            told.append("--init_from is left aside: this run has begun")
        elif self._origin:
            state, taken = transfer.begin(state, self._config, self._origin)
            self._changes = [changes.Change("--init_from", None, taken[0])]
            told += taken
        return state.replace(rollbacks=np.maximum(state.rollbacks, np.int32(rollbacks))), step, told

    def _note(self, step: int) -> list[str]:
        """Keeps what the run goes on with from `step`; lines that say what has changed."""
        told = [*(change.told for change in self._changes), *self._rates(step)] if step else []
        if devices.is_first():
            changes.note(self._workdir, step, self._changes, self._dataset)
            environment.note(self._workdir, step)
            settings.freeze(self._config, self._workdir)
        self._changes = []  # after a rollback they are the run's own
        return [f"from step {step} on: {line}" for line in told]

    def _rates(self, step: int) -> list[str]:
        """What changes do to the learning rates at `step`."""
        if not self._changes:
            return []
        before = settings.read(self._workdir)
        players = zip("GD", optimizers(before.optimizer, before.train.steps), self._optimizer, strict=True)
        rates = ((name, *(float(side.learning_rate(step)) for side in sides)) for name, *sides in players)
        return [f"learning rate of {name} {new:.3g}, until now {old:.3g}" for name, old, new in rates if new != old]

    @contextlib.contextmanager
    def _reporter(self, start: int) -> Iterator[Reporter | Silent]:
        if not devices.is_first():
            yield Silent()
            return
        shown = boards.of(self._config, self._workdir, start)
        with (
            Writer(self._workdir, start, shown) as writer,
            Progress(start, self._config.train.steps) as progress,
        ):
            yield Reporter(self._config, writer, progress, Previewer(self._gan, self._dataset), self._hint)


class Parts(NamedTuple):
    """What a run is made of.

    Attributes:
      config: resolved.
      dataset, gan, optimizer: what to train on, what, and how.
    """

    config: ml_collections.ConfigDict
    dataset: data.Dataset
    gan: Gan
    optimizer: Pair


def prepare(config: ml_collections.ConfigDict) -> Parts:
    """Resolves a config, reads its data and builds its method; finds mistakes before anything is made or written.

    Raises:
      UserError: a mistake in the config or the data.
    """
    dataset = data.load(config.data)
    share = config.data.validation
    if share is None:
        scored = any(one.get("every") and one.get("split", "val") == "val" for one in config.get("eval", {}).values())
        share = validation.SHARE if scored else 0.0
    dataset = validation.hold_out(dataset, share)
    _warn(dataset, config.train.batch_size)
    config = settings.resolve(config, dataset.images, {**dataset.fields, "validation": share})
    gan = likeness.with_likeness(gans.build(config, axis_name=devices.AXIS), config)
    config.train.steps = config.train.steps or gan.length
    for phase in gan.phases:
        batches(config, dataset, phase, phase.start, phase.start + 1)
    return Parts(config, dataset, gan, optimizers(config.optimizer, config.train.steps))


def _warn(dataset: data.Dataset, batch_size: int) -> None:
    for part in (dataset, *dataset.others):
        for source in part.train:
            if len(source) < batch_size:
                _log.warning(
                    "%s: %d training rows, fewer than train.batch_size=%d, so that batches show some twice; add "
                    "images, or lower it",
                    " and ".join(source.spec), len(source), batch_size,
                )  # fmt: skip


def train(
    config: ml_collections.ConfigDict,
    workdir: epath.PathLike,
    hint: str = "",
    *,
    init_from: transfer.Origin | None = None,
    allow_changes: bool = False,
) -> TrainState:
    """Trains `config.gan` until `train.steps`, or resumes the run in `workdir`.

    Args:
      config: a whole config, as the files in configs/ give it.
      workdir: the run's directory, made if it is missing.
      hint: what to tell a user whose run will take hours on this machine.
      init_from: the run whose networks a new run begins with.
      allow_changes: whether a run goes on with fields that change its result.

    Returns:
      The last state.
    Raises:
      UserError: a mistake in the config, the data, or the work directory; a disk that cannot be
        written; numbers that are not finite, as `train.nonfinite` says.
    """
    devices.use_compilation_cache()
    boards.check(config)
    parts = prepare(settings.continued(config, workdir))
    config, dataset = parts.config, parts.dataset
    scorer = Scorer(config, dataset) if any(evaluator.every for evaluator in config.eval.values()) else None
    found: list[changes.Change] = []
    try:
        with (
            lock.only_one(workdir) if devices.is_first() else contextlib.nullcontext(),
            Checkpoints(workdir, keep_every=config.train.keep_every) as checkpoints,
            Interrupt() as interrupt,
        ):
            if before := checkpoints.latest():
                found = changes.since(workdir, config, dataset)
                changes.check(found, workdir, before, allow_changes)
            run = Run(parts, scorer, workdir, hint, init_from, found)
            state, step = run.play(checkpoints, interrupt)
            best = checkpoints.best()
    except OSError as error:
        raise UserError(
            f"{error.filename or workdir}: {error.strerror or error}; the run's checkpoints stay: see to the disk (is "
            "it full, or read-only?), then the same command goes on"
        ) from error
    except jax.errors.JaxRuntimeError as error:
        if not devices.several():
            raise
        raise UserError(
            f"another process of this run is gone ({str(error).splitlines()[0]}); start all of them again, and the run "
            "goes on from its last checkpoint"
        ) from error
    if devices.is_first():
        _farewell(workdir, step, before, best, config.train, interrupt)
    return state


def _farewell(workdir: epath.PathLike, step: int, before: int | None, best: int | None, train, interrupt) -> None:
    if step < train.steps and interrupt.noted:
        print(f"{workdir}: stopped by {interrupt.noted}; saved at step {step}, the same command resumes")
        return
    early = f"no score since that of step {best} was better; " if step < train.steps else ""
    if before == step:
        field = "patience" if early else "steps"
        print(f"{workdir}: this run is finished, at step {step}; {early}raise --config.train.{field} to go on")
    else:
        print(f"{workdir}: finished at step {step}; {early}pictures in {workdir}/samples, {_report(workdir)}")


def _report(workdir: epath.PathLike) -> str:
    """Writes the report of a finished run; says where it is, or why there is none."""
    from gan_xla import report  # brings what training does not need

    try:
        # A model is loaded by all processes together or by one that is alone.
        return f"report in {report.write(workdir, translate=not devices.several())}"
    except Exception as error:  # whatever it is, the run is finished and saved
        return f"but no report: {str(error).partition(chr(10))[0] or type(error).__name__}"
