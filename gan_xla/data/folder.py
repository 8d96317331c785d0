"""The user's own images: two directories, one for each domain.

Layouts: `data.path` with trainA/ trainB/ testA/ testB, or any two directories
`data.path_a` and `data.path_b`. With `data.paired` the images of equal names
belong together. Without test directories the last images by name are held out.
"""

import logging
import threading
from pathlib import Path

import numpy as np

from gan_xla import images
from gan_xla.data.sources import Dataset, field, sizes
from gan_xla.errors import UserError

LAYOUTS = (
    "data.path with trainA/ trainB/ and, if you like, testA/ testB/; or the two directories data.path_a and data.path_b"
)
# The DiscoGAN recipe holds out the last 200; small sets hold out a tenth.
HELD_OUT, HELD_OUT_SHARE = 200, 10

_log = logging.getLogger(__name__)


def load(data):
    """The data set of image files that `data.path`, or `data.path_a` and `data.path_b`, hold.

    Training images are uint8 [load_size, load_size, 3], test images
    [image_size, image_size, 3]; files are decoded when they are read.

    Raises:
      UserError: a directory is missing, empty or no directory; paired names
        do not match; the layout is not known.
    """
    image_size, load_size = sizes(data)
    train, test, note = _directories(data)
    paired = bool(field(data, "paired", False))
    train, test = (_groups(files, paired) for files in (train, test))
    if not test:
        split = [_hold_out(group) for group in train]
        train, test = ([part[i] for part in split] for i in (0, 1))
    background = tuple(field(data, "background", images.WHITE))
    bad = Unreadable(field(data, "max_unreadable", 10))
    sources = [
        tuple(Files(group, size, background, bad) for group in groups)
        for groups, size in ((train, load_size), (test, image_size))
    ]
    counts = [" + ".join(str(len(source)) for source in part) for part in sources]
    kind = "pairs" if paired else "images"
    return Dataset(*sources, about=f"{note}: {counts[0]} training and {counts[1]} test {kind}")


def _directories(data):
    """(train, test, note): files by key; test is empty where it has to be held out of train."""
    root, path_a, path_b = (field(data, name, "") for name in ("path", "path_a", "path_b"))
    if root and (path_a or path_b):
        raise UserError("data.path and data.path_a/data.path_b are both set; set one kind only")
    if path_a or path_b:
        for name, value, other in (("path_a", path_a, "path_b"), ("path_b", path_b, "path_a")):
            if not value:
                raise UserError(f"data.{other} is set but data.{name} is not; set both")
        train = {"x_A": _find("data.path_a", path_a), "x_B": _find("data.path_b", path_b)}
        return train, {}, f"{path_a} and {path_b} (the last by name held out)"
    if not root:
        raise UserError(f"data.source='folder' needs to know where the images are: set {LAYOUTS}")
    root = Path(root).expanduser()  # a shell does not do it in --config.data.path=~/images
    present = {name for name in ("trainA", "trainB", "testA", "testB") if (root / name).exists()}
    if not present:
        if not root.is_dir():
            raise UserError(
                f"data.path={root}: " + ("is a file; give a directory" if root.exists() else "no such directory")
            )
        raise UserError(f"data.path={root}: has no trainA/ and trainB/; known layouts: {LAYOUTS}")
    if "testA" in present or "testB" in present:
        return _domains(root, "train"), _domains(root, "test"), str(root)
    return _domains(root, "train"), {}, f"{root} (no testA/ testB/: the last by name held out)"


def _domains(root, split):
    return {f"x_{domain}": _find("data.path", root / f"{split}{domain}") for domain in "AB"}


def _find(name, directory):
    try:
        return images.find(Path(directory).expanduser())
    except UserError as error:
        raise UserError(f"{name}: {error}") from None


def _groups(by_key, paired):
    """The files by key of every source: one for pairs, else one for each domain."""
    if paired and by_key:
        return [_match(by_key)]
    return [{key: files} for key, files in by_key.items()]


def _match(pair):
    """The files of both keys in the order of their common names."""
    by_name = {}
    for key, files in pair.items():
        by_name[key] = {path.stem: path for path in files}
        if len(by_name[key]) < len(files):
            raise UserError(f"{files[0].parent}: two images differ in extension only; data.paired needs unique names")
    alone = sorted(by_name["x_A"].keys() ^ by_name["x_B"].keys())
    if alone:
        sides = [pair[key][0].parent for key in ("x_A", "x_B")]
        named = ", ".join(alone[:3]) + (", ..." if len(alone) > 3 else "")
        raise UserError(
            f"data.paired: {len(alone)} names are in only one of {sides[0]} and {sides[1]} ({named}); "
            "give pairs equal names, or set data.paired=False"
        )
    names = sorted(by_name["x_A"])
    return {key: [paths[name] for name in names] for key, paths in by_name.items()}


def _hold_out(group):
    """(train, test): the last min(200, a tenth) of the files, at least one, are for testing."""
    count = len(next(iter(group.values())))
    if count < 2:
        raise UserError(f"{next(iter(group.values()))[0].parent}: one image is not enough to train and test; add more")
    kept = count - min(HELD_OUT, max(1, count // HELD_OUT_SHARE))
    return ({key: files[:kept] for key, files in group.items()}, {key: files[kept:] for key, files in group.items()})


class Unreadable:
    """The distinct files of a data set that could not be decoded, and how many are too many."""

    def __init__(self, limit):
        self._limit = limit
        self._paths = set()
        self._lock = threading.Lock()  # tf.data reads from several threads

    def __contains__(self, path):
        return path in self._paths

    def add(self, path, reason):
        """Warns of a file once. Raises UserError when there are more than the limit."""
        with self._lock:
            if path in self._paths:
                return
            self._paths.add(path)
            count = len(self._paths)
        if count > self._limit:
            raise UserError(
                f"{count} images cannot be read, more than data.max_unreadable={self._limit}; the last one: {reason}"
            )
        _log.warning("%s; the next image takes its place (%d of at most %d)", reason, count, self._limit)


class Files:
    """A source of image files, decoded when they are read.

    Args:
      files: paths by key; rows at one place of all keys belong together.
      size: side of the square to which images are resized.
      background: colour behind transparent pixels.
      bad: the data set's count of unreadable files.
    """

    def __init__(self, files, size, background, bad):
        self._files = files
        self._size = size
        self._background = background
        self._bad = bad

    @property
    def spec(self):
        return {key: ((self._size, self._size, 3), np.dtype(np.uint8)) for key in self._files}

    def __len__(self):
        return len(next(iter(self._files.values())))

    def read(self, indices):
        rows = [self._row(int(index)) for index in indices]
        return {key: np.stack([row[key] for row in rows]) for key in self._files}

    def _row(self, index):
        """Row `index`, or the next readable one: a function of the files alone, so runs repeat."""
        for step in range(len(self)):
            paths = {key: files[(index + step) % len(self)] for key, files in self._files.items()}
            row = {key: self._decode(path) for key, path in paths.items()}
            if all(image is not None for image in row.values()):
                return row
        directory = next(iter(paths.values())).parent
        raise UserError(f"{directory}: none of the {len(self)} images can be read; replace them")

    def _decode(self, path):
        """uint8 [size, size, 3], or None for an unreadable file."""
        if path in self._bad:
            return None
        try:
            return images.resize(images.read(path, background=self._background), self._size)
        except UserError as error:
            self._bad.add(path, error)
            return None
