"""What exported models cost beside the model in JAX: size, time to load, time for an image.

  python -m experiments.benchmarks.exports --configs discogan cyclegan pix2pix

Untrained networks of the full configs, one image of the training size. Loading is from the file to the first image,
compilers included and their caches left out. The time for an image is the median of calls that take turns, so that a
busy machine slows all alike; `of jit` is in the same rounds. Prints a table for RESULTS.md.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import jax
import numpy as np

from experiments import common
from gan_xla import gans
from gan_xla.export import onnx, savedmodel, stablehlo
from gan_xla.inference.loading import variables
from gan_xla.inference.model import Model
from gan_xla.run import state

Call = Callable[[np.ndarray], np.ndarray]


def _stablehlo(path: Path) -> Call:
    program = jax.export.deserialize((path / "program.stablehlo").read_bytes())
    return jax.jit(program.call)


def _onnx(path: Path) -> Call:
    import onnxruntime

    session = onnxruntime.InferenceSession(path)
    return lambda x: session.run(None, {"image": x})[0]


def _savedmodel(path: Path) -> Call:
    from gan_xla.tf import tf

    program = tf.saved_model.load(str(path)).signatures["serving_default"]
    return lambda x: program(image=tf.constant(x))["translation"].numpy()


FORMATS = {"stablehlo": (stablehlo, _stablehlo), "onnx": (onnx, _onnx), "savedmodel": (savedmodel, _savedmodel)}


def _model(name: str) -> Model:
    """An untrained one."""
    config = common.configure(name, {})
    gan = gans.build(config)
    made = state.create(gan, state.optimizers(config.optimizer, config.train.steps or 1), 0)
    return Model(gan, config, 0, variables(made))


def _first(load: Callable[[], Call], x: np.ndarray) -> tuple[Call, float]:
    start = time.perf_counter()
    call = load()
    np.asarray(call(x))
    return call, time.perf_counter() - start


def measure(model: Model, directory: Path, rounds: int) -> dict[str, tuple[float, float, float]]:
    """MB, seconds to load and seconds for an image, by format; and of "jit", whose MB are those of the parameters."""
    size, direction = model.config.data.image_size, model.directions[0]
    x = np.random.default_rng(0).integers(0, 256, (1, size, size, 3), np.uint8)
    calls, found = {}, {}
    calls["jit"], seconds = _first(lambda: jax.jit(model.function(direction)), x)
    parameters = sum(leaf.nbytes for leaf in jax.tree.leaves(model.variables["gen"])) / len(model.directions)
    found["jit"] = (parameters / 1e6, seconds)
    expected = np.asarray(calls["jit"](x)).astype(int)
    for name, (module, load) in FORMATS.items():
        module.write(model, directory / name, direction=direction, batch=1, size=size)
        files = [directory / name, *(directory / name).rglob("*")]
        calls[name], seconds = _first(lambda load=load, name=name: load(directory / name), x)
        found[name] = (sum(file.stat().st_size for file in files if file.is_file()) / 1e6, seconds)
        assert np.abs(np.asarray(calls[name](x)) - expected).max() <= 1, name
    times = {name: [] for name in calls}
    for _ in range(rounds):
        for name, call in calls.items():
            start = time.perf_counter()
            np.asarray(call(x))
            times[name].append(time.perf_counter() - start)
    return {name: (*found[name], float(np.median(times[name]))) for name in calls}


def main(argv: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--configs", nargs="+", default=["discogan", "cyclegan", "pix2pix"])
    parser.add_argument("--rounds", type=int, default=15)
    arguments = parser.parse_args(argv)
    jax.config.update("jax_enable_compilation_cache", False)
    print("| generator | format | size, MB | load, s | image, ms | of jit |\n|---|---|---:|---:|---:|---:|")
    for config in arguments.configs:
        model = _model(config)
        with tempfile.TemporaryDirectory() as directory:
            found = measure(model, Path(directory), arguments.rounds)
        title = f"{config}, {model.config.data.image_size} pixels"
        for name, (size, load, image) in found.items():
            print(
                f"| {title} | {name} | {size:.1f} | {load:.2f} | {1000 * image:.1f} | {image / found['jit'][2]:.2f} |"
            )
            title = ""


if __name__ == "__main__":
    sys.exit(common.run(main, sys.argv[1:]))
