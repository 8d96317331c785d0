"""What several runs make of the same test images, side by side, for the comparison of runs."""

from collections.abc import Sequence

import ml_collections
import numpy as np

import gan_xla
from gan_xla import data, gans
from gan_xla.errors import UserError
from gan_xla.evaluation import cases
from gan_xla.report.pictures import ROWS, Table, uri
from gan_xla.report.run import Run

# What of the `data` section decides which test images a run sees, and how.
SAME = ("source", "name", "path", "path_a", "path_b", "domain_a", "domain_b", "labels", "image_size", "channels")
FIELDS = {"input": "source", "truth": "truth"}  # what all runs share, by the names of columns


def differs(one: ml_collections.ConfigDict, other: ml_collections.ConfigDict) -> str | None:
    """The first field of `SAME` in which two configs differ, with both values, or None."""
    for field in SAME:
        values = [config.data.get(field) or None for config in (one, other)]
        if values[0] != values[1]:
            return f"data.{field}={values[0]!r} and {values[1]!r}"
    return None


def tables(runs: Sequence[Run]) -> tuple[list[Table], list[str]]:
    """A table for each direction, domain or "samples" that all runs have, and notes on what is not shown.

    A row is a test image, or a noise; columns are it, what each run makes of it, and the truth where it is known.
    """
    first, notes = runs[0], []
    if not first.config.data.image_size:
        return [], ["Points are not set side by side; each run's own report shows them."]
    for run in runs[1:]:
        if fields := differs(first.config, run.config):
            return [], [f"{first.name} and {run.name} see other test images: they have {fields}."]
    made = {}
    for run in runs:
        try:
            made[run.name] = _made(run)
        except UserError as error:
            notes.append(f"{run.name}: {error}")
    if not made:
        return [], notes
    names = [name for name in next(iter(made.values())) if all(name in columns for columns in made.values())]
    if not names:
        notes.append("These runs make nothing of one kind that could be set side by side.")
    return [_table(name, {run: columns[name] for run, columns in made.items()}) for name in names], notes


def _made(run: Run) -> dict[str, dict[str, np.ndarray]]:
    """By case the pictures uint8 [n, h, w, c] that a run makes ("made") and those of `FIELDS`."""
    model, gan = gan_xla.load(run.path), gans.build(run.config)
    found = {}
    for case in cases.of(gan, run.config, data.load(run.config.data), num=ROWS, most=ROWS):
        batches = list(case.batches(model))
        parts = {"made": [batch.fake for batch in batches]}
        parts |= {name: [getattr(batch, field) for batch in batches] for name, field in FIELDS.items()}
        found[case.name] = {name: np.concatenate(x) for name, x in parts.items() if x and x[0] is not None}
    return found


def _table(name: str, found: dict[str, dict[str, np.ndarray]]) -> Table:
    shared = next(iter(found.values()))
    columns = [(run, made["made"]) for run, made in found.items()]
    columns = [*_shared(shared, "input"), *columns, *_shared(shared, "truth")]
    return Table(
        name, [title for title, _ in columns], [[uri(x) for x in row] for row in zip(*(x for _, x in columns))]
    )


def _shared(found: dict[str, np.ndarray], name: str) -> list[tuple[str, np.ndarray]]:
    return [(name, found[name])] if name in found else []
