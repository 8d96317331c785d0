"""How sure a number is that was measured on some images: its standard error, and what each image has to do with it.

Other images of the same kind would give another number. To first order a number moves by the mean of what each image
adds to it (its influence function; Efron 1982, The jackknife, the bootstrap and other resampling plans), so that the
spread of these over the images is the spread of the number. Where that is not at hand, the images are drawn again with
replacement (scipy.stats.bootstrap). Images that are alike, such as views of one object, make errors too small.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from scipy import stats

from gan_xla.errors import UserError

RESAMPLES = 200
LEVEL = 0.05  # the chance of calling a difference one that is none


class Estimate(NamedTuple):
    """A number and how sure it is.

    Attributes:
      value: the number.
      error: its standard error; NaN where it cannot be told.
      made: what each image made adds to it, to first order, [n]; None where that is not known, or nothing.
      real: the same of each real image, [m].
      scores: whether `made` are scores of the images, whose mean the number is.
    """

    value: float
    error: float
    made: np.ndarray | None = None
    real: np.ndarray | None = None
    scores: bool = False


class Difference(NamedTuple):
    """How much more one number is than another.

    Attributes:
      value: the first less the second.
      error: standard error of that.
      p: how likely chance alone makes as large a difference, or a larger one.
      test: how that was found.
    """

    value: float
    error: float
    p: float
    test: str

    @property
    def told(self) -> bool:
        """Whether it is more than noise."""
        return self.p < LEVEL


def _squared_error(x: np.ndarray | None) -> float:
    """Of the mean of [n]; NaN for one row."""
    if x is None:
        return 0.0
    with np.errstate(invalid="ignore"):  # of values that are not finite, such as the PSNR of equal images
        return float(np.var(x, ddof=1)) / len(x) if len(x) > 1 else np.nan


def linear(value: float, made: np.ndarray | None = None, real: np.ndarray | None = None) -> Estimate:
    """A number to which images add `made` [n] and `real` [m] to first order, up to a constant."""
    return Estimate(float(value), (_squared_error(made) + _squared_error(real)) ** 0.5, made, real)


def mean(scores: np.ndarray) -> Estimate:
    """Mean of the scores [n] of the images that were made."""
    return linear(np.mean(scores), np.asarray(scores, np.float64))._replace(scores=True)


def of_parts(values: np.ndarray) -> Estimate:
    """Mean of what parts of the images give, that have no image in common."""
    return Estimate(float(np.mean(values)), _squared_error(values) ** 0.5)


def bootstrap(
    statistic: Callable[[np.ndarray], np.ndarray], count: int, *, resamples: int = RESAMPLES, seed: int = 0
) -> np.ndarray:
    """Standard errors [k] of a statistic of `count` images; NaN for one.

    Args:
      statistic: of numbers of images int [count], some of them several times, to numbers [k].
      count: of images.
      resamples: drawings of as many images with replacement.
      seed: of these.
    """
    rows = np.arange(count)
    if count < 2:
        return np.full(np.shape(statistic(rows)), np.nan)

    def of_all(draws: np.ndarray, axis: int) -> np.ndarray:
        return np.stack([statistic(draw) for draw in draws.reshape(-1, count)], axis=-1).astype(np.float64)

    found = stats.bootstrap(
        (rows,), of_all, n_resamples=resamples, method="percentile", vectorized=True, rng=np.random.default_rng(seed)
    )
    return found.standard_error


def paired(a: Estimate, b: Estimate, seed: int = 0) -> Difference:
    """Of two numbers on the same images, of which row i is the same in both: the noise that they share drops out.

    Scores of images are exchanged image by image (scipy.stats.permutation_test); of what is no mean, the influences of
    each image are subtracted. Where these are not known, the errors are taken for independent, which is too cautious.

    Raises:
      UserError: a number without an error.
    """
    value = a.value - b.value
    if a.scores and b.scores:
        error = _squared_error(a.made - b.made) ** 0.5
        if error == 0:
            return Difference(value, error, float(value == 0), "images exchanged")
        if np.isfinite(error):
            draws = np.random.default_rng(seed)
            found = stats.permutation_test(
                (a.made, b.made), _mean_difference, permutation_type="samples", vectorized=True, batch=500, rng=draws
            )
            return Difference(value, error, float(found.pvalue), "images exchanged")
    elif (a.made is not None and b.made is not None) or (a.real is not None and b.real is not None):
        sides = ((x.made, x.real) for x in (a, b))
        error = sum(_squared_error(None if x is None else x - y) for x, y in zip(*sides, strict=True)) ** 0.5
        return Difference(value, error, _normal(value, error), "images, paired")
    error = (a.error**2 + b.error**2) ** 0.5
    if np.isnan(error):
        raise UserError("no standard error: too few images")
    return Difference(value, error, _normal(value, error), "errors, as if independent")


def over_seeds(a: np.ndarray, b: np.ndarray) -> Difference:
    """Of the numbers of several runs of one kind [n] and of another [m]: Welch's test of their means (1947).

    Raises:
      UserError: fewer than 2 runs of either.
    """
    if min(len(a), len(b)) < 2:
        raise UserError("one run of a kind: a test over seeds needs 2 or more of each")
    value, error = np.mean(a) - np.mean(b), (_squared_error(a) + _squared_error(b)) ** 0.5
    if not error:
        return Difference(float(value), 0.0, float(value == 0), "seeds, all alike")
    return Difference(float(value), error, float(stats.ttest_ind(a, b, equal_var=False).pvalue), "seeds")


def _mean_difference(x: np.ndarray, y: np.ndarray, axis: int) -> np.ndarray:
    return np.mean(x - y, axis=axis)


def _normal(value: float, error: float) -> float:
    return float(2 * stats.norm.sf(abs(value) / error)) if error else float(value == 0)
