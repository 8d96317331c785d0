"""What compilers make of our steps for accelerators that are not here.

  pip install -e '.[ahead-cuda]'
  python -m experiments.benchmarks.ahead --target=h100 [--config=cyclegan] [--dtype=bfloat16] [--output=FILE]
  python -m experiments.benchmarks.ahead --target=v5e:4x4 --config=cyclegan --batch_size=128

Compiles on a CPU a config's training step (that of its last turn, which trains both players), or with --task the
translation or drawing of images, for one or more H100, A100 or TPU chips, and tells what the program holds: the memory
that it plans for each device, library calls, operations begun, transposes and copies, what moves between devices.
Nothing runs: of times there are only those that a TPU's compiler expects, and a card chooses among cuDNN's algorithms
anew. Without --config, every method that has images. With --output, run again, it does only what is missing.
"""

import argparse
import dataclasses
import json
import math
import re
import time
import warnings
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any

import jax
import numpy as np
from jax.sharding import SingleDeviceSharding

from experiments import common
from experiments.benchmarks import collectives, jax_side, programs, targets
from experiments.benchmarks.workload import Workload
from gan_xla import devices, gans
from gan_xla.contract import Ctx, Gan, Phase
from gan_xla.errors import UserError
from gan_xla.run import settings
from gan_xla.run.state import create, optimizers
from gan_xla.training.step import make_step

MB = 2**20
# Of a v5e chip: cycles a second, for its 197 TFLOP/s come of four units of 128 x 128 multipliers; assumed besides:
# bytes that it sends a second, and seconds from chip to chip.
CLOCK, ICI, HOP = {"v5e": 1.5e9}, 100e9, 1e-6
TASKS = ("train", "translate", "sample")
NONE: Mapping[str, Any] = MappingProxyType({})


@dataclasses.dataclass(frozen=True)
class Made:
    """A compiled program, and what is known of it."""

    program: Any
    seconds: float
    parameters: frozenset[tuple[int, ...]]

    @property
    def text(self) -> str:
        return self.program.as_text()


def configs() -> list[str]:
    """The shipped configs whose data are images."""
    others = ("__init__", "base", "toy_gmm")
    return [path.stem for path in sorted(Path("configs").glob("*.py")) if path.stem not in others]


def default_batch(workload: Workload, count: int) -> int:
    """The config's batch; of networks that grow, the phase's, which devices multiply."""
    usual = settings.load(workload.spec).train.batch_size or 1
    phase = jax_side.phase_of(gans.build(workload._replace(batch_size=usual).config()), workload)
    return phase.batch_size * count if phase.batch_size else usual


def compile_step(workload: Workload, where: Sequence[jax.Device], flags: Mapping[str, Any] = NONE) -> Made:
    """The training step of a workload's last turn, for these devices; `flags` of XLA; errors as `jax_side.make`."""
    config = workload.config()
    gan = gans.build(config, axis_name=devices.AXIS)
    phase = jax_side.phase_of(gan, workload)
    devices.rows(workload.batch_size, config.train.accumulate, where)
    optimizer = optimizers(config.optimizer, config.train.steps or gan.length)
    state = jax.eval_shape(partial(create, gan, optimizer, config.seed))
    batch = workload.batch(config, gan.labels.size if gan.labels else 0)
    batch["index"] = np.zeros(workload.batch_size, np.int32)
    batches = devices.shard({name: x[None] for name, x in batch.items()}, where)
    shapes = jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype), batches)
    step = make_step(gan, optimizer, gan.turns[-1:], devices.AXIS, phase, config.train.accumulate)
    parameters = frozenset(x.shape for x in jax.tree.leaves((state.gen.params, state.disc.params)))
    return _timed(devices.map_step(step, where), (state, shapes), parameters, flags)


def compile_use(workload: Workload, task: str, where: jax.Device, flags: Mapping[str, Any] = NONE) -> Made:
    """The translation or drawing of a batch of images on one device.

    Raises:
      UserError: the method does not do this, and as `compile_step`.
    """
    config = workload.config()
    gan = gans.build(config)
    phase = jax_side.phase_of(gan, workload)
    function, arguments = _use(gan, phase, task, workload.batch(config, gan.labels.size if gan.labels else 0))
    gen = jax.eval_shape(lambda: gan.init(jax.random.key(0)).gen)
    placed = SingleDeviceSharding(where)
    shapes = jax.tree.map(
        lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=placed), (gen.params, gen.stats, *arguments)
    )
    parameters = frozenset(x.shape for x in jax.tree.leaves(gen.params))
    return _timed(jax.jit(function), shapes, parameters, flags)


def _use(gan: Gan, phase: Phase, task: str, batch: dict[str, np.ndarray]):
    """(function of a generator's parameters and statistics and of arrays, these arrays)."""
    if getattr(gan, task) is None:
        raise UserError(f"--task={task}: this method does not {task}")
    image = next(iter(batch.values())).astype(np.float32)
    label = batch.get("target") if gan.labels else None
    if task == "translate":
        if label is not None:
            return (lambda p, s, x, to: gan.translate(p, s, x, to, gan.habit.statistics, None)), (image, label)
        return (lambda p, s, x: gan.translate(p, s, x, gan.directions[0], gan.habit.statistics, None)), (image,)
    ctx = Ctx(key=None, step=phase.fades_until, index=None, phase=phase, train=False)
    z = np.zeros((len(image), gan.latent), np.float32)
    if label is not None:
        return (lambda p, s, z, label: gan.sample(p, s, z, label, ctx)), (z, label)
    return (lambda p, s, z: gan.sample(p, s, z, None, ctx)), (z,)


def _timed(function, arguments, parameters, flags) -> Made:
    start = time.perf_counter()
    with warnings.catch_warnings():
        # It is written, and cannot be read without a device.
        warnings.filterwarnings("ignore", "Error reading persistent compilation cache")
        program = function.lower(*arguments).compile(compiler_options=dict(flags))
    return Made(program, time.perf_counter() - start, parameters)


def record(made: Made, target: str) -> dict:
    """What is known of a program, in numbers."""
    memory, text = made.program.memory_analysis(), made.text
    program = programs.Program(text)
    counts = programs.count(program, targets.platform(target))
    overlapping, bytes_overlapping = collectives.overlapping(text)
    return {
        "held": memory.argument_size_in_bytes,
        "temporary": memory.temp_size_in_bytes,
        "fits": memory.argument_size_in_bytes + memory.temp_size_in_bytes <= targets.MEMORY[targets.kind(target)],
        **counts._asdict(),
        "launches": program.launches(),
        "cycles": program.cycles(),
        **collectives.traffic(text, set(made.parameters))._asdict(),
        "overlapping": overlapping,
        "bytes_overlapping": bytes_overlapping,
        "seconds": made.seconds,
    }


def expected(found: dict, target: str) -> tuple[float, float]:
    """(seconds of a step as a TPU's compiler expects them, with all-reduces on a torus of its chips); zeros elsewhere.

    Rings in both dimensions and both ways: the farthest piece goes half of each, and sums come back.
    """
    clock = CLOCK.get(targets.kind(target))
    if not clock or not found["cycles"]:
        return 0.0, 0.0
    sides = [int(side) for side in target.partition(":")[2].split("x")]
    chips, computing = math.prod(sides), found["cycles"] / clock
    latency = 2 * sum(side // 2 for side in sides) * HOP
    moved = sum(found[kind] for kind in REDUCED) - found["bytes_overlapping"]
    return computing, computing + 2 * (chips - 1) / chips * moved / ICI + found["reduces"] * latency


REDUCED = ("gradients", "statistics", "scalars", "other")
HEADER = ["step", "batch", "held, MB", "temporary, MB", "fits", "forward, input, filter; products", "other kind, naive"]
HEADER += ["launches", "copies of 1 MiB", "MB copied", "all-reduces, MB", "overlapping, MB", "expected, ms"]
HEADER += ["with all-reduces, ms", "efficiency", "compiled, s"]


def row(name: str, batch_size: int, target: str, found: dict) -> list[str]:
    """A row of the table."""
    calls = found["calls"]
    kinds = ", ".join(f"{calls.get(kind, 0)}" for kind in ("conv_output", "conv_image", "conv_kernel"))
    reduced = sum(found[kind] for kind in REDUCED) / MB
    computing, step = expected(found, target)
    return [
        name,
        f"{batch_size}",
        f"{found['held'] / MB:.0f}",
        f"{found['temporary'] / MB:.0f}",
        "yes" if found["fits"] else "no",
        f"{calls.get('convolution', kinds)}; {found['products']}",
        f"{found['strangers']}, {found['naive']}",
        f"{found['launches']}",
        f"{found['copies']}",
        f"{found['copied'] / MB:.0f}",
        f"{found['reduces']}, {reduced:.1f}" if found["reduces"] else "",
        f"{found['overlapping']}, {found['bytes_overlapping'] / MB:.1f}" if found["reduces"] else "",
        *([f"{1e3 * computing:.2f}", f"{1e3 * step:.2f}", f"{computing / step:.0%}"] if step else [""] * 3),
        f"{found['seconds']:.0f}",
    ]


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--target", required=True, help="h100, a100, h100x8, or a TPU slice such as v5e:4x4")
    parser.add_argument("--config", action="append", help="config file, or a shipped config's name; may be repeated")
    parser.add_argument("--task", choices=TASKS, default="train", help="default %(default)s")
    parser.add_argument("--dtype", choices=("float32", "bfloat16"), help="default: the config's")
    parser.add_argument("--batch_size", type=int, help="of all devices together; default: the config's")
    parser.add_argument("--image_size", type=int, help="default: the config's; of PGGAN the phase")
    parser.add_argument("--set", action="append", default=[], metavar="FIELD=VALUE", help="any field of the config")
    parser.add_argument("--xla", action="append", default=[], metavar="FLAG=VALUE", help="a flag of XLA's")
    parser.add_argument("--output", type=Path, help="file of records, a line of JSON each")
    parser.add_argument("--hlo", type=Path, help="directory for the texts of the programs")
    return parser.parse_args(argv)


def _value(text: str) -> Any:
    """A flag's value: a number, true or false, or a text."""
    try:
        return json.loads(text)
    except ValueError:
        return text


def _compiled(options: argparse.Namespace, workload: Workload, where: Sequence[jax.Device]) -> Made:
    flags = {name: _value(text) for name, text in (flag.split("=", 1) for flag in options.xla)}
    if options.task == "train":
        return compile_step(workload, where, flags)
    return compile_use(workload, options.task, where[0], flags)


def main(argv: Sequence[str] | None = None) -> None:
    """Prints the table, a row as soon as it is known.

    Raises:
      UserError: as `targets.devices`, `compile_step` and `compile_use`.
    """
    options = _arguments(argv)
    if odd := [flag for flag in options.xla if "=" not in flag]:
        raise UserError(f"--xla={odd[0]}: write it as FLAG=VALUE, such as xla_gpu_force_conv_nhwc=true")
    where = targets.devices(options.target)
    done = {}
    if options.output and options.output.exists():
        done = {line["case"]: line for line in map(json.loads, options.output.read_text().splitlines())}
    print(common.table(HEADER, []), flush=True)
    for spec in options.config or configs():
        workload = Workload(spec, 0, options.image_size, options.dtype, tuple(options.set))
        workload = workload._replace(batch_size=options.batch_size or default_batch(workload, len(where)))
        more = [*options.set, *options.xla]
        case = " ".join(map(str, (options.target, options.task, *workload[:4], *more)))
        if case not in done:
            made = _compiled(options, workload, where)
            done[case] = {"case": case, **record(made, options.target)}
            if options.hlo:
                options.hlo.mkdir(parents=True, exist_ok=True)
                (options.hlo / f"{re.sub(r'[^A-Za-z0-9.=:,]+', '_', case)}.txt").write_text(made.text)
            if options.output:
                with options.output.open("a") as file:
                    file.write(json.dumps(done[case]) + "\n")
        shown = " ".join(filter(None, (Path(spec).stem, f"{options.image_size or ''}", options.dtype, *more)))
        print("| " + " | ".join(row(shown, workload.batch_size, options.target, done[case])) + " |", flush=True)


if __name__ == "__main__":
    raise SystemExit(common.run(main))
