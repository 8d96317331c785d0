"""`--dry_run`: what a run would be, and how long it would take here, without beginning it."""

import time
from collections.abc import Callable
from typing import NamedTuple

import jax
import ml_collections

from gan_xla import devices, images
from gan_xla.contract import Phase, Tree
from gan_xla.run.state import create
from gan_xla.training import work
from gan_xla.training.loop import batches, programs
from gan_xla.training.train import Parts, prepare

TIMED = 3  # steps
SIDE = 64  # pixels; of phases, the last that is no larger is tried, and the others are judged by its speed
GIB = 2**30


class Trial(NamedTuple):
    """What a phase was seen to need.

    Attributes:
      phase: which.
      seconds: of a step.
      held, working: bytes on each device of state and batch, and beside them while a step runs.
    """

    phase: Phase
    seconds: float
    held: int
    working: int


def describe(config: ml_collections.ConfigDict, hint: str = "") -> str:
    """Data, networks, phases, memory plan and time of the run that `config` describes; writes nothing.

    Steps of one phase are compiled and played on the real data, so this takes about as long as a run takes to start.

    Args:
      config: as `train` takes it.
      hint: what to tell a user whose run would take hours.
    Raises:
      UserError: a mistake in the config or the data.
    """
    devices.use_compilation_cache()
    parts = prepare(config)
    trial = play(parts, _chosen(parts))
    hours = sum(_hours(parts, phase, steps, trial) for phase, steps in _lengths(parts))
    lines = {
        "data": parts.dataset.about,
        "method": f"{parts.config.gan}, turns {' '.join(parts.gan.turns)}",
        "networks": _networks(parts),
        "phases": "\n".join(_phase(parts, phase, steps) for phase, steps in _lengths(parts)),
        "memory": f"on each device {trial.held / GIB:.2f} GiB of state and batch, {trial.working / GIB:.2f} GiB more "
        f"while a step runs{_of(trial)}",
        "time": f"{trial.seconds:.3g} s a step{_of(trial)} on {devices.describe()}: {_duration(hours)} in all"
        + (f"; {hint}" if hint and hours > 1 else ""),
    }
    return "\n".join(f"{name:10}{text}".replace("\n", "\n" + 10 * " ") for name, text in lines.items())


def _chosen(parts: Parts) -> Phase:
    small = [phase for phase in parts.gan.phases if (phase.resolution or 0) <= SIDE]
    return (small or parts.gan.phases)[-1]


def _lengths(parts: Parts) -> list[tuple[Phase, int]]:
    """Each phase with its number of steps."""
    phases, end = parts.gan.phases, parts.config.train.steps
    ends = [*(min(phase.start, end) for phase in phases[1:]), end]
    return [(phase, stop - phase.start) for phase, stop in zip(phases, ends, strict=True) if stop > phase.start]


def _programs(parts: Parts, phase: Phase) -> list[Callable]:
    return programs(parts.config, parts.gan, parts.optimizer, phase)


def _batch(parts: Parts, phase: Phase) -> Tree:
    return next(
        batches(parts.config, parts.dataset, phase, phase.start, phase.start + parts.config.train.steps_per_call)
    )


def _state(parts: Parts) -> Tree:
    return create(parts.gan, parts.optimizer, parts.config.seed, parts.config.train.num_seeds)


def play(parts: Parts, phase: Phase) -> Trial:
    """Plays each turn of a phase once to compile it, and then some steps against the clock."""
    # Where training puts the state: elsewhere the second call would be compiled anew.
    made, state, batch = _programs(parts, phase), devices.placed(_state(parts)), _batch(parts, phase)
    plans = [program.lower(state, batch).compile().memory_analysis() for program in dict.fromkeys(made)]
    for program in made:
        state, logs = program(state, batch)
    jax.block_until_ready(logs)
    start = time.monotonic()
    for step in range(TIMED):
        state, logs = made[step % len(made)](state, batch)
    jax.block_until_ready(logs)
    seconds = (time.monotonic() - start) / TIMED / parts.config.train.steps_per_call
    held = max(plan.argument_size_in_bytes for plan in plans)
    return Trial(phase, seconds, held, max(plan.temp_size_in_bytes for plan in plans))


def _gflop(parts: Parts, phase: Phase) -> float:
    """Of a step on one device."""
    return work.gflop(parts.config, phase, {name: x[0, 0] for name, x in _batch(parts, phase).items()})


def _hours(parts: Parts, phase: Phase, steps: int, trial: Trial) -> float:
    factor = 1.0 if phase == trial.phase else _gflop(parts, phase) / _gflop(parts, trial.phase)
    return steps * trial.seconds * factor / 3600


def _of(trial: Trial) -> str:
    return f" at {trial.phase.resolution}x{trial.phase.resolution}" if trial.phase.resolution else ""


def _networks(parts: Parts) -> str:
    """Networks by name with their numbers of parameters."""
    found = {}
    for letter, net in zip("GD", jax.eval_shape(parts.gan.init, jax.random.key(0)), strict=True):
        several = any(name.partition("_")[0] == letter for name in net.params)
        found |= net.params if several else {letter: net.params}
    counts = {name: sum(x.size for x in jax.tree.leaves(params)) for name, params in found.items()}
    return (
        ", ".join(f"{name} {count:,}" for name, count in counts.items())
        + f" parameters, {sum(counts.values()):,} in all"
    )


def _phase(parts: Parts, phase: Phase, steps: int) -> str:
    size = phase.resolution or parts.config.data.image_size
    size = f"{images.shown(size)} pixels" if size else "points"
    fading = f", fading in until {phase.fades_until:,}" if phase.fades_until > phase.start else ""
    batch = phase.batch_size or parts.config.train.batch_size
    return f"steps {phase.start:,} to {phase.start + steps:,}: {size}, batch {batch}{fading}"


def _duration(hours: float) -> str:
    return f"about {hours:,.0f} hours" if hours >= 2 else f"about {max(60 * hours, 1):.0f} minute(s)"
