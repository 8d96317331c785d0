"""How fast a trained run translates, what memory many files take, and how tiles differ from the whole image.

  python -m experiments.benchmarks.inference --workdir=runs/discogan-quick
  python -m experiments.benchmarks.inference --workdir=runs/cyclegan-quick --seams

Prints markdown tables: seconds for --num images of the training size, compiled before, medians of nine; and the largest
memory of whole processes of `--mode=translate` over few and many files. `--seams`: the run's test images,
put together to one large image, are translated whole and in tiles; the difference in levels of 255, over the image
and over the pixels within 4 of a tile's end.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np

import gan_xla
from experiments import common
from gan_xla import data, images
from gan_xla.errors import UserError
from gan_xla.inference import tiling
from gan_xla.inference.model import Model

PEAK = (
    "import resource, sys; from gan_xla.main import main; code = main(sys.argv); "
    "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024); sys.exit(code)"
)


def speed(model: Model, count: int) -> tuple[float, float]:
    """(wall, CPU) seconds of a call with `count` images, medians of nine."""
    size = model.config.data.image_size
    x = np.random.default_rng(0).integers(0, 256, (count, size, size, model.config.data.channels), np.uint8)
    model.translate(x)
    times = []
    for _ in range(9):
        start = time.perf_counter(), time.process_time()
        model.translate(x)
        times.append((time.perf_counter() - start[0], time.process_time() - start[1]))
    return tuple(np.median(times, axis=0))


def peak_mb(workdir: str, count: int) -> float:
    """Largest memory of a process that translates a directory of `count` files."""
    size = gan_xla.load(workdir).config.data.image_size
    with tempfile.TemporaryDirectory() as directory:
        source = Path(directory, "in")
        source.mkdir()
        generator = np.random.default_rng(0)
        for number in range(count):
            images.write(source / f"{number}.png", generator.integers(0, 256, (size, size, 3), np.uint8))
        flags = [f"--workdir={workdir}", f"--input={source}", f"--output={directory}/out"]
        command = [sys.executable, "-c", PEAK, "--mode=translate", *flags]
        process = subprocess.run(command, text=True, capture_output=True)
    if process.returncode:
        raise UserError(process.stderr.strip().splitlines()[-1])
    return float(process.stdout.splitlines()[-1])


def mosaic(model: Model, side: int) -> np.ndarray:
    """side x side test images as one, uint8 [h, w, c]."""
    x = data.test_batch(data.load(model.config.data), side * side)
    x = x.get("x_A", x.get("x"))
    return np.concatenate([np.concatenate(list(row), axis=1) for row in np.split(x, side)])


def seams(model: Model, side: int, tile: int, overlap: int) -> tuple[float, float, float]:
    """Mean difference of tiles from the whole: everywhere, within 4 pixels of a tile's end, and the largest."""
    image = mosaic(model, side)
    translate = partial(tiling.tiled, model.translate, image, multiple=model.size_multiple)
    whole = translate(tile=max(image.shape), overlap=0).astype(int)
    error = np.abs(translate(tile=tile, overlap=overlap) - whole).mean(-1)
    near = np.zeros(image.shape[:2], bool)
    for axis, length in enumerate(near.shape):
        for start, width, _ in tiling.windows(length, tile, overlap):
            for end in {start, start + width} - {0, length}:
                np.moveaxis(near, axis, 0)[max(0, end - 4) : end + 4] = True
    return error.mean(), error[near].mean(), error.max()


def main(argv: Sequence[str] | None = None) -> None:
    """Prints the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workdir", required=True, help="a run that translates")
    parser.add_argument("--num", type=int, default=64, help="images of the first table; default %(default)s")
    parser.add_argument("--files", type=int, nargs="*", default=[64, 2000], help="files of a process; default 64 2000")
    parser.add_argument("--seams", action="store_true", help="measure tiles instead")
    options = parser.parse_args(argv)
    model = gan_xla.load(options.workdir)
    size = model.config.data.image_size
    if not options.seams:
        wall, cpu = speed(model, options.num)
        rows = [[f"{options.num} images of {size}x{size}", f"{wall:.2f}", f"{cpu:.2f}"]]
        print(common.table(["translated", "wall, s", "CPU, s"], rows) + "\n")
        rows = [[str(count), f"{peak_mb(options.workdir, count):.0f}"] for count in options.files]
        print(common.table(["files", "largest memory, MB"], rows))
        return
    if model.size_multiple is None:
        raise UserError(f"{options.workdir}: this network takes {size}x{size} alone, so there are no tiles")
    rows = []
    for tile, overlap in ((4, 0), (4, 1), (4, 2)):
        found = seams(model, 8, tile * size, overlap * size)
        rows.append([f"{tile * size}", f"{overlap * size}", *(f"{value:.2f}" for value in found)])
    print(common.table(["tile", "overlap", "mean difference", "near tiles' ends", "largest"], rows))


if __name__ == "__main__":
    raise SystemExit(common.run(main))
