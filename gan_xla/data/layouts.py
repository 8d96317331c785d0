"""Where the training, test and validation images lie in the directories of `gan_xla.data.sources.folder`."""

from pathlib import Path

import numpy as np

from gan_xla import images
from gan_xla.data import pairs, table
from gan_xla.data.dataset import ALL_LABELS, domains, field, kept, labels, suggest
from gan_xla.data.rows import Layout, Rows, by_name, flat, hold_out, some
from gan_xla.errors import UserError

LAYOUTS = (
    "data.path with trainA/ and trainB/ (or train_A/, A/train/, train/A/), with train/ of side-by-side pairs, with "
    "train/<class>/ or <class>/ (if you like test directories likewise), with data.pairs or data.suffixes, or of one "
    "domain with data.unlabelled; or the two directories data.path_a and data.path_b"
)
SHOWN = 12  # directories that a message lists
# Where the images of a domain may lie; the first is the CycleGAN data sets'.
DOMAINS = ("{split}{domain}", "{split}_{domain}", "{domain}/{split}", "{split}/{domain}")


def find(data):
    """The `Layout` of a config's `data` section.

    Raises:
      UserError, OSError: as `folder.load`.
    """
    root, path_a, path_b, listed = (field(data, name, "") for name in ("path", "path_a", "path_b", "pairs"))
    paired = bool(field(data, "paired", False))
    if root and (path_a or path_b):
        raise UserError("data.path and data.path_a/data.path_b are both set; set one kind only")
    if not (root or path_a or path_b or listed):
        raise UserError(f"data.source='folder' needs to know where the images are: set {LAYOUTS}")
    root = Path(root).expanduser()  # a shell does not do it in --config.data.path=~/images
    if field(data, "unlabelled", False):
        return _unlabelled(data, root, paired)
    if field(data, "attributes", ""):
        return _listed(data, root, paired)
    if listed or field(data, "suffixes", ()):
        return pairs.find(data, root)
    chosen = bool(labels(data) or any(domains(data)))
    if not (path_a or path_b):
        if not chosen and (pattern := _pattern(root)):
            return _four_directories(root, pattern, paired)
        if above := _of_classes(root, chosen):
            return _classes(data, root, above, paired)
    if chosen:
        raise UserError(
            "data.labels, data.domain_a and data.domain_b name class directories, but there are none; "
            "set data.path to a directory with train/<class>/ or <class>/, or leave these fields empty"
        )
    if path_a or path_b:
        return _two_directories(path_a, path_b, paired)
    if (root / "train").is_dir():
        return _aligned(root, paired)
    raise UserError(f"data.path={root}: {_unknown(root)}")


def _pattern(root):
    """The one of `DOMAINS` that a directory follows, or None."""
    for pattern in DOMAINS:
        found = [(root / pattern.format(split="train", domain=domain)).is_dir() for domain in "AB"]
        if all(found) if "/" in pattern else any(found):  # of trainA alone it is said that trainB is missing
            return pattern
    return next((p for p in DOMAINS[:2] if any((root / p.format(split="test", domain=d)).exists() for d in "AB")), None)


def _of_classes(root, chosen):
    """train/, or the directory itself where fields name classes, if it holds directories; else None.

    Raises:
      UserError: it holds images, too.
    """
    named = chosen and root.is_dir() and not _pattern(root)
    above = root / "train" if (root / "train").is_dir() else root if named else None
    classes, pictures = _content(above) if above else ([], False)
    if classes and pictures:
        raise UserError(f"data.path: {above} holds both images and directories; remove one kind")
    return above if classes else None


def _unknown(root):
    """What is wrong with a directory of no known layout, what it holds, and the nearest layout."""
    if not root.is_dir():
        return "is a file; give a directory" if root.exists() else "no such directory"
    classes, _ = _content(root)
    counts = {name: len(images.inside(root / name)) for name in classes}
    held = [f"{name}/ ({count} images)" for name, count in counts.items()]
    held = held[:SHOWN] + [f"{len(held) - SHOWN} more directories"] * (len(held) > SHOWN)
    direct, full = len(images.inside(root)), [name for name, count in counts.items() if count]
    held += [f"{direct} images"] if direct else []
    if direct and not full:
        nearest = "one domain with --config.data.unlabelled=True, pairs by their names with --config.data.suffixes"
    elif len(full) == 2:
        paths = " ".join(f"--config.data.path_{letter}={root / name}" for letter, name in zip("ab", full))
        nearest = f"two domains with {paths} (without data.path)"
    elif len(full) > 2:
        nearest = "classes with --config.data.labels=\"('all',)\", or two of them with data.domain_a and data.domain_b"
    else:
        nearest = LAYOUTS
    return f"none of the known layouts; it holds {', '.join(held) or 'nothing'}. Nearest: {nearest}"


def _content(directory):
    """(names of the directories, whether there are images) directly inside a directory."""
    visible = [path for path in directory.iterdir() if not path.name.startswith((".", "__"))]
    above = (directory.resolve(), *directory.resolve().parents)  # a link to which would show the images again
    classes = sorted(path.name for path in visible if path.is_dir() and path.resolve() not in above)
    return classes, any(images.is_image(path) for path in visible if path.is_file())


def _find(name, directory):
    try:
        return images.find(Path(directory).expanduser())
    except UserError as error:
        raise UserError(f"{name}: {error}") from None


def _two_directories(path_a, path_b, paired):
    for name, value, other in (("path_a", path_a, "path_b"), ("path_b", path_b, "path_a")):
        if not value:
            raise UserError(f"data.{other} is set but data.{name} is not; set both")
    files = {"x_A": stacked("data.path_a", path_a), "x_B": stacked("data.path_b", path_b)}
    shown = (path if isinstance(path, str) else " + ".join(path) for path in (path_a, path_b))
    return Layout(hold_out(_rows(files, paired)), f"{' and '.join(shown)} (the last by name held out)")


def stacked(name, path):
    """The files of a directory; of several, for every name the files of this name."""
    if isinstance(path, str):
        return _find(name, path)
    found = [by_name(_find(name, part))[0] for part in path]
    alone = sorted(set().union(*found) - set(found[0]).intersection(*found))
    if alone:
        raise UserError(f"{name}={path}: {len(alone)} names are not in all of these directories: {some(alone)}")
    return [tuple(files[name] for files in found) for name in sorted(found[0])]


def _four_directories(root, pattern, paired):
    def at(split, domain):
        return root / pattern.format(split=split, domain=domain)

    def part(split):
        return _rows({f"x_{domain}": _find("data.path", at(split, domain)) for domain in "AB"}, paired)

    def there(split):
        return any(at(split, domain).exists() for domain in "AB")

    scored = [part("val")] if there("val") else []
    if there("test"):
        return Layout((part("train"), part("test"), *scored), str(root))
    missing = " ".join(f"{at('test', domain).relative_to(root)}/" for domain in "AB")
    return Layout((*hold_out(part("train")), *scored), f"{root} (no {missing}: the last by name held out)")


def _rows(files, paired):
    """The rows of every source: one of pairs, or one for each domain."""
    if paired:
        return [Rows(("x_A", "x_B"), _match(**files))]
    return [Rows((key,), [(path,) for path in paths]) for key, paths in files.items()]


def _match(x_A, x_B):
    """(path of A, path of B) for every name, in the order of the names."""
    named = [by_name(files)[0] for files in (x_A, x_B)]
    above = [flat(files[0])[0].parent for files in (x_A, x_B)]
    alone = sorted(named[0].keys() ^ named[1].keys())
    if alone:
        raise UserError(
            f"data.paired=True pairs images by name, but {len(alone)} names are in only one of {above[0]} "
            f"({len(x_A)} images) and {above[1]} ({len(x_B)}): {some(alone)}; give pairs equal names, or train "
            "unpaired images with data.paired=False and a method that needs no pairs, such as configs/cyclegan.py"
        )
    return [(named[0][name], named[1][name]) for name in sorted(named[0])]


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


def _classes(data, root, above, paired):
    """Directories of `above`, which is `root` or its train/."""
    if paired:
        raise UserError(f"data.paired=True, but {above} has classes and no pairs; set data.paired=False")
    classes = [name for name in _content(above)[0] if above != root or name.lower() not in images.APART]
    names = labels(data) or domains(data)
    if not any(names):
        raise UserError(
            f"data.path: {above} has classes; set data.domain_a and data.domain_b to two of them, or "
            f"data.labels to ('all',) or some of them: {', '.join(classes)}"
        )
    labelled = bool(labels(data))
    chosen = tuple(classes) if labelled and names == ALL_LABELS else names
    for number, name in enumerate(chosen):
        if name not in classes:
            given = "data.labels" if labelled else f"data.domain_{'ab'[number]}"
            raise UserError(f"{given}: {above} has no class {name!r}; {suggest(name, classes)}")
    keys = ["x"] * len(chosen) if labelled else ["x_A", "x_B"]

    def part(directory):
        found = [_find("data.path", directory / name) for name in chosen]
        return [Rows((key,), [(path,) for path in paths]) for key, paths in zip(keys, found)]

    train, test, scored = part(above), _test_directory(root), _validation_directory(root)
    parts = (train, part(test)) if test else hold_out(train)
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
