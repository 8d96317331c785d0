"""Shift-tolerant LPIPS, a perceptual distance of two images (Ghildyal and Liu 2022).

LPIPS (Zhang et al. 2018) compares unit-length features of a network channel by channel with learned
weights. A shift by a pixel or two, which nobody sees, changes it; here the network is an AlexNet whose
layers all have stride 1, and binomial filters (Zhang 2019, BlurPool) shrink their outputs.
"""

import functools
import os
from collections.abc import Callable
from pathlib import Path

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from gan_xla.contract import Array, Tree
from gan_xla.evaluation.features import as_rgb, chunks, weights
from gan_xla.nets.blocks import reflect
from gan_xla.published import torch_file

NAME = "ST-LPIPS (AlexNet)"
PACKAGE = "stlpips_pytorch"
FILE = "weights/vST0.0/alex_shift_tolerant.pth"
CHUNK = 8  # pairs
SMALLEST = 21
# Mean and deviation of ImageNet's colours, for images in [-1, 1].
MEAN = np.array([-0.030, -0.088, -0.188], np.float32)
DEVIATION = np.array([0.458, 0.448, 0.450], np.float32)


def blur_pool(x: Array) -> Array:
    """Binomial filter (1, 2, 1) / 4 of every other pixel, the image reflected by 2 pixels at its border.

    [n, h, w, c] -> [n, (h + 3) // 2, (w + 3) // 2, c]; h and w of 3 or more.
    """
    x = reflect(x, 2)
    for axis in (1, 2):
        last = x.shape[axis] - 2
        a, b, c = (lax.slice_in_dim(x, i, last + i, 2, axis) for i in range(3))
        x = a / 4 + b / 2 + c / 4
    return x


def _pool(x: Array) -> Array:
    return blur_pool(nn.max_pool(x, (3, 3)))


def _unit(x: Array) -> Array:
    """Scales the channels of each pixel to length 1."""
    return x / (jnp.sqrt(jnp.sum(x**2, axis=-1, keepdims=True)) + 1e-10)


class Network(nn.Module):
    """The distance, from pairs of uint8 images."""

    @nn.compact
    def __call__(self, x: Array, y: Array) -> Array:
        """Two of uint8 [n, h, w, 3] -> [n]."""
        both = (jnp.concatenate([x, y]).astype(jnp.float32) / 127.5 - 1 - MEAN) / DEVIATION
        total = 0.0
        for i, layer in enumerate(self._layers(both)):
            a, b = jnp.split(_unit(layer), 2)
            weighted = nn.Conv(1, (1, 1), use_bias=False, name=f"lin{i}.model.1")((a - b) ** 2)
            total += weighted.mean(axis=(1, 2, 3))
        return total

    def _layers(self, x: Array) -> list[Array]:
        """[n, h, w, 3] -> outputs of the five layers, of h / 2, h / 4 and h / 8 rows about."""

        def conv(x, features, kernel, padding, name):
            return nn.Conv(features, (kernel, kernel), padding=padding, name=f"net.slice{name}")(x)

        layers = [nn.relu(blur_pool(conv(x, 64, 11, 2, "1.0")))]
        layers += [nn.relu(conv(_pool(layers[-1]), 192, 5, 2, "2.5"))]
        layers += [nn.relu(conv(_pool(layers[-1]), 384, 3, 1, "3.9"))]
        layers += [nn.relu(conv(layers[-1], 256, 3, 1, "4.11"))]
        return [*layers, nn.relu(conv(layers[-1], 256, 3, 1, "5.13"))]


@functools.cache
def _load(path: str | os.PathLike | None) -> Tree:
    file = weights.packaged(PACKAGE, FILE) if path is None else Path(path)
    return weights.variables(Network(), torch_file.read(file), file, inputs=2)


@jax.jit
def _run(variables: Tree, x: Array, y: Array) -> Array:
    with jax.default_matmul_precision("highest"):  # as for the other features
        return Network().apply(variables, x, y)


def smooth(path: str | os.PathLike | None = None) -> Callable[[Array, Array], Array]:
    """`distance` for gradients: of images float [n, h, w, 1 or 3] twice, 0 to 255 -> [n].

    Raises:
      UserError: no such weights.
    """
    variables = _load(path)

    def of(x: Array, y: Array) -> Array:
        x, y = (jnp.broadcast_to(image, (*image.shape[:-1], 3)) for image in (x, y))
        return Network().apply(variables, x, y)

    return of


def distance(x: np.ndarray, y: np.ndarray, path: str | os.PathLike | None = None) -> np.ndarray:
    """ST-LPIPS of pairs of images, float32 [n]: 0 for equal ones, up to about 1 for unlike ones.

    Images are compared at their own size, on which the distance depends.

    Args:
      x, y: uint8 [n, h, w, c] of one shape; h and w of 21 or more, c 1 (grey) or 3.
      path: PyTorch file of the weights; by default that of the package stlpips-pytorch 0.0.2.
    Raises:
      ValueError: images of other types or shapes.
      UserError: no such weights.
    """
    if np.shape(x) != np.shape(y):
        raise ValueError(f"expected pairs of images of one shape, got {np.shape(x)} and {np.shape(y)}")
    x, y = as_rgb(x), as_rgb(y)
    if min(x.shape[1:3]) < SMALLEST:
        raise ValueError(f"images need {SMALLEST} or more rows and columns, got {list(x.shape)}")
    variables = _load(path)
    parts = [np.asarray(_run(variables, x[rows], y[rows]))[:kept] for rows, kept in chunks(len(x), CHUNK)]
    return np.concatenate(parts)
