"""Pairs of images that lie in one directory, told by the ends of their names, or that a table lists."""

import csv
from pathlib import Path

from gan_xla import images
from gan_xla.data.dataset import domains, field, labels
from gan_xla.data.rows import Layout, Rows, by_name, hold_out, some
from gan_xla.errors import UserError

KEYS = ("x_A", "x_B")
SPLITS = ("train", "test", "val")


def find(data, root):
    """The `Layout` of `data.suffixes` or `data.pairs`.

    Args:
      data: the config's section.
      root: `data.path`.
    Raises:
      UserError: other fields contradict, a table cannot be read, or images have no partner.
    """
    listed, ends = field(data, "pairs", ""), tuple(map(str, field(data, "suffixes", ())))
    name = "data.pairs" if listed else "data.suffixes"
    if listed and ends:
        raise UserError("data.pairs and data.suffixes are both set; set one of them")
    if any(field(data, other, "") for other in ("path_a", "path_b")) or labels(data) or any(domains(data)):
        raise UserError(
            f"{name} makes pairs of the images of data.path; leave path_a, path_b, labels and domains empty"
        )
    if not field(data, "paired", False):
        raise UserError(f"{name} makes pairs: set data.paired=True, with a method that takes them, such as pix2pix")
    if listed:
        return _listed(Path(listed).expanduser(), root if field(data, "path", "") else None)
    if len(ends) != 2 or len(set(ends)) < 2 or not all(ends):
        raise UserError(f"data.suffixes={ends}: must be two ends of names, A's and B's, such as ('_photo', '_map')")
    return _alike(root, ends)


def _alike(root, ends):
    """Pairs whose names differ in their ends."""
    train, *others = [root / split for split in SPLITS]
    whole = _matched(train if train.is_dir() else root, ends)
    rest = [_matched(directory, ends) for directory in others if directory.is_dir()]
    note = f"{root} (names that end in {ends[0]} and {ends[1]}"
    if not rest:
        return Layout(hold_out(whole), f"{note}; the last by name held out)")
    return Layout((whole, *rest), f"{note})")


def _matched(directory, ends):
    try:
        files, _ = by_name(images.find(directory))
    except UserError as error:
        raise UserError(f"data.path: {error}") from None
    sides = [{name.removesuffix(end): path for name, path in files.items() if name.endswith(end)} for end in ends]
    alone = sorted(sides[0].keys() ^ sides[1].keys())
    if alone or not sides[0]:
        others = len(files) - sum(map(len, sides))
        raise UserError(
            f"data.suffixes={ends}: of the {len(files)} images of {directory}, {len(sides[0])} end in {ends[0]}, "
            f"{len(sides[1])} in {ends[1]} and {others} in neither; "
            + (f"{len(alone)} are without their partner: {some(alone)}" if alone else "see how their names end")
        )
    return [Rows(KEYS, [(sides[0][name], sides[1][name]) for name in sorted(sides[0])])]


def _listed(table, root):
    """Pairs that a CSV file lists; their paths begin at `root`, or beside the file."""
    above, found = root or table.parent, {split: [] for split in SPLITS}
    for number, row in _lines(table):
        split = row.get("split") or "train"
        if split not in SPLITS:
            raise UserError(f"data.pairs={table}, line {number}: split {split!r} is none of {', '.join(SPLITS)}")
        found[split].append((above / row["a"], above / row["b"]))
    missing = [str(path) for pairs in found.values() for pair in pairs for path in pair if not path.is_file()]
    if missing:
        where = "data.path" if root else "the file's directory"
        raise UserError(
            f"data.pairs={table}: {len(missing)} of its images do not exist ({some(missing)}); paths begin at {where}"
        )
    if not found["train"]:
        raise UserError(f"data.pairs={table}: lists no pair to train on")
    whole, *rest = [[Rows(KEYS, found[split])] for split in SPLITS if found[split]]
    if not rest:
        return Layout(hold_out(whole), f"{table} (the last held out)")
    return Layout((whole, *rest), str(table))


def _lines(table):
    """(number, row by the name of the column) of a table of columns A, B and perhaps split."""
    try:
        lines = table.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"data.pairs={table}: cannot be read ({error})") from None
    names, *rows = [row for row in csv.reader(lines) if row] or [[]]
    names = [name.strip().lower() for name in names]
    if not {"a", "b"} <= set(names) or set(names) - {"a", "b", "split"}:
        raise UserError(f"data.pairs={table}: its first line must name the columns A, B and, if you like, split")
    for number, row in enumerate(rows, 2):
        if len(row) != len(names) or not all(map(str.strip, row[:2])):
            raise UserError(f"data.pairs={table}, line {number}: {len(row)} values for {len(names)} columns")
        yield number, dict(zip(names, map(str.strip, row), strict=True))
