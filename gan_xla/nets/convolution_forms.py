"""How a convolution, its transpose and its weight gradient are computed, per platform.

Each form computes one of the three views of the trilinear form of `convolution`: the output
from image and kernel, the image from output and kernel, the kernel from image and output.
"""

from __future__ import annotations

from functools import partial, wraps

import jax
import jax.numpy as jnp
from jax import lax
from jax.experimental.xla_metadata import set_xla_metadata

from gan_xla.nets.convolution_schemes import Patches, Winograd, mirror, taps, transpose


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
    return transpose(lambda x: plain_output(x, k, geometry), (y.shape[0], *geometry.image, k.shape[2]), y)


@_gives_kernel
def plain_kernel(x, y, geometry):
    """The transpose of `plain_output` in k: x, y -> k."""
    return transpose(lambda k: plain_output(x, k, geometry), (*geometry.kernel, x.shape[3], y.shape[3]), y)


# The forms on a CPU.

_KARATSUBA = Winograd(2, (0, 1))
_THREE = Winograd(2, (0, 1, -1))
_FOUR = Winograd(2, (0, 1, -1, 2))


def _scheme(n, c_in, c_out, g):
    """The scheme that is best for all three operations; None for the plain form.

    Measured on 2 cores (Zen 4, jaxlib 0.10.2), CPU ms, plain against scheme, for output,
    image and kernel: 2x2x512 to 1x1x512, batch 8, 4x4: 33, 30, 3.2 against 2.7, 2.5, 2.0;
    16x16x128 to 8x8x256, batch 16, 4x4 of stride 2: 13, 13, 13 against 8.9, 8.9, 12.7.
    Wall ms of stride 1, patches or plain against fewer products: 3x3 over 66x66x256, batch 1:
    41, 18, 115 against 12, 12, 15; 32x32x128, batch 4: 7.3, 4.8, 11 against 3.5, 3.4, 5.0;
    8x8x256, batch 4: 2.4, 2.3, 3.0 against 1.6, 1.8, 1.7; 8x8x128, batch 16: 1.4, 1.5, 1.6
    against 1.7, 1.5, 1.5; below 64 channels slower; 4x4, 32x32x256 to 31x31x512, batch 1:
    16, 16, 26 against 9.5, 10, 14. Not taken, since no faster:
    three and four outputs at once for 4x4 of stride 2 (6.2 and 6.6 against Karatsuba's 4.5 for
    32x32x64, batch 16), four for 3x3 (11 against 12, at ten times the rounding).
    """
    rows, few, kind = n * g.output[0] * g.output[1], min(c_in, c_out), (g.kernel, g.stride)
    if few < 16:
        return None
    if kind == ((3, 3), (1, 1)) and few >= 64 and rows * c_in * c_out >= 2**24:  # less is not faster
        return _THREE
    # With few rows the transforms of the kernel would cost more than they save.
    if rows <= 256:
        return Patches
    # At 24 to 48 channels fewer products gain nothing and cost compile time.
    return {((4, 4), (2, 2)): _KARATSUBA, ((4, 4), (1, 1)): _FOUR}.get(kind) if few >= 64 else None


def apart(function, static_argnums=()):
    """`function` as one that XLA:CPU neither inlines nor joins with its neighbours; no plain convolution may be in it.

    Of those XLA:CPU would compute the weight gradients a hundred times slower.
    """
    jitted = jax.jit(function, static_argnums=static_argnums)
    return lambda *args: set_xla_metadata(jitted(*args), inlineable="false")


def _apart(form):
    """A scheme's form `apart`.

    Else what a forward pass makes of image and kernel is kept for the gradients, which make it too: several times their
    size (CycleGAN's step at 128 pixels: 921 MB of temporaries against 488).
    """
    alone = apart(form, static_argnums=(2, 3))

    @wraps(form)
    def wrapped(left, right, scheme, g):
        # Patches are small, and so the runs of earlier versions keep their bits.
        return (form if scheme is Patches else alone)(left, right, scheme, g)

    return wrapped


# A product for each tap of a mirrored kernel, which is read, and written, as it lies.


def _tap_rows(x, g):
    """x -> [kh kw, n h' w', c_in], the taps in the order of a mirrored kernel."""
    return jnp.stack(taps(x, g)[::-1]).reshape(g.kernel[0] * g.kernel[1], -1, x.shape[-1])


def _tap_output(x, k, g):
    products = jnp.einsum("trc,tdc->trd", _tap_rows(x, g), k.reshape(-1, *k.shape[2:]))
    return products.sum(0).reshape(x.shape[0], *g.output, -1)


def _tap_image(y, k, g):
    products = jnp.einsum("trd,tdc->trc", _every_tap(y, g), k.reshape(-1, *k.shape[2:]))
    return transpose(partial(_tap_rows, g=g), (y.shape[0], *g.image, k.shape[3]), products)


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


# A scheme's products.


@_apart
def _scheme_output(x, k, scheme, g):
    return _from_outputs(scheme, _products(scheme.image(x, g), scheme.kernel(k, g), 1, 0), x.shape[0], g)


@_apart
def _scheme_image(y, k, scheme, g):
    matrices = scheme.kernel(k, g)
    if scheme is _THREE:
        # As an output, whose sums are of fewer terms than the transpose's: 3x3 over 66x66x256: 20 to 12 ms.
        g = _reversed(g)
        return _from_outputs(scheme, _products(scheme.image(y, g), scheme.turned(matrices), 1, 1), y.shape[0], g)
    products = _products(scheme.output(y, g), matrices, 1, 1)
    return transpose(partial(scheme.image, g=g), (y.shape[0], *g.image, k.shape[2]), products)


@_apart
def _scheme_kernel(x, y, scheme, g):
    products = _products(scheme.image(x, g), scheme.output(y, g), 0, 0)
    return transpose(partial(scheme.kernel, g=g), (*g.kernel, x.shape[3], y.shape[3]), products)


def _reversed(g):
    """The geometry of a convolution of stride 1 by the mirrored kernel, from the outputs to the image."""
    return g._replace(image=g.output, padding=tuple(k - 1 - p for k, p in zip(g.kernel, g.padding)))


def _products(left, right, i, j):
    """Matrix products pair by pair, contracting axis i of the left with j of the right."""
    return [lax.dot_general(a, b, (((i,), (j,)), ((), ()))) for a, b in zip(left, right)]


def _from_outputs(scheme, products, n, g):
    """The output [n, h', w', c] of a scheme's products."""
    return transpose(partial(scheme.output, g=g), (n, *g.output, products[0].shape[1]), products)


# The forms on a GPU: the plain ones, but where there are no more outputs than taps. There XLA takes one operation for
# another (experiments/benchmarks/ACCELERATORS.md): a filter gradient for a convolution by a dilated kernel, after
# transposing both activations; a convolution for a filter gradient. Not on a TPU, whose compiler expects more time of
# patches.


def gpu_output(x, k, geometry):
    """`plain_output` as a GPU's library is to see it."""
    small = all(h < k for h, k in zip(geometry.output, geometry.kernel))
    return _patches_output(x, k, geometry) if small else plain_output(x, k, geometry)


def gpu_image(y, k, geometry):
    """`plain_image` as a GPU's library is to see it."""
    small = all(h < k for h, k in zip(geometry.output, geometry.kernel))
    return _patches_image(y, k, geometry) if small else plain_image(y, k, geometry)


def gpu_kernel(x, y, geometry):
    """`plain_kernel` as a GPU's library is to see it."""
    small = all(h <= k for h, k in zip(geometry.output, geometry.kernel))
    return _patches_kernel(x, y, geometry) if small else plain_kernel(x, y, geometry)


@_takes_kernel
def _patches_output(x, k, geometry):
    return _scheme_output(x, k, Patches, geometry)


@_takes_kernel
def _patches_image(y, k, geometry):
    return _scheme_image(y, k, Patches, geometry)


@_gives_kernel
def _patches_kernel(x, y, geometry):
    return _scheme_kernel(x, y, Patches, geometry)


def cpu_output(x, k, geometry):
    """`plain_output` in the form that is fastest on a CPU."""
    if _by_taps(x.shape[0], geometry):
        return _tap_output(x, k, geometry)
    return _cpu_output(x, k, geometry)


def cpu_image(y, k, geometry):
    """`plain_image` in the form that is fastest on a CPU."""
    if _by_taps(y.shape[0], geometry):
        return _tap_image(y, k, geometry)
    return _cpu_image(y, k, geometry)


def cpu_kernel(x, y, geometry):
    """`plain_kernel` in the form that is fastest on a CPU."""
    if _by_taps(x.shape[0], geometry):
        return _tap_kernel(x, y, geometry)
    return _cpu_kernel(x, y, geometry)


@_takes_kernel
def _cpu_output(x, k, geometry):
    c_in, c_out = k.shape[2:]
    scheme = _scheme(x.shape[0], c_in, c_out, geometry)
    if c_out <= 4 < c_in and geometry.stride == (1, 1) and max(geometry.kernel) > 1:
        # A convolution to few channels is a transposed one: 7x7, 64 to 3: 173 to 12 CPU ms.
        return _cpu_image(x, mirror(k), _reversed(geometry))
    if scheme is None and min(c_in, c_out) >= 16 and (geometry.stride, geometry.padding) == ((1, 1), (0, 0)):
        scheme = Patches  # 3x3 over 34x34x256, batch 4: 160 to 87 CPU ms
    return _scheme_output(x, k, scheme, geometry) if scheme else plain_output(x, k, geometry)


@_takes_kernel
def _cpu_image(y, k, geometry):
    c_in, c_out = k.shape[2:]
    # To few channels, 7x7 from 64: 56 to 12 CPU ms.
    scheme = Patches if c_in <= 4 else _scheme(y.shape[0], c_in, c_out, geometry)
    return _scheme_image(y, k, scheme, geometry) if scheme else plain_image(y, k, geometry)


@_gives_kernel
def _cpu_kernel(x, y, geometry):
    scheme = _scheme(x.shape[0], x.shape[3], y.shape[3], geometry)
    return _scheme_kernel(x, y, scheme, geometry) if scheme else plain_kernel(x, y, geometry)
