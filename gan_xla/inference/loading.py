"""Runs on disk -> `Model`."""

import operator
from collections.abc import Sequence
from typing import Any

import jax
from etils import epath

from gan_xla import devices
from gan_xla.errors import UserError
from gan_xla.inference.model import Model
from gan_xla.run import settings, state
from gan_xla.run.checkpoint import Checkpoints


def variables(saved: state.TrainState, average: bool = True) -> dict[str, Any]:
    """`Model.variables` of a state; not `average`: "gen" is what the moving average is of, too."""
    raw = (saved.gen.params, saved.gen.stats)
    found = {"gen": tuple(saved.gen.best()) if average else raw, "disc": (saved.disc.params, saved.disc.stats)}
    return found | ({"gen_raw": raw} if saved.gen.ema is not None else {})


def load(workdir: epath.PathLike, checkpoint: str | int = "last", number: int = 0, average: bool = True) -> Model:
    """The trained model of the run in `workdir`.

    Args:
      workdir: a run's directory, local or remote.
      checkpoint: "last", "best" by the evaluator `train.best`, or the step of one that is kept.
      number: which one of a run of many seeds, `config.seed + number`.
      average: use the generators' moving average where the run keeps one, which lags behind them by about
        1 / (1 - `optimizer.gen.ema_decay`) steps; else the generators as they are.
    Raises:
      UserError: no run there, no checkpoint, one that does not fit config.json, or not so many seeds.
    """
    return _load(workdir, checkpoint, [number], average)[0]


def load_all(workdir: epath.PathLike, checkpoint: str | int = "last") -> list[Model]:
    """The trained models of a run of many seeds, `config.seed`, `config.seed + 1` and so on; arguments as `load`."""
    return _load(workdir, checkpoint, None)


def _load(
    workdir: epath.PathLike, checkpoint: str | int, numbers: Sequence[int] | None, average: bool = True
) -> list[Model]:
    """The models of some or all seeds of a run, which share their compiled programs."""
    devices.use_compilation_cache()
    config = settings.read(workdir)
    gan, like = state.of_run(config, workdir)
    seeds = config.train.num_seeds
    numbers = range(seeds) if numbers is None else numbers
    if not 0 <= min(numbers) <= max(numbers) < seeds:
        raise UserError(f"number={min(numbers)}: this run has {seeds} seed(s), from number 0 on")
    with Checkpoints(workdir, read_only=True) as checkpoints:
        step, saved = checkpoints.load(str(checkpoint), like)
    chosen = [jax.tree.map(operator.itemgetter(number), saved) for number in numbers] if seeds > 1 else [saved]
    return [Model(gan, config, step, variables(one, average), int(one.early)) for one in chosen]
