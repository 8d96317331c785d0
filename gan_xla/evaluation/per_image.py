"""`--per_image`: the scores of every test image as a table, a CSV for each step."""

import csv
import io
from collections.abc import Mapping, Sequence

import numpy as np
from etils import epath

from gan_xla.errors import UserError
from gan_xla.evaluation.numbers import Found, Number

FIELDS = ("case", "number", "image", "seed")  # of every row, before the scores


def path(root: epath.PathLike, step: str | int) -> epath.Path:
    """The file of a step."""
    return epath.Path(root) / f"per_image-{step}.csv"


def scores(numbers: Sequence[Number]) -> dict[str, np.ndarray]:
    """Of one direction, domain or "samples": the scores of its images [n] by metric, of those that have any."""
    return {x.metric: x.estimate.made for x in numbers if x.estimate and x.estimate.scores}


def write(root: epath.PathLike, step: str, found: Found, names: Mapping[str, Sequence[str]]) -> epath.Path:
    """Writes the scores of a step, whole or not at all; rows of other directions or domains stay.

    Args:
      root: the run.
      step: of the checkpoint.
      found: its numbers.
      names: of the images, by direction, domain or "samples".
    Raises:
      UserError: it cannot be written, or what is there is no such file.
    """
    file = path(root, step)
    rows = [row for row in read(root, step) if row["case"] not in found]
    for case, numbers in found.items():
        columns = scores(numbers)
        for number, name in enumerate(names[case]) if columns else ():
            known = (case, number, name, numbers[0].seed)
            values = {metric: f"{float(column[number]):.7g}" for metric, column in columns.items()}
            rows.append(dict(zip(FIELDS, known, strict=True)) | values)
    fields = dict.fromkeys(name for row in rows for name in row)
    buffer = io.StringIO()
    table = csv.DictWriter(buffer, fields, lineterminator="\n")
    table.writeheader()
    table.writerows(rows)
    temporary = file.with_suffix(".tmp")
    try:
        temporary.write_text(buffer.getvalue())
        temporary.replace(file)
    except OSError as error:
        raise UserError(f"{file}: cannot be written ({error.strerror}); make {root} writable") from error
    return file


def read(root: epath.PathLike, step: str | int) -> list[dict[str, str]]:
    """The rows of a step's file, {column: text}; none where there is no file.

    Raises:
      UserError: it cannot be read, or is no such file.
    """
    file = path(root, step)
    try:
        rows = list(csv.DictReader(io.StringIO(file.read_text()))) if file.exists() else []
    except (OSError, ValueError, csv.Error) as error:
        raise UserError(f"{file}: cannot be read ({error}); move it away and evaluate again") from error
    if not all(set(FIELDS) <= row.keys() and None not in row and row["number"].isdecimal() for row in rows):
        raise UserError(f"{file}: is damaged, or another program's; move it away and evaluate again")
    # A row has the columns of its own direction or domain.
    return [{name: value for name, value in row.items() if value not in ("", None)} for row in rows]
