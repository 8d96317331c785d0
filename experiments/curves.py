"""Loss curves of a run: `python -m experiments.curves --workdir=RUN --output=FILE.png`."""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from experiments.common import figure, run
from gan_xla.errors import UserError

WINDOW = 15  # logged values that one point of a curve averages


def curves(workdir: Path) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Steps and values [n] of every loss in the run's metrics.jsonl, by name.

    Raises:
      UserError: the run has no metrics.
    """
    path = workdir / "metrics.jsonl"
    rows = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
    if not rows:
        raise UserError(f"{path}: no metrics; check --workdir")
    names = sorted({name for row in rows for name in row if name.startswith("loss/")})
    found = {name: [(row["step"], row[name]) for row in rows if name in row] for name in names}
    return {name: tuple(np.array(column) for column in zip(*pairs, strict=True)) for name, pairs in found.items()}


def plot(found: dict, output: Path) -> None:
    """Totals on the left, their terms on the right, as running means."""
    totals = ("loss/D", "loss/G")
    output.parent.mkdir(parents=True, exist_ok=True)
    with figure(output, 1, 2, (10, 3.6)) as axes:
        for name, (steps, values) in found.items():
            window = min(WINDOW, len(values))
            mean = np.convolve(values, np.full(window, 1 / window), "valid")
            axes[int(name not in totals)].plot(steps[window - 1 :], mean, label=name.removeprefix("loss/"), linewidth=1)
        for ax, title in zip(axes, ("losses of the players", "their terms"), strict=True):
            ax.set(title=title, xlabel="step", yscale="log")
            ax.legend(fontsize=8)


def main(argv: Sequence[str] | None = None) -> None:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m experiments.curves", description=__doc__)
    parser.add_argument("--workdir", type=Path, required=True, help="the run")
    parser.add_argument("--output", type=Path, required=True, help="PNG file to write")
    args = parser.parse_args(argv)
    plot(curves(args.workdir), args.output)


if __name__ == "__main__":
    sys.exit(run(main))
