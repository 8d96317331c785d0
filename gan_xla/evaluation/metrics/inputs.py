"""What the measures accept: checked arrays, taken in parts so that memory stays bounded."""

from collections.abc import Iterator

import numpy as np

from gan_xla.errors import UserError

BLOCK = 1 << 22  # entries of a matrix of pairs held at once: 32 MiB


def slices(count: int, size: int) -> Iterator[slice]:
    """Consecutive slices of at most `size` that make up range(count)."""
    return (slice(start, min(start + size, count)) for start in range(0, count, size))


def blocks(rows: int, columns: int) -> Iterator[slice]:
    """Slices of the rows of a matrix that is too large to hold; each of at most BLOCK entries, or of one row."""
    return slices(rows, max(1, BLOCK // columns))


def features(x: np.ndarray, least: int = 1) -> np.ndarray:
    """Features [n, d] as float64.

    Raises:
      ValueError: another shape, or numbers that are not finite.
      UserError: n < least.
    """
    x = np.asarray(x, np.float64)
    if x.ndim != 2 or not x.shape[1]:
        raise ValueError(f"expected features [n, d], got {x.shape}")
    if len(x) < least:
        raise UserError(f"too few images: this measure needs {least} or more of each set, got {len(x)}")
    if not np.isfinite(x).all():
        raise ValueError("some features are not finite")
    return x


def feature_pair(a: np.ndarray, b: np.ndarray, least: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Two sets of features of one width, [n_a, d] and [n_b, d], as float64; errors as in `features`."""
    a, b = features(a, least), features(b, least)
    if a.shape[1] != b.shape[1]:
        raise ValueError(f"features of one network have one width, got {a.shape} and {b.shape}")
    return a, b


def images(x: np.ndarray) -> np.ndarray:
    """Images uint8 [n, h, w, c] with n from 1 on, as they are.

    Raises:
      ValueError: another type or shape.
    """
    return _images(x, (np.uint8,))


def _images(x, types):
    x = np.asarray(x)
    if x.dtype not in types or x.ndim != 4 or not x.size:
        raise ValueError(f"expected images uint8 [n, h, w, c], got {x.dtype} {x.shape}")
    return x


def image_pair(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Images of one shape, both uint8 or both float32 in shares of 255, compared one by one; errors as in `images`."""
    both = {np.asarray(one).dtype for one in (x, y)}
    x, y = (_images(one, (np.float32,) if both == {np.dtype(np.float32)} else (np.uint8,)) for one in (x, y))
    if x.shape != y.shape:
        raise ValueError(f"expected as many images of one size, got {x.shape} and {y.shape}")
    return x, y
