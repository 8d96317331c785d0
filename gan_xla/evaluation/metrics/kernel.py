"""Kernel distance of features: KID where Inception made them (Binkowski et al. 2018, section 4).

The squared maximum mean discrepancy (Gretton et al. 2012, equation 3) under the kernel (x.y / d + 1)^3. Unbiased
for every n, unlike the Frechet distance, and therefore now and then below 0 for sets of one distribution. Papers
often print it times 1000.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from gan_xla.evaluation.metrics import inputs
from gan_xla.evaluation.metrics.confidence import Estimate, linear

SUBSETS, SUBSET_SIZE = 100, 1000
SIGMA, SCALE = 10, 1000  # of CMMD
LEAST = 3  # rows of each set that `mmd2` needs for its error


class Kid(NamedTuple):
    """Squared discrepancies of random subsets.

    Attributes:
      mean: the distance.
      std: standard deviation over the subsets.
      error: standard error of the mean over the subsets, of the drawing of subsets alone; 0 where every subset is
        the whole set. `mmd2` gives the error that a finite number of images makes.
      subsets: their number.
      subset_size: images of each set in one of them.
    """

    mean: float
    std: float
    error: float
    subsets: int
    subset_size: int


Kernel = Callable[[np.ndarray, np.ndarray], np.ndarray]


def cubic(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """KID's kernel of features [m, d] and [n, d]: [m, n]."""
    return (x @ y.T / x.shape[1] + 1) ** 3


def gaussian(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """CMMD's kernel exp(-|x - y|^2 / (2 SIGMA^2)) of features [m, d] and [n, d]: [m, n]."""
    squares = np.sum(x**2, axis=1)[:, None] + np.sum(y**2, axis=1) - 2 * x @ y.T
    return np.exp(-np.maximum(squares, 0) / (2 * SIGMA**2))


def _row_sums(x: np.ndarray, y: np.ndarray, kernel: Kernel = cubic) -> np.ndarray:
    """Sums over y of the kernel of x [m, d] with y [n, d]: [m]."""
    rows = inputs.blocks(len(x), len(y))
    return np.concatenate([kernel(x[part], y).sum(axis=1) for part in rows])


def _own_sums(x: np.ndarray, kernel: Kernel = cubic) -> np.ndarray:
    """Sums over the other samples of the kernel of x with x: [m]."""
    itself = np.concatenate([kernel(row[None], row[None])[0] for row in x])
    return _row_sums(x, x, kernel) - itself


def _discrepancy(x: np.ndarray, y: np.ndarray) -> float:
    m, n = len(x), len(y)
    own = _own_sums(x).sum() / (m * (m - 1)) + _own_sums(y).sum() / (n * (n - 1))
    return float(own - 2 * _row_sums(x, y).sum() / (m * n))


def kid(a: np.ndarray, b: np.ndarray, *, subsets: int = SUBSETS, subset_size: int = SUBSET_SIZE, seed: int = 0) -> Kid:
    """KID as papers report it: over random subsets of both sets, drawn as torch-fidelity draws them.

    Args:
      a, b: features [n_a, d] and [n_b, d].
      subsets: their number.
      subset_size: images of each set in one; no more than there are are taken.
      seed: of the subsets.
    Raises:
      ValueError: other shapes, numbers that are not finite, or no subsets.
      UserError: fewer than 2 images in either set.
    """
    a, b = inputs.feature_pair(a, b, least=2)
    size = min(subset_size, len(a), len(b))
    if subsets < 1 or size < 2:
        raise ValueError(f"subsets={subsets} must be 1 or more and subset_size={subset_size} 2 or more")
    draws = np.random.RandomState(seed)  # the legacy generator, whose draws are the reference's
    values = []
    for _ in range(subsets):
        first, second = (x[draws.choice(len(x), size, replace=False)] for x in (a, b))
        values.append(_discrepancy(first, second))
    std = float(np.std(values))
    return Kid(float(np.mean(values)), std, std / subsets**0.5, subsets, size)


def mmd2(a: np.ndarray, b: np.ndarray, kernel: Kernel = cubic) -> Estimate:
    """The same discrepancy from all images at once, with a standard error by the delete-one jackknife.

    The jackknife leaves out each image of either set in turn (Efron and Stein 1981); it tends to be too large, by up
    to half, where both sets are of one distribution.

    Args:
      a, b: features [m, d] and [n, d] of real images and of others; the m x n kernel is never held whole.
      kernel: `cubic`, or `gaussian`.
    Raises:
      ValueError: other shapes, or numbers that are not finite.
      UserError: fewer than 3 images in either set.
    """
    a, b = inputs.feature_pair(a, b, least=LEAST)
    m, n = len(a), len(b)
    own = [_own_sums(a, kernel), _own_sums(b, kernel)]
    cross = [_row_sums(a, b, kernel), _row_sums(b, a, kernel)]
    within = [sums.sum() / (k * (k - 1)) for sums, k in zip(own, (m, n))]
    between = cross[0].sum() / (m * n)
    added = []
    for side, k, others in ((0, m, n), (1, n, m)):
        own_left = (own[side].sum() - 2 * own[side]) / ((k - 1) * (k - 2))
        cross_left = (cross[side].sum() - cross[side]) / ((k - 1) * others)
        left_out = own_left - 2 * cross_left  # and a constant, the other set's own term
        added.append((k - 1) * (left_out.mean() - left_out))
    return linear(sum(within) - 2 * between, made=added[1], real=added[0])


def cmmd(a: np.ndarray, b: np.ndarray) -> Estimate:
    """CMMD (Jayasumana et al. 2024): the discrepancy under `gaussian`, times 1000, of unit-length CLIP features.

    The estimate is the authors', which counts each image's likeness to itself and so is at least 0; for the images that
    a set needs, thousands, it and the unbiased one are nearly the same. Its error is that one's. Arguments and errors
    as `mmd2`.
    """
    unbiased = mmd2(a, b, gaussian)
    a, b = inputs.feature_pair(a, b)
    own = sum(_row_sums(x, x, gaussian).mean() / len(x) for x in (a, b))
    value = own - 2 * _row_sums(a, b, gaussian).mean() / len(b)
    return linear(SCALE * value, made=SCALE * unbiased.made, real=SCALE * unbiased.real)
