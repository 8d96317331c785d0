"""How much images resemble others, one by one: pixel errors, PSNR, SSIM and MS-SSIM.

SSIM: Wang et al. 2004, "Image quality assessment: from error visibility to structural similarity": an 11 x 11
Gaussian window with a standard deviation of 1.5 pixels, K1 = 0.01, K2 = 0.03, only where the window fits the image;
the mean over pixels and channels. MS-SSIM: Wang, Simoncelli and Bovik 2003.

All take [n, h, w, c] twice, uint8 or float32 in shares of 255, and give float64 [n]; they raise ValueError for other
types, or shapes that differ.
"""

from collections.abc import Callable

import numpy as np
from scipy import ndimage

from gan_xla.errors import UserError
from gan_xla.evaluation.metrics import inputs

PEAK = 255
WINDOW, SIGMA = 11, 1.5
C1, C2 = (0.01 * PEAK) ** 2, (0.03 * PEAK) ** 2
_PROFILE = np.exp(-((np.arange(WINDOW) - WINDOW // 2) ** 2) / (2 * SIGMA**2))
KERNEL = _PROFILE / _PROFILE.sum()
WEIGHTS = np.array([0.0448, 0.2856, 0.3001, 0.2363, 0.1333])  # of the scales from fine to coarse; section 3.2
CHUNK = 32  # images held as float64 at once


def _chunked(measure: Callable[[np.ndarray, np.ndarray], np.ndarray], x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """`measure` of a few images at a time, as float64."""
    x, y = inputs.image_pair(x, y)
    parts = inputs.slices(len(x), CHUNK)
    return np.concatenate([measure(x[part].astype(np.float64), y[part].astype(np.float64)) for part in parts])


def l1(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Mean absolute difference, of 255."""
    return _chunked(lambda a, b: np.abs(a - b).mean(axis=(1, 2, 3)), x, y)


def mse(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Mean squared difference, of 255^2."""
    return _chunked(lambda a, b: ((a - b) ** 2).mean(axis=(1, 2, 3)), x, y)


def l2(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Root of the mean squared difference (RMSE), of 255."""
    return np.sqrt(mse(x, y))


def psnr(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Peak signal to noise ratio in dB, 10 log10(255^2 / MSE); infinite for equal images."""
    with np.errstate(divide="ignore"):
        return 10 * np.log10(PEAK**2 / mse(x, y))


def _blur(x: np.ndarray) -> np.ndarray:
    """The window's means, where it fits: [n, h, w, c] -> [n, h - 10, w - 10, c]."""
    for axis in (1, 2):
        x = ndimage.correlate1d(x, KERNEL, axis=axis)
    edge = WINDOW // 2
    return x[:, edge:-edge, edge:-edge]


def terms(x, y, blur=_blur):
    """Means over pixels and channels of SSIM and of its factor of contrast and structure, [n] each.

    Args:
      x, y: floats of 255, [n, h, w, c], of numpy or of JAX, as `blur` takes them.
      blur: gives the window's means, where it fits.
    """
    x_mean, y_mean = blur(x), blur(y)
    product, squares = x_mean * y_mean, x_mean**2 + y_mean**2
    structure = (2 * (blur(x * y) - product) + C2) / (blur(x**2 + y**2) - squares + C2)
    luminance = (2 * product + C1) / (squares + C1)
    return (luminance * structure).mean(axis=(1, 2, 3)), structure.mean(axis=(1, 2, 3))


def ssim(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Structural similarity, in [-1, 1]; 1 for equal images.

    Raises:
      UserError: images of fewer than 11 pixels a side.
    """
    scales(inputs.image_pair(x, y)[0].shape[1:3])
    return _chunked(lambda a, b: terms(a, b)[0], x, y)


def scales(size: tuple[int, int]) -> int:
    """How many scales MS-SSIM uses for images of (height, width).

    As many of the paper's five as leave a side of 11 pixels, the window's, when it is halved and rounded up: 5 from
    161 pixels on, 4 from 81, 3 from 41, 2 from 21; 1, which is SSIM, from 11.

    Raises:
      UserError: fewer than 11 pixels.
    """
    side = min(size)
    if side < WINDOW:
        raise UserError(f"images of {size[0]}x{size[1]} pixels are too small for SSIM, which needs {WINDOW} a side")
    return min(len(WEIGHTS), 1 + int(np.log2((side - 1) // (WINDOW - 1))))


def scale_weights(size: tuple[int, int]) -> np.ndarray:
    """Of the `scales` of images of (height, width), from fine to coarse; errors as that."""
    count = scales(size)
    return WEIGHTS if count == len(WEIGHTS) else WEIGHTS[:count] / WEIGHTS[:count].sum()


def _halve(x: np.ndarray) -> np.ndarray:
    """Means of 2 x 2 pixels; an odd side's last row or column is repeated, as in the authors' code."""
    x = np.pad(x, ((0, 0), (0, x.shape[1] % 2), (0, x.shape[2] % 2), (0, 0)), mode="edge")
    return (x[:, ::2, ::2] + x[:, 1::2, ::2] + x[:, ::2, 1::2] + x[:, 1::2, 1::2]) / 4


def ms_ssim(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Multi-scale structural similarity, in [0, 1]; 1 for equal images.

    Means are over pixels and channels at each scale, and negative ones count as 0, as in the code of PGGAN's authors
    (Karras et al. 2018), whose values these are for powers of two from 256 on. At fewer than five `scales` the
    finest ones keep their weights, divided by their sum, where that code shrinks the window: compare only values of
    one image size.

    Raises:
      UserError: images of fewer than 11 pixels a side.
    """
    weights = scale_weights(inputs.image_pair(x, y)[0].shape[1:3])

    def measure(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        result = np.ones(len(a))
        for weight in weights[:-1]:
            result *= np.maximum(0, terms(a, b)[1]) ** weight
            a, b = _halve(a), _halve(b)
        return result * np.maximum(0, terms(a, b)[0]) ** weights[-1]

    return _chunked(measure, x, y)


def diversity(images: np.ndarray, pairs: int, seed: int = 0) -> float:
    """Mean MS-SSIM of random pairs of different samples; the lower, the more varied (Odena et al. 2017, section 4.2).

    Odena et al. take 100 pairs of each class, Karras et al. 2018 (section 6.1) many more of all images. Compare with
    as many pairs of real images: only above their value are samples too much alike.

    Args:
      images: uint8 [n, h, w, c].
      pairs: to draw, with repetition.
      seed: of the pairs.
    Raises:
      ValueError: other images, or no pairs.
      UserError: one image, or images of fewer than 11 pixels a side.
    """
    return float(of_pairs(images, pairs, seed)[0].mean())


def of_pairs(images: np.ndarray, pairs: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """MS-SSIM of random pairs, [pairs], and the numbers of the two images of each; as `diversity`."""
    images = inputs.images(images)
    if len(images) < 2:
        raise UserError("too few images: diversity needs 2 or more")
    if pairs < 1:
        raise ValueError(f"pairs={pairs} must be 1 or more")
    generator = np.random.default_rng(seed)
    first = generator.integers(len(images), size=pairs)
    second = (first + generator.integers(1, len(images), size=pairs)) % len(images)
    values = [ms_ssim(images[first[part]], images[second[part]]) for part in inputs.slices(pairs, CHUNK)]
    return np.concatenate(values), first, second
