"""How the training step scales over devices and processes.

  python -m experiments.benchmarks.scale --config=configs/discogan.py:quick --devices=1,2,4,8 --processes=1,2,4

Counts what the compiled step moves between simulated CPU devices, of one process and of several
over localhost, beside the least that data parallelism can do: every gradient all-reduced once.
Then it measures the step at one global batch, the settings taking turns, a step each. --steps=0
only counts. A step here is the config's turns once. The data are random images, and TensorFlow
is not needed. What TPUs' and GPUs' compilers make of the step: experiments.benchmarks.ahead.
"""

import argparse
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
        rows, state = devices.rows(job.batch_size, config.train.accumulate), devices.placed(state())
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
    args = parser.parse_args(argv)
    jax.config.update("jax_platforms", "cpu")  # no other device is simulated
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
