"""The user's own images, from directories.

Layouts of `data.path`:
  trainA/ trainB/ [testA/ testB/]: a directory for each domain. With `data.paired`
    the images of equal names belong together.
  train/ [test/ or val/] of images: side-by-side pairs, A on the left, B on the right.
    Without `data.paired` the first half of the training files gives A and the second
    half B, so that no pair is seen (as DiscoGAN's paper does).
  train/<class>/ [test/<class>/ or val/<class>/]: `data.labels` names the classes of one
    labelled source, or `data.domain_a` and `data.domain_b` two of them as domains.
  images, or train/ [test/ or val/] of images or of directories of images, with the file
    `data.attributes`: `data.labels` names columns of it (`gan_xla.data.table`).
  images, or train/ [test/ or val/] of images or of directories of images, with
    `data.unlabelled`: one domain.
Or any two directories `data.path_a` and `data.path_b`, like the first layout.

Without test directories the last images by name are held out, of each class its own.
"""

from pathlib import Path
from typing import NamedTuple

import numpy as np

from gan_xla import images
from gan_xla.data import table
from gan_xla.data.dataset import ALL_LABELS, Dataset, domains, field, kept, labels, suggest
from gan_xla.data.reading import Images, Unreadable, forms
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
    """The rows of every training and test source, and what was found where."""

    train: list[Rows]
    test: list[Rows]
    note: str
    labels: tuple[str, ...] = ()


def load(data):
    """The data set of image files that `data.path`, or `data.path_a` and `data.path_b`, hold.

    Training images are uint8 [load_size, load_size, channels], test images
    [image_size, image_size, channels]; files are decoded when they are read.
    Keys are x_A and x_B, or x and label (float32 [c], one-hot) with `data.labels`.

    Raises:
      UserError: a directory is missing, empty or unreadable; pairs do not match; a class or the layout is unknown.
    """
    bad = Unreadable(field(data, "max_unreadable", 10))
    train_form, test_form = forms(data)
    try:
        layout = _layout(data)
    except OSError as error:
        raise UserError(f"data.path: {error.filename}: {error.strerror}; check its name and permissions") from error
    sources = [
        tuple(Images(rows.keys, rows.items, _decoder(rows, form), form, bad, rows.labels) for rows in part)
        for part, form in ((layout.train, train_form), (layout.test, test_form))
    ]
    counts = [" + ".join(str(len(source)) for source in part) for part in sources]
    kind = "pairs" if len(layout.train[0].keys) == 2 else "images"
    about = f"{layout.note}: {counts[0]} training and {counts[1]} test {kind}"
    return Dataset(*sources, about=about, labels=layout.labels)


def _decoder(rows, form):
    """The function from an item of `rows` to its images."""
    if not rows.halves:
        return lambda paths: [form.decode(path) for path in paths]

    def decode(path):
        image = form.decode(path)
        middle, odd = divmod(image.shape[1], 2)
        if odd:
            raise UserError(
                f"{path}: {image.shape[1]} pixels wide, but a side-by-side pair has an even width; mend or remove it"
            )
        both = {"x_A": image[:, :middle], "x_B": image[:, middle:]}
        return [both[key] for key in rows.keys]

    return decode


def _layout(data):
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
    return Layout(*_hold_out(_rows(files, paired)), f"{path_a} and {path_b} (the last by name held out)")


def _four_directories(root, paired):
    def part(split):
        return _rows({f"x_{domain}": _find("data.path", root / f"{split}{domain}") for domain in "AB"}, paired)

    if any((root / name).exists() for name in ("testA", "testB")):
        return Layout(part("train"), part("test"), str(root))
    return Layout(*_hold_out(part("train")), f"{root} (no testA/ testB/: the last by name held out)")


def _rows(files, paired):
    """The rows of every source: one of pairs, or one for each domain."""
    if paired:
        return [Rows(("x_A", "x_B"), _match(**files))]
    return [Rows((key,), [(path,) for path in paths]) for key, paths in files.items()]


def _match(x_A, x_B):
    """(path of A, path of B) for every name, in the order of the names."""
    by_name = []
    for files in (x_A, x_B):
        by_name.append({path.stem: path for path in files})
        if len(by_name[-1]) < len(files):
            raise UserError(f"{files[0].parent}: two images differ in extension only; data.paired needs unique names")
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


def _note(root, test):
    return f"{root} ({f'{test.name}/ held out' if test else 'no test/: the last by name held out'})"


def _aligned(root, paired):
    train, test = _find("data.path", root / "train"), _test_directory(root)
    if test:
        held_out = _find("data.path", test)
    else:
        count = kept(len(train), root / "train")
        train, held_out = train[:count], train[count:]
    note = f"{_note(root, test)}, side by side"
    if paired:
        return Layout(*([Rows(("x_A", "x_B"), files, halves=True)] for files in (train, held_out)), note)
    if len(train) < 2:
        raise UserError(f"{root / 'train'}: one pair is not enough for two unpaired domains; add more")
    # Disjoint halves, lest a pair's two sides give away that they belong together.
    middle = len(train) // 2
    unpaired = [Rows(("x_A",), train[:middle], halves=True), Rows(("x_B",), train[middle:], halves=True)]
    return Layout(unpaired, [Rows((key,), held_out, halves=True) for key in ("x_A", "x_B")], f"{note}, unpaired")


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

    train, test = part(root / "train"), _test_directory(root)
    train, held_out = (train, part(test)) if test else _hold_out(train)
    note = _note(root, test)
    if labelled:
        return Layout([_joined(train)], [_joined(held_out)], f"{note}, {len(chosen)} classes", chosen)
    return Layout(train, held_out, f"{note}, {chosen[0]} and {chosen[1]}")


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
    return Layout(*parts, f"{root} (labels of {path.name})", names)


def _unlabelled(data, root, paired):
    if paired or any(domains(data)) or labels(data):
        fix = "leave data.labels, data.domain_a and data.domain_b empty and data.paired=False"
        raise UserError(f"data.unlabelled=True takes all images as one domain; {fix}")
    parts = _train_and_test(root, lambda: _below(root))
    return Layout(*([Rows(("x",), [(file,) for file in files])] for files in parts), str(root))


def _train_and_test(root, whole):
    """Files of train/ and of test/ or val/; where there are not both, those of train/, or else of `whole()`, split."""
    if not (root / "train").is_dir():
        return table.split(whole())
    train, test = _below(root / "train"), _test_directory(root)
    return (train, _below(test)) if test else table.split(train)


def _below(directory):
    """The images of a directory, and of the directories in it."""
    classes, pictures = _content(directory) if directory.is_dir() else ([], False)
    found = _find("data.path", directory) if pictures or not classes else []
    return found + [file for name in classes for file in _find("data.path", directory / name)]


def _joined(part):
    """One source of all classes, with one-hot labels."""
    hot = np.eye(len(part), dtype=bool).repeat([len(rows.items) for rows in part], axis=0)
    return Rows(("x",), [item for rows in part for item in rows.items], labels=hot)
