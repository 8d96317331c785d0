"""Convolutions as sums of matrix products.

A scheme writes the trilinear form f of `convolution` as such a sum: linear maps send x, k and y to lists of matrices
X [rows, in], K [in, out], Y [rows, out] with f(x, k, y) = sum_i <X_i K_i, Y_i>, from which all three operations follow:
`output`, `image` and `kernel`.
"""

from __future__ import annotations

import operator
from functools import cache, partial, reduce
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

Pair = tuple[int, int]


class Geometry(NamedTuple):
    """The integers of the trilinear form; `image` and `kernel` are heights and widths.

    `mirrored`: kernels are given, and asked for, as `mirror` of them, as a transposed convolution's parameters
    lie. Where images are small, mirroring would cost several times what the products do.
    """

    image: Pair
    kernel: Pair
    stride: Pair
    padding: Pair
    mirrored: bool = False

    @property
    def output(self) -> Pair:
        return tuple((h + 2 * p - k) // s + 1 for h, k, s, p in zip(*self[:4]))

    @property
    def channels(self) -> Pair:
        """The kernel's axes of the image's and of the output's channels."""
        return (3, 2) if self.mirrored else (2, 3)


def mirror(kernel):
    """Between the kernels of a convolution and of a transposed one, both ways."""
    return kernel[::-1, ::-1].swapaxes(2, 3)


def transpose(linear, shape, cotangent):
    """Applies the transpose of `linear`, a function of an array of this shape."""
    dtype = jax.tree.leaves(cotangent)[0].dtype
    return jax.linear_transpose(linear, jax.ShapeDtypeStruct(shape, dtype))(cotangent)[0]


def split_phases(x, rows, g):
    """Zero-pads x [n, h, w, c] to [n, rows, stride, columns, stride, c]."""
    (s, t), (p, q) = g.stride, g.padding
    n, h, w, c = x.shape
    padding = ((0, 0, 0), (p, rows[0] * s - h - p, 0), (q, rows[1] * t - w - q, 0), (0, 0, 0))
    return lax.pad(x, jnp.zeros((), x.dtype), padding).reshape(n, rows[0], s, rows[1], t, c)


def taps(x, g):
    """What each of the kernel's kh kw taps sees of x: a list of [n, h', w', c_in]."""
    (kh, kw), (s, t), (h, w) = g.kernel, g.stride, g.output
    x = split_phases(x, (h + (kh - 1) // s, w + (kw - 1) // t), g)
    # Cut from whole phases, so that the transpose adds within a phase first.
    phases = {(a, b): x[:, :, a, :, b] for a in range(min(s, kh)) for b in range(min(t, kw))}
    return [phases[a % s, b % t][:, a // s : a // s + h, b // t : b // t + w] for a in range(kh) for b in range(kw)]


class Patches:
    """One product: patches [n h w, kh kw c_in] with the kernel as a matrix."""

    @staticmethod
    def image(x, g):
        seen = taps(x, g)
        return [jnp.concatenate(seen, -1).reshape(-1, len(seen) * x.shape[-1])]

    @staticmethod
    def kernel(k, g):
        return [k.reshape(-1, k.shape[3])]

    @staticmethod
    def output(y, g):
        return [y.reshape(-1, y.shape[3])]


class Winograd:
    """Fewer products: m + r - 1 in place of m r, in each dimension, for m outputs of an r-tap filter (Winograd 1980).

    A filter is a view of a product of polynomials, which is known from its values at m + r - 2 `points` and at infinity
    (Toom 1963, Cook 1966; Lavin and Gray 2016 for networks). A kernel of side r s and stride s is by phase an r-tap
    filter. Of the points 0 and 1 come Karatsuba's sums and differences, whose rounding is that of the plain form; with
    -1 it is so too, with a fourth point three times as much (tests/test_convolution.py).
    """

    def __init__(self, outputs: int, points: tuple[int, ...]):
        self.outputs, self.points = outputs, points

    def _maps(self, g):
        return _maps(self.outputs, g.kernel[0] // g.stride[0], self.points)

    def image(self, x, g):
        maps, m, s = self._maps(g)[0], self.outputs, g.stride[0]
        n, c, values = x.shape[0], x.shape[3], len(maps)
        h, w = (-(-length // m) for length in g.output)
        rows, columns = (length + (values - 1) // m for length in (h, w))
        x = split_phases(x, (m * rows, m * columns), g).reshape(n, rows, m, s, columns, m, s, c)
        matrices = []
        for r in _combined(maps, [x[:, i // m : i // m + h, i % m] for i in range(values)]):
            for v in _combined(maps, [r[:, :, :, i // m : i // m + w, i % m] for i in range(values)]):
                matrices.append(v.swapaxes(2, 3).reshape(-1, s * s * c))
        return matrices

    def kernel(self, k, g):
        maps, s = self._maps(g)[1], g.stride[0]
        # split, unlike slicing, has a transpose (concatenate) that XLA:CPU is fast at.
        parts = partial(lax.split, sizes=(s,) * (g.kernel[0] // s))
        rows = _combined(maps, parts(k, axis=0))
        return [v.reshape(-1, k.shape[3]) for r in rows for v in _combined(maps, parts(r, axis=1))]

    def output(self, y, g):
        maps, m = self._maps(g)[2], self.outputs
        n, h, w, c = y.shape
        y = jnp.pad(y, ((0, 0), (0, -h % m), (0, -w % m), (0, 0))).reshape(n, -(-h // m), m, -(-w // m), m, c)
        rows = _combined(maps, [y[:, :, i] for i in range(m)])
        return [v.reshape(-1, c) for r in rows for v in _combined(maps, [r[:, :, :, i] for i in range(m)])]

    def turned(self, matrices):
        """`kernel` of the kernel turned by half a turn, from that of the kernel.

        A point becomes its reciprocal, so 0 and infinity change places. For points 0, 1 and -1 and odd r alone.
        """
        order = (len(self.points), *range(1, len(self.points)), 0)
        return [matrices[len(order) * i + j] for i in order for j in order]


@cache
def _maps(outputs, taps, points):
    """Coefficients of the outputs + taps - 1 values, of the image's parts, of the kernel's taps and of the outputs."""
    x, k, y = [], [], []
    for point in map(float, points):
        others = [other for other in points if other != point]
        scale = np.prod([point - other for other in others])
        x.append(np.sign(scale) * np.append(np.poly(others)[::-1], 0))
        k.append(point ** np.arange(taps) / abs(scale))
        y.append(point ** np.arange(outputs))
    return (
        np.stack([*x, np.poly(points)[::-1]]),
        np.stack([*k, np.eye(taps)[-1]]),
        np.stack([*y, np.eye(outputs)[-1]]),
    )


def _combined(maps, parts):
    """The linear combinations of `parts` whose coefficients are the rows of `maps`."""
    return [reduce(operator.add, (c * part for c, part in zip(row, parts) if c)) for row in maps.tolist()]
