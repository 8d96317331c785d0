"""The training loop, the only one."""

import signal
import time
from collections.abc import Iterator

import jax
import ml_collections
from etils import epath

from gan_xla import data, gans, parallel, settings
from gan_xla.checkpoint import Checkpoints
from gan_xla.contract import Gan, Pair, Tree
from gan_xla.sampling import Sampler
from gan_xla.state import TrainState, create, optimizers
from gan_xla.step import make_step
from gan_xla.writers import Progress, Writer

EARLY_SAMPLE_S = 30
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
        self, config: ml_collections.ConfigDict, writer: Writer, progress: Progress, sampler: Sampler, hint: str
    ):
        self._train, self._writer, self._progress = config.train, writer, progress
        self._sampler, self._hint = sampler, hint
        self._logs = {}
        self._first = self._last = None  # (step, time) of the first call's end and of the last scalars
        self._early = True

    def report(self, before: int, after: int, state: TrainState, logs: Tree) -> None:
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
            self._scalars(after)
        early = self._early and elapsed > EARLY_SAMPLE_S
        if early or _due(self._train.sample_every, before, after) or end:
            self._early = False
            self._writer.picture(after, self._sampler.grid(state))
        self._progress.update(after - before)

    def _estimate(self, step: int, elapsed: float) -> None:
        left = (self._train.steps - step) * elapsed / (step - self._first[0])
        if left > LONG_RUN_S:
            self._progress.write(f"about {left / 3600:.0f} hours left on {parallel.describe()}; {self._hint}")
        self._hint = ""

    def _scalars(self, step: int) -> None:
        values = {name: float(value) for name, value in jax.device_get(self._logs).items()}
        now = time.monotonic()
        steps, seconds = step - self._last[0], now - self._last[1]
        if steps:
            values["images_per_s"] = steps * self._train.batch_size / seconds
            self._progress.losses(values["images_per_s"], values)
        self._last = (step, now)
        self._writer.scalars(step, values)


def _batches(config: ml_collections.ConfigDict, dataset: data.Dataset, start: int) -> Iterator[Tree]:
    """Batches as the mapped step takes them, one for each call from step `start` on."""
    # TensorFlow stays out of the way of whoever imports this module to read it.
    from gan_xla.data import pipeline

    batches = pipeline.batches(
        dataset.train,
        others=[part.train for part in dataset.others],
        batch_size=config.train.batch_size,
        seed=config.seed,
        start=start,
        stop=config.train.steps,
        rows=parallel.rows(config.train.batch_size),
        steps_per_call=config.train.steps_per_call,
        image_size=config.data.image_size,
        load_size=config.data.load_size,
        flip=config.data.flip,
    )
    return map(parallel.shard, batches)


def _programs(config: ml_collections.ConfigDict, gan: Gan, optimizer: Pair) -> list:
    """The mapped steps; call number i runs program i modulo their number."""
    cycles = [gan.turns] if config.train.steps_per_call > 1 else [(turn,) for turn in gan.turns]
    made = {cycle: parallel.map_step(make_step(gan, optimizer, cycle, parallel.AXIS)) for cycle in set(cycles)}
    return [made[cycle] for cycle in cycles]


def _loop(config, programs, state, start, batches, checkpoints, reporter, interrupt) -> tuple[TrainState, int]:
    """Plays from step `start` to the end or to an interruption; returns the state and its step."""
    stride, logs = config.train.steps_per_call, {}
    after = start
    for before, batch in zip(range(start, config.train.steps, stride), batches, strict=False):
        previous = logs
        state, logs = programs[before % len(programs)](state, batch)
        # One call stays in flight while the host prepares the next, but no more, so that
        # an interruption is answered after a step.
        jax.block_until_ready(previous)
        after = before + stride
        reporter.report(before, after, state, logs)
        if interrupt.requested or after == config.train.steps or _due(config.train.checkpoint_every, before, after):
            checkpoints.save(after, state)
        if interrupt.requested:
            break
    return state, after


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
    optimizer = optimizers(config.optimizer, config.train.steps)
    programs = _programs(config, gan, optimizer)
    with Checkpoints(workdir) as checkpoints, Interrupt() as interrupt:
        start = checkpoints.latest() or 0
        if start:
            settings.compare(config, workdir)
        batches = _batches(config, dataset, start)  # finds mistakes before anything is made or written
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
            reporter = Reporter(config, writer, progress, Sampler(gan, dataset), hint)
            state, step = _loop(config, programs, state, start, batches, checkpoints, reporter, interrupt)
    if interrupt.requested:
        print(f"{workdir}: stopped by {interrupt.requested}; saved at step {step}, the same command resumes")
    else:
        print(f"{workdir}: finished at step {step}; pictures in {workdir}/samples")
    return state
