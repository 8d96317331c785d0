"""Kernel distance of features: KID where Inception made them (Binkowski et al. 2018, section 4).

The squared maximum mean discrepancy (Gretton et al. 2012, equation 3) under the kernel (x.y / d + 1)^3. Unbiased
for every n, unlike the Frechet distance, and therefore now and then below 0 for sets of one distribution. Papers
often print it times 1000.
"""

from typing import NamedTuple

import numpy as np

from gan_xla.evaluation.metrics import inputs

SUBSETS, SUBSET_SIZE = 100, 1000
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


class Estimate(NamedTuple):
    """A value and its standard error."""

    value: float
    error: float


def _row_sums(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Sums over y of the kernel of x [m, d] with y [n, d]: [m]."""
    width = x.shape[1]
    rows = inputs.blocks(len(x), len(y))
    return np.concatenate([((x[part] @ y.T / width + 1) ** 3).sum(axis=1) for part in rows])


def _own_sums(x: np.ndarray) -> np.ndarray:
    """Sums over the other samples of the kernel of x with x: [m]."""
    return _row_sums(x, x) - (np.sum(x**2, axis=1) / x.shape[1] + 1) ** 3


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


def mmd2(a: np.ndarray, b: np.ndarray) -> Estimate:
    """The same discrepancy from all images at once, with a standard error by the delete-one jackknife.

    The jackknife leaves out each image of either set in turn (Efron and Stein 1981); it tends to be too large, by up
    to half, where both sets are of one distribution.

    Args:
      a, b: features [m, d] and [n, d]; the m x n kernel is never held whole.
    Raises:
      ValueError: other shapes, or numbers that are not finite.
      UserError: fewer than 3 images in either set.
    """
    a, b = inputs.feature_pair(a, b, least=LEAST)
    m, n = len(a), len(b)
    own = [_own_sums(a), _own_sums(b)]
    cross = [_row_sums(a, b), _row_sums(b, a)]
    within = [sums.sum() / (k * (k - 1)) for sums, k in zip(own, (m, n))]
    between = cross[0].sum() / (m * n)
    variance = 0.0
    for side, k, others in ((0, m, n), (1, n, m)):
        own_left = (own[side].sum() - 2 * own[side]) / ((k - 1) * (k - 2))
        cross_left = (cross[side].sum() - cross[side]) / ((k - 1) * others)
        left_out = own_left - 2 * cross_left  # and a constant, the other set's own term
        variance += (k - 1) / k * np.sum((left_out - left_out.mean()) ** 2)
    return Estimate(float(sum(within) - 2 * between), float(variance**0.5))
