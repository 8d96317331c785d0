"""How the training step scales over devices and processes.

  python -m experiments.benchmarks.scale --config=configs/discogan.py:quick --devices=1,2,4,8 --processes=1,2,4
  python -m experiments.benchmarks.scale --project

The first counts what the compiled step moves between simulated CPU devices, of one process and of
several over localhost, beside the least that data parallelism can do: every gradient all-reduced
once. Then it measures the step at one global batch, the settings taking turns, a step each.
--steps=0 only counts. --project puts the counts into a model of a TPU pod: SCALING.md. A step here
is the config's turns once. The data are random images, and TensorFlow is not needed.
"""

import argparse
import itertools
import math
import multiprocessing
import os
import re
import socket
import statistics
import sys
import time
from collections.abc import Sequence
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

from experiments import common
from experiments.benchmarks.collectives import Traffic, traffic
from gan_xla import devices, gans
from gan_xla.errors import UserError
from gan_xla.nets import convolution
from gan_xla.run import settings
from gan_xla.run.state import create, optimizers
from gan_xla.training.step import make_step

# Measuring.

TIMES = ("wall_s_per_step", "cpu_s_per_step")


class Job(NamedTuple):
    """A config, its fields to replace ("model.generator.width=8"), and the global batch."""

    spec: str
    overrides: tuple[str, ...]
    batch_size: int

    def build(self, axis_name: str | None) -> tuple[Any, Any, Any]:
        """(config, step of one device, the state at its beginning made by a function).

        Raises:
          UserError: as `settings.load` and `gans.build`, or a method without images.
        """
        config = settings.load(self.spec, *(f"config.{field}" for field in self.overrides))
        config = settings.resolve(config, images=self.batch_size)
        gan = gans.build(config, axis_name=axis_name)
        if not gan.directions or gan.value_range is None:
            raise UserError(
                f"--config={self.spec}: not a method that translates images; use discogan, cyclegan, pix2pix"
            )
        optimizer = optimizers(config.optimizer, config.train.steps)
        step = make_step(gan, optimizer, gan.turns, axis_name, accumulate=config.train.accumulate)
        return config, step, lambda: create(gan, optimizer, config.seed)

    def batches(self, config: Any) -> dict[str, np.ndarray]:
        """Random images, one batch for each of the turns."""
        data, turns = config.data, len(config.train.turns)
        shape = (turns, self.batch_size, data.image_size, data.image_size, data.channels)
        generator = np.random.default_rng(0)
        images = {name: generator.integers(0, 256, shape, np.uint8) for name in ("x_A", "x_B")}
        return images | {"index": np.tile(np.arange(self.batch_size, dtype=np.int32), (turns, 1))}

    def minimum(self) -> int:
        """Bytes of the gradients of every update in a step."""
        config, _, state = self.build(None)
        state, turns = jax.eval_shape(state), "".join(config.train.turns)
        return turns.count("g") * _size(state.gen.params) + turns.count("d") * _size(state.disc.params)

    def flops(self) -> float:
        """Floating-point operations of a step, as XLA counts them in plain convolutions."""
        config, step, state = self.build(None)
        with convolution.plain():
            return jax.jit(step).lower(jax.eval_shape(state), self.batches(config)).cost_analysis()["flops"]


def _size(tree: Any) -> int:
    return sum(x.size * x.dtype.itemsize for x in jax.tree.leaves(tree))


def _worker(job: Job, count: int, processes: int, number: int, port: int, pipe: Connection) -> None:
    """Sends the step's traffic (process 0), then (wall, CPU) seconds of a step for each message."""
    flags = f"--xla_force_host_platform_device_count={count // processes}"
    os.environ["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} {flags}"  # read when the first device is asked for
    jax.config.update("jax_platforms", "cpu")
    devices.use_compilation_cache()
    try:
        if processes > 1:
            devices.start(f"127.0.0.1:{port}", processes, number)
        config, step, state = job.build(devices.AXIS)
        rows, state = devices.rows(job.batch_size, config.train.accumulate), state()
        batches = devices.shard({name: x[:, rows] for name, x in job.batches(config).items()})
        program = devices.map_step(step)
        shapes = {x.shape for x in jax.tree.leaves((state.gen.params, state.disc.params))}
        # All compile it, for the cache, before one begins: that one would wait for the others for 30 s and no longer.
        compiled = program.lower(state, batches).compile()
        pipe.send(traffic(compiled.as_text(), shapes) if number == 0 else None)
    except UserError as error:
        pipe.send(error)
        return
    while pipe.recv():
        wall, cpu = time.perf_counter(), time.process_time()
        state, logs = program(state, batches)
        jax.block_until_ready((state, logs))
        pipe.send((time.perf_counter() - wall, time.process_time() - cpu))


class Team:
    """The processes that share the devices of one setting, waiting for their next step."""

    def __init__(self, job: Job, count: int, processes: int):
        self.devices, self.processes = count, processes
        context = multiprocessing.get_context("spawn")
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self._pipes, self._members = [], []
        for number in range(processes):
            pipe, other = context.Pipe()
            member = context.Process(target=_worker, args=(job, count, processes, number, port, other), daemon=True)
            member.start()
            other.close()
            self._pipes.append(pipe)
            self._members.append(member)
        answers = [pipe.recv() for pipe in self._pipes]
        for error in (answer for answer in answers if isinstance(answer, UserError)):
            raise error
        self.traffic: Traffic = answers[0]

    def step(self) -> tuple[float, float]:
        """(wall seconds of the slowest, CPU seconds of all)."""
        for pipe in self._pipes:
            pipe.send(True)
        wall, cpu = zip(*(pipe.recv() for pipe in self._pipes), strict=True)
        return max(wall), sum(cpu)

    def stop(self) -> None:
        """Ends the processes, and waits: at this program's end they would get SIGTERM, and take it for a preemption."""
        for pipe in self._pipes:
            pipe.send(False)
        for member in self._members:
            member.join()


def measure(job: Job, places: Sequence[tuple[int, int]], steps: int) -> list[dict]:
    """Traffic and median seconds of `steps` steps of each setting (devices, processes); one record each.

    Raises:
      UserError: an impossible config, or a batch that the devices of a setting cannot share.
    """
    config = job.build(None)[0]
    for count, _ in places:
        devices.rows(job.batch_size, config.train.accumulate, [None] * count)
    minimum, teams = job.minimum(), [Team(job, *place) for place in places]
    # The first step makes the devices known to each other.
    rounds = [[team.step() for team in teams] for _ in range(steps + 1 if steps else 0)][1:]
    records = []
    for number, team in enumerate(teams):
        team.stop()
        least = minimum if team.devices > 1 else 0
        record = {"devices": team.devices, "processes": team.processes, **team.traffic._asdict(), "minimum": least}
        for column, name in enumerate(TIMES if steps else ()):
            record[name] = round(statistics.median(row[number][column] for row in rounds), 4)
        records.append(record)
    return records


# Projecting.

PEAK, HBM, ICI, HOP = 197e12, 819e9, 100e9, 1e-6  # a TPU v5e chip: bf16 FLOP/s, bytes/s, bytes/s sent, seconds
# Times that these pass through HBM: a parameter, a fake in the place of which one is shown, one that is moved to be
# stored in the image pool, and the whole pool.
ADAM, DRAW, MOVE, POOL = 8, 3, 4, 2

CASES = (("discogan", 64, 32), ("cyclegan", 256, 1), ("cyclegan", 256, 8))  # pixels, batch for each chip


class Work(NamedTuple):
    """What a step asks of one chip: operations, bytes of parameters, traffic, bytes of its fakes and of their pool."""

    flops: float
    parameters: int
    traffic: Traffic
    fakes: int
    pool: int


class Projection(NamedTuple):
    """Seconds of a step; shares of it spent in all-reduces and in the image pool; speed of a chip against one alone."""

    step_s: float
    reducing: float
    pool: float
    efficiency: float


def project(work: Work, fraction: float, overlap: bool, chips: int = 256) -> Projection:
    """The step on a square torus of v5e chips at equal batch a chip: a model, not a measurement.

    Args:
      work: of one chip.
      fraction: of peak speed that computation reaches.
      overlap: whether gradients and images travel while the chip computes; batch norm always waits.
      chips: a square number.
    """
    # Rings in both dimensions and both ways: the farthest piece goes half of each, and sums come back.
    latency = 4 * (math.isqrt(chips) // 2) * HOP
    moved, share = work.traffic, (chips - 1) / chips

    def reducing(size: int, count: int) -> float:
        return 2 * share * size / ICI + latency * count

    def passing(chips: int) -> float:
        return (DRAW * work.fakes + MOVE * min(chips * work.fakes, work.pool) + POOL * work.pool) / HBM

    compute, update = work.flops / fraction / PEAK, ADAM * work.parameters / HBM
    syncs = reducing(moved.statistics, moved.syncs)
    gradients = reducing(moved.gradients + moved.scalars, moved.reduces - moved.syncs)
    images = reducing(min(chips * work.fakes, work.pool), 0)  # with the gradients
    visible = 1 - min(1, compute / (gradients + images)) if overlap and chips > 1 else 1
    gradients, images = visible * gradients, visible * images
    step = compute + update + passing(chips) + syncs + gradients + images
    alone = compute + update + passing(1)
    return Projection(step, (syncs + gradients) / step, (passing(chips) + images) / step, alone / step)


def _work(spec: str, size: int, batch_size: int) -> Work:
    """Counted in the program of two simulated devices with one sample each; more change only the fakes that move."""
    job = Job(spec, (f"data.image_size={size}",), 2)
    counts = measure(job, [(2, 1)], 0)[0]
    moved = Traffic(**{field: counts[field] for field in Traffic._fields})
    fakes, places = moved.other // 2, job.build(None)[0].train.get("pool_size", 0)
    flops = job._replace(batch_size=batch_size).flops()
    return Work(flops, counts["minimum"], moved, fakes * batch_size, fakes * places)


def projections() -> str:
    """The table of SCALING.md."""
    rows = []
    for spec, size, batch_size in CASES:
        work = _work(spec, size, batch_size)
        first = [f"{spec} {size} px, batch {batch_size}", f"{work.flops / 1e9:,.0f}"]
        for fraction, overlap in itertools.product((0.2, 0.4), (False, True)):
            now = project(work, fraction, overlap)
            shares = (f"{share:.0%}" for share in (now.reducing, now.pool, now.efficiency))
            rows.append([*first, f"{fraction:.0%}", "full" if overlap else "none", f"{1e3 * now.step_s:.2f}", *shares])
    header = ["on each chip", "GFLOP", "of peak", "overlap", "step, ms", "in all-reduce", "in the pool", "efficiency"]
    return common.table(header, rows)


# The command.


def _table(records: Sequence[dict]) -> str:
    columns = ["devices", "processes", "all-reduces", "bytes", "minimum", "above it", "statistics", "scalars", "other"]
    columns += ["moved otherwise", "wall, s", "CPU, s"]
    rows = []
    for record in records:
        moved, least = Traffic(*(record[field] for field in Traffic._fields)), record["minimum"]
        sizes = (moved.reduces, moved.reduced, least, moved.reduced - least, *moved[1:4])
        others = "; ".join(f"{count} {op}: {size:,}" for op, (count, size) in moved.moved.items())
        times = [f"{record[name]:.3f}" if name in record else "" for name in TIMES]
        rows.append([f"{record['devices']}", f"{record['processes']}", *(f"{n:,}" for n in sizes), others, *times])
    return common.table(columns, rows)


def _numbers(flag: str, text: str) -> list[int]:
    """The numbers of a text such as "1,2,4"; "" has none."""
    if not re.fullmatch(r"([1-9]\d*(,[1-9]\d*)*)?", text):
        raise UserError(f"--{flag}={text}: must be numbers of 1 or more with commas between them, such as 1,2,4")
    return [int(number) for number in filter(None, text.split(","))]


def main(argv: Sequence[str] | None = None) -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--config", default="configs/discogan.py", help="config file, or a shipped config's name")
    parser.add_argument("--batch_size", type=int, default=16, help="of all devices together")
    parser.add_argument("--set", action="append", default=[], metavar="FIELD=VALUE", help="such as train.accumulate=2")
    parser.add_argument("--devices", default="1,2,4,8", help="simulated devices of one process")
    parser.add_argument("--processes", default="1,2,4", help="processes of one device each")
    parser.add_argument("--steps", type=int, default=5, help="steps measured, after the first; 0: only count")
    parser.add_argument("--output", type=Path, help="directory for scores.json and scores.md")
    parser.add_argument("--project", action="store_true", help="print the projection to a TPU pod instead")
    args = parser.parse_args(argv)
    jax.config.update("jax_platforms", "cpu")  # no other device is simulated
    if args.project:
        print(projections())
        return
    job = Job(args.config, tuple(args.set), args.batch_size)
    alone = [(count, 1) for count in _numbers("devices", args.devices)]
    places = dict.fromkeys([*alone, *((number, number) for number in _numbers("processes", args.processes))])
    if args.steps < 0 or not places:
        raise UserError(f"--steps={args.steps}: must be 0 or more, and --devices or --processes must not be empty")
    records = measure(job, list(places), args.steps)
    text = _table(records) + "\n"
    if args.output:
        record = {**job._asdict(), "settings": records}
        common.publish(args.output, record, text, {})
    else:
        print(text, end="")


if __name__ == "__main__":
    sys.exit(common.run(main))
