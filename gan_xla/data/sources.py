"""What a data set is: sources of rows, read in batches by index."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from gan_xla.errors import UserError


class Source(Protocol):
    """Rows that belong together under one or more keys (`x_A`, `x_B`, ...).

    Unpaired domains are two sources, shuffled independently; pairs are one
    source that has both keys.
    """

    @property
    def spec(self) -> dict[str, tuple[tuple[int, ...], np.dtype]]:
        """Shape and dtype of one row, by key."""

    def __len__(self) -> int:
        """Number of rows."""

    def read(self, indices: np.ndarray) -> dict[str, np.ndarray]:
        """Rows at `indices` (int64 [n]), in that order: arrays [n, ...] by key."""


@dataclass(frozen=True)
class Dataset:
    """Training and test sources, with one line that states their sizes."""

    train: tuple[Source, ...]
    test: tuple[Source, ...]
    about: str


class Arrays:
    """A source in memory: `Arrays(x_A=uint8 [n, h, w, 3])`."""

    def __init__(self, **arrays):
        if len({len(array) for array in arrays.values()}) != 1:
            raise ValueError(f"arrays of one source need equal lengths: { {k: len(v) for k, v in arrays.items()} }")
        self._arrays = arrays

    @property
    def spec(self):
        return {key: (array.shape[1:], array.dtype) for key, array in self._arrays.items()}

    def __len__(self):
        return len(next(iter(self._arrays.values())))

    def read(self, indices):
        return {key: array[indices] for key, array in self._arrays.items()}


def field(data, name, default=None):
    """`data.<name>` of a config section, or `default` where it is absent or None."""
    value = data.get(name) if hasattr(data, "get") else getattr(data, name, None)
    return default if value is None else value


def sizes(data):
    """(image_size, load_size) of a config section; load_size 0 or None means image_size."""
    image_size = field(data, "image_size", 64)
    load_size = field(data, "load_size") or image_size
    if image_size < 1 or load_size < image_size:
        raise UserError(
            f"data.load_size={load_size} and data.image_size={image_size}: images are read at load_size "
            "and cropped to image_size, so load_size must not be the smaller one"
        )
    return image_size, load_size


def test_batch(dataset, n):
    """`n` test rows of every domain for sample grids, spread evenly over each test source.

    Returns:
      dict of arrays [n, ...] by key; rows repeat where a source has fewer than n.
    """
    # One row of each of n stretches, at a place that varies (golden ratio): with an even
    # stride that divides the views of a model, all rows would have one orientation.
    stretch = np.arange(n)
    places = (stretch + stretch * 0.618034 % 1) / n
    batch = {}
    for source in dataset.test:
        batch.update(source.read((places * len(source)).astype(np.int64)))
    return batch
