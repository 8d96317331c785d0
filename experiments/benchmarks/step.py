"""Speed of the training step, alone or beside PyTorch.

  python -m experiments.benchmarks.step --config=configs/cyclegan.py --batch_size=1 --image_size=128 --steps=5 \
    [--dtype=bfloat16] [--set=model.generator.width=32] [--against=torch] [--against=torch.compile]

A step is a turn: StarGAN's numbers are means over its cycle of four updates of D and one of both. Of PGGAN
--image_size is the phase to measure, at the start of its fade. Prints one JSON line a side:

  images_per_s, wall_s_per_step, cpu_s_per_step (all threads): medians
  wall_s_quartiles, cpu_s_quartiles   the lower and the upper one
  compile_s                 the first call, with what it compiles; less where a compiler's cache on disk has it
  peak_memory_mb            of the side's process on a CPU, Python and compiler included; else of the accelerator
  gflop_per_step            the work, the same for all sides: see `gan_xla.training.work`
  fraction_of_matmul_peak   gflop_per_step in wall_s_per_step, to the speed of a large matrix product in JAX in the
                            same dtype, measured in the same rounds; faster forms of convolutions can exceed 1

The sides take turns, a step each, in processes of their own, so that a busy moment of the machine strikes them all, and
each uses one device. A side that cannot run has `error` in place of its numbers. The data are random images that are
there already, and TensorFlow is not needed.
"""

import argparse
import json
import sys
from collections.abc import Sequence

from experiments.benchmarks import torch_side
from experiments.benchmarks.race import Failure, Result, race
from experiments.benchmarks.workload import Workload

JAX, TORCH = "experiments.benchmarks.jax_side", "experiments.benchmarks.torch_side"
OURS, PRODUCT = "gan_xla", "product"
AGAINST = ("torch", "torch.compile")


def _rounded(value: float) -> float:
    """To four digits, however small."""
    return float(f"{value:.4g}")


def _numbers(result: Result, ours: Result, product: Result, turns: int, batch_size: int) -> dict:
    """The rest of a side's record."""
    wall, cpu = result.wall["step"] / turns, result.cpu["step"] / turns
    gflop = ours.facts["gflop_per_step"]
    peak = product.facts["gflop"] / product.wall[PRODUCT]  # GFLOP/s
    return {
        "device": result.facts["device"],
        "version": result.facts["version"],
        "images_per_s": _rounded(batch_size / wall),
        "cpu_s_per_step": _rounded(cpu),
        "cpu_s_quartiles": [_rounded(x / turns) for x in result.cpu_quartiles["step"]],
        "wall_s_per_step": _rounded(wall),
        "wall_s_quartiles": [_rounded(x / turns) for x in result.wall_quartiles["step"]],
        "compile_s": _rounded(result.first["step"]),
        "peak_memory_mb": round(result.facts["peak_memory_mb"]),
        "gflop_per_step": _rounded(gflop),
        "fraction_of_matmul_peak": _rounded(gflop / wall / peak),
    }


def measure(workload: Workload, steps: int, against: Sequence[str] = ()) -> list[dict]:
    """Medians over `steps` cycles of each side, interleaved; one record a side, ours first.

    Raises:
      UserError: an impossible workload, or one that the other sides have no form of.
    """
    config = workload.config()
    if against:
        torch_side.check(workload.spec, config)
    makers = {OURS: (f"{JAX}:make", (workload,)), PRODUCT: (f"{JAX}:product", (config.train.dtype,))}
    makers |= {side: (f"{TORCH}:make", (workload, side == "torch.compile")) for side in against}
    results = race(makers, steps)
    product = results.pop(PRODUCT)
    for needed in (results[OURS], product):
        if isinstance(needed, Failure):
            raise needed
    records = []
    for side, result in results.items():
        record = dict(side=side, config=workload.spec, batch_size=workload.batch_size)
        record |= dict(image_size=workload.size(config), dtype=config.train.dtype)
        if isinstance(result, Failure):
            record["error"] = str(result)
        else:
            record |= _numbers(result, results[OURS], product, len(config.train.turns), workload.batch_size)
        records.append(record)
    return records


def positive(text: str) -> int:
    """A number of an option, 1 or more."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} must be a whole number from 1")
    return int(text)


def add_workload(parser: argparse.ArgumentParser) -> None:
    """The options that `workload` reads."""
    parser.add_argument("--config", default="configs/discogan.py", help="config file, or a shipped config's name")
    parser.add_argument("--batch_size", type=positive, default=16)
    parser.add_argument("--image_size", type=positive, help="the config's by default")
    parser.add_argument("--dtype", choices=("float32", "bfloat16"), help="the config's by default")
    parser.add_argument("--set", action="append", default=[], metavar="FIELD=VALUE", help="any other config field")


def workload(args: argparse.Namespace) -> Workload:
    """What the options of `add_workload` say."""
    return Workload(args.config, args.batch_size, args.image_size, args.dtype, tuple(args.set))


def main(argv: Sequence[str] | None = None) -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_workload(parser)
    parser.add_argument("--steps", type=positive, default=5, help="cycles measured, after the first two")
    parser.add_argument("--against", action="append", default=[], choices=AGAINST, help="another side; repeatable")
    args = parser.parse_args(argv)
    for record in measure(workload(args), args.steps, args.against):
        print(json.dumps(record))


if __name__ == "__main__":
    # Here, because the children import this file too, and PyTorch's should not carry JAX.
    from experiments import common

    sys.exit(common.run(main))
