"""How long feature networks take for an image, and an evaluation for all of a run's test images.

  python -m experiments.benchmarks.describing --workdir=runs/cyclegan-quick
  python -m experiments.benchmarks.describing --workdir=runs/cyclegan-quick --metrics=fd,kid --rounds=5

Prints two markdown tables of wall and CPU time, medians; what stands in a table takes turns, compiled before. First
EfficientNet's milliseconds for an image of the run's size, by how many go through at once. Then the seconds of an
evaluation of the last checkpoint: in chunks of 32 with nothing kept, which is how accelerators begin; in this
machine's chunks with nothing kept yet; and with the features of real images kept, as of a second run on the same data.
"""

import argparse
import dataclasses
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence

import numpy as np

import gan_xla
from experiments import common
from gan_xla import data, images
from gan_xla.evaluation import features
from gan_xla.evaluation.suite import Suite
from gan_xla.inference.model import Model

SIZES = (32, 16, 8, 4, 2, 1)


def turns(functions: Mapping[str, Callable[[], None]], rounds: int) -> dict[str, tuple[float, float]]:
    """(wall, CPU) seconds of each function, medians; they take turns, and are called once before."""
    for call in functions.values():
        call()
    found = {name: [] for name in functions}
    for _ in range(rounds):
        for name, call in functions.items():
            start = time.perf_counter(), time.process_time()
            call()
            found[name].append((time.perf_counter() - start[0], time.process_time() - start[1]))
    return {name: tuple(np.median(times, axis=0)) for name, times in found.items()}


def chunks(network: features.Features, size: tuple[int, int], rounds: int) -> dict[str, tuple[float, float]]:
    """Milliseconds for an image of this size, by how many go through at once."""
    x = np.random.default_rng(0).integers(0, 256, (64, *size, 3), np.uint8)

    def describe(count: int) -> Callable[[], None]:
        described = dataclasses.replace(network, chunk=count)
        return lambda: described(x)

    found = turns({str(count): describe(count) for count in SIZES}, rounds)
    return {name: tuple(1000 * seconds / len(x) for seconds in times) for name, times in found.items()}


def evaluations(
    model: Model, network: features.Features, metrics: tuple[str, ...] | None, rounds: int
) -> dict[str, tuple[float, float]]:
    """Seconds of an evaluation, and of those after it."""
    dataset = data.load(model.config.data)

    with tempfile.TemporaryDirectory() as kept:

        def evaluate(chunk: int, cache: str | None) -> Callable[[], None]:
            described = dataclasses.replace(network, chunk=chunk)

            def call() -> None:
                suite = Suite(model.config, dataset, metrics=metrics, network=described, cache=cache)
                suite.measure(model, quiet=True)
                suite.save()

            return call

        return turns(
            {
                "chunks of 32": evaluate(32, None),
                f"chunks of {network.chunk}": evaluate(network.chunk, None),
                f"chunks of {network.chunk}, real images known": evaluate(network.chunk, kept),
            },
            rounds,
        )


def _table(title: str, unit: str, found: Mapping[str, tuple[float, float]]) -> str:
    rows = [[name, *(f"{value:.1f}" for value in times)] for name, times in found.items()]
    return common.table([title, f"wall, {unit}", f"CPU, {unit}"], rows)


def main(argv: Sequence[str] | None = None) -> None:
    """Prints the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workdir", required=True, help="a run that makes images")
    parser.add_argument("--metrics", default="", help="names of --mode=evaluate; all that fit by default")
    parser.add_argument("--rounds", type=int, default=3, help="of each evaluation; default %(default)s")
    options = parser.parse_args(argv)
    model, network = gan_xla.load(options.workdir), features.load()
    metrics = tuple(options.metrics.split(",")) if options.metrics else None
    size = images.sides(model.config.data.image_size)
    print(_table("images at once", "ms an image", chunks(network, size, 3 * options.rounds)) + "\n", flush=True)
    print(_table("evaluation", "s", evaluations(model, network, metrics, options.rounds)))


if __name__ == "__main__":
    raise SystemExit(common.run(main))
