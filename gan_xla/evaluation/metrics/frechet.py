"""Frechet distance of features: FID where a network of Inception's family made them (Heusel et al. 2017).

Both sets are taken for Gaussians: |m_a - m_b|^2 + tr(C_a + C_b - 2 (C_a C_b)^(1/2)), Dowson and Landau 1982.
Biased upwards: it falls towards its true value as about 1/n (Binkowski et al. 2018, section 4; Chong and Forsyth 2020),
so compare only values of equal n, and take n of several times d. The literature uses 10,000 to 50,000 images.
"""

import dataclasses

import numpy as np

from gan_xla.errors import UserError
from gan_xla.evaluation.metrics import inputs
from gan_xla.evaluation.metrics.confidence import Estimate, linear

BLOCK = 1024  # rows of features taken to float64 at once


@dataclasses.dataclass(eq=False)
class Moments:
    """Mean and covariance of features in float64, gathered batch by batch (Chan et al. 1979) in O(d^2) memory.

    Attributes:
      count: of samples.
      mean: [d].
      scatter: [d, d], the sum of the outer products of the deviations from the mean.
    """

    count: int
    mean: np.ndarray
    scatter: np.ndarray

    @classmethod
    def empty(cls, width: int) -> "Moments":
        """Those of no samples of `width` features, to begin with."""
        return cls(0, np.zeros(width), np.zeros((width, width)))

    @classmethod
    def of(cls, features: np.ndarray) -> "Moments":
        """Those of one array [n, d]; errors as in `inputs.features`."""
        x = inputs.features(features)
        mean = x.mean(axis=0)
        return cls(len(x), mean, (x - mean).T @ (x - mean))

    @classmethod
    def gathered(cls, features: np.ndarray) -> "Moments":
        """Those of one array [n, d], without a copy in float64."""
        result = cls.empty(features.shape[1])
        for part in inputs.slices(len(features), BLOCK):
            result.update(features[part])
        return result

    def update(self, features: np.ndarray) -> None:
        """Adds samples [n, d]; errors as in `of`, and for another d."""
        self.merge(Moments.of(features))

    def merge(self, other: "Moments") -> None:
        """Adds the samples that `other` has seen, as processes do that share the work; ValueError for another d."""
        if self.mean.shape != other.mean.shape:
            raise ValueError(f"expected features of width {len(self.mean)}, got {len(other.mean)}")
        if not other.count:
            return
        count, step = self.count + other.count, other.mean - self.mean
        self.scatter = self.scatter + other.scatter + np.outer(step, step) * (self.count * other.count / count)
        self.mean = self.mean + step * (other.count / count)
        self.count = count

    @property
    def covariance(self) -> np.ndarray:
        """[d, d], unbiased; UserError for fewer than 2 samples."""
        if self.count < 2:
            raise UserError(f"too few images: the Frechet distance needs 2 or more of each set, got {self.count}")
        return self.scatter / (self.count - 1)

    @property
    def singular(self) -> bool:
        """Whether n <= d, so that the covariance lacks rank and the distance is largely bias: worth a warning."""
        return self.count <= len(self.mean)


def _root(covariance: np.ndarray) -> np.ndarray:
    """L [d, rank] with L L^T = covariance, without the directions that are only round-off."""
    values, vectors = np.linalg.eigh(covariance)
    kept = values > len(values) * np.finfo(np.float64).eps * values[-1]
    return vectors[:, kept] * np.sqrt(values[kept])


def distance(a: Moments, b: Moments) -> float:
    """Frechet distance of two sets of features, at least 0; 0 for equal moments.

    tr (C_a C_b)^(1/2) is the sum of the singular values of L_a^T L_b with L L^T = C, which unlike a matrix root stays
    exact to round-off where a covariance is singular.

    Raises:
      ValueError: features of different widths.
      UserError: fewer than 2 samples in either set.
    """
    left, right = _roots(a, b)
    return _distance(a, b, np.linalg.svd(left.T @ right, compute_uv=False))


def _roots(a: Moments, b: Moments) -> tuple[np.ndarray, np.ndarray]:
    if a.mean.shape != b.mean.shape:
        raise ValueError(f"features of one network have one width, got {len(a.mean)} and {len(b.mean)}")
    return _root(a.covariance), _root(b.covariance)


def _distance(a: Moments, b: Moments, values: np.ndarray) -> float:
    """Of the singular values of L_a^T L_b."""
    apart = np.sum((a.mean - b.mean) ** 2) + np.trace(a.covariance) + np.trace(b.covariance)
    return max(0.0, float(apart - 2 * values.sum()))


def estimate(real: np.ndarray, made: np.ndarray) -> Estimate:
    """`distance` of features [n, d] and [m, d] with its standard error, by the delta method (Rippl et al. 2016).

    The distance changes with the mean of one set by 2 (m_a - m_b), with its covariance by I - T, where T is the map of
    optimal transport to the other set: T_a C_a T_a = C_b. The error says how far other images would give another
    distance, not how far it is biased: with few images the bias is larger. Errors as `distance`.
    """
    a, b = Moments.gathered(real), Moments.gathered(made)
    left, right = _roots(a, b)
    u, values, v = np.linalg.svd(left.T @ right, full_matrices=False)
    kept = values > len(values) * np.finfo(np.float64).eps * values.max(initial=0)
    # T_a = L_b v^T s^-1 v L_b^T, so that x^T T_a x is the squared length of s^-1/2 v L_b^T x.
    root = values[kept] ** -0.5
    maps = right @ v[kept].T * root, left @ u[:, kept] * root
    added = [_added(x, *sides, side) for x, sides, side in zip((real, made), ((a, b), (b, a)), maps, strict=True)]
    return linear(_distance(a, b, values), real=added[0], made=added[1])


def _added(features: np.ndarray, own: Moments, other: Moments, transport: np.ndarray) -> np.ndarray:
    """What each row of one set adds to the distance, [n]; `transport` [d, rank] is a root of T."""
    apart, parts = 2 * (own.mean - other.mean), []
    for part in inputs.slices(len(features), BLOCK):
        x = np.asarray(features[part], np.float64) - own.mean
        parts.append(x @ apart + np.sum(x**2, axis=1) - np.sum((x @ transport) ** 2, axis=1))
    return np.concatenate(parts)
