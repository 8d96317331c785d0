"""Images that are decoded when they are read: what the folder and tfds sources share."""

import logging
import os
import threading
import zlib
from pathlib import Path
from typing import NamedTuple

import numpy as np

from gan_xla import images
from gan_xla.contract import BYTES, Values
from gan_xla.data.dataset import field, is_labels, of_domain, sizes, values
from gan_xla.data.rows import flat
from gan_xla.errors import UserError

_log = logging.getLogger(__name__)


class Form(NamedTuple):
    """What becomes of an image file: [*size, channels] of the type of its values, size (height, width).

    `fit` and `background` are as in `images.fit`, `max_pixels` as in `images.read`.
    """

    size: tuple[int, int]
    channels: int
    fit: str
    background: tuple[int, int, int]
    max_pixels: int
    values: Values = BYTES
    labels: bool = False

    @property
    def shape(self):
        return (*self.size, self.channels)

    def decode(self, file, name=None):
        """[h, w, channels] of a file, as `images.read` takes it and raises, or of a tuple of files."""
        if self.labels:
            return self._classes(file, name)
        if not isinstance(file, tuple):
            return self._read(file, self.channels, name)
        planes = [self._read(path, self.channels // len(file), name) for path in file]
        shapes = {plane.shape[:2] for plane in planes}
        if len(shapes) > 1:
            shown = " and ".join(sorted(map(images.shown, shapes)))
            raise images.Unreadable(f"{file[0]}: its channels are of {shown} pixels; make them equal")
        return np.concatenate(planes, axis=-1)

    def _read(self, file, channels, name):
        return images.read(file, channels, self.background, name, self.max_pixels, self.values.dtype)

    def _classes(self, file, name):
        found, _ = images.classes.read(file, name, self.max_pixels, self.values.palette)
        if (wrong := found[(found >= self.channels) & (found != images.classes.VOID)]).size:
            raise images.Unreadable(
                f"{name or file}: has the class {wrong[0]}, but there are {self.channels} classes, from 0 on; raise "
                "data.channels_a or channels_b, or replace it"
            )
        return found

    def fitted(self, image, where=None):
        """[*size, channels] of a decoded image; `where` is as in `images.fit`."""
        low = 0 if self.labels else self.values.low
        return self.channelled(images.fit(image, self.size, self.fit, self.background, where, low, self.labels))

    def channelled(self, image):
        """[h, w, channels] of a decoded image at its own size."""
        return images.classes.one_hot(image, self.channels) if self.labels else image


def forms(data, domain=""):
    """The forms of the training and the test images of a domain of a config section.

    Raises:
      UserError: a field has a value that it cannot have.
    """
    image_size, load_size = sizes(data)
    fit = field(data, "fit", "stretch")
    if fit == "native" and field(data, "on_device", False):
        raise UserError("data.on_device keeps images of one size; data.fit='native' has many: set data.on_device=False")
    background = tuple(field(data, "background", images.WHITE))
    most = field(data, "max_pixels", images.MAX_PIXELS)
    channels, path = of_domain(data, "channels", domain, 3), of_domain(data, "path", domain, "")
    parts = len(path) if isinstance(path, tuple) else 1
    if channels % parts:
        raise UserError(
            f"data.channels={channels}: cannot be shared among the {parts} directories {', '.join(path)}; set "
            f"data.channels_a or data.channels_b, that of this domain, to {parts} or a multiple of it"
        )
    more = (channels, fit, background, most, values(data)[domain], is_labels(data, domain))
    return tuple(Form(size, *more) for size in (load_size, image_size))


class Unreadable:
    """The distinct files of a data set that could not be decoded, and how many are too many."""

    def __init__(self, limit):
        self._limit = limit
        self._reasons = set()
        self._lock = threading.Lock()  # tf.data reads from several threads

    def add(self, reason):
        """Warns of a file once; `reason` names it. Raises UserError when there are more than the limit."""
        with self._lock:
            if reason in self._reasons:
                return
            self._reasons.add(reason)
            count = len(self._reasons)
        if count > self._limit:
            raise UserError(
                f"{count} images cannot be read, more than data.max_unreadable={self._limit}; the last one: {reason}"
            )
        _log.warning("%s; the next image takes its place (%d of at most %d)", reason, count, self._limit)


class Outside:
    """The distinct images with values beyond the ends that stand for the networks' range."""

    def __init__(self):
        self._names = set()
        self._lock = threading.Lock()

    def __len__(self):
        return len(self._names)

    def look(self, name, image, values):
        """Warns of the first one, the tenth, the hundredth and so on."""
        if values == BYTES or not (beyond := int(((image < values.low) | (image > values.high)).sum())):
            return
        with self._lock:
            if name in self._names:
                return
            self._names.add(name)
            count = len(self._names)
        if count == 10 ** (len(str(count)) - 1):
            _log.warning(
                "%s: %d of %d values lie outside data.range, %g to %g, and count as the nearer end (%d image%s so far)",
                name, beyond, image.size, values.low, values.high, count, "s" if count > 1 else "",
            )  # fmt: skip


def _bytes(path):
    """The size of a file, of a slice that of its volume; 0 of one that is gone."""
    file = path.parent if path.parent.is_file() else path
    return file.stat().st_size if file.exists() else 0


class Images:
    """A source of images, decoded when they are read.

    Args:
      keys: the keys of one row's images.
      items: one for each row: what `decode` needs to find it.
      decode: a function from an item to its images [h, w, c], one for
        each key; it raises `images.Unreadable` for what is damaged.
      forms: the `Form` of the images, by key.
      bad: the data set's `Unreadable`.
      labels: bool [n, c], given as float32 [c] under the key `label`; default: no such key.
      outside: the data set's `Outside`.
    """

    def __init__(self, keys, items, decode, forms, bad, labels=None, outside=None):
        self._keys = keys
        self._items = items
        self._decode = decode
        self._forms = [forms[key] for key in keys]
        self._outside = outside or Outside()
        self._bad = bad
        self._labels = labels

    @property
    def spec(self):
        spec = {key: (form.shape, np.dtype(form.values.dtype)) for key, form in zip(self._keys, self._forms)}
        if self._labels is not None:
            spec["label"] = (self._labels.shape[1:], np.dtype(np.float32))
        return spec

    def __len__(self):
        return len(self._items)

    @property
    def labels(self):
        """float32 [len, c] of all rows, where they have labels."""
        return self._labels.astype(np.float32)

    @property
    def identity(self):
        """A checksum of the names below the directory that all have in common, and of the sizes in bytes."""
        files = [path for item in self._items for path in flat(item)]
        if not isinstance(files[0], Path):  # rows of a data set with a name of its own
            return 0
        top = os.path.commonpath([path.parent for path in files])
        names = "\n".join(f"{os.path.relpath(path, top)} {_bytes(path)}" for path in files)
        return zlib.crc32(names.encode("utf-8", "surrogateescape"))

    @property
    def names(self):
        """Of each row the name of its first file, below the directory that all have in common."""
        files = [flat(item)[0] for item in self._items]
        if not isinstance(files[0], Path):
            return list(map(str, files))
        top = os.path.commonpath([path.parent for path in files])
        return [os.path.relpath(path, top) for path in files]

    def read(self, indices, where=None):
        cuts = [None] * len(indices) if where is None else where
        places, rows = zip(*(self._row(int(index), cut) for index, cut in zip(indices, cuts, strict=True)))
        found = {key: np.stack(column) for key, column in zip(self._keys, zip(*rows))}
        if self._labels is not None:
            found["label"] = self._labels[list(places)].astype(np.float32)
        return found

    def _row(self, index, where):
        """(number, images) of row `index`, or of the next readable one: a function of the files, so runs repeat."""
        for step in range(len(self)):
            place = (index + step) % len(self)
            try:
                decoded = self._decoded(place)
            except images.Unreadable as error:
                reason = str(error)
                self._bad.add(reason)
            else:
                return place, [form.fitted(image, where) for form, image in zip(self._forms, decoded, strict=True)]
        raise UserError(f"none of the {len(self)} images can be read; replace them; the last one: {reason}")

    def _decoded(self, place):
        item = self._items[place]
        decoded = self._decode(item)
        shapes = {image.shape[:2] for image in decoded}
        for number, (form, image) in enumerate(zip(self._forms, decoded, strict=True)):
            file = item[number] if isinstance(item, tuple) else item
            if not form.labels:
                self._outside.look(flat(file)[0], image, form.values)
        if self._forms[0].fit == "native" and len(shapes) > 1:
            shown = " and ".join(sorted(map(images.shown, shapes)))
            raise images.Unreadable(f"{flat(item)[0]}: a pair of {shown}; data.fit='native' needs equal sizes")
        return decoded
