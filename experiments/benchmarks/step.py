"""Speed of the training step, alone or beside PyTorch.

  python -m experiments.benchmarks.step --config=configs/discogan.py --batch_size=16 --steps=5 [--against=torch]

Prints one JSON line a side: side, config, batch_size, images_per_s, cpu_s_per_step,
wall_s_per_step, compile_s. With --against the sides take turns, a step each, in processes of
their own, so that a busy moment of the machine strikes both; the figures are medians. The
data are random images that are there already, and TensorFlow is not needed.
"""

import argparse
import json
import multiprocessing
import os
import statistics
import sys
import time
from collections.abc import Callable
from multiprocessing.connection import Connection

import numpy as np

from gan_xla import settings
from gan_xla.errors import UserError

# PyTorch's idle threads otherwise spin, which multiplies the CPU time that it is charged.
os.environ.update(OMP_WAIT_POLICY="PASSIVE", GOMP_SPINCOUNT="0")


def _images(batch_size: int, size: int) -> dict[str, np.ndarray]:
    generator = np.random.default_rng(0)
    return {name: generator.integers(0, 256, (batch_size, size, size, 3), np.uint8) for name in ("x_A", "x_B")}


def jax_step(spec: str, batch_size: int) -> Callable[[], None]:
    """One call plays the config's turns once, each on one batch."""
    import jax

    from gan_xla import gans, parallel
    from gan_xla.state import create, optimizers
    from gan_xla.step import make_step

    config = settings.resolve(settings.load(spec), images=batch_size)
    gan = gans.build(config, axis_name=parallel.AXIS)
    optimizer = optimizers(config.optimizer, config.train.steps)
    state = create(gan, optimizer, config.seed)
    batch = _images(batch_size, config.data.image_size)
    batch["index"] = np.arange(batch_size, dtype=np.int32)
    batches = parallel.shard({name: np.stack([x] * len(gan.turns)) for name, x in batch.items()})
    program = parallel.map_step(make_step(gan, optimizer, gan.turns, parallel.AXIS))

    def step():
        nonlocal state
        state, logs = program(state, batches)
        jax.block_until_ready((state, logs))

    return step


def torch_step(spec: str, batch_size: int) -> Callable[[], None]:
    """The same step in PyTorch: channels_last, fused Adam."""
    from experiments.benchmarks import torch_discogan

    config = settings.load(spec)
    size = config.data.image_size
    trainer = torch_discogan.Trainer(size, config.model.generator.width, config.optimizer.weight_decay)
    a, b = (x.transpose(0, 3, 1, 2).astype(np.float32) / 255 for x in _images(batch_size, size).values())
    return lambda: trainer.step(a, b)


SIDES = {"gan_xla": jax_step, "torch": torch_step}


def _worker(side: str, spec: str, batch_size: int, pipe: Connection) -> None:
    """Sends the seconds of the first call, then (wall, CPU) seconds of a step for each message."""
    step = SIDES[side](spec, batch_size)
    start = time.perf_counter()
    step()
    pipe.send(time.perf_counter() - start)
    while pipe.recv():
        wall, cpu = time.perf_counter(), time.process_time()
        step()
        pipe.send((time.perf_counter() - wall, time.process_time() - cpu))


def _check(spec: str, sides: list[str]) -> None:
    """Raises UserError where PyTorch has no form of the config."""
    config = settings.load(spec)
    paper = settings.load("discogan")
    same = config.gan == paper.gan and config.loss == paper.loss and config.train.turns == paper.train.turns
    if "torch" in sides and not (same and config.model.generator.net == "encoder_decoder"):
        raise UserError(f"--against=torch: there is no PyTorch form of {spec}; use configs/discogan.py")


def measure(spec: str, batch_size: int, steps: int, sides: list[str]) -> list[dict]:
    """Medians over `steps` steps of each side, interleaved; one record a side."""
    _check(spec, sides)
    context = multiprocessing.get_context("spawn")
    pipes, compile_s = {}, {}
    for side in sides:
        pipes[side], other = context.Pipe()
        context.Process(target=_worker, args=(side, spec, batch_size, other), daemon=True).start()
        other.close()
        compile_s[side] = pipes[side].recv()
    times = {side: [] for side in sides}
    for number in range(steps + 1):
        for side in sides:
            pipes[side].send(True)
            seconds = pipes[side].recv()
            if number:  # the first one after the compilation warms caches
                times[side].append(seconds)
    turns = len(settings.load(spec).train.turns)
    records = []
    for side in sides:
        pipes[side].send(False)
        wall, cpu = (statistics.median(column) / turns for column in zip(*times[side], strict=True))
        records.append(
            dict(side=side, config=spec, batch_size=batch_size, images_per_s=round(batch_size / wall, 2),
                 cpu_s_per_step=round(cpu, 4), wall_s_per_step=round(wall, 4), compile_s=round(compile_s[side], 2))
        )  # fmt: skip
    return records


def main() -> int:
    """The command; returns its exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--config", default="configs/discogan.py", help="config file, or a shipped config's name")
    parser.add_argument("--batch_size", type=int, default=16)
    parser.add_argument("--steps", type=int, default=5, help="steps measured, after the first two")
    parser.add_argument("--against", choices=[side for side in SIDES if side != "gan_xla"], help="the other side")
    args = parser.parse_args()
    try:
        for record in measure(args.config, args.batch_size, args.steps, ["gan_xla", *filter(None, [args.against])]):
            print(json.dumps(record))
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
