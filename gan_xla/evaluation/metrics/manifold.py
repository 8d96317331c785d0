"""Fidelity and variety told apart, by balls that reach from each sample to its k-th nearest neighbour.

Precision and recall: Kynkaanniemi et al. 2019, equations 1 and 2, with closed balls as there and in torch-fidelity.
Density and coverage: Naeem et al. 2020, section 3, with open balls as in the authors' code, so that a set
has density 1 to itself. Neighbours of a sample leave out the sample itself.

Distances are computed in float64, a block of rows at a time, in O(n d) memory.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from gan_xla.errors import UserError
from gan_xla.evaluation.metrics import inputs

ROUND_OFF = 1e-12  # of |x|^2 + |y|^2, below which a squared distance is that of equal points


class PrecisionRecall(NamedTuple):
    """Shares in [0, 1]: of fakes in some real ball, and of reals in some ball of a fake."""

    precision: float
    recall: float


class DensityCoverage(NamedTuple):
    """Real balls that hold a fake, on average over fakes and per k (may pass 1); share of real balls with a fake."""

    density: float
    coverage: float


def _squared_distances(x: np.ndarray, y: np.ndarray) -> Iterator[np.ndarray]:
    """Blocks of rows of the squared distances float32 [rows, len(y)].

    Rounded to float32, since the same two points may differ in the last digit from one block to another, and the
    balls' edges are such points.
    """
    x_square, y_square = (np.sum(z**2, axis=1) for z in (x, y))
    for rows in inputs.blocks(len(x), len(y)):
        squares = x_square[rows, None] + y_square
        found = squares - 2 * x[rows] @ y.T
        yield np.where(found > ROUND_OFF * squares, found, 0).astype(np.float32)


def _radii(x: np.ndarray, k: int) -> np.ndarray:
    """Squared distance of each sample of [n, d] to its k-th neighbour, float32 [n]."""
    # The nearest of all, at distance 0, is the sample itself.
    return np.concatenate([np.partition(found, k, axis=1)[:, k] for found in _squared_distances(x, x)])


def _checked(real: np.ndarray, fake: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    if k < 1:
        raise ValueError(f"k={k} must be 1 or more")
    real, fake = inputs.feature_pair(real, fake)
    if min(len(real), len(fake)) <= k:
        raise UserError(f"too few images: k={k} neighbours need {k + 1} or more, got {len(real)} and {len(fake)}")
    centre = real.mean(axis=0)  # a common shift changes no distance, and large norms cost digits
    return real - centre, fake - centre


def _inside(points: np.ndarray, centres: np.ndarray, radii: np.ndarray) -> np.ndarray:
    """Which of the points are in some closed ball."""
    return np.concatenate([(found <= radii).any(axis=1) for found in _squared_distances(points, centres)])


def precision_recall(real: np.ndarray, fake: np.ndarray, *, k: int = 3) -> PrecisionRecall:
    """How many fakes look real, and how many reals could be fakes; 1 and 1 for equal sets.

    Args:
      real, fake: features [n, d] and [m, d]; the paper takes 50,000 each of VGG-16, and values change with n and m.
      k: neighbours.
    Raises:
      ValueError: other shapes, numbers that are not finite, or k < 1.
      UserError: k or fewer images in either set.
    """
    return PrecisionRecall(*(float(x.mean()) for x in inside(real, fake, k=k)))


def inside(real: np.ndarray, fake: np.ndarray, *, k: int = 3) -> tuple[np.ndarray, np.ndarray]:
    """Which fakes are in some real ball, bool [m], and which reals in some ball of a fake, bool [n].

    Arguments and errors as in `precision_recall`, whose numbers are the means of these.
    """
    real, fake = _checked(real, fake, k)
    return _inside(fake, real, _radii(real, k)), _inside(real, fake, _radii(fake, k))


def density_coverage(real: np.ndarray, fake: np.ndarray, *, k: int = 5) -> DensityCoverage:
    """As precision and recall, but outliers among the reals weigh little, and fakes' balls are never used.

    1 and 1 for equal sets of distinct samples; for two sets of n samples of one distribution the expectation is 1
    and 1 - (n - 1) ... (n - k) / ((2 n - 1) ... (2 n - k)), nearly 1 - 2^-k. Arguments and errors as in
    `precision_recall`.
    """
    return DensityCoverage(*(float(x.mean()) for x in held(real, fake, k=k)))


def held(real: np.ndarray, fake: np.ndarray, *, k: int = 5) -> tuple[np.ndarray, np.ndarray]:
    """How many real balls hold each fake, per k, [m], and which reals' balls hold a fake, bool [n].

    Arguments and errors as in `precision_recall`; the numbers of `density_coverage` are the means of these.
    """
    real, fake = _checked(real, fake, k)
    radii, balls, covered = _radii(real, k), [], np.zeros(len(real), bool)
    for found in _squared_distances(fake, real):
        within = found < radii
        balls.append(within.sum(axis=1) / k)
        covered |= within.any(axis=0)
    return np.concatenate(balls), covered
