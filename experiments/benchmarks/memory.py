"""How much memory a training step takes, with and without what saves it.

  python -m experiments.benchmarks.memory --config=configs/cyclegan.py --image_size=256 --batch_size=4

Compiles the step of one device for the platform at hand and prints what XLA plans for it, in MB: state and batch, and
the most that is alive beside them, as the config is, and with `train.remat`, `train.accumulate` (as many parts as
the batch has, where that is more than 1), `train.dtype=bfloat16` and all of them. Convolutions are plain ones, as
accelerators have them. Nothing is run, so sizes that do not fit the machine can be asked for. Of bfloat16 a CPU's
figures say little: it keeps much in float32.
"""

import argparse
import time
from collections.abc import Sequence
from functools import partial

import jax
import numpy as np

from experiments import common
from experiments.benchmarks import jax_side
from experiments.benchmarks.workload import Workload
from gan_xla import gans
from gan_xla.nets import convolution
from gan_xla.run.state import create, optimizers
from gan_xla.training.step import make_step

MB = 2**20


def plan(workload: Workload) -> dict[str, float]:
    """MB of state and batch ("held") and of the rest ("temporary"), seconds to compile."""
    config = workload.config()
    gan = gans.build(config)
    optimizer = optimizers(config.optimizer, config.train.steps or gan.length)
    phase = jax_side.phase_of(gan, workload)
    batch = workload.batch(config, gan.labels.size if gan.labels else 0)
    batch["index"] = np.arange(workload.batch_size, dtype=np.int32)
    turn = gan.turns[-1:]  # of StarGAN the one that trains both
    step = make_step(gan, optimizer, turn, phase=phase, accumulate=config.train.accumulate)
    state = jax.eval_shape(partial(create, gan, optimizer, config.seed))
    start = time.perf_counter()
    with convolution.plain():
        program = jax.jit(step, donate_argnums=0).lower(state, {name: x[None] for name, x in batch.items()})
    found = program.compile().memory_analysis()
    return {
        "held": found.argument_size_in_bytes / MB,
        "temporary": found.temp_size_in_bytes / MB,
        "seconds": time.perf_counter() - start,
    }


def variants(batch_size: int) -> dict[str, tuple[str, ...]]:
    """What to compare: fields by name."""
    remat, half = "train.remat=True", "train.dtype=bfloat16"
    parts = f"train.accumulate={batch_size}"
    found = {"as it is": (), "remat": (remat,), "bfloat16": (half,), "remat, bfloat16": (remat, half)}
    if batch_size > 1:
        found |= {f"{batch_size} parts": (parts,), f"remat, {batch_size} parts": (remat, parts)}
        found |= {f"remat, bfloat16, {batch_size} parts": (remat, half, parts)}
    return found


def main(argv: Sequence[str] | None = None) -> None:
    """Prints the table, a row as soon as it is known."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--config", default="configs/cyclegan.py", help="config file, or a shipped config's name")
    parser.add_argument("--batch_size", type=int, default=1, help="default %(default)s")
    parser.add_argument("--image_size", type=int, help="default: the config's; of PGGAN the phase")
    parser.add_argument("--set", action="append", default=[], metavar="FIELD=VALUE", help="any field of the config")
    parser.add_argument("--only", action="append", help="names of the variants; default: all")
    options = parser.parse_args(argv)
    header = ["variant", "state and batch, MB", "temporary, MB", "of the first", "seconds to compile"]
    print(common.table(header, []), flush=True)
    first = None
    for name, fields in variants(options.batch_size).items():
        if options.only and name not in options.only:
            continue
        fields = (*options.set, *fields)
        found = plan(Workload(options.config, options.batch_size, options.image_size, None, fields))
        first = first or found["temporary"]
        row = [name, f"{found['held']:.0f}", f"{found['temporary']:.0f}"]
        print(
            "| " + " | ".join([*row, f"{found['temporary'] / first:.2f}", f"{found['seconds']:.0f}"]) + " |", flush=True
        )


if __name__ == "__main__":
    raise SystemExit(common.run(main))
