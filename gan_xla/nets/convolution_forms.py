"""How a convolution, its transpose and its weight gradient are computed, per platform.

Each form computes one of the three views of the trilinear form of `convolution`: the output
from image and kernel, the image from output and kernel, the kernel from image and output.
"""

from __future__ import annotations

from functools import partial, wraps
from typing import NamedTuple

import jax
import jax.numpy as jnp
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


def _takes_kernel(form):
    """Makes `form(left, kernel, geometry)` of one for kernels that are not mirrored."""

    @wraps(form)
    def wrapped(left, k, geometry):
        if geometry.mirrored:
            k, geometry = mirror(k), geometry._replace(mirrored=False)
        return form(left, k, geometry)

    return wrapped


def _gives_kernel(form):
    """Makes `form(x, y, geometry)` of one whose result is not mirrored."""

    @wraps(form)
    def wrapped(x, y, geometry):
        k = form(x, y, geometry._replace(mirrored=False))
        return mirror(k) if geometry.mirrored else k

    return wrapped


# The plain forms. The transposes are JAX's own of one convolution, which is how XLA's
# backends expect (and cuDNN's rewriter recognises) input and filter gradients.

LAYOUT = ("NHWC", "HWIO", "NHWC")


@_takes_kernel
def plain_output(x, k, geometry):
    """lax's convolution: x [n, h, w, c_in], k [kh, kw, c_in, c_out] -> y [n, h', w', c_out]."""
    padding = [(p, p) for p in geometry.padding]
    return lax.conv_general_dilated(x, k, geometry.stride, padding, dimension_numbers=LAYOUT)


@_takes_kernel
def plain_image(y, k, geometry):
    """The transpose of `plain_output` in x: y, k -> x."""
    return _transpose(lambda x: plain_output(x, k, geometry), (y.shape[0], *geometry.image, k.shape[2]), y)


@_gives_kernel
def plain_kernel(x, y, geometry):
    """The transpose of `plain_output` in k: x, y -> k."""
    return _transpose(lambda k: plain_output(x, k, geometry), (*geometry.kernel, x.shape[3], y.shape[3]), y)


def _transpose(linear, shape, cotangent):
    """Applies the transpose of `linear`, a function of an array of this shape."""
    dtype = jax.tree.leaves(cotangent)[0].dtype
    return jax.linear_transpose(linear, jax.ShapeDtypeStruct(shape, dtype))(cotangent)[0]


# The forms on a CPU. A scheme writes f as a sum of matrix products: linear maps send x, k
# and y to lists of matrices X [rows, in], K [in, out], Y [rows, out] with
# f(x, k, y) = sum_i <X_i K_i, Y_i>, from which all three operations follow.


def _split_phases(x, rows, g):
    """Zero-pads x [n, h, w, c] to [n, rows, stride, columns, stride, c]."""
    (s, t), (p, q) = g.stride, g.padding
    n, h, w, c = x.shape
    padding = ((0, 0, 0), (p, rows[0] * s - h - p, 0), (q, rows[1] * t - w - q, 0), (0, 0, 0))
    return lax.pad(x, jnp.zeros((), x.dtype), padding).reshape(n, rows[0], s, rows[1], t, c)


def _taps(x, g):
    """What each of the kernel's kh kw taps sees of x: a list of [n, h', w', c_in]."""
    (kh, kw), (s, t), (h, w) = g.kernel, g.stride, g.output
    x = _split_phases(x, (h + (kh - 1) // s, w + (kw - 1) // t), g)
    # Cut from whole phases, so that the transpose adds within a phase first.
    phases = {(a, b): x[:, :, a, :, b] for a in range(min(s, kh)) for b in range(min(t, kw))}
    return [phases[a % s, b % t][:, a // s : a // s + h, b // t : b // t + w] for a in range(kh) for b in range(kw)]


class _Patches:
    """One product: patches [n h w, kh kw c_in] with the kernel as a matrix."""

    @staticmethod
    def image(x, g):
        taps = _taps(x, g)
        return [jnp.concatenate(taps, -1).reshape(-1, len(taps) * x.shape[-1])]

    @staticmethod
    def kernel(k, g):
        return [k.reshape(-1, k.shape[3])]

    @staticmethod
    def output(y, g):
        return [y.reshape(-1, y.shape[3])]


class _Karatsuba:
    """Nine products in place of sixteen for 4x4 kernels of stride 2.

    By phase such a kernel is a 2-tap filter, and two outputs of a 2-tap filter need three
    products (Karatsuba's; Winograd's F(2, 2)), in each of the two dimensions:
        y0 = d0 k0 + d1 k1 = (d0 - d1) k0 + d1 (k0 + k1)
        y1 = d1 k0 + d2 k1 = d1 (k0 + k1) + (d2 - d1) k1.
    Sums and differences only, so the rounding stays that of the plain form.
    """

    @staticmethod
    def image(x, g):
        h, w = (-(-v // 2) for v in g.output)
        n, _, _, c = x.shape
        x = _split_phases(x, (2 * h + 2, 2 * w + 2), g).reshape(n, h + 1, 2, 2, w + 1, 2, 2, c)
        matrices = []
        for r in _differences(x[:, :h, 0], x[:, :h, 1], x[:, 1:, 0]):
            for m in _differences(r[:, :, :, :w, 0], r[:, :, :, :w, 1], r[:, :, :, 1:, 0]):
                matrices.append(m.swapaxes(2, 3).reshape(-1, 4 * c))
        return matrices

    @staticmethod
    def kernel(k, g):
        # split, unlike slicing, has a transpose (concatenate) that XLA:CPU is fast at.
        rows = _sums(*lax.split(k, (2, 2), axis=0))
        return [m.reshape(-1, k.shape[3]) for r in rows for m in _sums(*lax.split(r, (2, 2), axis=1))]

    @staticmethod
    def output(y, g):
        n, h, w, c = y.shape
        y = jnp.pad(y, ((0, 0), (0, h % 2), (0, w % 2), (0, 0))).reshape(n, (h + 1) // 2, 2, (w + 1) // 2, 2, c)
        rows = _sums(y[:, :, 0], y[:, :, 1])
        return [m.reshape(-1, c) for r in rows for m in _sums(r[:, :, :, 0], r[:, :, :, 1])]


def _differences(d0, d1, d2):
    return d0 - d1, d1, d2 - d1


def _sums(k0, k1):
    return k0, k0 + k1, k1


def _scheme(n, c_in, c_out, g):
    """The scheme that is best for all three operations; None for the plain form.

    Measured on 2 cores (Zen 4, jaxlib 0.10.2), CPU ms, plain against scheme, for output,
    image and kernel: 2x2x512 to 1x1x512, batch 8, 4x4: 33, 30, 3.2 against 2.7, 2.5, 2.0;
    16x16x128 to 8x8x256, batch 16, 4x4 of stride 2: 13, 13, 13 against 8.9, 8.9, 12.7.
    """
    if min(c_in, c_out) < 16:
        return None
    # With few rows the transforms of the kernel would cost more than they save.
    if n * g.output[0] * g.output[1] <= 256:
        return _Patches
    # At 24 to 48 channels the nine products gain nothing and cost compile time.
    return _Karatsuba if min(c_in, c_out) >= 64 and g.kernel == (4, 4) and g.stride == (2, 2) else None


# A product for each tap of a mirrored kernel, which is read, and written, as it lies.


def _tap_rows(x, g):
    """x -> [kh kw, n h' w', c_in], the taps in the order of a mirrored kernel."""
    return jnp.stack(_taps(x, g)[::-1]).reshape(g.kernel[0] * g.kernel[1], -1, x.shape[-1])


def _tap_output(x, k, g):
    products = jnp.einsum("trc,tdc->trd", _tap_rows(x, g), k.reshape(-1, *k.shape[2:]))
    return products.sum(0).reshape(x.shape[0], *g.output, -1)


def _tap_image(y, k, g):
    products = jnp.einsum("trd,tdc->trc", _every_tap(y, g), k.reshape(-1, *k.shape[2:]))
    return _transpose(partial(_tap_rows, g=g), (y.shape[0], *g.image, k.shape[3]), products)


def _tap_kernel(x, y, g):
    products = jnp.einsum("trd,trc->tdc", _every_tap(y, g), _tap_rows(x, g))
    return products.reshape(*g.kernel, *products.shape[1:])


def _every_tap(y, g):
    # As a batch: a product over all taps at once would have the kernel transposed first.
    y = y.reshape(-1, y.shape[3])
    return jnp.broadcast_to(y, (g.kernel[0] * g.kernel[1], *y.shape))


def _by_taps(n, g):
    """Whether to multiply tap by tap; measured like `_scheme`, mirroring against by taps, batch 1, 4x4 of stride 2.

    For image, output and kernel, from 1024 to 512 channels: 2x2 to 4x4: 43, 46, 70 against 4.7, 7.0, 21; 8x8 to
    16x16: 63, 61, 84 against 15, 24, 29; 16x16 to 32x32, 1024 to 256: 30, 29, 36 against 26, 60, 38.
    """
    return g.mirrored and n * g.output[0] * g.output[1] <= 64


def cpu_output(x, k, geometry):
    """`plain_output` in the form that is fastest on a CPU."""
    return (_tap_output if _by_taps(x.shape[0], geometry) else _cpu_output)(x, k, geometry)


def cpu_image(y, k, geometry):
    """`plain_image` in the form that is fastest on a CPU."""
    return (_tap_image if _by_taps(y.shape[0], geometry) else _cpu_image)(y, k, geometry)


def cpu_kernel(x, y, geometry):
    """`plain_kernel` in the form that is fastest on a CPU."""
    return (_tap_kernel if _by_taps(x.shape[0], geometry) else _cpu_kernel)(x, y, geometry)


@_takes_kernel
def _cpu_output(x, k, geometry):
    c_in, c_out = k.shape[2:]
    scheme = _scheme(x.shape[0], c_in, c_out, geometry)
    if c_out <= 4 < c_in and geometry.stride == (1, 1) and max(geometry.kernel) > 1:
        # A convolution to few channels is a transposed one: 7x7, 64 to 3: 173 to 12 CPU ms.
        padding = tuple(k - 1 - p for k, p in zip(geometry.kernel, geometry.padding))
        mirrored = geometry._replace(image=geometry.output, padding=padding)
        return _cpu_image(x, mirror(k), mirrored)
    if scheme is None and min(c_in, c_out) >= 16 and (geometry.stride, geometry.padding) == ((1, 1), (0, 0)):
        scheme = _Patches  # 3x3 over 34x34x256, batch 4: 160 to 87 CPU ms
    if scheme is None:
        return plain_output(x, k, geometry)
    products = _products(scheme.image(x, geometry), scheme.kernel(k, geometry), 1, 0)
    return _transpose(partial(scheme.output, g=geometry), (x.shape[0], *geometry.output, c_out), products)


@_takes_kernel
def _cpu_image(y, k, geometry):
    c_in, c_out = k.shape[2:]
    # To few channels, 7x7 from 64: 56 to 12 CPU ms.
    scheme = _Patches if c_in <= 4 else _scheme(y.shape[0], c_in, c_out, geometry)
    if scheme is None:
        return plain_image(y, k, geometry)
    products = _products(scheme.output(y, geometry), scheme.kernel(k, geometry), 1, 1)
    return _transpose(partial(scheme.image, g=geometry), (y.shape[0], *geometry.image, c_in), products)


@_gives_kernel
def _cpu_kernel(x, y, geometry):
    scheme = _scheme(x.shape[0], x.shape[3], y.shape[3], geometry)
    if scheme is None:
        return plain_kernel(x, y, geometry)
    products = _products(scheme.image(x, geometry), scheme.output(y, geometry), 0, 0)
    return _transpose(partial(scheme.kernel, g=geometry), (*geometry.kernel, x.shape[3], y.shape[3]), products)


def _products(left, right, i, j):
    """Matrix products pair by pair, contracting axis i of the left with j of the right."""
    return [lax.dot_general(a, b, (((i,), (j,)), ((), ()))) for a, b in zip(left, right)]
