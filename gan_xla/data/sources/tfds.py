"""Image data sets of TensorFlow Datasets.

`data.name` is TFDS's, such as cycle_gan/horse2zebra, celeb_a or mnist; `data.path`,
when set, is its data_dir. What is missing there is downloaded, and prepared as
ArrayRecord for random access; TFRecord files that are there already are read as they are.

Domains are the splits trainA and trainB where a data set has them, else the rows that
`data.domain_a` and `data.domain_b` select by attribute (`gan_xla.data.attributes`). With
`data.labels` the images are one source with labels, with
`data.unlabelled` one without. The test rows are the split test, else
validation, else the last of every source; validation beside test is for scores while a run trains.
"""

import mmap
import os
import struct
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import tensorflow_datasets as tfds
from tensorflow_datasets.core.download.download_manager import NonMatchingChecksumError

from gan_xla.data import attributes
from gan_xla.data.dataset import Dataset, domains, field, kept, labels
from gan_xla.data.reading import Images, Unreadable, forms
from gan_xla.errors import UserError
from gan_xla.tf import tf  # with the accelerators hidden: TFDS writes its files with it

CATALOG = "https://www.tensorflow.org/datasets/catalog"

# No network or disk space, a server that refuses or has other files, a package that this data set
# needs, files that have to be fetched by hand (AssertionError).
_NOT_PREPARED = (OSError, tfds.download.DownloadError, NonMatchingChecksumError, ImportError, AssertionError)


class Part(NamedTuple):
    """The rows of one source: their numbers (int64 [n]) in a split, and their labels (bool [n, c])."""

    key: str
    split: str
    records: Sequence[bytes]
    rows: np.ndarray
    labels: np.ndarray | None = None


def load(data):
    """The data set `data.name`.

    Training images are uint8 [*load_size, channels], test images
    [*image_size, channels], decoded when they are read. Keys are x_A
    and x_B, or x and label (float32 [c], 0 or 1) with `data.labels`.

    Raises:
      UserError: the data set is unknown or cannot be prepared; it has no such
        attribute, label or split; the fields do not say which rows to take.
    """
    forms_of_parts = forms(data)
    wanted, names = domains(data), labels(data)
    if field(data, "paired", False):
        raise UserError("data.paired=True, but data.source='tfds' has no pairs; set data.paired=False")
    builder = _prepared(str(field(data, "name", "")), field(data, "path", ""))
    dataset, known = builder.info.full_name, attributes.scalars(builder.info.features)
    image = attributes.image_key(builder.info.features, dataset)
    if field(data, "unlabelled", False):
        parts = _chosen(builder, [attributes.EVERYTHING])
    elif names:
        names, choice = attributes.labelled(names, known, dataset)
        parts = _chosen(builder, [choice])
    elif any(wanted):
        parts = _chosen(
            builder, [attributes.domain(letter, text, known, dataset) for letter, text in zip("ab", wanted)]
        )
    else:
        parts = _domain_splits(builder, known)
    bad = Unreadable(field(data, "max_unreadable", 10))
    sources = [
        tuple(_source(part, image, dataset, form, bad) for part in side)
        for side, form in zip(parts, (*forms_of_parts, forms_of_parts[1]))
    ]
    counts = [" + ".join(str(len(source)) for source in side) for side in sources]
    train_split, test_split = (side[0].split for side in parts[:2])
    note = "the last rows held out" if test_split == train_split else f"split {test_split} held out"
    about = f"{dataset} ({note}): {counts[0]} training and {counts[1]} test images"
    about += "".join(f", {count} of the split validation for scores" for count in counts[2:])
    train, test, *validation = sources
    return Dataset(train, test, about=about, labels=names, validation=next(iter(validation), ()))


def _prepared(name, path):
    """TFDS's builder of a data set whose files are on the disk."""
    try:
        builder = tfds.builder(name, data_dir=os.path.expanduser(path) if path else None)
    except (ValueError, AssertionError) as error:  # no such data set or config; no such version
        first, *others = str(error).splitlines()  # the others list a thousand data sets
        reason = " ".join([first, *(line for line in others if line.startswith("Did you mean"))])
        raise UserError(f"data.name={name!r}: {reason} (TFDS lists its data sets at {CATALOG})") from error
    if not builder.is_prepared():
        print(f"{builder.info.full_name} is not in {builder.data_dir}: downloading and preparing it", flush=True)
        try:
            builder.download_and_prepare(file_format="array_record")
        except _NOT_PREPARED as error:
            reason = " ".join(str(error).split())
            raise UserError(
                f"data.name={name!r}: TFDS cannot prepare it in {builder.data_dir} ({type(error).__name__}: {reason}); "
                f"see {CATALOG}/{builder.name}, or fetch the images yourself and set data.source='folder'"
            ) from error
    return builder


def _domain_splits(builder, known):
    """The parts for training and for testing of a data set with the splits trainA and trainB."""
    splits = set(builder.info.splits)
    if not {"trainA", "trainB"} <= splits:
        raise UserError(
            f"data.name: {builder.info.full_name} has no splits trainA and trainB; set data.domain_a and "
            f"data.domain_b, or data.labels, from its attributes: {', '.join(known) or 'none'}"
        )

    def side(split):
        opened = [(f"x_{letter}", f"{split}{letter}", _records(builder, f"{split}{letter}")) for letter in "AB"]
        return [Part(key, name, records, np.arange(len(records))) for key, name, records in opened]

    return (side("train"), side("test")) if {"testA", "testB"} <= splits else _hold_out(side("train"))


def _chosen(builder, choices):
    """The parts for training and for testing that `choices` select from the splits."""
    dataset, splits = builder.info.full_name, list(builder.info.splits)
    if "train" not in splits:
        raise UserError(
            f"{choices[0].asked} selects from the split train, but {dataset} has {', '.join(splits)}; "
            "leave data.labels, data.domain_a and data.domain_b empty"
        )

    def side(split, needed=True):
        records = _records(builder, split)
        columns = _columns(records, {path for choice in choices for path in choice.paths})
        parts = []
        for choice in choices:
            rows, hot = choice.select(columns) if choice.paths else (np.arange(len(records)), None)
            if not len(rows) and needed:
                raise UserError(f"{choice.asked}: no image of {dataset}, split {split}, is so; choose another value")
            parts.append(Part(choice.key, split, records, rows, hot))
        return parts

    train, held_out = side("train"), [split for split in ("test", "validation") if split in splits]
    if not held_out:
        return _hold_out(train)
    scored = [side(split, needed=False) for split in held_out[1:]]
    return (train, side(held_out[0]), *(parts for parts in scored if all(len(part.rows) for part in parts)))


def _hold_out(parts):
    """(train, test): the last rows of every part are for testing."""
    train, test = [], []
    for part in parts:
        count = kept(len(part.rows), f"{part.key} of the split {part.split}")
        for side, cut in ((train, slice(count)), (test, slice(count, None))):
            hot = None if part.labels is None else part.labels[cut]
            side.append(part._replace(rows=part.rows[cut], labels=hot))
    return train, test


def _columns(records, paths):
    """int64 [n] of the scalar features at `paths`, in one scan that decodes no image."""
    columns = {path: np.empty(len(records), np.int64) for path in paths}
    for row, record in enumerate(records):
        features = tf.train.Example.FromString(record).features.feature
        for path, column in columns.items():
            column[row] = features[path].int64_list.value[0]
    return columns


def _source(part, image, dataset, form, bad):
    def decode(row):
        features = tf.train.Example.FromString(part.records[int(row)]).features.feature
        return [form.decode(features[image].bytes_list.value[0], name=f"{dataset}, split {part.split}, row {row}")]

    return Images((part.key,), part.rows, decode, {part.key: form}, bad, part.labels)


def _records(builder, split):
    """The serialised records of a split, at random."""
    formats = {file_format.value for file_format in builder.info.available_file_formats()}
    if "array_record" in formats:
        raw = tfds.decode.DeserializeMethod.RAW_BYTES
        return builder.as_data_source(split, file_format="array_record", deserialize_method=raw)
    if "tfrecord" in formats:
        return TFRecords(builder.info.splits[split].file_instructions)
    raise UserError(
        f"data.name: {builder.info.full_name} is in {builder.data_dir} as {', '.join(sorted(formats))}, which is not "
        "read at random; set data.path to another directory, where it will be prepared anew"
    )


class TFRecords(Sequence):
    """The records of local TFRecord files at random: bytes by row number.

    Args:
      shards: objects with `filename` and `examples_in_shard`.
    Raises:
      UserError: a file is damaged or not on this machine.
    """

    def __init__(self, shards):
        self._files = []
        self._places = []  # (number of the file, first byte, byte after the last)
        for number, shard in enumerate(shards):
            try:
                with open(shard.filename, "rb") as file:
                    content = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
            except (OSError, ValueError) as error:  # ValueError: an empty file
                raise UserError(f"data.path: TFRecord file cannot be read ({shard.filename}: {error})") from error
            places = [(number, first, last) for first, last in _places(content)]
            if len(places) != shard.examples_in_shard or places[-1][2] + 4 != len(content):
                raise UserError(f"data.path: {shard.filename} is damaged; remove the directory to prepare it anew")
            self._files.append(content)
            self._places += places

    def __len__(self):
        return len(self._places)

    def __getitem__(self, row):
        number, first, last = self._places[row]
        return self._files[number][first:last]


def _places(content):
    """(first byte, byte after the last) of every record: 8 bytes of length, 4 of checksum, data, 4 of checksum."""
    start = 0
    while start + 12 <= len(content):
        (length,) = struct.unpack_from("<Q", content, start)
        yield start + 12, start + 12 + length
        start += length + 16
