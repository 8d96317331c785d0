"""How good translations are whose truth is known."""

import jax
import numpy as np

from gan_xla.evaluation import features
from gan_xla.evaluation.metrics import kernel, sharpness
from gan_xla.evaluation.metrics.similarity import l1, ssim

# (title, format) of a table's columns.
MEASURES = {
    "l1": ("L1 to the truth", ".1f"),
    "ssim": ("SSIM", ".3f"),
    "kd": ("KD", ".3f"),
    "sharpness": ("sharpness", ".2f"),
}
RECOLOURED = {"recoloured": ("colours moved", ".1f")}


def similar(y: np.ndarray, truth: np.ndarray) -> dict[str, float]:
    """Means of L1 (of 255) and SSIM to the true pictures, uint8 [n, h, w, 3] both."""
    return {"l1": float(l1(y, truth).mean()), "ssim": float(ssim(y, truth).mean())}


def recoloured(y: np.ndarray, x: np.ndarray) -> dict[str, float]:
    """How far colours moved from x to y, uint8 [n, h, w, 3] both, whatever the shapes: L1 (of 255) of 4x4 cells."""
    n, h, w, c = x.shape
    cells = (images.reshape(n, 4, h // 4, 4, w // 4, c).mean((2, 4)) for images in (y, x))
    return {"recoloured": float(np.abs(np.subtract(*cells)).mean())}


class Real:
    """Real images, uint8 [n, h, w, 3], to measure others by; `network` sees them once."""

    def __init__(self, images: np.ndarray, network: features.Features):
        self.images, self._network, self._features = images, network, network(images)

    def near(self, y: np.ndarray) -> dict[str, float]:
        """How near images y of any number come to these: distance of features, relative sharpness."""
        kd = kernel.mmd2(self._features, self._network(y)).value
        return {"kd": float(kd), "sharpness": sharpness.relative(y, self.images)}

    def measure(self, y: np.ndarray) -> dict[str, float]:
        """Quality of translations y, whose truth these are: means of L1 (of 255) and SSIM, and as `near`."""
        return similar(y, self.images) | self.near(y)


def thousands(params) -> float:
    """How many thousand parameters a network has."""
    return sum(x.size for x in jax.tree.leaves(params)) / 1000


def levelled(y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Images, uint8 [n, h, w, 3], brightened until their background is white; and what it was, the border's median.

    A discriminator without biases, with batch norm from its second layer on, cannot tell a batch from the same at half
    its brightness (tests/test_nets.py). So a generator that need not go back leaves the background grey, which
    judges of real images take for something.
    """
    border = np.concatenate([y[:, 0], y[:, -1], y[:, :, 0], y[:, :, -1]], axis=1)
    background = np.maximum(np.median(border, axis=1), 1)
    return np.clip(np.round(y * (255 / background)[:, None, None]), 0, 255).astype(np.uint8), background
