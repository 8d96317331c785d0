"""What a data set is: sources of rows, read in batches by index."""

import dataclasses
import difflib
import functools
from typing import Any, NamedTuple, Protocol

import numpy as np

from gan_xla import images
from gan_xla.contract import Values
from gan_xla.errors import UserError

ALL_LABELS = ("all",)
# Types of images' values, and what the ends of the networks' range are where `data.range` does not say.
RANGES = {"uint8": (0.0, 255.0), "uint16": (0.0, 65535.0), "int16": (-32768.0, 32767.0), "float32": (0.0, 1.0)}
# The DiscoGAN recipe holds out the last 200; small sets hold out a tenth.
HELD_OUT, HELD_OUT_SHARE = 200, 10


class Source(Protocol):
    """Rows that belong together under one or more keys (`x_A`, `x_B`, ...).

    Unpaired domains are two sources, shuffled independently; pairs are one
    source that has both keys. A source may also have `labels` (float32 [len, c]) and `azimuths`
    (degrees from facing the viewer, float [len]) of all rows, their `names` (list of str), and `identity` (int), a
    checksum of its files' names and sizes, wherever they lie.
    """

    @property
    def spec(self) -> dict[str, tuple[tuple[int, ...], np.dtype]]:
        """Shape and dtype of one row, by key."""

    def __len__(self) -> int:
        """Number of rows."""

    def read(self, indices: np.ndarray, where: np.ndarray | None = None) -> dict[str, np.ndarray]:
        """Rows at `indices` (int64 [n]), in that order: arrays [n, ...] by key.

        `where` (float [n, 2], as in `images.fit`) is given with data.fit="native" alone; others need not take it.
        """


class Pairs(NamedTuple):
    """Training images that belong together, among those of two domains that mostly do not.

    Attributes:
      source: rows of x_A and x_B.
      places: the rows of the domains' own sources that these are, int [len(source)] by key.
    """

    source: Source
    places: dict[str, np.ndarray]

    def without(self, held: dict[str, np.ndarray]) -> "Pairs":
        """Those of which no image is among the rows `held`, by key, of the domains' sources."""
        free = [~np.isin(places, held[key]) for key, places in self.places.items()]
        kept = np.flatnonzero(np.logical_and(*free))
        return Pairs(Subset(self.source, kept), {key: places[kept] for key, places in self.places.items()})


@dataclasses.dataclass(frozen=True)
class Dataset:
    """Training and test sources.

    Attributes:
      train, test: the sources, each with keys of its own.
      about: a line that states their sizes.
      labels: names of the columns of the key `label` (float32 [c]) where the rows have one.
      others: data sets of the same keys that take turns with this one, a batch each.
      fields: of the config's `data` section that are known now, such as the names of all labels.
      validation: sources of the keys of `test` for scores while a run trains; () where there are none.
      held_out: what `test` is: "test", or "val" in `for_scores`.
      pairs: what some of the training images of two domains are, or None.
    """

    train: tuple[Source, ...]
    test: tuple[Source, ...]
    about: str
    labels: tuple[str, ...] = ()
    others: tuple["Dataset", ...] = ()
    fields: dict[str, Any] = dataclasses.field(default_factory=dict)
    validation: tuple[Source, ...] = ()
    held_out: str = "test"
    pairs: Pairs | None = None

    @property
    def for_scores(self) -> "Dataset":
        """This data set with the validation rows, where there are any, in the place of the test rows."""
        if not self.validation:
            return self
        others = tuple(other.for_scores for other in self.others)
        return dataclasses.replace(self, test=self.validation, validation=(), others=others, held_out="val")

    @functools.cached_property
    def identity(self) -> list[list]:
        """[keys, rows, checksum of their files' names and sizes] of every training source."""
        sources = [source for part in (self, *self.others) for source in part.train]
        return [[" ".join(source.spec), len(source), identity(source)] for source in sources]

    @property
    def images(self) -> int:
        """Training images that an epoch shows: all of the larger domain, and of the larger data set."""
        parts = (self, *self.others)
        return max(len(source) for part in parts for source in part.train) * len(parts)


class Arrays:
    """A source in memory: `Arrays(x_A=uint8 [n, h, w, 3])`, perhaps with their azimuths [n] and names."""

    def __init__(self, *, azimuths=None, names=None, **arrays):
        if len({len(array) for array in arrays.values()}) != 1:
            raise ValueError(f"arrays of one source need equal lengths: { {k: len(v) for k, v in arrays.items()} }")
        self._arrays = arrays
        self.azimuths = azimuths
        self.names = names

    @property
    def spec(self):
        return {key: (array.shape[1:], array.dtype) for key, array in self._arrays.items()}

    def __len__(self):
        return len(next(iter(self._arrays.values())))

    def read(self, indices):
        return {key: array[indices] for key, array in self._arrays.items()}

    @property
    def labels(self):
        """float32 [len, c] of all rows, where they have the key `label`, or `target`."""
        return self._arrays["label" if "label" in self._arrays else "target"]


class Subset:
    """Some rows of a source, in an order of their own.

    Args:
      source: which.
      places: numbers of its rows, int [n].
    """

    def __init__(self, source: Source, places: np.ndarray):
        self._source, self._places = source, np.asarray(places, np.int64)

    @property
    def spec(self):
        return self._source.spec

    def __len__(self):
        return len(self._places)

    def read(self, indices, *where):
        return self._source.read(self._places[indices], *where)

    @property
    def labels(self):
        """Those of the rows, where the source has labels."""
        return self._source.labels[self._places]

    @property
    def identity(self):
        """That of the source."""
        return identity(self._source)

    @property
    def names(self):
        """Those of the rows."""
        known = names(self._source)
        return [known[place] for place in self._places]

    @property
    def azimuths(self):
        """Those of the rows, or None."""
        known = getattr(self._source, "azimuths", None)
        return None if known is None else known[self._places]


def identity(source: Source) -> int:
    """A checksum of its files' names and sizes; 0 where it has none."""
    return getattr(source, "identity", 0)


def names(source: Source) -> list[str]:
    """What its rows are called; their numbers where they have no names."""
    return getattr(source, "names", None) or [str(number) for number in range(len(source))]


def field(data, name, default=None):
    """`data.<name>` of a config section, or `default` where it is absent or None."""
    value = data.get(name) if hasattr(data, "get") else getattr(data, name, None)
    return default if value is None else value


def sizes(data):
    """image_size and load_size of a config section as pairs (height, width).

    load_size is image_size where it is 0 or None, and with data.fit="native", where nothing is resized; one number is
    the longer side of what has the shape of image_size.
    """
    size, load = field(data, "image_size", 64), field(data, "load_size")
    image_size = images.sides(size)
    if not load or field(data, "fit") == "native":
        load_size = image_size
    elif isinstance(load, int):
        load_size = tuple(round(side * load / max(image_size)) for side in image_size)
    else:
        load_size = images.sides(load)
    if min(image_size) < 1 or any(read < side for read, side in zip(load_size, image_size)):
        raise UserError(
            f"data.load_size={load} and data.image_size={size}: images are read at load_size "
            "and cropped to image_size, so load_size must not be the smaller one"
        )
    return image_size, load_size


def of_domain(data, name, domain, default=None):
    """`data.<name>_a` or `data.<name>_b` of the domain A or B, or else `data.<name>`, of a config section."""
    return field(data, f"{name}_{domain.lower()}") or field(data, name, default) or default


def is_labels(data, domain):
    """Whether a domain's images are label maps."""
    return of_domain(data, "kind", domain, "images") == "labels"


def values(data):
    """What the numbers of the images of domains A and B, and of others (""), are by a config's `data` section."""

    def one(domain):
        dtype = of_domain(data, "dtype", domain, "uint8")
        palette = tuple(of_domain(data, "palette", domain, ())) if is_labels(data, domain) else ()
        return Values(dtype, *map(float, of_domain(data, "range", domain, RANGES[dtype])), palette)

    return {domain: one(domain) for domain in ("A", "B", "")}


def channel_count(data, domain=""):
    """Channels of a domain's images, where these are pictures: 1 for greyscale, 3 for RGB, 4 for RGB with alpha."""
    count = of_domain(data, "channels", domain, 3)
    if count not in (1, 3, 4):
        raise UserError(
            f"data.channels={count!r}: these data have 1 (greyscale), 3 (RGB) or 4 (RGB with alpha); other numbers are "
            "for files of data.source='folder'"
        )
    return count


def check_bytes(data):
    """Raises UserError where a config section asks a source of 8-bit images for other values."""
    if any(is_labels(data, domain) for domain in "AB"):
        raise UserError("data.kind_a, data.kind_b: only files of data.source='folder' are read as label maps")
    for name in ("dtype", "range"):
        for domain in ("", "A", "B"):
            if (value := of_domain(data, name, domain)) and value != "uint8":
                raise UserError(
                    f"data.{name}={value!r}: only files of data.source='folder' have other values than bytes"
                )


def labels(data):
    """`data.labels` of a config section as distinct strings."""
    names = tuple(str(name) for name in field(data, "labels", ()))
    if len(set(names)) < len(names):
        raise UserError(f"data.labels={names}: a name is there twice; remove one")
    return names


def domains(data):
    """(data.domain_a, data.domain_b) of a config section; both are set, or both are empty.

    Raises:
      UserError: only one is set, or data.labels is set too.
    """
    chosen = {name: str(field(data, name, "")) for name in ("domain_a", "domain_b")}
    for name, other in (("domain_a", "domain_b"), ("domain_b", "domain_a")):
        if chosen[name] and not chosen[other]:
            raise UserError(f"data.{name}={chosen[name]!r} is set but data.{other} is not; set both")
    if chosen["domain_a"] and labels(data):
        raise UserError("data.labels and data.domain_a/data.domain_b are both set; set one kind only")
    return tuple(chosen.values())


def suggest(name, known):
    """The end of a message about an unknown name: the nearest of the known ones, or all (ImageNet has 1000)."""
    nearest = difflib.get_close_matches(name, known)
    if nearest:
        return f"did you mean {' or '.join(nearest)}?"
    return f"use one of: {', '.join(known[:60])}" + (", ..." if len(known) > 60 else "")


def kept(count, what):
    """How many of `count` rows train where the last min(200, a tenth) of them, at least one, are held out.

    Raises:
      UserError: there are fewer than two rows; the message begins with `what`.
    """
    if count < 2:
        raise UserError(f"{what}: {count} image is not enough to train and test; add more")
    return count - min(HELD_OUT, max(1, count // HELD_OUT_SHARE))


def test_batch(dataset, n):
    """`n` test rows of every domain for sample grids, spread evenly over each test source.

    Data sets that take turns share the rows.

    Returns:
      dict of arrays [n, ...] by key; rows repeat where a source has fewer than n.
    """
    parts = (dataset, *dataset.others)
    shares = [_spread(part, len(range(number, n, len(parts)))) for number, part in enumerate(parts)]
    return {key: np.concatenate([share[key] for share in shares]) for key in shares[0]}


def _spread(dataset, n):
    # One row of each of n stretches, at a place that varies (golden ratio): with an even
    # stride that divides the views of a model, all rows would have one orientation.
    stretch = np.arange(n)
    places = (stretch + stretch * 0.618034 % 1) / n
    batch = {}
    for source in dataset.test:
        batch.update(source.read((places * len(source)).astype(np.int64)))
    return batch
