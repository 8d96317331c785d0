"""What the experiments share: configs, tables, results, errors told in a line."""

import contextlib
import json
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import ml_collections
import numpy as np

from gan_xla import images
from gan_xla.errors import UserError
from gan_xla.run import settings


def configure(name: str, overrides: Mapping[str, object]) -> ml_collections.ConfigDict:
    """The shipped config `name` with fields replaced: values, or their text, by field ("train.steps").

    Raises:
      UserError: no such config, an unknown field, or a value of the wrong type.
    """
    return settings.load(name, *(f"config.{field}={value}" for field, value in overrides.items()))


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A markdown table: text in the first column, numbers in the others."""
    lines = [header, ["---"] + ["---:"] * (len(header) - 1), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def publish(output: Path, record: Mapping, text: str, pictures: Mapping[str, np.ndarray]) -> None:
    """Writes scores.json, scores.md and pictures (uint8 [h, w, 3] by file name) into a directory; prints the text."""
    output.mkdir(parents=True, exist_ok=True)
    (output / "scores.json").write_text(json.dumps(record, indent=1) + "\n")
    (output / "scores.md").write_text(text)
    for name, picture in pictures.items():
        images.write(output / name, picture)
    print(text, end="")


def store(folder: Path, x: np.ndarray, numbers: Iterable[int] | None = None) -> None:
    """Writes images x, uint8 [n, h, w, c], as 0000.png and so on, or by these numbers, into a directory."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, image in zip(range(len(x)) if numbers is None else numbers, x, strict=True):
        images.write(folder / f"{number:04d}.png", image)


@contextlib.contextmanager
def figure(path: Path, rows: int, columns: int, size: tuple[float, float], **options) -> Iterator[np.ndarray]:
    """The axes [rows * columns] of a figure of `size` inches, which is written to `path` at the end."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    fig, axes = pyplot.subplots(rows, columns, figsize=size, constrained_layout=True, squeeze=False, **options)
    yield axes.ravel()
    fig.savefig(path, dpi=90)
    pyplot.close(fig)


def median(values: Sequence) -> int:
    """Index of the median of sortable values, the lower one of two."""
    return sorted(range(len(values)), key=lambda i: values[i])[(len(values) - 1) // 2]


def run(main, argv: Sequence[str] | None = None) -> int:
    """Calls `main(argv)`; a user's mistake becomes one line and exit code 2, Ctrl-C one and 130."""
    try:
        main(argv)
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("stopped; the same command goes on", file=sys.stderr)
        return 130
    return 0
