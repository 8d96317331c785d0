"""Batches as a pure function of (seed, step), so that a resume needs the step alone.

Row r of step s has the position p = s * batch_size + r. A source of n rows
shows at position p the row number p % n of its (p // n)-th shuffle: every
epoch shows every row once, and no remainder is dropped. Crop and flip are
drawn from (seed, source, p). Nothing depends on the number of
processes, each of which takes its rows of the global batch.

tf.data gives the reading threads, the order and the prefetching; which rows
they read is decided here.
"""

import functools
import itertools
import operator
import threading

import numpy as np

from gan_xla.errors import UserError
from gan_xla.images import sides
from gan_xla.tf import tf

# A call can be many batches of large images; two waiting ones keep the device busy.
PREFETCH = 2

# What a random draw is for; one word of its key.
_SHUFFLE, _AUGMENT = 1, 2
SHIFTS = (0, 24)  # of the bits behind a crop's top and left


def batches(
    sources,
    *,
    batch_size,
    seed,
    start,
    stop,
    others=(),
    origin=(0, 0),
    rows=None,
    steps_per_call=1,
    image_size=None,
    load_size=None,
    native=False,
    flip=False,
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
      origin: a step, and the rows that were shown before it; for batches that change in size.
      rows: the slice of the global batch that this process takes; default all.
      steps_per_call: k, steps in one element; the last element has what is left.
      image_size: images larger than this (height and width, or both) are cropped at random; default: no crop.
      load_size: the size that the sources' images must have; default: not checked.
      native: the sources crop, each image by its own size, and are told where.
      flip: mirror half of the images.
      resolution: height and width to which images are shrunk at last, by the means of
        blocks (PGGAN, appendix B); default: none.
      draws: read nothing; say what to show instead, to `gan_xla.data.resident`, which has the rows.
    Returns:
      an iterator of dicts: the sources' keys [k, n_local, ...] ([k, n_local, seeds, ...]) in their own
      dtype, where images are uint8 [k, n_local, h, w, c] and other rows pass
      untouched, and `index` (int32 [k, n_local]), the row's number in the
      global batch. The arrays are read-only. Closing it stops the reading. With `draws` there is, in
      place of the keys of source number j, `draw_<j>` int32 [..., 4]: the row's number in its own
      source, the crop's top and left, and whether it is mirrored.
    Raises:
      UserError: a source has no rows (at once), or cannot read (from the iterator, as the source raised it).
    """
    groups = (sources, *others)
    for sources in groups:
        _check(sources, image_size, load_size)
    local = np.arange(batch_size, dtype=np.int64)[rows if rows is not None else slice(None)]
    number = itertools.count()
    form, seeds = (image_size, native, flip, resolution, draws), np.atleast_1d(seed).tolist()
    readers = [[_readers(source, next(number), seeds, *form) for source in sources] for sources in groups]
    if draws:
        dtypes = {f"draw_{j}": np.dtype(np.int32) for j in range(len(groups[0]))}
    else:
        dtypes = {key: dtype for source in groups[0] for key, (_, dtype) in source.spec.items()}
    dtypes = {"index": np.dtype(np.int32), **dtypes}
    failures = {}

    def call(step):
        """The call's first step if it failed, else -1; then its arrays."""
        try:
            steps = np.arange(step, min(step + steps_per_call, stop), dtype=np.int64)
            index = np.broadcast_to(local.astype(np.int32), (len(steps), len(local)))
            number, turn = np.divmod(steps, len(readers))
            positions = (number - origin[0])[:, None] * batch_size + origin[1] + local  # [k, n_local]
            return [np.int64(-1), index, *_in_turn(readers, turn, positions)]
        except Exception as error:  # raised again in _iterate: TensorFlow would print it and keep its text only
            failures[int(step)] = error
            return [np.int64(step), *(np.zeros(0, dtype) for dtype in dtypes.values())]

    dataset = tf.data.Dataset.range(start, stop, steps_per_call)
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


def _check(sources, image_size, load_size):
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


def _iterate(dataset, keys, failures):
    for failed, *arrays in dataset.as_numpy_iterator():
        if failed >= 0:
            raise failures[int(failed)]
        yield dict(zip(keys, arrays))


def _readers(source, number, seeds, *form):
    """As `_reader`, of one seed, or of several whose arrays [k, n, seeds, ...] are side by side."""
    if len(seeds) == 1:
        return _reader(source, number, seeds[0], *form)
    readers = [_reader(source, number, seed, *form) for seed in seeds]
    return lambda positions: [np.stack(rows, axis=2) for rows in zip(*(read(positions) for read in readers))]


def _reader(source, number, seed, image_size, native, flip, resolution, draws):
    """A function from positions int64 [k, n] to the list of the source's arrays [k, n, ...], or of its draws."""
    order = functools.lru_cache(maxsize=4)(functools.partial(_permutation, len(source), seed, number))
    lock = threading.Lock()  # lest neighbouring calls sort the same epoch at the same time
    size = next((shape[:2] for shape, _ in source.spec.values() if len(shape) == 3), None)

    def read(positions):
        flat = positions.reshape(-1)
        epochs, within = np.divmod(flat, len(source))
        indices = np.empty_like(flat)
        for epoch in range(int(epochs.min()), int(epochs.max()) + 1):
            chosen = epochs == epoch
            with lock:
                shuffled = order(epoch)
            indices[chosen] = shuffled[within[chosen]]
        # Keys of one source get equal draws, so paired images stay aligned.
        bits = _bits(flat, _AUGMENT, number, seed)
        places = _draw(bits, size, image_size, flip) if size else None
        if draws:
            places = np.zeros((len(flat), 3), np.int32) if places is None else places
            return [np.column_stack([indices, places]).astype(np.int32).reshape(*positions.shape, 4)]
        found = source.read(indices, *([_shares(bits)] if native else []))
        found = {key: _augment(x, places, image_size, resolution) if x.ndim == 4 else x for key, x in found.items()}
        return [found[key].reshape(*positions.shape, *found[key].shape[1:]) for key in source.spec]

    return read


def _permutation(length, seed, number, epoch):
    """The order int64 [length] in which one epoch shows a source's rows.

    Not tf.random.experimental.index_shuffle: up to 2**16 rows it has 256
    orders for each seed (TensorFlow 2.21), so epochs would repeat.
    The mixer maps different counters to different bits, so there are no ties.
    """
    return np.argsort(_bits(np.arange(length), _SHUFFLE, number, seed, epoch))


def _draw(bits, size, image_size, flip):
    """Top, left and whether mirrored, int32 [n, 3], of random crops of images of a (height, width)."""
    cut = sides(image_size or size)
    top, left = (_below(bits, shift, length - side + 1) for shift, length, side in zip(SHIFTS, size, cut))
    mirrored = bits >> np.uint64(63) if flip else np.zeros_like(bits)
    return np.column_stack([top, left, mirrored]).astype(np.int32)


def _augment(images, places, image_size, resolution):
    """Crop and mirror of images uint8 [n, h, w, c] as `_draw` says, then shrunk."""
    height, width = sides(image_size or images.shape[1:3])
    if images.shape[1:3] != (height, width):
        images = np.stack([x[y : y + height, z : z + width] for x, (y, z, _) in zip(images, places)])
    if places[:, 2].any():
        images = np.where(places[:, 2].astype(bool)[:, None, None, None], images[:, :, ::-1], images)
    if resolution and images.shape[1] != resolution:
        n, h, w, c = images.shape
        blocks = images.reshape(n, resolution, h // resolution, resolution, w // resolution, c)
        images = np.rint(blocks.mean(axis=(2, 4))).astype(np.uint8)
    return images


def _drawn(bits, shift):
    """24 of the 64 bits, from `shift` on, [n]."""
    return (bits >> np.uint64(shift)) & np.uint64(0xFFFFFF)


def _below(bits, shift, bound):
    """Integers [n] in [0, bound)."""
    return (_drawn(bits, shift) * np.uint64(bound)) >> np.uint64(24)


def _shares(bits):
    """Where crops lie among the places that they can have, float64 [n, 2] from 0 up to 1; as `_draw` has it."""
    return np.stack([_drawn(bits, shift) / 2.0**24 for shift in SHIFTS], axis=1)


def _bits(counter, *words):
    """64 random bits (uint64 [n]) for each of int64 [n]: SplitMix64's mixer, keyed by the words.

    tf.random.stateless_uniform has one seed for a whole tensor, this one for each
    row; and numpy's Generator may draw otherwise in its next release.
    """
    state = counter.astype(np.uint64)
    for word in words:
        state = state + np.asarray([word], np.int64).astype(np.uint64) + np.uint64(0x9E3779B97F4A7C15)
        state = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        state = (state ^ (state >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        state = state ^ (state >> np.uint64(31))
    return state
