"""Batches as a pure function of (seed, step), so that a resume needs the step alone.

Row r of step s has the position p = s * batch_size + r. A source of n rows
shows at position p the row number p % n of its (p // n)-th shuffle: every
epoch shows every row once, and no remainder is dropped. Crops and what else
becomes of images are drawn from (seed, source, p). Nothing depends on the number of
processes, each of which takes its rows of the global batch.

tf.data gives the reading threads, the order and the prefetching; which rows
they read is decided here.
"""

import itertools
import operator

import numpy as np

from gan_xla.data import augmentation, order
from gan_xla.errors import UserError
from gan_xla.images import sides
from gan_xla.tf import tf

# A call can be many batches of large images; two waiting ones keep the device busy.
PREFETCH = 2
PLAIN = augmentation.Augment()
PAIRS = -1  # number of the source of pairs

LABELLED = {"label", "target"}


def batches(
    sources,
    *,
    batch_size,
    seed,
    start,
    stop,
    others=(),
    pairs=None,
    paired_share=0.0,
    origin=(0, 0),
    rows=None,
    steps_per_call=1,
    image_size=None,
    load_size=None,
    native=False,
    augment=PLAIN,
    balance=False,
    resolution=None,
    draws=False,
):
    """Iterates over the steps [start, stop), `steps_per_call` at a time.

    Args:
      sources: the training sources of a data set; each is shuffled on its own.
      batch_size: rows of the global batch.
      seed: an int; with the step it decides everything. Several: the batches of each, side by side.
      start: the first step.
      stop: the step after the last.
      others: sources of further data sets with the same keys; they take turns, a step each.
      pairs: a source of all keys of `sources`, which some rows show in their place; None for none.
      paired_share: the share of rows that do.
      origin: a step, and the rows that were shown before it; for batches that change in size.
      rows: the slice of the global batch that this process takes; default all.
      steps_per_call: k, steps in one element; the last element has what is left.
      image_size: images larger than this (height and width, or both) are cropped at random; default: no crop.
      load_size: the size that the sources' images must have; default: not checked.
      native: the sources crop, each image by its own size, and are told where.
      augment: what else becomes of images.
      balance: show every label equally often, as `order.balanced` says.
      resolution: height and width to which images are shrunk at last, by the means of
        blocks (PGGAN, appendix B); default: none.
      draws: read nothing; say what to show instead, to `gan_xla.data.resident`, which has the rows.
    Returns:
      an iterator of dicts: the sources' keys [k, n_local, ...] ([k, n_local, seeds, ...]) in their own
      dtype, where images are [k, n_local, h, w, c] and other rows pass
      untouched, and `index` (int32 [k, n_local]), the row's number in the
      global batch; with `pairs` also `paired` (float32 [k, n_local]), 1 where a row shows one.
      The arrays are read-only. Closing it stops the reading. With `draws` there is, in
      place of the keys of source number j, `draw_<j>` int32 [..., 4]: the row's number in its own
      source, and what `augmentation.draw` gives.
    Raises:
      UserError: a source has no rows (at once), or cannot read (from the iterator, as the source raised it).
    """
    groups = (sources, *others)
    for sources in groups:
        _check(sources, image_size, load_size, balance)
    local = np.arange(batch_size, dtype=np.int64)[rows if rows is not None else slice(None)]
    form, seeds = (image_size, native, augment, balance, resolution, draws), np.atleast_1d(seed).tolist()
    number = itertools.count()
    readers = [[_readers(source, next(number), seeds, *form) for source in sources] for sources in groups]
    if pairs is not None:
        readers = [[_partly(readers[0], _readers(pairs, PAIRS, seeds, *form), paired_share)]]
    dtypes = _dtypes(groups[0], draws, pairs)

    def arrays(step):
        """Of one call."""
        steps = np.arange(step, min(step + steps_per_call, stop), dtype=np.int64)
        index = np.broadcast_to(local.astype(np.int32), (len(steps), len(local)))
        number, turn = np.divmod(steps, len(readers))
        positions = (number - origin[0])[:, None] * batch_size + origin[1] + local  # [k, n_local]
        return [index, *_in_turn(readers, turn, positions)]

    return _called(arrays, range(start, stop, steps_per_call), dtypes)


def _dtypes(sources, draws, pairs):
    """Of a call's arrays, by key."""
    if draws:
        found = {f"draw_{j}": np.dtype(np.int32) for j in range(len(sources))}
    else:
        found = {key: dtype for source in sources for key, (_, dtype) in source.spec.items()}
    shown = {} if pairs is None else {"paired": np.dtype(np.float32)}
    return {"index": np.dtype(np.int32), **found, **shown}


def _called(function, steps, dtypes):
    """Iterates over the arrays that `function` gives for `steps`, read ahead by tf.data, under the keys of `dtypes`."""
    failures = {}

    def call(step):
        """The step if it failed, else -1; then its arrays."""
        try:
            return [np.int64(-1), *function(step)]
        except Exception as error:  # raised again in _iterate: TensorFlow would print it and keep its text only
            failures[int(step)] = error
            return [np.int64(step), *(np.zeros(0, dtype) for dtype in dtypes.values())]

    dataset = tf.data.Dataset.range(steps.start, steps.stop, steps.step)
    dataset = dataset.map(
        lambda step: tuple(tf.numpy_function(call, [step], [np.int64, *dtypes.values()])),
        num_parallel_calls=tf.data.AUTOTUNE,
        deterministic=True,
    )
    return _iterate(dataset.prefetch(PREFETCH), tuple(dtypes), failures)


def _in_turn(readers, turn, positions):
    """The arrays [k, n_local, ...] at positions [k, n_local]; step i reads data set turn[i]."""
    result = None
    for group in np.unique(turn):
        chosen = turn == group
        arrays = [array for reader in readers[group] for array in reader(positions[chosen])]
        if chosen.all():
            return arrays
        result = result or [np.empty((len(turn), *array.shape[1:]), array.dtype) for array in arrays]
        for whole, array in zip(result, arrays):
            whole[chosen] = array
    return result


def _check(sources, image_size, load_size, balance):
    keys = [key for source in sources for key in source.spec]
    if len(set(keys)) < len(keys):
        raise ValueError(f"two sources have a key in common: {keys}")
    for source in sources:
        if not len(source):
            raise UserError(f"{' and '.join(source.spec)}: no training rows; add images")
        for key, (shape, _) in source.spec.items():
            if len(shape) == 3 and load_size and shape[:2] != sides(load_size):
                raise ValueError(f"{key}: images are {shape[:2]}, not load_size={load_size}")
            if len(shape) == 3 and image_size and any(map(operator.lt, shape, sides(image_size))):
                raise ValueError(f"{key}: images are {shape[:2]}, smaller than image_size={image_size}")
    if balance and not any(LABELLED & source.spec.keys() for source in sources):
        raise UserError("data.balance=True shows every label equally often, but these data have none: set it to False")


def _iterate(dataset, keys, failures):
    for failed, *arrays in dataset.as_numpy_iterator():
        if failed >= 0:
            raise failures[int(failed)]
        yield dict(zip(keys, arrays))


def _partly(readers, pairs, share):
    """A reader of the arrays of several, and of which rows show pairs, which come from the reader `pairs` instead."""

    def read(positions):
        flat = positions.reshape(-1)
        shows, before = order.paired(flat, share)
        every = lambda at: [array for one in readers for array in one(at)]
        parts = [part for part in ((~shows, flat, every), (shows, before, pairs)) if part[0].any()]
        found = [(rows, reader(at[rows][None])) for rows, at, reader in parts]
        merged = []
        for arrays in zip(*(arrays for _, arrays in found)):
            whole = np.empty((len(flat), *arrays[0].shape[2:]), arrays[0].dtype)
            for (rows, _), array in zip(found, arrays):
                whole[rows] = array[0]
            merged.append(whole)
        return [x.reshape(*positions.shape, *x.shape[1:]) for x in (*merged, shows.astype(np.float32))]

    return read


def _readers(source, number, seeds, *form):
    """As `_reader`, of one seed, or of several whose arrays [k, n, seeds, ...] are side by side."""
    if len(seeds) == 1:
        return _reader(source, number, seeds[0], *form)
    readers = [_reader(source, number, seed, *form) for seed in seeds]
    return lambda positions: [np.stack(rows, axis=2) for rows in zip(*(read(positions) for read in readers))]


def _reader(source, number, seed, image_size, native, augment, balance, resolution, draws):
    """A function from positions int64 [k, n] to the list of the source's arrays [k, n, ...], or of its draws."""
    if balance and LABELLED & source.spec.keys():
        rows = order.balanced(source.labels, seed, number)
    else:
        rows = order.shuffled(len(source), order.SHUFFLE, number, seed)
    size = next((shape[:2] for shape, _ in source.spec.values() if len(shape) == 3), None)

    def read(positions):
        flat = positions.reshape(-1)

        def random(use):  # keys of one source get equal bits, so paired images stay aligned
            return order.bits(flat, use, number, seed)

        places = augmentation.draw(random, size, image_size, augment) if size else None
        if draws:
            places = np.zeros((len(flat), 3), np.int32) if places is None else places
            return [np.column_stack([rows(flat), places]).astype(np.int32).reshape(*positions.shape, 4)]
        found = source.read(rows(flat), *([augmentation.where(random)] if native else []))
        for key, x in found.items():
            if x.ndim == 4:
                found[key] = augmentation.changed(x, places, random, image_size, augment, resolution)
        return [found[key].reshape(*positions.shape, *found[key].shape[1:]) for key in source.spec]

    return read
