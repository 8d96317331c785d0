"""Where the training, test and validation images lie in the directories of `gan_xla.data.sources.folder`."""

import os
from pathlib import Path
from typing import NamedTuple

import numpy as np

from gan_xla import images
from gan_xla.data import table
from gan_xla.data.dataset import ALL_LABELS, domains, field, kept, labels, suggest
from gan_xla.errors import UserError

LAYOUTS = (
    "data.path with trainA/ and trainB/, with train/ of side-by-side pairs, or with train/<class>/ "
    "(if you like testA/ and testB/, or test/ likewise); or the two directories data.path_a and data.path_b"
)


class Rows(NamedTuple):
    """What one source reads: for each row the path of every key, or the one path of both halves of a pair."""

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


def find(data):
    """The `Layout` of a config's `data` section.

    Raises:
      UserError, OSError: as `folder.load`.
    """
    root, path_a, path_b = (field(data, name, "") for name in ("path", "path_a", "path_b"))
    paired = bool(field(data, "paired", False))
    if root and (path_a or path_b):
        raise UserError("data.path and data.path_a/data.path_b are both set; set one kind only")
    if not (root or path_a or path_b):
        raise UserError(f"data.source='folder' needs to know where the images are: set {LAYOUTS}")
    root = Path(root).expanduser()  # a shell does not do it in --config.data.path=~/images
    if field(data, "unlabelled", False):
        return _unlabelled(data, root, paired)
    if field(data, "attributes", ""):
        return _listed(data, root, paired)
    if not (path_a or path_b) and (root / "train").is_dir():
        classes, pictures = _content(root / "train")
        if classes and pictures:
            raise UserError(f"data.path: {root / 'train'} holds both images and directories; remove one kind")
        if classes:
            return _classes(data, root, classes, paired)
    if labels(data) or any(domains(data)):
        raise UserError(
            "data.labels, data.domain_a and data.domain_b name class directories, but there are none; "
            "set data.path to a directory with train/<class>/, or leave these fields empty"
        )
    if path_a or path_b:
        return _two_directories(path_a, path_b, paired)
    if any((root / name).exists() for name in ("trainA", "trainB", "testA", "testB")):
        return _four_directories(root, paired)
    if (root / "train").is_dir():
        return _aligned(root, paired)
    if root.is_dir():
        raise UserError(f"data.path={root}: has none of the known layouts: {LAYOUTS}")
    raise UserError(f"data.path={root}: {'is a file; give a directory' if root.exists() else 'no such directory'}")


def _content(directory):
    """(names of the directories, whether there are images) directly inside a directory."""
    visible = [path for path in directory.iterdir() if not path.name.startswith((".", "__"))]
    above = (directory.resolve(), *directory.resolve().parents)  # a link to which would show the images again
    classes = sorted(path.name for path in visible if path.is_dir() and path.resolve() not in above)
    return classes, any(path.suffix.lower() in images.EXTENSIONS for path in visible if path.is_file())


def _find(name, directory):
    try:
        return images.find(Path(directory).expanduser())
    except UserError as error:
        raise UserError(f"{name}: {error}") from None


def _two_directories(path_a, path_b, paired):
    for name, value, other in (("path_a", path_a, "path_b"), ("path_b", path_b, "path_a")):
        if not value:
            raise UserError(f"data.{other} is set but data.{name} is not; set both")
    files = {"x_A": _find("data.path_a", path_a), "x_B": _find("data.path_b", path_b)}
    return Layout(_hold_out(_rows(files, paired)), f"{path_a} and {path_b} (the last by name held out)")


def _four_directories(root, paired):
    def part(split):
        return _rows({f"x_{domain}": _find("data.path", root / f"{split}{domain}") for domain in "AB"}, paired)

    scored = [part("val")] if any((root / name).exists() for name in ("valA", "valB")) else []
    if any((root / name).exists() for name in ("testA", "testB")):
        return Layout((part("train"), part("test"), *scored), str(root))
    return Layout((*_hold_out(part("train")), *scored), f"{root} (no testA/ testB/: the last by name held out)")


def _rows(files, paired):
    """The rows of every source: one of pairs, or one for each domain."""
    if paired:
        return [Rows(("x_A", "x_B"), _match(**files))]
    return [Rows((key,), [(path,) for path in paths]) for key, paths in files.items()]


def _match(x_A, x_B):
    """(path of A, path of B) for every name, in the order of the names."""
    by_name = []
    for files in (x_A, x_B):
        above = os.path.commonpath([path.parent for path in files])
        by_name.append({path.relative_to(above).with_suffix("").as_posix(): path for path in files})
        if len(by_name[-1]) < len(files):
            raise UserError(f"{above}: two images differ in extension only; data.paired needs unique names")
    alone = sorted(by_name[0].keys() ^ by_name[1].keys())
    if alone:
        named = ", ".join(alone[:3]) + (", ..." if len(alone) > 3 else "")
        raise UserError(
            f"data.paired=True pairs images by name, but {len(alone)} names are in only one of {x_A[0].parent} "
            f"({len(x_A)} images) and {x_B[0].parent} ({len(x_B)}): {named}; give pairs equal names, or train "
            "unpaired images with data.paired=False and a method that needs no pairs, such as configs/cyclegan.py"
        )
    return [(by_name[0][name], by_name[1][name]) for name in sorted(by_name[0])]


def _hold_out(part):
    """(train, test) rows of every source: the last items are for testing."""
    train, test = [], []
    for rows in part:
        first = rows.items[0][0]
        count = kept(len(rows.items), first.parent)
        train.append(rows._replace(items=rows.items[:count]))
        test.append(rows._replace(items=rows.items[count:]))
    return train, test


def _test_directory(root):
    """test/, or else val/, or None."""
    return next((root / name for name in ("test", "val") if (root / name).exists()), None)


def _validation_directory(root):
    """val/ where it stands beside test/, or None."""
    return root / "val" if (root / "val").exists() and (root / "test").exists() else None


def _note(root, test):
    return f"{root} ({f'{test.name}/ held out' if test else 'no test/: the last by name held out'})"


def _aligned(root, paired):
    train, test = _find("data.path", root / "train"), _test_directory(root)
    if test:
        held_out = _find("data.path", test)
    else:
        count = kept(len(train), root / "train")
        train, held_out = train[:count], train[count:]
    note, scored = f"{_note(root, test)}, side by side", _validation_directory(root)
    parts = [train, held_out, *([_find("data.path", scored)] if scored else [])]
    if paired:
        return Layout(tuple([Rows(("x_A", "x_B"), files, halves=True)] for files in parts), note)
    if len(train) < 2:
        raise UserError(f"{root / 'train'}: one pair is not enough for two unpaired domains; add more")
    # Disjoint halves, lest a pair's two sides give away that they belong together.
    middle = len(train) // 2
    unpaired = [Rows(("x_A",), train[:middle], halves=True), Rows(("x_B",), train[middle:], halves=True)]
    others = ([Rows((key,), files, halves=True) for key in ("x_A", "x_B")] for files in parts[1:])
    return Layout((unpaired, *others), f"{note}, unpaired")


def _classes(data, root, classes, paired):
    if paired:
        raise UserError(f"data.paired=True, but {root / 'train'} has classes and no pairs; set data.paired=False")
    names = labels(data) or domains(data)
    if not any(names):
        raise UserError(
            f"data.path: {root / 'train'} has classes; set data.domain_a and data.domain_b to two of them, or "
            f"data.labels to ('all',) or some of them: {', '.join(classes)}"
        )
    labelled = bool(labels(data))
    chosen = tuple(classes) if labelled and names == ALL_LABELS else names
    for number, name in enumerate(chosen):
        if name not in classes:
            given = "data.labels" if labelled else f"data.domain_{'ab'[number]}"
            raise UserError(f"{given}: {root / 'train'} has no class {name!r}; {suggest(name, classes)}")
    keys = ["x"] * len(chosen) if labelled else ["x_A", "x_B"]

    def part(directory):
        found = [_find("data.path", directory / name) for name in chosen]
        return [Rows((key,), [(path,) for path in paths]) for key, paths in zip(keys, found)]

    train, test, scored = part(root / "train"), _test_directory(root), _validation_directory(root)
    parts = (train, part(test)) if test else _hold_out(train)
    parts, note = (*parts, *([part(scored)] if scored else [])), _note(root, test)
    if labelled:
        return Layout(tuple([_joined(rows)] for rows in parts), f"{note}, {len(chosen)} classes", chosen)
    return Layout(parts, f"{note}, {chosen[0]} and {chosen[1]}")


def _listed(data, root, paired):
    """Images that `data.attributes` labels."""
    path = Path(field(data, "attributes")).expanduser()
    if paired or any(domains(data)) or not labels(data):
        raise UserError(
            "data.attributes gives images their labels: name them in data.labels, and leave data.domain_a, "
            "data.domain_b empty and data.paired=False"
        )
    names, listed = table.read(path, labels(data))
    parts = []
    for files in _train_and_test(root, lambda: _find("data.path", root)):
        files, hot = table.match(files, root, names, listed, path)
        parts.append([Rows(("x",), [(file,) for file in files], labels=hot)])
    return Layout(tuple(parts), f"{root} (labels of {path.name})", names)


def _unlabelled(data, root, paired):
    if paired or any(domains(data)) or labels(data):
        fix = "leave data.labels, data.domain_a and data.domain_b empty and data.paired=False"
        raise UserError(f"data.unlabelled=True takes all images as one domain; {fix}")
    parts = _train_and_test(root, lambda: _below(root))
    return Layout(tuple([Rows(("x",), [(file,) for file in files])] for files in parts), str(root))


def _train_and_test(root, whole):
    """Files to train on, to test on and perhaps to take scores on: of train/, or else `whole()`, of test/ or val/ or
    else split off, and of val/ beside test/."""
    train = _below(root / "train") if (root / "train").is_dir() else whole()
    test, scored = _test_directory(root), _validation_directory(root)
    parts = (train, _below(test)) if test else table.split(train)
    return (*parts, _below(scored)) if scored else parts


def _below(directory):
    """The images of a directory, and of the directories in it that are not `APART`."""
    classes, pictures = _content(directory) if directory.is_dir() else ([], False)
    classes = [name for name in classes if name.lower() not in images.APART]
    found = _find("data.path", directory) if pictures or not classes else []
    return found + [file for name in classes for file in _find("data.path", directory / name)]


def _joined(part):
    """One source of all classes, with one-hot labels."""
    hot = np.eye(len(part), dtype=bool).repeat([len(rows.items) for rows in part], axis=0)
    return Rows(("x",), [item for rows in part for item in rows.items], labels=hot)
