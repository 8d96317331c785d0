"""What a layout of directories comes to: for every source, the files of its rows."""

import os
from typing import NamedTuple

import numpy as np

from gan_xla.data.dataset import kept
from gan_xla.errors import UserError

NAMED = 3  # of the names that a message lists


class Rows(NamedTuple):
    """What one source reads: for each row the path of every key, or the one path of both halves of a pair.

    The place of a path is taken by a tuple of them where an image's channels are several files.
    """

    keys: tuple[str, ...]
    items: list
    halves: bool = False
    labels: np.ndarray | None = None  # bool [n, c]


class Layout(NamedTuple):
    """What was found where.

    Attributes:
      parts: the rows of every training source, of every test source and, where there are any, of every validation one.
      note: where they lie.
      labels: names of the labels that the rows have.
    """

    parts: tuple[list[Rows], ...]
    note: str
    labels: tuple[str, ...] = ()


def flat(item):
    """All paths of an item."""
    return [path for part in item for path in flat(part)] if isinstance(item, tuple) else [item]


def hold_out(part):
    """(train, test) rows of every source: the last items are for testing."""
    train, test = [], []
    for rows in part:
        count = kept(len(rows.items), flat(rows.items[0])[0].parent)
        train.append(rows._replace(items=rows.items[:count]))
        test.append(rows._replace(items=rows.items[count:]))
    return train, test


def by_name(files):
    """Files, or tuples of them, by their first paths below their common directory, less the extensions, and that one.

    Raises:
      UserError: two differ in that alone.
    """
    paths = [flat(file)[0] for file in files]
    above = os.path.commonpath([path.parent for path in paths])
    found = {path.relative_to(above).with_suffix("").as_posix(): file for path, file in zip(paths, files, strict=True)}
    if len(found) < len(files):
        raise UserError(f"{above}: two images differ in extension only; data.paired needs unique names")
    return found, above


def some(names):
    """The first few of several names, for a message."""
    return ", ".join(names[:NAMED]) + (", ..." if len(names) > NAMED else "")
