"""Frechet distance of features: FID where a network of Inception's family made them (Heusel et al. 2017).

Both sets are taken for Gaussians: |m_a - m_b|^2 + tr(C_a + C_b - 2 (C_a C_b)^(1/2)), Dowson and Landau 1982.
Biased upwards: it falls towards its true value as about 1/n (Binkowski et al. 2018, section 4; Chong and Forsyth 2020),
so compare only values of equal n, and take n of several times d. The literature uses 10,000 to 50,000 images.
"""

import dataclasses

import numpy as np

from gan_xla.errors import UserError
from gan_xla.evaluation.metrics import inputs


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
    if a.mean.shape != b.mean.shape:
        raise ValueError(f"features of one network have one width, got {len(a.mean)} and {len(b.mean)}")
    covariances = a.covariance, b.covariance
    apart = np.sum((a.mean - b.mean) ** 2) + sum(np.trace(covariance) for covariance in covariances)
    left, right = map(_root, covariances)
    return max(0.0, float(apart - 2 * np.linalg.svd(left.T @ right, compute_uv=False).sum()))
