"""Inception score of class logits (Salimans et al. 2016, section 4): exp of the mean of KL(p(y|x) || p(y)).

1 where all images are read alike, the number of classes where each is read surely and all equally often. It never
looks at real images, grows with n, and means little for classes that the classifier was not trained on.
"""

import itertools
from typing import NamedTuple

import numpy as np
from scipy.special import log_softmax, logsumexp

from gan_xla.errors import UserError
from gan_xla.evaluation.metrics import inputs


class Score(NamedTuple):
    """Mean and standard deviation over the splits."""

    mean: float
    std: float


def inception_score(logits: np.ndarray, *, splits: int = 10, seed: int = 0) -> Score:
    """The score of each of `splits` equal parts of the shuffled images; mean and standard deviation.

    Args:
      logits: [n, classes], before softmax; compare only values of equal n / splits.
      splits: parts, 10 in the paper.
      seed: of the shuffle, which is torch-fidelity's.
    Raises:
      ValueError: another shape, numbers that are not finite, or no splits.
      UserError: fewer images than splits.
    """
    if splits < 1:
        raise ValueError(f"splits={splits} must be 1 or more")
    logits = inputs.features(logits)
    if len(logits) < splits:
        raise UserError(f"too few images: {splits} splits need as many images or more, got {len(logits)}")
    order = np.random.RandomState(seed).permutation(len(logits))  # the reference's legacy generator
    log_p = log_softmax(logits[order], axis=1)
    ends = np.arange(splits + 1) * len(logits) // splits
    scores = []
    for part in (log_p[start:end] for start, end in itertools.pairwise(ends)):
        marginal = logsumexp(part, axis=0) - np.log(len(part))
        scores.append(np.exp(np.mean(np.sum(np.exp(part) * (part - marginal), axis=1))))
    return Score(float(np.mean(scores)), float(np.std(scores)))
