"""Which row a position of the run shows, and the random bits of a position: functions of (seed, source, position)."""

import functools
import threading

import numpy as np

# What random bits are for; one word of their key.
SHUFFLE, AUGMENT, TURN, WARP, COLOR, GROUP = range(1, 7)


def bits(counter: np.ndarray, *words: int) -> np.ndarray:
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


def permutation(length: int, *words: int) -> np.ndarray:
    """An order int64 [length].

    Not tf.random.experimental.index_shuffle: up to 2**16 rows it has 256
    orders for each seed (TensorFlow 2.21), so epochs would repeat.
    The mixer maps different counters to different bits, so there are no ties.
    """
    return np.argsort(bits(np.arange(length), *words))


def paired(positions: np.ndarray, share: float) -> tuple[np.ndarray, np.ndarray]:
    """Which of positions int64 [n] show pairs, bool [n], and how many of those before each do, int64 [n].

    They are `share` of all, spread evenly.
    """
    before = np.floor(positions * share).astype(np.int64)
    return np.floor((positions + 1) * share).astype(np.int64) > before, before


def shuffled(length: int, *words: int):
    """A function from positions int64 [n] to rows, all of which every epoch shows once, in an order of its own."""
    order = functools.lru_cache(maxsize=4)(lambda epoch: permutation(length, *words, epoch))
    lock = threading.Lock()  # lest neighbouring calls sort the same epoch at the same time

    def rows(positions):
        epochs, within = np.divmod(positions, length)
        found = np.empty_like(positions)
        for epoch in range(int(epochs.min()), int(epochs.max()) + 1):
            chosen = epochs == epoch
            if chosen.any():
                with lock:
                    found[chosen] = order(epoch)[within[chosen]]
        return found

    return rows


def balanced(labels: np.ndarray, seed: int, number: int):
    """As `shuffled`, but with every label equally often.

    Positions come in blocks, in which every group has its turn once, in an order of the block's; a group's rows come
    shuffled. Groups are the rows that have a label, for each label that some rows have and others have not, and the
    rows that have none of these.

    Args:
      labels: [len, c] of all rows; not 0 where a row has a label.
      seed, number: of the source.
    """
    hot = labels != 0
    hot = hot[:, hot.any(axis=0) & ~hot.all(axis=0)]
    groups = [np.flatnonzero(column) for column in (*hot.T, ~hot.any(axis=1)) if column.any()]
    inside = [shuffled(len(rows), GROUP, number, seed, place) for place, rows in enumerate(groups)]

    def rows(positions):
        blocks, within = np.divmod(positions, len(groups))
        known, place = np.unique(blocks, return_inverse=True)
        orders = np.stack([permutation(len(groups), GROUP, number, seed, -1, int(block)) for block in known])
        turns = orders[place, within]
        found = np.empty_like(positions)
        for turn in np.unique(turns):
            chosen = turns == turn
            found[chosen] = groups[turn][inside[turn](blocks[chosen])]
        return found

    return rows
