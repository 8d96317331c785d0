"""Convolutions whose derivatives of every order stay in fast forms.

A strided convolution, its transpose and its weight gradient are three views of one
trilinear form; with an image x, a kernel k and an output y,

    f(x, k, y) = sum  x[n, s i + a - p, s j + b - p, c]  k[a, b, c, d]  y[n, i, j, d].

Leaving out one argument at a time gives `_output(x, k)`, `_image(y, k)` and
`_kernel(x, y)`. Each is a JAX primitive, and the derivative of one in either argument is
another of the three, so no order of differentiation leaves the family. That matters
because the weight gradient that autodiff derives for `lax.conv_transpose` dilates both
operands, which XLA:CPU runs as a naive loop about 50 times slower; here a transposed
convolution shares the gradients of the ordinary one. Accelerators get the three plain
`lax.conv_general_dilated`; on a CPU some shapes have faster forms, chosen below.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

from flax import linen as nn
from flax.linen.dtypes import promote_dtype
import jax
from jax import lax
import jax.numpy as jnp
from jax.extend.core import Primitive
from jax.interpreters import ad, batching, mlir

Initializer = Callable[..., jax.Array]
Pair = tuple[int, int]

_use_plain = jax.make_user_context(default_value=False)


def plain():
    """Context in which `conv` and `conv_transpose` trace to standard lax operations.

    For exporters that read jaxprs and know `conv_general_dilated` but not our primitives.
    jit keys its caches on it, so a function traced before is traced again inside. Code that
    only lowers (`jax.export`) does not need it: other platforms than CPU always get the
    plain form, and the CPU form is made of standard operations too.
    """
    return _use_plain(True)


def conv(x: jax.Array, kernel: jax.Array, stride: int | Pair = 1, padding: int | Pair = 0) -> jax.Array:
    """Convolution (cross-correlation) with PyTorch's integer stride and padding.

    Args:
        x: images `[n, h, w, c_in]`.
        kernel: `[kh, kw, c_in, c_out]`, of the same dtype.
        stride, padding: one integer, or one for each of height and width.

    Returns:
        `[n, (h + 2 padding - kh) // stride + 1, ..., c_out]`.

    Raises:
        ValueError: on wrong ranks or channels, or where the kernel exceeds the padded image.
        TypeError: if the dtypes differ.
    """
    g = _geometry("conv", x, kernel, stride, padding)
    if min(g.output) < 1:
        raise ValueError(f"conv: a {g.kernel} kernel does not fit an image of {g.image} with padding {g.padding}")
    if _use_plain.value:
        return _plain_output(x, kernel, g)
    return _bind(_output, x, kernel, g)


def conv_transpose(
    x: jax.Array, kernel: jax.Array, stride: int | Pair = 1, padding: int | Pair = 0, output_padding: int | Pair = 0
) -> jax.Array:
    """Transposed convolution with PyTorch's integers and Flax's kernel layout.

    Equals `lax.conv_transpose(..., transpose_kernel=False)` with lax padding
    `(k - 1 - padding, k - 1 - padding + output_padding)`. A PyTorch weight `[in, out, kh, kw]`
    becomes such a kernel by `weight.transpose(2, 3, 0, 1)[::-1, ::-1]`.

    Args:
        x: images `[n, h, w, c_in]`.
        kernel: `[kh, kw, c_in, c_out]`, of the same dtype.
        stride, padding, output_padding: one integer, or one for each of height and width.

    Returns:
        `[n, (h - 1) stride - 2 padding + kh + output_padding, ..., c_out]`.

    Raises:
        ValueError: on wrong ranks or channels, an empty output, or output_padding >= stride.
        TypeError: if the dtypes differ.
    """
    small = _geometry("conv_transpose", x, kernel, stride, padding)
    extra = _pair(output_padding)
    image = tuple(
        (h - 1) * s - 2 * p + k + e
        for h, s, p, k, e in zip(small.image, small.stride, small.padding, small.kernel, extra)
    )
    if min(image) < 1 or any(e >= s for e, s in zip(extra, small.stride)):
        raise ValueError(
            f"conv_transpose: output of {image} from {small.image} with kernel {small.kernel}, "
            f"stride {small.stride}, padding {small.padding}, output_padding {extra}"
        )
    g = small._replace(image=image)
    if _use_plain.value:
        padding = [(k - 1 - p, k - 1 - p + e) for k, p, e in zip(g.kernel, g.padding, extra)]
        return lax.conv_general_dilated(x, kernel, (1, 1), padding, lhs_dilation=g.stride, dimension_numbers=_LAYOUT)
    return _bind(_image, x, _mirror(kernel), g)


class _Geometry(NamedTuple):
    """The integers of the trilinear form; `image` and `kernel` are heights and widths."""

    image: Pair
    kernel: Pair
    stride: Pair
    padding: Pair

    @property
    def output(self) -> Pair:
        return tuple((h + 2 * p - k) // s + 1 for h, k, s, p in zip(*self))


def _mirror(kernel):
    """Between the kernels of a convolution and of a transposed one, both ways."""
    return kernel[::-1, ::-1].swapaxes(2, 3)


def _pair(value: int | Pair) -> Pair:
    return (value, value) if isinstance(value, int) else tuple(value)


def _geometry(name, x, kernel, stride, padding) -> _Geometry:
    if x.ndim != 4 or kernel.ndim != 4 or x.shape[3] != kernel.shape[2]:
        raise ValueError(
            f"{name}: expected images [n, h, w, c] and a kernel [kh, kw, c, out], got {x.shape} and {kernel.shape}"
        )
    if x.dtype != kernel.dtype:
        raise TypeError(f"{name}: images are {x.dtype} but the kernel is {kernel.dtype}")
    return _Geometry(x.shape[1:3], kernel.shape[:2], _pair(stride), _pair(padding))


# The plain forms. The transposes are JAX's own of one convolution, which is how XLA's
# backends expect (and cuDNN's rewriter recognises) input and filter gradients.

_LAYOUT = ("NHWC", "HWIO", "NHWC")


def _plain_output(x, k, geometry):
    padding = [(p, p) for p in geometry.padding]
    return lax.conv_general_dilated(x, k, geometry.stride, padding, dimension_numbers=_LAYOUT)


def _plain_image(y, k, geometry):
    return _transpose(lambda x: _plain_output(x, k, geometry), (y.shape[0], *geometry.image, k.shape[2]), y)


def _plain_kernel(x, y, geometry):
    return _transpose(lambda k: _plain_output(x, k, geometry), (*geometry.kernel, x.shape[3], y.shape[3]), y)


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


class _Patches:
    """One product: patches [n h w, kh kw c_in] with the kernel as a matrix."""

    @staticmethod
    def image(x, g):
        (kh, kw), (s, t), (h, w) = g.kernel, g.stride, g.output
        x = _split_phases(x, (h + (kh - 1) // s, w + (kw - 1) // t), g)
        # Taps are cut from whole phases, so that the transpose adds within a phase first.
        phases = {(a, b): x[:, :, a, :, b] for a in range(min(s, kh)) for b in range(min(t, kw))}
        taps = [phases[a % s, b % t][:, a // s : a // s + h, b // t : b // t + w] for a in range(kh) for b in range(kw)]
        return [jnp.concatenate(taps, -1).reshape(-1, kh * kw * x.shape[-1])]

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


def _cpu_output(x, k, geometry):
    c_in, c_out = k.shape[2:]
    scheme = _scheme(x.shape[0], c_in, c_out, geometry)
    if c_out <= 4 < c_in and geometry.stride == (1, 1) and max(geometry.kernel) > 1:
        # A convolution to few channels is a transposed one: 7x7, 64 to 3: 173 to 12 CPU ms.
        padding = tuple(k - 1 - p for k, p in zip(geometry.kernel, geometry.padding))
        mirrored = geometry._replace(image=geometry.output, padding=padding)
        return _cpu_image(x, _mirror(k), mirrored)
    if scheme is None and min(c_in, c_out) >= 16 and (geometry.stride, geometry.padding) == ((1, 1), (0, 0)):
        scheme = _Patches  # 3x3 over 34x34x256, batch 4: 160 to 87 CPU ms
    if scheme is None:
        return _plain_output(x, k, geometry)
    products = _products(scheme.image(x, geometry), scheme.kernel(k, geometry), 1, 0)
    return _transpose(partial(scheme.output, g=geometry), (x.shape[0], *geometry.output, c_out), products)


def _cpu_image(y, k, geometry):
    c_in, c_out = k.shape[2:]
    # To few channels, 7x7 from 64: 56 to 12 CPU ms.
    scheme = _Patches if c_in <= 4 else _scheme(y.shape[0], c_in, c_out, geometry)
    if scheme is None:
        return _plain_image(y, k, geometry)
    products = _products(scheme.output(y, geometry), scheme.kernel(k, geometry), 1, 1)
    return _transpose(partial(scheme.image, g=geometry), (y.shape[0], *geometry.image, c_in), products)


def _cpu_kernel(x, y, geometry):
    scheme = _scheme(x.shape[0], x.shape[3], y.shape[3], geometry)
    if scheme is None:
        return _plain_kernel(x, y, geometry)
    products = _products(scheme.image(x, geometry), scheme.output(y, geometry), 0, 0)
    return _transpose(partial(scheme.kernel, g=geometry), (*geometry.kernel, x.shape[3], y.shape[3]), products)


def _products(left, right, i, j):
    """Matrix products pair by pair, contracting axis i of the left with j of the right."""
    return [lax.dot_general(a, b, (((i,), (j,)), ((), ()))) for a, b in zip(left, right)]


# The primitives.


def _bind(primitive, left, right, geometry):
    """Applies a primitive; where shard_map checks it, both operands must vary alike."""
    axes = [jax.typeof(v).manual_axis_type.varying for v in (left, right)]
    if axes[1] - axes[0]:
        left = lax.pcast(left, tuple(axes[1] - axes[0]), to="varying")
    if axes[0] - axes[1]:
        right = lax.pcast(right, tuple(axes[0] - axes[1]), to="varying")
    return primitive.bind(left, right, geometry=geometry)


def _primitive(name, shape, folds, plain_form, cpu_form) -> Primitive:
    """Makes one of the three bilinear primitives, without its transposes.

    Args:
        name: the primitive's name.
        shape: `shape(left_shape, right_shape, geometry)` of the result.
        folds: for each operand, its axis and the result's axis of the dimension that only
            these two have; vmap over one operand is folded into it.
        plain_form, cpu_form: implementations `form(left, right, geometry)`.
    """
    primitive = Primitive(name)
    primitive.def_impl(jax.jit(primitive.bind, static_argnames="geometry"))
    primitive.def_abstract_eval(
        lambda left, right, geometry: left.update(shape=shape(left.shape, right.shape, geometry), weak_type=False)
    )
    mlir.register_lowering(primitive, mlir.lower_fun(plain_form, multiple_results=False))
    mlir.register_lowering(primitive, mlir.lower_fun(cpu_form, multiple_results=False), platform="cpu")
    batching.primitive_batchers[primitive] = partial(_batch, primitive, folds)
    return primitive


def _batch(primitive, folds, operands, dims, geometry):
    if None not in dims:
        # Not a grouped convolution: its gradients are slow (jax#13800).
        operands = tuple(jnp.moveaxis(v, d, 0) for v, d in zip(operands, dims))
        return lax.map(lambda pair: _bind(primitive, *pair, geometry), operands), 0
    i = 0 if dims[1] is None else 1
    axis, result_axis = folds[i]
    size = operands[i].shape[dims[i]]
    folded = jnp.moveaxis(operands[i], dims[i], axis)
    folded = folded.reshape(*folded.shape[:axis], size * folded.shape[axis + 1], *folded.shape[axis + 2 :])
    pair = (folded, operands[1]) if i == 0 else (operands[0], folded)
    out = _bind(primitive, *pair, geometry)
    rest = out.shape[result_axis] // size
    return out.reshape(*out.shape[:result_axis], size, rest, *out.shape[result_axis + 1 :]), result_axis


_output = _primitive(
    "conv_output", lambda x, k, g: (x[0], *g.output, k[3]), ((0, 0), (3, 3)), _plain_output, _cpu_output
)
_image = _primitive("conv_image", lambda y, k, g: (y[0], *g.image, k[2]), ((0, 0), (2, 3)), _plain_image, _cpu_image)
_kernel = _primitive(
    "conv_kernel", lambda x, y, g: (*g.kernel, x[3], y[3]), ((3, 2), (3, 3)), _plain_kernel, _cpu_kernel
)

# Cotangents of the left and of the right operand; the first argument is that of the result.
ad.defbilinear(
    _output,
    lambda y, x, k, geometry: _bind(_image, y, k, geometry),
    lambda y, x, k, geometry: _bind(_kernel, x, y, geometry),
)
ad.defbilinear(
    _image,
    lambda x, y, k, geometry: _bind(_output, x, k, geometry),
    lambda x, y, k, geometry: _bind(_kernel, x, y, geometry),
)
ad.defbilinear(
    _kernel,
    lambda k, x, y, geometry: _bind(_image, y, k, geometry),
    lambda k, x, y, geometry: _bind(_output, x, k, geometry),
)


# The layers.


def _uniform(fan_in: int) -> Initializer:
    """PyTorch's default for weights and biases: U(-1/sqrt(fan_in), 1/sqrt(fan_in))."""
    return lambda key, shape, dtype=jnp.float32: jax.random.uniform(key, shape, dtype, -1, 1) * fan_in**-0.5


def _layer(module: nn.Module, x: jax.Array, fan_channels: int, operation: Callable) -> jax.Array:
    kh, kw = _pair(module.kernel_size)
    default = _uniform(kh * kw * fan_channels)
    kernel = module.param(
        "kernel", module.kernel_init or default, (kh, kw, x.shape[-1], module.features), module.param_dtype
    )
    bias = None
    if module.use_bias:
        bias = module.param("bias", module.bias_init or default, (module.features,), module.param_dtype)
    x, kernel, bias = promote_dtype(x, kernel, bias, dtype=module.dtype)
    y = operation(x, kernel, module.stride, module.padding)
    return y if bias is None else y + bias


class Conv(nn.Module):
    """`conv` with parameters `kernel [kh, kw, in, features]` and `bias [features]`.

    Both are initialised as in PyTorch, U(-b, b) with b = 1/sqrt(kh kw in), unless initialisers are given.
    """

    features: int
    kernel_size: int | Pair
    stride: int | Pair = 1
    padding: int | Pair = 0
    use_bias: bool = True
    kernel_init: Initializer | None = None
    bias_init: Initializer | None = None
    dtype: Any = None
    param_dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        return _layer(self, x, x.shape[-1], conv)


class ConvTranspose(nn.Module):
    """`conv_transpose` with parameters `kernel [kh, kw, in, features]` and `bias [features]`.

    PyTorch takes the fan-in of a transposed convolution from its output channels, so the
    default is U(-b, b) with b = 1/sqrt(kh kw features).
    """

    features: int
    kernel_size: int | Pair
    stride: int | Pair = 1
    padding: int | Pair = 0
    output_padding: int | Pair = 0
    use_bias: bool = True
    kernel_init: Initializer | None = None
    bias_init: Initializer | None = None
    dtype: Any = None
    param_dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        return _layer(self, x, self.features, partial(conv_transpose, output_padding=self.output_padding))
