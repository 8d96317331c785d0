"""How translated points fall on the modes of a target mixture, for DiscoGAN's 2-D toy.

Counting modes with samples within 3 standard deviations follows Metz et al. 2017 (Unrolled
GANs, arXiv:1611.02163) and Srivastava et al. 2017 (VEEGAN, arXiv:1705.07761).
"""

import numpy as np

RADIUS = 3.0  # standard deviations
SHARE = 0.01  # of the points; a tenth of what each of ten modes would get


def near(points: np.ndarray, centres: np.ndarray, sigma: float) -> np.ndarray:
    """Which points lie within 3 sigma of which modes.

    Args:
      points: float [n, d].
      centres: float [modes, d]; more than 6 sigma apart, else a point may be near several.
      sigma: standard deviation of each mode.
    Returns:
      bool [n, modes].
    Raises:
      ValueError: shapes that do not fit, no points, or a sigma that is not positive.
    """
    points, centres = np.asarray(points, np.float64), np.asarray(centres, np.float64)
    if points.ndim != 2 or centres.ndim != 2 or points.shape[1] != centres.shape[1] or not len(points):
        raise ValueError(f"expected points [n, d] and centres [modes, d], got {points.shape} and {centres.shape}")
    if not sigma > 0:
        raise ValueError(f"sigma must be positive, not {sigma}")
    return np.linalg.norm(points[:, None] - centres, axis=-1) <= RADIUS * sigma


def covered_modes(points: np.ndarray, centres: np.ndarray, sigma: float, *, share: float = SHARE) -> int:
    """Number of modes with at least `share` of all points within 3 sigma; arguments as in `near`."""
    return int(np.sum(near(points, centres, sigma).mean(axis=0) >= share))


def high_quality_share(points: np.ndarray, centres: np.ndarray, sigma: float) -> float:
    """Share of the points within 3 sigma of some mode; 0.989 for the 2-D mixture itself. Arguments as in `near`."""
    return float(near(points, centres, sigma).any(axis=1).mean())


def mode_map(points: np.ndarray, sources: np.ndarray, centres: np.ndarray, sigma: float) -> np.ndarray:
    """Where the points of each source mode went.

    Args:
      points, centres, sigma: as in `near`.
      sources: int [n], the source mode that each point was translated from, numbered from 0.
    Returns:
      float64 [source modes, modes]: the share of the source mode's points near the target
      mode. Rows sum to 1 less the share that is near no mode.
    Raises:
      ValueError: as in `near`, or a source mode without points.
    """
    sources = np.asarray(sources)
    hits = near(points, centres, sigma)
    if sources.shape != hits.shape[:1] or np.bincount(sources).min() == 0:
        raise ValueError("sources must name the source mode of every point, and every source mode must have points")
    return np.stack([hits[sources == source].mean(axis=0) for source in range(sources.max() + 1)])


def spread(mapped: np.ndarray, *, share: float = SHARE) -> np.ndarray:
    """Target modes that each source mode reaches with at least `share` of its points.

    Args:
      mapped: [source modes, modes], as `mode_map` gives it.
    Returns:
      int [source modes].
    """
    return np.sum(mapped >= share, axis=1)


def shared_modes(mapped: np.ndarray, *, share: float = SHARE) -> int:
    """Number of target modes that two or more source modes reach, as in a collapse; arguments as in `spread`."""
    return int(np.sum(np.sum(mapped >= share, axis=0) > 1))
