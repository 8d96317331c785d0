"""Inception-v3 as the Fréchet Inception Distance uses it (Szegedy et al. 2016; Heusel et al. 2017).

The network is the graph of 2015-12-05 that Inception Score and FID have been computed with since, in the
layout of its PyTorch conversion (torch-fidelity, pytorch-fid). It differs from Inception-v3 elsewhere:
average pools do not count padding, the last block has a maximum pool in its place, there are 1008 logits,
and images of any size are resized to 299x299 by TensorFlow 1's bilinear rule, which neither centres pixels
nor averages what it skips.
"""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import flax.linen as nn
import jax.numpy as jnp
import numpy as np

from gan_xla.contract import Array
from gan_xla.evaluation.features import Features, resizing, weights

URL = "https://github.com/toshas/torch-fidelity/releases/download/v0.2.0/weights-inception-2015-12-05-6726825d.pth"
SHA256 = "6726825d0af5f729cebd5821db510b11b1cfad8faad88a03f1befd49fb9129b2"
SIZE = 299
CLASSES = 1008
# The protocols of clean-fid's modes "legacy_tensorflow" and "clean": name, in words, what is done before the network.
LEGACY = "Inception-v3, legacy", f"TensorFlow 1's bilinear, without antialiasing, to {SIZE} pixels", None
CLEAN = (
    "Inception-v3, clean",
    f"Pillow's bicubic filter, each channel in float, to {SIZE} pixels",
    partial(resizing.floats_to, size=SIZE),
)


def resize(x: Array) -> Array:
    """float32 [n, h, w, c] -> [n, 299, 299, c] as TensorFlow 1's resize_bilinear: pixel i comes from i h / 299."""
    for axis in (2, 1):
        size = x.shape[axis]
        # float32 throughout: what falls on a pixel, or just before it, decides which two are mixed.
        place = np.arange(SIZE, dtype=np.float32) * np.float32(size / SIZE)
        low = place.astype(int)
        a, b = (jnp.take(x, i, axis, mode="clip") for i in (low, low + 1))
        x = a + (b - a) * (place - low.astype(np.float32)).reshape([-1 if i == axis else 1 for i in range(4)])
    return x


class Unit(nn.Module):
    """Convolution without bias, batch norm, ReLU."""

    features: int
    kernel: int | tuple[int, int]
    stride: int = 1
    padding: str = "SAME"

    @nn.compact
    def __call__(self, x: Array) -> Array:
        kernel = (self.kernel, self.kernel) if isinstance(self.kernel, int) else self.kernel
        x = nn.Conv(self.features, kernel, self.stride, self.padding, use_bias=False, name="conv")(x)
        return nn.relu(nn.BatchNorm(use_running_average=True, epsilon=1e-3, name="bn")(x))


def _chain(name: str, x: Array, *layers: tuple) -> Array:
    """Units one after another, numbered where there are several."""
    for i, layer in enumerate(layers, 1):
        x = Unit(*layer, name=f"{name}_{i}" if len(layers) > 1 else name)(x)
    return x


def _mean(x: Array) -> Array:
    return nn.avg_pool(x, (3, 3), padding="SAME", count_include_pad=False)


def _maximum(x: Array) -> Array:
    return nn.max_pool(x, (3, 3), padding="SAME")


def _halve(x: Array) -> Array:
    return nn.max_pool(x, (3, 3), (2, 2))


# Figures 5, 6 and 7 of Szegedy et al. 2016 and the two blocks of figure 10 that halve the image. A layer is
# (features, kernel[, stride, padding]).


def _a(x: Array, pooled: int) -> list[Array]:
    return [
        _chain("branch1x1", x, (64, 1)),
        _chain("branch5x5", x, (48, 1), (64, 5)),
        _chain("branch3x3dbl", x, (64, 1), (96, 3), (96, 3)),
        _chain("branch_pool", _mean(x), (pooled, 1)),
    ]


def _b(x: Array) -> list[Array]:
    return [
        _chain("branch3x3", x, (384, 3, 2, "VALID")),
        _chain("branch3x3dbl", x, (64, 1), (96, 3), (96, 3, 2, "VALID")),
        _halve(x),
    ]


def _c(x: Array, n: int) -> list[Array]:
    row, column = (1, 7), (7, 1)
    return [
        _chain("branch1x1", x, (192, 1)),
        _chain("branch7x7", x, (n, 1), (n, row), (192, column)),
        _chain("branch7x7dbl", x, (n, 1), (n, column), (n, row), (n, column), (192, row)),
        _chain("branch_pool", _mean(x), (192, 1)),
    ]


def _d(x: Array) -> list[Array]:
    return [
        _chain("branch3x3", x, (192, 1), (320, 3, 2, "VALID")),
        _chain("branch7x7x3", x, (192, 1), (192, (1, 7)), (192, (7, 1)), (192, 3, 2, "VALID")),
        _halve(x),
    ]


def _e(x: Array, pool: Callable[[Array], Array]) -> list[Array]:
    y = _chain("branch3x3_1", x, (384, 1))
    z = _chain("branch3x3dbl_2", _chain("branch3x3dbl_1", x, (448, 1)), (384, 3))
    return [
        _chain("branch1x1", x, (320, 1)),
        _chain("branch3x3_2a", y, (384, (1, 3))),
        _chain("branch3x3_2b", y, (384, (3, 1))),
        _chain("branch3x3dbl_3a", z, (384, (1, 3))),
        _chain("branch3x3dbl_3b", z, (384, (3, 1))),
        _chain("branch_pool", pool(x), (192, 1)),
    ]


class Mixed(nn.Module):
    """Branches side by side, joined in their channels."""

    branches: Callable[..., list[Array]]
    arguments: tuple = ()

    @nn.compact
    def __call__(self, x: Array) -> Array:
        return jnp.concatenate(self.branches(x, *self.arguments), axis=-1)


class Inception(nn.Module):
    """The network, from uint8 images of any size to what the metrics tap."""

    @nn.compact
    def __call__(self, images: Array) -> dict[str, Array]:
        """uint8 [n, h, w, 3] -> means over the image "64", "192", "768", "2048" [n, that many], and
        "logits_unbiased", "logits" [n, 1008], of which the former lack the last layer's bias.
        """
        taps = {}

        def tap(x):
            taps[str(x.shape[-1])] = x.mean(axis=(1, 2))
            return x

        x = (resize(images.astype(jnp.float32)) - 128) / 128
        x = Unit(32, 3, 2, "VALID", name="Conv2d_1a_3x3")(x)  # [n, 149, 149, 32]
        x = Unit(32, 3, 1, "VALID", name="Conv2d_2a_3x3")(x)
        x = tap(_halve(Unit(64, 3, name="Conv2d_2b_3x3")(x)))  # [n, 73, 73, 64]
        x = Unit(80, 1, name="Conv2d_3b_1x1")(x)
        x = tap(_halve(Unit(192, 3, 1, "VALID", name="Conv2d_4a_3x3")(x)))  # [n, 35, 35, 192]
        for name, pooled in (("5b", 32), ("5c", 64), ("5d", 64)):
            x = Mixed(_a, (pooled,), name=f"Mixed_{name}")(x)
        x = Mixed(_b, name="Mixed_6a")(x)  # [n, 17, 17, 768]
        for name, n in (("6b", 128), ("6c", 160), ("6d", 160), ("6e", 192)):
            x = Mixed(_c, (n,), name=f"Mixed_{name}")(x)
        x = Mixed(_d, name="Mixed_7a")(tap(x))  # [n, 8, 8, 1280]
        x = Mixed(_e, (_mean,), name="Mixed_7b")(x)
        x = tap(Mixed(_e, (_maximum,), name="Mixed_7c")(x)).mean(axis=(1, 2))  # [n, 2048]
        last = nn.Dense(CLASSES, name="fc")
        return taps | {"logits": last(x), "logits_unbiased": x @ last.variables["params"]["kernel"]}


def load(path: Path | None = None, clean: bool = False) -> Features:
    """The network with its weights, downloaded once, or from a file.

    Its logits are those that Inception Score takes, without bias.

    Args:
      path: of the file, or None.
      clean: images come to its size as in clean-fid (Parmar et al. 2022), not as in the code that FID came with.
    Raises:
      UserError: no such weights.
    """
    name, protocol, prepare = LEGACY
    if clean:  # what is of its size stays as it is in `resize`
        name, protocol, prepare = CLEAN
    return Features.from_file(
        weights.cached(URL, SHA256) if path is None else path,
        SHA256,
        name=name,
        network=Inception(),
        dim=2048,
        tap="2048",
        logits_tap="logits_unbiased",
        prepare=prepare,
        protocol=protocol,
    )
