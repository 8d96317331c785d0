"""The training loop, the only one."""

import itertools
import signal
import time
from collections.abc import Iterator
from functools import partial

import jax
import ml_collections
from etils import epath

from gan_xla import data, gans, parallel, settings
from gan_xla.checkpoint import Checkpoints
from gan_xla.contract import Phase, Tree
from gan_xla.previews import Previewer
from gan_xla.state import TrainState, create, optimizers, reset
from gan_xla.step import make_step
from gan_xla.writers import Progress, Writer

EARLY_SAMPLE_S = 30
ASK_EVERY = 50  # steps; whether a phase may end early
LONG_RUN_S = 3600


class Interrupt:
    """Turns the first SIGINT or SIGTERM into a request to save and leave; a second one acts as usual."""

    def __init__(self):
        self.requested = None

    def __enter__(self):
        self._before = {number: signal.signal(number, self._note) for number in (signal.SIGINT, signal.SIGTERM)}
        return self

    def __exit__(self, *exc):
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _note(self, number, frame):
        self.requested = signal.Signals(number).name
        self.__exit__()


def _due(every: int, before: int, after: int) -> bool:
    """True where a multiple of `every` lies in (before, after]."""
    return after // every > before // every


class Reporter:
    """Writes what is due after each call of the step: scalars, pictures, the time left."""

    def __init__(
        self, config: ml_collections.ConfigDict, writer: Writer, progress: Progress, previewer: Previewer, hint: str
    ):
        self._train, self._writer, self._progress = config.train, writer, progress
        self._previewer, self._hint = previewer, hint
        self._logs = {}
        self._first = self._last = None  # (step, time) of the first call's end and of the last scalars
        self._early = True

    def announce(self, phase: Phase) -> None:
        """Called before the first step of a phase, where there are several."""
        fading = f", fading in until step {phase.fades_until}" if phase.fades_until > phase.start else ""
        self._progress.write(f"step {phase.start}: {phase.resolution}x{phase.resolution}{fading}; compiling")

    def report(self, before: int, after: int, state: TrainState, logs: Tree, phase: Phase) -> None:
        """Called when the call that took the run from step `before` to `after` was dispatched."""
        self._logs.update(logs)  # turns log different things
        if self._first is None:
            jax.block_until_ready(logs)  # compilation must not count as training time
            self._first = self._last = (after, time.monotonic())
        elapsed = time.monotonic() - self._first[1]
        if self._hint and after - self._first[0] >= 3:
            self._estimate(after, elapsed)
        end = after == self._train.steps
        if _due(self._train.log_every, before, after) or end:
            self._scalars(after, phase.batch_size or self._train.batch_size)
        early = self._early and elapsed > EARLY_SAMPLE_S
        if early or _due(self._train.sample_every, before, after) or end:
            self._early = False
            self._writer.picture(after, self._previewer.grid(state, phase))
        self._progress.update(after - before)

    def _estimate(self, step: int, elapsed: float) -> None:
        left = (self._train.steps - step) * elapsed / (step - self._first[0])
        if left > LONG_RUN_S:
            self._progress.write(f"about {left / 3600:.0f} hours left on {parallel.describe()}; {self._hint}")
        self._hint = ""

    def _scalars(self, step: int, batch_size: int) -> None:
        values = {name: float(value) for name, value in jax.device_get(self._logs).items()}
        now = time.monotonic()
        steps, seconds = step - self._last[0], now - self._last[1]
        if steps:
            values["images_per_s"] = steps * batch_size / seconds
            self._progress.losses(values["images_per_s"], values)
        self._last = (step, now)
        self._writer.scalars(step, values)


def _batches(
    config: ml_collections.ConfigDict, dataset: data.Dataset, phase: Phase, start: int, stop: int
) -> Iterator[Tree]:
    """Batches as the mapped step takes them, one for each call of the steps [start, stop) of a phase."""
    # TensorFlow stays out of the way of whoever imports this module to read it.
    from gan_xla.data import pipeline

    batch_size = phase.batch_size or config.train.batch_size
    batches = pipeline.batches(
        dataset.train,
        others=[part.train for part in dataset.others],
        batch_size=batch_size,
        seed=config.seed,
        start=start,
        stop=stop,
        origin=(phase.start, phase.rows),
        rows=parallel.rows(batch_size),
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

    def run(self, state: TrainState, start: int) -> tuple[TrainState, int]:
        """From step `start` to the end or to an interruption; returns the state and its step."""
        steps, count = self._config.train.steps, len(self._gan.phases)
        for number in range(count):
            phase, *later = self._gan.schedule(int(state.early))[number:]
            end = min(later[0].start, steps) if later else steps
            if start >= end:
                continue
            programs = self._programs(phase)
            if count > 1:
                self._reporter.announce(phase)
            for begin, stop in itertools.pairwise(sorted({phase.start, min(phase.fades_until, end), end})):
                if start == begin and phase.resets:
                    state = reset(state, self._optimizer)
                if start < stop:
                    planned = later[0].start if later and begin >= phase.fades_until else None
                    state, start = self._play(programs, state, phase, start, stop, planned)
                if self._interrupt.requested:
                    return state, start
        return state, start

    def _play(self, programs, state, phase, start, end, planned) -> tuple[TrainState, int]:
        """Steps [start, end) of a phase; fewer if interrupted, or if the next, `planned` for a step, may begin."""
        train, logs, after = self._config.train, {}, start
        batches = _batches(self._config, self._dataset, phase, start, end)
        for before, batch in zip(range(start, end, train.steps_per_call), batches, strict=False):
            previous = logs
            state, logs = programs[before % len(programs)](state, batch)
            # One call stays in flight while the host prepares the next, but no more, so that
            # an interruption is answered after a step.
            jax.block_until_ready(previous)
            after = before + train.steps_per_call
            self._reporter.report(before, after, state, logs, phase)
            stop = self._interrupt.requested
            if planned and _due(ASK_EVERY, before, after) and self._ready(state):
                state, stop = state.replace(early=state.early + (planned - after)), True
            if stop or after == train.steps or any(_due(every, before, after) for every in self._saves):
                self._checkpoints.save(after, state)
            if stop:
                break
        return state, after

    def _ready(self, state) -> bool:
        return self._gan.ready is not None and bool(self._gan.ready(parallel.on_one_device(state.disc.stats)))

    def _programs(self, phase) -> list:
        """The mapped steps of a phase; the call at step s runs program s modulo their number."""
        turns = self._gan.turns
        cycles = [turns] if self._config.train.steps_per_call > 1 else [(turn,) for turn in turns]
        step = partial(make_step, self._gan, self._optimizer, axis_name=parallel.AXIS, phase=phase)
        made = {cycle: parallel.map_step(step(cycle)) for cycle in set(cycles)}
        return [made[cycle] for cycle in cycles]


def train(config: ml_collections.ConfigDict, workdir: epath.PathLike, hint: str = "") -> TrainState:
    """Trains `config.gan` until `train.steps`, or resumes the run in `workdir`.

    Args:
      config: a whole config, as the files in configs/ give it.
      workdir: the run's directory, made if it is missing.
      hint: what to tell a user whose run will take hours on this machine.

    Returns:
      The last state.
    Raises:
      UserError: a mistake in the config, the data, or the work directory.
    """
    parallel.use_compilation_cache()
    dataset = data.load(config.data)
    config = settings.resolve(config, dataset.images, dataset.fields)
    gan = gans.build(config, axis_name=parallel.AXIS)
    config.train.steps = config.train.steps or gan.length
    optimizer = optimizers(config.optimizer, config.train.steps)
    with Checkpoints(workdir, keep_every=config.train.keep_every) as checkpoints, Interrupt() as interrupt:
        start = checkpoints.latest() or 0
        if start:
            settings.compare(config, workdir)
        for phase in gan.phases:  # finds mistakes before anything is made or written
            _batches(config, dataset, phase, start, config.train.steps)
        state = create(gan, optimizer, config.seed)
        if start:
            state = checkpoints.restore(start, state)
        if start >= config.train.steps:
            print(f"{workdir}: this run is finished, at step {start}; raise --config.train.steps to go on")
            return state
        settings.freeze(config, workdir)
        begin = f"resuming at step {start}" if start else "new run"
        print(f"{dataset.about}\n{parallel.describe()}, {begin}: {workdir}")
        print("compiling the training step: about a minute on a CPU, seconds when it is in the cache", flush=True)
        with Writer(workdir, start) as writer, Progress(start, config.train.steps) as progress:
            reporter = Reporter(config, writer, progress, Previewer(gan, dataset), hint)
            state, step = Loop(config, dataset, gan, optimizer, checkpoints, reporter, interrupt).run(state, start)
    if interrupt.requested:
        print(f"{workdir}: stopped by {interrupt.requested}; saved at step {step}, the same command resumes")
    else:
        print(f"{workdir}: finished at step {step}; pictures in {workdir}/samples")
    return state
