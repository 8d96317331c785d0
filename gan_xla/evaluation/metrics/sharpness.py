"""Share of fine detail in images, to tell blur from sharpness without a reference for each image.

A share of the power spectrum does not change with contrast or brightness, unlike the variance of a Laplacian, and
says which frequencies it counts. Images are not periodic: without a window, the step from one edge to the opposite
one would look like fine detail, hence the Hann window. The measure cannot tell detail from noise or from a
generator's checkerboard, so more is better only up to the share of real images (`relative` = 1).
"""

import numpy as np

from gan_xla.evaluation.metrics import inputs

CUT = 0.25  # cycles per pixel: half of Nyquist's frequency
LUMINANCE = np.array([0.299, 0.587, 0.114])  # ITU-R BT.601
CHUNK = 64


def _luminance(x: np.ndarray) -> np.ndarray:
    """uint8 [n, h, w, c] -> float64 [n, h, w]."""
    return x[..., 0].astype(np.float64) if x.shape[-1] == 1 else x @ LUMINANCE


def _shares(x: np.ndarray) -> np.ndarray:
    """[n, h, w] -> [n]."""
    height, width = x.shape[1:]
    window = np.outer(np.hanning(height + 2)[1:-1], np.hanning(width + 2)[1:-1])
    # Without the windowed mean, brightness leaks into the lowest frequencies and dilutes the share.
    x = (x - np.average(x.reshape(len(x), -1), axis=1, weights=window.ravel())[:, None, None]) * window
    power = np.abs(np.fft.fft2(x)) ** 2
    high = np.hypot(np.fft.fftfreq(height)[:, None], np.fft.fftfreq(width)) > CUT
    total = power.sum(axis=(1, 2))
    flat = total <= 1e-12 * height * width  # only round-off is left of a flat image
    return np.where(flat, 0, power[:, high].sum(axis=1) / np.where(flat, 1, total))


def sharpness(images: np.ndarray) -> np.ndarray:
    """Share of the luminance's variance above half of Nyquist's frequency, radially, under a Hann window.

    Args:
      images: uint8 [n, h, w, c] with c = 1 or 3.
    Returns:
      float64 [n] in [0, 1]; 0 for a flat image, about 0.8 for white noise. Depends on the resolution.
    Raises:
      ValueError: other images.
    """
    images = inputs.images(images)
    if images.shape[-1] not in (1, 3):
        raise ValueError(f"expected grey or RGB images (compose alpha on a background first), got {images.shape}")
    return np.concatenate([_shares(_luminance(images[part])) for part in inputs.slices(len(images), CHUNK)])


def relative(images: np.ndarray, real: np.ndarray) -> float:
    """Mean sharpness of images over that of real ones of the same size; below 1 is blurred, above 1 noisy.

    Raises:
      ValueError: other images, another size, or real images without any detail.
    """
    images, real = inputs.images(images), inputs.images(real)
    if images.shape[1:3] != real.shape[1:3]:
        raise ValueError(f"sharpness depends on the size, got {images.shape} and {real.shape}")
    reference = sharpness(real).mean()
    if not reference:
        raise ValueError("the real images are flat")
    return float(sharpness(images).mean() / reference)
