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
from typing import Any

import jax
import jax.numpy as jnp
from flax import linen as nn
from flax.linen.dtypes import promote_dtype
from jax import lax
from jax.extend.core import Primitive
from jax.interpreters import ad, batching, mlir

from gan_xla.nets.convolution_forms import (
    LAYOUT,
    cpu_image,
    cpu_kernel,
    cpu_output,
    gpu_image,
    gpu_kernel,
    gpu_output,
    plain_image,
    plain_kernel,
    plain_output,
)
from gan_xla.nets.convolution_schemes import Geometry, Pair

Initializer = Callable[..., jax.Array]

use_plain = jax.make_user_context(default_value=False)  # see `plain`


def plain():
    """Context in which `conv` and `conv_transpose` trace to standard lax operations.

    For exporters that read jaxprs and know `conv_general_dilated` but not our primitives.
    jit keys its caches on it, so a function traced before is traced again inside. Code that
    only lowers (`jax.export`) does not need it: other platforms than CPU always get the
    plain form, and the CPU form is made of standard operations too.
    """
    return use_plain(True)


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
    if any(length < 1 for length in g.output):
        raise ValueError(f"conv: a {g.kernel} kernel does not fit an image of {g.image} with padding {g.padding}")
    if use_plain.value:
        return plain_output(x, kernel, g)
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
    if any(length < 1 for length in image) or any(e >= s for e, s in zip(extra, small.stride)):
        raise ValueError(
            f"conv_transpose: output of {image} from {small.image} with kernel {small.kernel}, "
            f"stride {small.stride}, padding {small.padding}, output_padding {extra}"
        )
    g = small._replace(image=image, mirrored=True)
    if use_plain.value:
        padding = [(k - 1 - p, k - 1 - p + e) for k, p, e in zip(g.kernel, g.padding, extra)]
        return lax.conv_general_dilated(x, kernel, (1, 1), padding, lhs_dilation=g.stride, dimension_numbers=LAYOUT)
    return _bind(_image, x, kernel, g)


def _pair(value: int | Pair) -> Pair:
    return (value, value) if isinstance(value, int) else tuple(value)


def _geometry(name, x, kernel, stride, padding) -> Geometry:
    if x.ndim != 4 or kernel.ndim != 4 or x.shape[3] != kernel.shape[2]:
        raise ValueError(
            f"{name}: expected images [n, h, w, c] and a kernel [kh, kw, c, out], got {x.shape} and {kernel.shape}"
        )
    if x.dtype != kernel.dtype:
        raise TypeError(f"{name}: images are {x.dtype} but the kernel is {kernel.dtype}")
    return Geometry(x.shape[1:3], kernel.shape[:2], _pair(stride), _pair(padding))


# The primitives.


def _bind(primitive, left, right, geometry):
    """Applies a primitive; where shard_map checks it, both operands must vary alike."""
    axes = [jax.typeof(v).manual_axis_type.varying for v in (left, right)]
    if axes[1] - axes[0]:
        left = lax.pcast(left, tuple(axes[1] - axes[0]), to="varying")
    if axes[0] - axes[1]:
        right = lax.pcast(right, tuple(axes[0] - axes[1]), to="varying")
    return primitive.bind(left, right, geometry=geometry)


def _widened(form):
    """A form that computes bfloat16 in float32, for which alone XLA:CPU has fast loops."""

    def widened(left, right, geometry):
        if left.dtype != jnp.bfloat16:
            return form(left, right, geometry)
        return form(left.astype(jnp.float32), right.astype(jnp.float32), geometry).astype(jnp.bfloat16)

    return widened


def _primitive(name, shape, folds, forms) -> Primitive:
    """Makes one of the three bilinear primitives, without its transposes.

    Args:
        name: the primitive's name.
        shape: `shape(left_shape, right_shape, geometry)` of the result.
        folds: `folds(geometry)`: for each operand, its axis and the result's axis of the dimension
            that only these two have; vmap over one operand is folded into it.
        forms: implementations `form(left, right, geometry)` by platform, None for all others.
    """
    primitive = Primitive(name)
    primitive.def_impl(jax.jit(primitive.bind, static_argnames="geometry"))
    primitive.def_abstract_eval(
        lambda left, right, geometry: left.update(shape=shape(left.shape, right.shape, geometry), weak_type=False)
    )
    for platform, form in forms.items():
        rule = mlir.lower_fun(jax.named_scope(name)(form), multiple_results=False)
        mlir.register_lowering(primitive, rule, platform=platform)
    batching.primitive_batchers[primitive] = partial(_batch, primitive, folds)
    return primitive


def _batch(primitive, folds, operands, dims, geometry):
    if None not in dims:
        # Not a grouped convolution: its gradients are slow (jax#13800).
        operands = tuple(jnp.moveaxis(v, d, 0) for v, d in zip(operands, dims))
        return lax.map(lambda pair: _bind(primitive, *pair, geometry), operands), 0
    i = 0 if dims[1] is None else 1
    axis, result_axis = folds(geometry)[i]
    size = operands[i].shape[dims[i]]
    folded = jnp.moveaxis(operands[i], dims[i], axis)
    folded = folded.reshape(*folded.shape[:axis], size * folded.shape[axis + 1], *folded.shape[axis + 2 :])
    pair = (folded, operands[1]) if i == 0 else (operands[0], folded)
    out = _bind(primitive, *pair, geometry)
    rest = out.shape[result_axis] // size
    return out.reshape(*out.shape[:result_axis], size, rest, *out.shape[result_axis + 1 :]), result_axis


_output = _primitive(
    "conv_output",
    lambda x, k, g: (x[0], *g.output, k[g.channels[1]]),
    lambda g: ((0, 0), (g.channels[1], 3)),
    {None: plain_output, "cuda": gpu_output, "cpu": _widened(cpu_output)},
)
_image = _primitive(
    "conv_image",
    lambda y, k, g: (y[0], *g.image, k[g.channels[0]]),
    lambda g: ((0, 0), (g.channels[0], 3)),
    {None: plain_image, "cuda": gpu_image, "cpu": _widened(cpu_image)},
)
_kernel = _primitive(
    "conv_kernel",
    lambda x, y, g: (*g.kernel, *((y[3], x[3]) if g.mirrored else (x[3], y[3]))),
    lambda g: ((3, g.channels[0]), (3, g.channels[1])),
    {None: plain_kernel, "cuda": gpu_kernel, "cpu": _widened(cpu_kernel)},
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


def uniform(fan_in: int) -> Initializer:
    """PyTorch's default for weights and biases: U(-1/sqrt(fan_in), 1/sqrt(fan_in))."""
    return lambda key, shape, dtype=jnp.float32: jax.random.uniform(key, shape, dtype, -1, 1) * fan_in**-0.5


def _layer(module: nn.Module, x: jax.Array, fan_channels: int, operation: Callable) -> jax.Array:
    kh, kw = _pair(module.kernel_size)
    default = uniform(kh * kw * fan_channels)
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
    """`conv`, or an operation like it, with parameters `kernel [kh, kw, in, features]` and `bias [features]`.

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
    operation: Callable[..., jax.Array] = conv

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        return _layer(self, x, x.shape[-1], self.operation)


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
