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
from gan_xla.run import environment, lock, settings
from gan_xla.run.checkpoint import Checkpoints
from gan_xla.run.state import TrainState, create, optimizers
from gan_xla.training.interrupt import Interrupt
from gan_xla.training.logs import Progress, Writer
from gan_xla.training.loop import Loop, NonFinite, batches
from gan_xla.training.previews import Previewer
from gan_xla.training.reporter import Reporter, Silent
from gan_xla.training.score import Scorer

_log = logging.getLogger(__name__)


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
      scorer: as `Loop`.
      workdir: its directory.
      hint: as `train`.
    """

    def __init__(self, config, dataset, gan, optimizer, scorer, workdir, hint):
        self._config, self._dataset, self._gan, self._optimizer = config, dataset, gan, optimizer
        self._scorer = scorer
        self._workdir, self._hint = workdir, hint

    def play(self, checkpoints: Checkpoints, interrupt: Interrupt) -> tuple[TrainState, int]:
        """To the end, or to an interruption, from the newest checkpoint; goes back to one as often as it may."""
        config, rollbacks = self._config, 0
        while True:
            state, start = _resume(config, checkpoints, self._gan, self._optimizer, rollbacks)
            rollbacks = int(np.max(state.rollbacks))
            if start >= config.train.steps:
                return state, start
            if devices.is_first():
                settings.freeze(config, self._workdir)
                environment.note(self._workdir, start)
            begin = f"resuming at step {start}" if start else "new run"
            with self._reporter(start) as reporter:
                reporter.say(f"{self._dataset.about}\n{devices.describe()}, {begin}: {self._workdir}")
                reporter.say("compiling the training step: about a minute on a CPU, seconds when it is in the cache")
                parts = (self._dataset, self._gan, self._optimizer, self._scorer, checkpoints, reporter, interrupt)
                try:
                    return Loop(config, *parts).run(state, start)
                except NonFinite as fault:
                    _give_up(fault, config.train, rollbacks, checkpoints.latest())
                    rollbacks += 1
                    reporter.say(f"{fault}; rollback {rollbacks} of {config.train.max_rollbacks}, data in a new order")

    @contextlib.contextmanager
    def _reporter(self, start: int) -> Iterator[Reporter | Silent]:
        if not devices.is_first():
            yield Silent()
            return
        with Writer(self._workdir, start) as writer, Progress(start, self._config.train.steps) as progress:
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
        share = validation.SHARE if config.train.evaluate_every else 0.0
    dataset = validation.hold_out(dataset, share)
    _warn(dataset, config.train.batch_size)
    config = settings.resolve(config, dataset.images, {**dataset.fields, "validation": share})
    gan = gans.build(config, axis_name=devices.AXIS)
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
    devices.use_compilation_cache()
    config = settings.continued(config, workdir)
    config, dataset, gan, optimizer = prepare(config)
    scorer = Scorer(config, dataset) if config.train.evaluate_every else None
    run = Run(config, dataset, gan, optimizer, scorer, workdir, hint)
    try:
        with (
            lock.only_one(workdir) if devices.is_first() else contextlib.nullcontext(),
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
        if not devices.several():
            raise
        raise UserError(
            f"another process of this run is gone ({str(error).splitlines()[0]}); start all of them again, and the run "
            "goes on from its last checkpoint"
        ) from error
    if devices.is_first():
        _farewell(workdir, step, before, config.train.steps, interrupt)
    return state


def _farewell(workdir: epath.PathLike, step: int, before: int | None, steps: int, interrupt: Interrupt) -> None:
    if step < steps:
        print(f"{workdir}: stopped by {interrupt.noted}; saved at step {step}, the same command resumes")
    elif before == step:
        print(f"{workdir}: this run is finished, at step {step}; raise --config.train.steps to go on")
    else:
        print(f"{workdir}: finished at step {step}; pictures in {workdir}/samples, {_report(workdir)}")


def _report(workdir: epath.PathLike) -> str:
    """Writes the report of a finished run; says where it is, or why there is none."""
    from gan_xla import report  # brings what training does not need

    try:
        # A model is loaded by all processes together or by one that is alone.
        return f"report in {report.write(workdir, translate=not devices.several())}"
    except Exception as error:  # whatever it is, the run is finished and saved
        return f"but no report: {str(error).partition(chr(10))[0] or type(error).__name__}"
