"""Sliced Wasserstein distance of image patches (Karras et al. 2018, section 5, after Rabin et al. 2011)."""

from collections.abc import Sequence

import numpy as np
from scipy import ndimage

PATCH = 7
PATCHES = 128  # of each image at each level
DIRECTIONS, REPEATS = 128, 4
SMALLEST = 16
SCALE = 1e3
KERNEL = np.array([1, 4, 6, 4, 1]) / 16  # Burt and Adelson 1983


def _blur(x: np.ndarray) -> np.ndarray:
    for axis in (1, 2):
        x = ndimage.convolve1d(x, KERNEL, axis=axis, mode="mirror")
    return x


def _double(x: np.ndarray) -> np.ndarray:
    n, h, w, c = x.shape
    spread = np.zeros((n, 2 * h, 2 * w, c), x.dtype)
    spread[:, ::2, ::2] = x
    return 4 * _blur(spread)


def laplacian_pyramid(images: np.ndarray) -> list[np.ndarray]:
    """Images float [n, s, s, c] split by octaves: the details at s, s/2, ... and what is left at 16 pixels.

    Adding up the levels, each doubled in size, gives the images back.

    Raises:
      ValueError: s is no power of two from 16 on.
    """
    size = images.shape[1]
    if size < SMALLEST or size & (size - 1) or images.shape[2] != size:
        raise ValueError(f"expected squares of a power of two from {SMALLEST} on, got {images.shape}")
    levels = []
    while images.shape[1] > SMALLEST:
        smaller = _blur(images)[:, ::2, ::2]
        levels.append(images - _double(smaller))
        images = smaller
    return [*levels, images]


def _patches(level: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Random patches of every image, each channel normalised over all of them: [n * PATCHES, 49 c]."""
    n, size = level.shape[:2]
    rows, columns = generator.integers(0, size - PATCH + 1, (2, n * PATCHES, 1, 1))
    offset = np.arange(PATCH)
    image = np.repeat(np.arange(n), PATCHES)[:, None, None]
    found = level[image, rows + offset[:, None], columns + offset]  # [n * PATCHES, 7, 7, c]
    deviation = np.maximum(found.std(axis=(0, 1, 2)), 1e-8)
    return ((found - found.mean(axis=(0, 1, 2))) / deviation).reshape(len(found), -1)


def _distance(a: np.ndarray, b: np.ndarray, generator: np.random.Generator) -> float:
    """Mean distance of the sorted projections of [n, d] on random directions."""
    total = 0.0
    for _ in range(REPEATS):
        directions = generator.standard_normal((a.shape[1], DIRECTIONS)).astype(a.dtype)
        directions /= np.linalg.norm(directions, axis=0)
        total += np.abs(np.sort(a @ directions, axis=0) - np.sort(b @ directions, axis=0)).mean()
    return float(total / REPEATS)


def sliced_wasserstein(real: np.ndarray, fake: np.ndarray, seed: int = 0) -> dict[int, float]:
    """Distance between two sets of images at every scale, times 1000.

    The paper compares 16,384 images of each; fewer give larger values, so compare only values of
    equal numbers.

    Args:
      real, fake: uint8 [n, s, s, c], as many of each; s a power of two from 16 on.
      seed: of patches and directions.

    Returns:
      Distance by resolution, from s down to 16.
    Raises:
      ValueError: other shapes.
    """
    if real.shape != fake.shape:
        raise ValueError(f"expected as many images of one size, got {real.shape} and {fake.shape}")
    generator = np.random.default_rng(seed)
    pyramids: Sequence[list[np.ndarray]] = [laplacian_pyramid(x.astype(np.float32)) for x in (real, fake)]
    result = {}
    for a, b in zip(*pyramids, strict=True):
        patches = (_patches(level, generator) for level in (a, b))
        result[a.shape[1]] = SCALE * _distance(*patches, generator)
    return result
