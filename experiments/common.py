"""What the experiments share: runs that resume, tables, errors told in a line."""

import contextlib
import io
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import ml_collections
import numpy as np

import gan_xla
from gan_xla import images, settings
from gan_xla.errors import UserError
from gan_xla.inference import Model
from gan_xla.train import train


def configure(name: str, overrides: Mapping[str, object]) -> ml_collections.ConfigDict:
    """The shipped config `name` with fields replaced: values, or their text, by field ("train.steps").

    Raises:
      UserError: no such config, an unknown field, or a value of the wrong type.
    """
    return settings.load(name, *(f"config.{field}={value}" for field, value in overrides.items()))


def trained(config: ml_collections.ConfigDict, workdir: Path, *, quiet: bool = False) -> Model:
    """Trains the run in `workdir`, or what is missing of it, and loads it; `quiet` hides the progress.

    Raises:
      UserError: as gan_xla.train, or the run was stopped, or had gone further than asked.
    """
    with contextlib.ExitStack() as stack:
        if quiet:
            stack.enter_context(contextlib.redirect_stdout(io.StringIO()))
            stack.enter_context(contextlib.redirect_stderr(io.StringIO()))
        train(config, workdir)
    model = gan_xla.load(workdir)
    steps = model.config.train.steps
    if model.step < steps:
        raise UserError(f"{workdir}: stopped at step {model.step} of {steps}; the same command resumes")
    if model.step > steps:
        raise UserError(f"{workdir}: this run is at step {model.step}, not {steps}; use another --workdir")
    return model


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


def median(values: Sequence) -> int:
    """Index of the median of sortable values, the lower one of two."""
    return sorted(range(len(values)), key=lambda i: values[i])[(len(values) - 1) // 2]


def run(main, argv: Sequence[str] | None = None) -> int:
    """Calls `main(argv)`; a user's mistake becomes one line and exit code 2."""
    try:
        main(argv)
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0
