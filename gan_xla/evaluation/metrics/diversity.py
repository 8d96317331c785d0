"""How far apart the outputs are that one input may have (Zhu et al. 2017, BicycleGAN, section 5).

The paper takes LPIPS as the distance of generated images; pass it, or any other, as `distance`.
"""

from collections.abc import Callable
from itertools import combinations

import numpy as np

from gan_xla.errors import UserError

Distance = Callable[[np.ndarray, np.ndarray], np.ndarray]


def euclidean(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Distance of [n, ...] one by one, float64 [n]."""
    difference = np.asarray(x, np.float64) - np.asarray(y, np.float64)
    return np.linalg.norm(difference.reshape(len(difference), -1), axis=1)


def spread(outputs: np.ndarray, distance: Distance = euclidean) -> np.ndarray:
    """Mean distance of the k outputs of each input, over all k (k - 1) / 2 pairs; 0 where the noise is ignored.

    Compare with that of k random real images: outputs that are noisy, or of any input, also lie apart.

    Args:
      outputs: [n, k, ...]: features [n, k, d], or images [n, k, h, w, c].
      distance: of [n, ...] and [n, ...] one by one, [n]; such as `similarity.l1` for uint8 images.
    Returns:
      float64 [n].
    Raises:
      ValueError: no such shape.
      UserError: k < 2.
    """
    outputs = np.asarray(outputs)
    if outputs.ndim < 3 or not outputs.size:
        raise ValueError(f"expected outputs [n, k, ...], got {outputs.shape}")
    if outputs.shape[1] < 2:
        raise UserError("too few outputs: the spread needs 2 or more for each input")
    return np.mean(
        [distance(outputs[:, i], outputs[:, j]) for i, j in combinations(range(outputs.shape[1]), 2)], axis=0
    )
