"""What a run's directory tells, as far as it can be read. What cannot be read is noted, and the rest stands."""

import dataclasses
import datetime
import json
import math
import os
from collections.abc import Mapping, Sequence
from typing import Any

import ml_collections
from etils import epath

from gan_xla.errors import UserError, some
from gan_xla.evaluation import evaluate
from gan_xla.run import changes, environment, settings

NAMED = 5  # damaged lines that a note lists


@dataclasses.dataclass(frozen=True)
class Run:
    """A run as its files tell of it.

    Attributes:
      name: what a page calls it.
      path: its directory.
      config: of config.json, with tuples for lists.
      rows: of metrics.jsonl by ascending step: numbers by name, None where one was not finite.
      pictures: (step, path) of samples/, by ascending step.
      evaluation: of evaluation.json.
      starts: of environment.jsonl, in order.
      history: of history.jsonl, in order: the step and the field of every change, with its old and new value.
      updated: when metrics.jsonl was last written, or None.
      notes: what could not be read, by the section of a page: "curves", "history", "metrics" or
        "environment".
    """

    name: str
    path: epath.Path
    config: ml_collections.ConfigDict
    rows: list[dict[str, float | None]]
    pictures: list[tuple[int, epath.Path]]
    evaluation: dict[str, dict[str, dict[str, dict]]]
    starts: list[dict[str, Any]]
    history: list[dict[str, Any]]
    updated: datetime.datetime | None
    notes: dict[str, str]

    @property
    def step(self) -> int:
        """The last step that is told of."""
        return max([*(row["step"] for row in self.rows[-1:]), *(step for step, _ in self.pictures[-1:])], default=0)

    @property
    def fields(self) -> dict[str, Any]:
        """The configuration, flat, as JSON has it: "train.steps" and so on."""
        return _fields(self.config)

    def column(self, name: str) -> tuple[list[int], list[float | None]]:
        """(steps, numbers) of one name."""
        rows = [row for row in self.rows if name in row]
        return [row["step"] for row in rows], [row[name] for row in rows]


def _fields(config: ml_collections.ConfigDict) -> dict[str, Any]:
    return settings.flat(json.loads(json.dumps(config.to_dict())))


def _lines(path: epath.Path) -> tuple[list[dict], str]:
    """The objects of a file of JSON lines that have a `step`, and which lines are none."""
    try:
        lines = path.read_bytes().decode(errors="replace").split("\n") if path.exists() else []
    except OSError as error:
        return [], f"{path.name} cannot be read ({error.strerror}); check its permissions"
    found, damaged = [], []
    for number, line in enumerate(lines, 1):
        try:
            row = json.loads(line) if line.strip() else None
        except (ValueError, RecursionError):
            row = ()
        if isinstance(row, dict) and type(row.get("step")) is int:
            found.append(row)
        elif row is not None:
            damaged.append(str(number))
    return found, f"{path.name}: damaged, and left out: line {some(damaged, NAMED)}" if damaged else ""


def _numbers(row: Mapping[str, Any]) -> dict[str, float | None]:
    """The numbers of a line; null and NaN alike are None."""
    kept = {name: x for name, x in row.items() if x is None or type(x) in (int, float)}
    return {name: x if x is not None and math.isfinite(x) else None for name, x in kept.items()}


def _evaluation(path: epath.Path) -> tuple[dict, str]:
    try:
        return evaluate.read(path), ""
    except UserError as error:
        return {}, str(error)


def read(workdir: epath.PathLike, name: str | None = None) -> Run:
    """The run in `workdir`.

    Args:
      workdir: its directory.
      name: what to call it; None: as its directory is called.
    Raises:
      UserError: there is no run, or its config.json is damaged.
    """
    path = epath.Path(workdir)
    config = settings.read(path)
    rows, damaged_rows = _lines(path / "metrics.jsonl")
    starts, damaged_starts = _lines(path / environment.FILE)
    history, damaged_history = _lines(path / changes.FILE)
    evaluation, damaged_evaluation = _evaluation(path / evaluate.FILE)
    pictures = [(int(file.stem), file) for file in path.glob("samples/*.png") if file.stem.isdecimal()]
    notes = {
        "curves": damaged_rows,
        "history": damaged_history,
        "metrics": damaged_evaluation,
        "environment": damaged_starts,
    }
    updated = None
    if rows:
        updated = datetime.datetime.fromtimestamp((path / "metrics.jsonl").stat().mtime, datetime.UTC)
    by_step = {row["step"]: _numbers(row) for row in rows}
    return Run(
        name=name or os.path.basename(os.path.abspath(path)) or str(path),
        path=path,
        config=config,
        rows=[by_step[step] for step in sorted(by_step)],
        pictures=sorted(pictures),
        evaluation=evaluation,
        starts=starts,
        history=[row for row in history if {"field", "old", "new"} <= row.keys()],
        updated=updated,
        notes=notes,
    )


def read_all(workdirs: Sequence[str], flag: str) -> list[Run]:
    """Runs to be shown together, by names that differ.

    Raises:
      UserError: as `read`; fewer than one, or one of them twice.
    """
    if len({os.path.realpath(workdir) for workdir in workdirs}) < len(workdirs):
        raise UserError(f"--{flag}={','.join(workdirs)}: a run is there twice; name each once")
    runs = [read(workdir) for workdir in workdirs]
    names = [run.name for run in runs]
    if len(set(names)) < len(names):
        runs = [dataclasses.replace(run, name=workdir) for run, workdir in zip(runs, workdirs)]
    return runs


def nearest(run: Run) -> tuple[str | None, dict[str, Any]]:
    """The shipped config of the same method that differs in the fewest fields.

    Returns:
      Its name, None where no config is of this method; and, of the fields that differ, its values.
    """
    own, found = run.fields, []
    for name in settings.shipped():
        for spec in (name, f"{name}:quick"):
            other = _fields(settings.load(spec))
            if other["gan"] == own.get("gan"):
                found.append((spec, {field: x for field, x in other.items() if x != own.get(field)}))
    return min(found, key=lambda item: len(item[1]), default=(None, {}))
