"""How many images a second come from files: our input pipeline beside a PyTorch DataLoader, for each type of values.

  python -m experiments.benchmarks.reading [--rounds=5] [--images=256] [--size=256] [--batch=16] [--output=FILE]

Both read the same files, resize to 143 pixels, crop 128 at random, mirror half, and give batches of their own type
(ours) or of floats (PyTorch, whose trainers take these). Rounds alternate; medians with the range of the rounds, of
wall time and of CPU time with that of child processes. The DataLoader has as many workers as there are cores.
"""

import argparse
import os
import resource
import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import ml_collections
import numpy as np

from experiments import common
from gan_xla import data, images
from gan_xla.data import augmentation, pipeline
from gan_xla.data.sources import builtin

CUT, LOAD = 128, 143
KINDS = {"uint8 PNG": (".png", "uint8", 3), "uint16 PNG": (".png", "uint16", 1), "float32 NPY": (".npy", "float32", 3)}


def write(folder: Path, ending: str, dtype: str, channels: int, count: int, size: int) -> None:
    """Files of real pictures, enlarged, in a type and format."""
    pictures = builtin.views("chairs2cars", "train", 64)["x_A"]
    for number in range(count):
        image = images.resize(pictures[number % len(pictures)], size)[..., :channels].astype(np.float64)
        low, high = (-1.0, 1.0) if dtype == "float32" else (0, 255 if dtype == "uint8" else 4095)
        images.write(
            folder / f"{number:04d}{ending}", images.rounded(low + image * (high - low) / 255, np.dtype(dtype))
        )


def ours(folder: Path, channels: int, batch: int) -> Iterator[np.ndarray]:
    """Endless batches of our pipeline."""
    section = ml_collections.ConfigDict(
        {"source": "folder", "path": str(folder), "unlabelled": True, "image_size": CUT, "load_size": LOAD}
        | {"channels": channels, "flip": True}
    )
    options = {"image_size": CUT, "load_size": LOAD, "augment": augmentation.of(section)}
    dataset = data.load(section)
    return (b["x"] for b in pipeline.batches(dataset.train, batch_size=batch, seed=0, start=0, stop=10**6, **options))


def theirs(folder: Path, channels: int, batch: int) -> Iterator[np.ndarray]:
    """Endless batches of a DataLoader over the same files."""
    import torch
    from PIL import Image
    from torch.nn import functional as F

    class Files(torch.utils.data.Dataset):
        def __init__(self):
            self.paths = sorted(folder.iterdir())

        def __len__(self):
            return len(self.paths)

        def __getitem__(self, place):
            path = self.paths[place]
            if path.suffix == ".npy":
                x = torch.from_numpy(np.load(path)).permute(2, 0, 1)[None]
                x = F.interpolate(x, (LOAD, LOAD), mode="bicubic", antialias=True)[0]
            else:
                picture = Image.open(path)
                deep = picture.mode.startswith("I")
                picture = picture.convert("F") if deep else picture
                x = np.array(picture.resize((LOAD, LOAD), Image.Resampling.BICUBIC), np.float32)
                x = torch.from_numpy(x.reshape(LOAD, LOAD, channels)).permute(2, 0, 1)
            top, left = (int(torch.randint(LOAD - CUT + 1, ())) for _ in "xy")
            x = x[:, top : top + CUT, left : left + CUT]
            return (x.flip(-1) if torch.rand(()) < 0.5 else x).contiguous()

    torch.set_num_threads(1)
    loader = torch.utils.data.DataLoader(
        Files(), batch, shuffle=True, drop_last=True, num_workers=os.cpu_count(), persistent_workers=True
    )
    while True:
        yield from loader


def _cpu() -> float:
    """Seconds of this process and of children that have ended, and of those that live, by /proc."""
    alive = 0
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:  # it has ended meanwhile
            continue
        if int(fields[1]) == os.getpid():
            alive += (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    usage = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return alive + sum(one.ru_utime + one.ru_stime for one in usage)


def timed(batches: Iterator, count: int) -> tuple[float, float]:
    """(wall, CPU) seconds of so many batches."""
    wall, cpu = time.perf_counter(), _cpu()
    for _ in range(count):
        next(batches)
    return time.perf_counter() - wall, _cpu() - cpu


def measure(kind: str, folder: Path, args: argparse.Namespace) -> list[list[str]]:
    """Rows of the table for one kind of files."""
    _, _, channels = KINDS[kind]
    sides = {"gan_xla": ours(folder, channels, args.batch), "DataLoader": theirs(folder, channels, args.batch)}
    for batches in sides.values():
        timed(batches, 4)
    count = max(1, args.images // args.batch)
    found = {side: [] for side in sides}
    for _ in range(args.rounds):
        for side, batches in sides.items():
            found[side].append(timed(batches, count))
    rows = []
    for side, times in found.items():
        speeds = [count * args.batch / wall for wall, _ in times]
        cpu = [1000 * seconds / (count * args.batch) for _, seconds in times]
        spread = f"{statistics.median(speeds):.0f} ({min(speeds):.0f} to {max(speeds):.0f})"
        rows.append([kind if side == "gan_xla" else "", side, spread, f"{statistics.median(cpu):.2f}"])
    return rows


def main(argv=None) -> int:
    """Prints the table, and writes it where `--output` says."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default in (("rounds", 5), ("images", 256), ("size", 256), ("batch", 16)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--kinds", default=",".join(KINDS), help="which of the kinds, with commas between")
    parser.add_argument("--output", type=Path)
    args = parser.parse_args(argv)
    rows = []
    for kind in args.kinds.split(","):
        ending, dtype, channels = KINDS[kind]
        with tempfile.TemporaryDirectory() as folder:
            write(Path(folder), ending, dtype, channels, args.images, args.size)
            rows += measure(kind, Path(folder), args)
    table = common.table(["files", "side", "images a second (range)", "CPU, ms an image"], rows)
    print(table)
    if args.output:
        args.output.write_text(table + "\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
