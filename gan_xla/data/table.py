"""Attribute files beside a directory of images: which of several yes-or-no labels each image has."""

import csv
import hashlib
import os
from pathlib import Path

import numpy as np

from gan_xla.data.dataset import ALL_LABELS, suggest
from gan_xla.errors import UserError

_VALUES = {"1": True, "0": False, "-1": False, "true": True, "false": False, "yes": True, "no": False}


def read(path: Path, names: tuple[str, ...]) -> tuple[tuple[str, ...], dict[str, np.ndarray]]:
    """The labels of every image that a file lists.

    Args:
      path: a CSV file whose first line names the columns and whose first column names the images; or
        CelebA's list_attr_celeba.txt: a count, the names, then an image and values a line.
      names: labels to take: columns of 1 and 0 (or -1, true, false, yes, no), or "column=value";
        ("all",) for every column of such values. Values of one column are classes: images of
        none are left out.

    Returns:
      (label names, bool [c] by the image's name).
    Raises:
      UserError: the file cannot be read, or has no such column or value.
    """
    columns, rows = _parse(path)
    if names == ALL_LABELS:
        names = tuple(
            name for i, name in enumerate(columns) if {row[i].lower() for row in rows.values()} <= _VALUES.keys()
        )
    if not names:
        raise UserError(f"data.attributes={path}: has no column of 1 and 0; name labels as column=value in data.labels")
    tests = [_test(path, name, columns) for name in names]
    return names, {image: np.array([test(row) for test in tests]) for image, row in rows.items()}


def _parse(path):
    """(names of the columns, their values by image)."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"data.attributes={path}: cannot be read ({error})") from None
    lines = text.splitlines()
    if lines and lines[0].strip().isdecimal():
        header, *rows = [line.split() for line in lines[1:] if line.strip()]
    else:
        header, *rows = [row for row in csv.reader(lines) if row] or [[]]
        header = header[1:]
    if not rows:
        raise UserError(
            f"data.attributes={path}: lists no image; it needs a line of names, then a line for every image"
        )
    for number, row in enumerate(rows, len(lines) - len(rows) + 1):
        if len(row) != len(header) + 1:
            raise UserError(f"data.attributes={path}, line {number}: {len(row) - 1} values for {len(header)} columns")
    return header, {row[0].strip(): [value.strip() for value in row[1:]] for row in rows}


def _test(path, name, columns):
    """Whether a row has the label `name`."""
    column, equals, wanted = name.partition("=")
    if column not in columns:
        raise UserError(f"data.labels: {path} has no column {column!r}; {suggest(column, columns)}")
    place = columns.index(column)
    if equals:
        return lambda row: row[place] == wanted

    def flag(row):
        if row[place].lower() not in _VALUES:
            raise UserError(f"data.labels: column {column!r} of {path} holds {row[place]!r}; use {column}={row[place]}")
        return _VALUES[row[place].lower()]

    return flag


def match(
    files: list[Path], root: Path, names: tuple[str, ...], listed: dict[str, np.ndarray], path: Path
) -> tuple[list[Path], np.ndarray]:
    """(files, their labels bool [n, c]), found by their path from `root`, their name, or that less its extension.

    Where all `names` are values of one column, only files that have one of them.

    Raises:
      UserError: a file is not listed.
    """
    known = {Path(name).with_suffix("").as_posix(): labels for name, labels in listed.items()} | listed
    found, alone = [], []
    for file in files:
        from_root = file.relative_to(root)
        spellings = (from_root.as_posix(), file.name, from_root.with_suffix("").as_posix(), file.stem)
        labels = next((known[spelling] for spelling in spellings if spelling in known), None)
        found.append(labels)
        if labels is None:
            alone.append(from_root.as_posix())
    if alone:
        named = ", ".join(alone[:3]) + (", ..." if len(alone) > 3 else "")
        raise UserError(
            f"data.attributes={path} does not match the images: {len(alone)} of {len(files)} under {root} are not "
            f"listed ({named}); add a line for each, or take the images away"
        )
    hot = np.stack(found)
    if all("=" in name for name in names) and len({name.partition("=")[0] for name in names}) == 1:
        return [file for file, label in zip(files, hot) if label.any()], hot[hot.any(axis=1)]
    return files, hot


def split(files: list[Path]) -> tuple[list[Path], list[Path]]:
    """(train, test): the first of a shuffle that the names fix are for testing, 1,999 (StarGAN's number) or a tenth."""
    if len(files) < 2:
        raise UserError(f"{files[0].parent}: one image is not enough to train and test; add more")
    ordered = sorted(files, key=lambda file: hashlib.sha256(os.fsencode(file.name)).digest())
    count = min(1999, max(1, len(files) // 10))
    return sorted(ordered[count:]), sorted(ordered[:count])
