"""Images that are decoded when they are read: what the folder and tfds sources share."""

import logging
import threading
from typing import NamedTuple

import numpy as np

from gan_xla import images
from gan_xla.data.dataset import channel_count, field, sizes
from gan_xla.errors import UserError

_log = logging.getLogger(__name__)


class Form(NamedTuple):
    """What becomes of an image file: uint8 [*size, channels], size (height, width).

    `fit` and `background` are as in `images.fit`, `max_pixels` as in `images.read`.
    """

    size: tuple[int, int]
    channels: int
    fit: str
    background: tuple[int, int, int]
    max_pixels: int

    @property
    def shape(self):
        return (*self.size, self.channels)

    def decode(self, file, name=None):
        """uint8 [h, w, channels] of a file, as `images.read` takes it and raises."""
        return images.read(file, self.channels, self.background, name, self.max_pixels)

    def fitted(self, image, where=None):
        """uint8 [*size, channels] of a decoded image; `where` is as in `images.fit`."""
        return images.fit(image, self.size, self.fit, self.background, where)


def forms(data):
    """The forms of the training and the test images of a config section.

    Raises:
      UserError: a field has a value that it cannot have.
    """
    image_size, load_size = sizes(data)
    fit = field(data, "fit", "stretch")
    if fit == "native" and field(data, "on_device", False):
        raise UserError("data.on_device keeps images of one size; data.fit='native' has many: set data.on_device=False")
    background = tuple(field(data, "background", images.WHITE))
    most = field(data, "max_pixels", images.MAX_PIXELS)
    return tuple(Form(size, channel_count(data), fit, background, most) for size in (load_size, image_size))


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


class Images:
    """A source of images, decoded when they are read.

    Args:
      keys: the keys of one row's images.
      items: one for each row: what `decode` needs to find it.
      decode: a function from an item to its images uint8 [h, w, c], one for
        each key; it raises `images.Unreadable` for what is damaged.
      form: the `Form` of the images.
      bad: the data set's `Unreadable`.
      labels: bool [n, c], given as float32 [c] under the key `label`; default: no such key.
    """

    def __init__(self, keys, items, decode, form, bad, labels=None):
        self._keys = keys
        self._items = items
        self._decode = decode
        self._form = form
        self._bad = bad
        self._labels = labels

    @property
    def spec(self):
        spec = {key: (self._form.shape, np.dtype(np.uint8)) for key in self._keys}
        if self._labels is not None:
            spec["label"] = (self._labels.shape[1:], np.dtype(np.float32))
        return spec

    def __len__(self):
        return len(self._items)

    @property
    def labels(self):
        """float32 [len, c] of all rows, where they have labels."""
        return self._labels.astype(np.float32)

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
                return place, [self._form.fitted(image, where) for image in decoded]
        raise UserError(f"none of the {len(self)} images can be read; replace them; the last one: {reason}")

    def _decoded(self, place):
        decoded = self._decode(self._items[place])
        shapes = {image.shape[:2] for image in decoded}
        if self._form.fit == "native" and len(shapes) > 1:
            shown = " and ".join(sorted(map(images.shown, shapes)))
            raise images.Unreadable(f"{self._items[place][0]}: a pair of {shown}; data.fit='native' needs equal sizes")
        return decoded
