"""What a run writes and shows while it trains."""

import time

import jax
import ml_collections
import numpy as np

from gan_xla import devices
from gan_xla.contract import Phase, Tree
from gan_xla.run.state import TrainState, optimizers
from gan_xla.training.logs import Progress, Writer
from gan_xla.training.previews import Previewer

EARLY_SAMPLE_S = 30
LONG_RUN_S = 3600
SCORES = "eval/"  # what is of one step alone begins so


def due(every: int, before: int, after: int) -> bool:
    """True where a multiple of `every` lies in (before, after]."""
    return after // every > before // every


class Reporter:
    """Writes what is due after each call of the step: scalars, pictures, the time left."""

    def __init__(
        self, config: ml_collections.ConfigDict, writer: Writer, progress: Progress, previewer: Previewer, hint: str
    ):
        self._train, self._writer, self._progress = config.train, writer, progress
        self._players = dict(zip("GD", optimizers(config.optimizer, config.train.steps), strict=True))
        self._previewer, self._hint = previewer, hint
        self._logs = {}
        self._first = self._last = None  # (step, time) of the first call's end and of the last scalars
        self._early = True
        self._waited = 0.0

    def announce(self, phase: Phase) -> None:
        """Called before the first step of a phase, where there are several."""
        fading = f", fading in until step {phase.fades_until}" if phase.fades_until > phase.start else ""
        size = f"{phase.resolution}x{phase.resolution}{fading}" if phase.resolution else "another phase begins"
        self.say(f"step {phase.start}: {size}; compiling")
        self._logs = {}  # another phase may log other things

    def say(self, text: str) -> None:
        """A line above the progress bar."""
        self._progress.write(text)

    def report(self, before: int, after: int, state: TrainState, logs: Tree, phase: Phase, waited: float) -> None:
        """Called when the call that took the run from step `before` to `after` was dispatched.

        `waited` are the seconds since the start of the run for which data were waited for.
        """
        self._logs.update(logs)  # turns log different things
        if self._first is None:
            jax.block_until_ready(logs)  # compilation must not count as training time
            self._first = self._last = (after, time.monotonic())
            self._waited = waited
        elapsed = time.monotonic() - self._first[1]
        if self._hint and after - self._first[0] >= 3:
            self._estimate(after, elapsed)
        end = after == self._train.steps
        scored = any(name.startswith(SCORES) for name in logs)
        if due(self._train.log_every, before, after) or scored or end:
            self._scalars(after, phase.batch_size or self._train.batch_size, waited)
        early = self._early and elapsed > EARLY_SAMPLE_S
        if early or due(self._train.sample_every, before, after) or end:
            self._early = False
            self._writer.picture(after, self._previewer.grid(state, phase))
        self._progress.update(after - before)

    def _estimate(self, step: int, elapsed: float) -> None:
        left = (self._train.steps - step) * elapsed / (step - self._first[0])
        if left > LONG_RUN_S:
            self.say(f"about {left / 3600:.0f} hours left on {devices.describe()}; {self._hint}")
        self._hint = ""

    def _rates(self, step: int) -> dict[str, float]:
        """The learning rates of the update that led to `step`, to six digits."""
        rates = ((name, float(side.learning_rate(step - 1))) for name, side in self._players.items())
        return {f"learning_rate/{name}": float(f"{rate:.6g}") for name, rate in rates}

    def _scalars(self, step: int, batch_size: int, waited: float) -> None:
        # Of many seeds the means are written.
        values = {name: float(np.mean(value)) for name, value in jax.device_get(self._logs).items()}
        values |= self._rates(step)
        now = time.monotonic()
        steps, seconds = step - self._last[0], now - self._last[1]
        if steps:
            values["images_per_s"] = steps * batch_size * self._train.num_seeds / seconds
            values["input_wait"] = (waited - self._waited) / seconds
            self._progress.losses(values)
        self._waited = waited
        self._last = (step, now)
        self._logs = {name: value for name, value in self._logs.items() if not name.startswith(SCORES)}
        self._writer.scalars(step, values)


class Silent:
    """The reporter of the processes that are not the first."""

    def announce(self, phase: Phase) -> None: ...

    def say(self, text: str) -> None: ...

    def report(self, before: int, after: int, state: TrainState, logs: Tree, phase: Phase, waited: float) -> None: ...
