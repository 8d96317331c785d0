"""The training loop, the only one: the phases of a run, step by step."""

import itertools
import time
from collections.abc import Callable, Iterator

import jax
import ml_collections
import numpy as np

from gan_xla import data, devices
from gan_xla.contract import Gan, Pair, Phase, Tree
from gan_xla.data import augmentation
from gan_xla.data.dataset import field, sizes
from gan_xla.data.resident import Resident
from gan_xla.run.checkpoint import Checkpoints
from gan_xla.run.state import TrainState, reset
from gan_xla.training.precompile import Ahead
from gan_xla.training.reporter import due
from gan_xla.training.step import for_seeds, make_step

ASK_EVERY = 50  # steps; whether a phase may end early


def out_of_patience(config: ml_collections.ConfigDict, checkpoints: Checkpoints, step: int) -> bool:
    """Whether the last `train.patience` scores until `step` were no better than the best one."""
    best, patience = checkpoints.best(), config.train.patience
    return bool(patience) and best is not None and step - best >= patience * config.eval[config.train.best].every


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


def batches(
    config: ml_collections.ConfigDict,
    dataset: data.Dataset,
    phase: Phase,
    start: int,
    stop: int,
    rollbacks: int = 0,
    resident: Resident | None = None,
) -> Iterator[Tree]:
    """Batches as the mapped step takes them, one for each call of the steps [start, stop) of a phase.

    Every rollback of the run puts the data in a new order. With `resident` they are gathered on the devices.
    """
    # TensorFlow stays out of the way of whoever imports this module to read it.
    from gan_xla.data import pipeline

    batch_size = phase.batch_size or config.train.batch_size
    image_size, load_size = sizes(config.data) if config.data.image_size else (None, None)
    found = pipeline.batches(
        dataset.train,
        others=[part.train for part in dataset.others],
        pairs=dataset.pairs.source if dataset.pairs else None,
        paired_share=config.data.get("paired_share", 0.0),
        batch_size=batch_size,
        seed=[config.seed + number + (rollbacks << 32) for number in range(config.train.num_seeds)],
        start=start,
        stop=stop,
        origin=(phase.start, phase.rows),
        rows=devices.rows(batch_size, config.train.accumulate),
        steps_per_call=config.train.steps_per_call,
        image_size=image_size,
        load_size=load_size,
        native=field(config.data, "fit") == "native",
        augment=augmentation.of(config.data),
        balance=config.data.get("balance", False),
        resolution=phase.resolution,
        draws=resident is not None,
    )
    found = map(devices.shard, found)
    return found if resident is None else resident.batches(found, start, phase.resolution)


def programs(config: ml_collections.ConfigDict, gan: Gan, optimizer: Pair, phase: Phase) -> list[Callable]:
    """The mapped steps of a phase; the call at step s runs program s modulo their number."""
    train, turns = config.train, gan.turns
    cycles = [turns] if train.steps_per_call > 1 else [(turn,) for turn in turns]
    several = for_seeds if train.num_seeds > 1 else lambda step: step
    made = {
        cycle: devices.map_step(several(make_step(gan, optimizer, cycle, devices.AXIS, phase, train.accumulate)))
        for cycle in set(cycles)
    }
    return [made[cycle] for cycle in cycles]


class Loop:
    """Plays the phases of a run; reports and saves what is due.

    Args:
      config: resolved.
      dataset, gan, optimizer: what to train on, what, and how.
      scorer: measures the run now and then, or None.
      checkpoints, reporter, interrupt: told of every call.
    """

    def __init__(self, config, dataset, gan, optimizer, scorer, checkpoints, reporter, interrupt):
        self._config, self._dataset, self._gan, self._optimizer = config, dataset, gan, optimizer
        self._scorer, self._evaluators = scorer, scorer.every if scorer else {}
        self._checkpoints, self._reporter, self._interrupt = checkpoints, reporter, interrupt
        train, shown = config.train, config.data
        self._resident = Resident(dataset, shown.image_size, augmentation.of(shown)) if shown.on_device else None
        scored = config.eval[train.best].every if train.best else 0
        self._saves = [every for every in (train.checkpoint_every, train.keep_every, scored) if every]
        self._skipped, self._waited = 0, 0.0
        self._ahead, self._made, self._next = Ahead(), {}, None

    def run(self, state: TrainState, start: int) -> tuple[TrainState, int]:
        """From step `start` to the end, to an interruption or until the scores get no better; returns state and step.

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
                    state = reset(state)
                if start < stop:
                    planned = later[0].start if later and begin >= phase.fades_until else None
                    state, start, asked = self._play(programs, state, phase, start, stop, planned)
                    if asked:
                        return state, start
        return state, start

    def _play(self, programs, state, phase, start, end, planned) -> tuple[TrainState, int, bool]:
        """Steps [start, end) of a phase; fewer if asked to leave, or if the next, `planned` for a step, may begin.

        Returns:
          The state, its step, and whether the run is to end here.
        """
        train, logs, after, asked = self._config.train, {}, start, False
        state = devices.placed(state)
        rollbacks = int(np.max(state.rollbacks))
        shown = batches(self._config, self._dataset, phase, start, end, rollbacks, self._resident)
        for before, batch in zip(range(start, end, train.steps_per_call), self._timed(shown), strict=False):
            previous = logs
            state, logs = programs[before % len(programs)](state, batch)
            # One call stays in flight while the host prepares the next, but no more, so that
            # an interruption is answered after a step.
            self._check(before, previous)
            after = before + train.steps_per_call
            score, scores = self._scored(before, after, state, logs)
            self._reporter.report(before, after, state, {**logs, **scores}, phase, self._waited)
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
                self._checkpoints.save(after, state, score)
            asked |= score is not None and out_of_patience(self._config, self._checkpoints, after)
            if asked or grown:
                break
        return state, after, asked

    def _scored(self, before: int, after: int, state, logs: Tree) -> tuple[float | None, dict[str, float]]:
        """The score by `train.best`, where it is due, and the numbers of all evaluators that are."""
        last = after == self._config.train.steps
        names = [name for name, every in self._evaluators.items() if last or due(every, before, after)]
        if not names:
            return None, {}
        self._check(after, logs)
        score, scores = self._scorer(after, state, names)
        best = self._checkpoints.best()
        self._reporter.say(
            f"step {after}: {', '.join(f'{name} {value:.4g}' for name, value in scores.items())}"
            + (f"; the best checkpoint is of step {best}" if best else "")
        )
        if last and (sentence := self._scorer.sentence(scores)):
            self._reporter.say(sentence)
        return score, scores

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
        return self._gan.ready is not None and bool(self._gan.ready(devices.on_one_device(state.disc.stats)))

    def _programs(self, phase: Phase) -> list[Callable]:
        """`programs` of a phase, made once."""
        if phase not in self._made:
            self._made = {phase: programs(self._config, self._gan, self._optimizer, phase)}
        return self._made[phase]
