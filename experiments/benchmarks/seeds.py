"""Many seeds as one program against one run after the other.

  python -m experiments.benchmarks.seeds [--config=configs/toy_gmm.py] [--seeds=100] [--steps=7]

Plays calls of `train.steps_per_call` steps on data that are there already, of one run and of `--seeds` as one program,
in turn, and prints medians: seconds a step of each, and how many times faster the one program is than as many runs
after each other, without and with what each run needs to begin (imports and a warm compilation, measured once).
"""

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial

import jax
import numpy as np

from experiments import common
from gan_xla import devices, gans
from gan_xla.run import settings
from gan_xla.run.state import create, optimizers
from gan_xla.training.step import for_seeds, make_step


def player(spec: str, seeds: int) -> tuple[Callable[[], None], int]:
    """One call of the run of `seeds` seeds, and its steps."""
    config = settings.load(spec)
    train, channels = config.train, config.data.channels
    gan = gans.build(config, axis_name=devices.AXIS)
    optimizer = optimizers(config.optimizer, train.steps)
    chosen = jax.local_devices()[:1]
    state = devices.placed(create(gan, optimizer, config.seed, seeds), chosen)
    step = make_step(gan, optimizer, gan.turns, devices.AXIS)
    program = devices.map_step(for_seeds(step) if seeds > 1 else step, chosen)
    generator, k, n = np.random.default_rng(0), train.steps_per_call, train.batch_size
    many = (seeds,) if seeds > 1 else ()
    batch = {name: generator.normal(size=(k, n, *many, channels)).astype(np.float32) for name in ("x_A", "x_B")}
    batch = devices.shard(batch | {"index": np.tile(np.arange(n, dtype=np.int32), (k, 1))}, chosen)

    def play():
        nonlocal state
        state, logs = program(state, batch)
        jax.block_until_ready((state, logs))

    return play, k


def _seconds(play: Callable[[], None]) -> float:
    start = time.perf_counter()
    play()
    return time.perf_counter() - start


def start_up(spec: str) -> float:
    """Seconds that a new process needs to import and to load the compiled step, the compilation cache being warm."""
    command = [sys.executable, "-c", f"from experiments.benchmarks import seeds; seeds.player({spec!r}, 1)[0]()"]
    subprocess.run(command, check=True)
    return _seconds(partial(subprocess.run, command, check=True))


def main(argv: Sequence[str] | None = None) -> None:
    """Prints one JSON line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--config", default="configs/toy_gmm.py", help="config file of points, or a shipped name")
    parser.add_argument("--seeds", type=int, default=100, help="default %(default)s")
    parser.add_argument("--steps", type=int, default=7, help="calls measured (default %(default)s)")
    options = parser.parse_args(argv)
    devices.use_compilation_cache()
    (one, k), (many, _) = player(options.config, 1), player(options.config, options.seeds)
    one(), many()
    times = [(_seconds(one) / k, _seconds(many) / k) for _ in range(options.steps)]
    single, together = (float(np.median(column)) for column in zip(*times))
    begin, length = start_up(options.config), settings.load(options.config).train.steps
    record = {
        "config": options.config,
        "seeds": options.seeds,
        "device": jax.devices()[0].device_kind,
        "s_per_step_of_one": single,
        "s_per_step_of_all": together,
        "faster": options.seeds * single / together,
        "start_s": begin,
        "faster_with_start": options.seeds * (begin + length * single) / (begin + length * together),
    }
    print(json.dumps({key: round(x, 6) if isinstance(x, float) else x for key, x in record.items()}))


if __name__ == "__main__":
    raise SystemExit(common.run(main))
