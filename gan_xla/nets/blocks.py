"""Pieces that several networks share: normalisation, dropout, output ranges."""

import math
from functools import partial
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from gan_xla.contract import Array
from gan_xla.errors import UserError
from gan_xla.nets.convolution import Conv, ConvTranspose

OUTPUTS = {"sigmoid": (jax.nn.sigmoid, (0.0, 1.0)), "tanh": (jnp.tanh, (-1.0, 1.0)), "linear": (lambda x: x, None)}
SHOWN = "features"  # collection of the activations that a generator shows
NORMS = ("batch", "instance", "instance_affine", "none")

# How DCGAN (Radford et al. 2016, section 4) and most networks after it begin: weights N(0, 0.02), biases 0.
NORMAL = {"kernel_init": nn.initializers.normal(0.02), "bias_init": nn.initializers.zeros}
# Those of Glorot and Bengio 2010 (Xavier), N(0, 2 / (fans in and out)), times 0.02, as CUT's authors begin.
XAVIER = {**NORMAL, "kernel_init": nn.initializers.variance_scaling(0.02**2, "fan_avg", "normal")}
# Those of He et al. 2015 (Kaiming), N(0, 2 / fan in), for layers before a ReLU.
HE = {**NORMAL, "kernel_init": nn.initializers.variance_scaling(2.0, "fan_in", "normal")}
INITIAL = {"normal": NORMAL, "xavier": XAVIER, "he": HE}


class Network(nn.Module):
    """What all generators and discriminators take, besides what each of them documents.

    Attributes:
      axis_name: mapped axis that shares batch statistics.
      dtype: "bfloat16" for activations, and for parameters where they are used, in half the bits; parameters,
        statistics and outputs stay as they are (mixed precision, Micikevicius et al. 2018).
      remat: whether the backward pass computes the activations again, so that those of one network at a
        time are kept (Chen et al. 2016).
    """

    axis_name: str | None = None
    dtype: str = "float32"
    remat: bool = False

    def show(self, x: Array) -> Array:
        """x, marked as an activation that `nets.apply` gives with `features=True`, after those marked before."""
        self.sow(SHOWN, SHOWN, x)
        return x


def normal_scale(key: Array, shape: tuple[int, ...], dtype: Any = jnp.float32) -> Array:
    """Batch norm scales that go with `NORMAL` in those papers' code, N(1, 0.02)."""
    return 1 + NORMAL["kernel_init"](key, shape, dtype)


class Norm(nn.Module):
    """Normalisation of [n, h, w, c] with PyTorch's constants.

    Raises UserError where statistics of a batch would be those of one value.

    Attributes:
      kind: "batch" (affine, running averages with PyTorch's momentum 0.1), "instance" (no
        affine, no running averages), "instance_affine" (no running averages) or "none".
      axis_name: mapped axis over which batch statistics are shared.
      scale_init: initialiser of the scales of "batch".
    """

    kind: str = "batch"
    axis_name: str | None = None
    param_dtype: Any = jnp.float32
    scale_init: Any = nn.initializers.ones

    @nn.compact
    def __call__(self, x: Array, batch_statistics: bool) -> Array:
        if self.kind == "none":
            return x
        if self.kind in ("instance", "instance_affine"):
            affine = self.kind == "instance_affine"
            return nn.InstanceNorm(epsilon=1e-5, use_bias=affine, use_scale=affine, param_dtype=self.param_dtype)(x)
        if self.kind != "batch":
            raise ValueError(f"norm {self.kind!r} is none of {', '.join(NORMS)}")
        # Initialisation runs outside of any mapped axis.
        axis_name = None if self.is_initializing() else self.axis_name
        single = batch_statistics and not self.is_initializing() and math.prod(x.shape[:-1]) == 1
        if single and (axis_name is None or jax.lax.psum(1, axis_name) == 1):
            raise UserError(
                "a batch norm sees one value of each channel, and makes it zero whatever the input is; use a larger "
                "train.batch_size (of training, or fewer parts in train.accumulate), or running statistics"
            )
        return nn.BatchNorm(
            use_running_average=not batch_statistics,
            momentum=0.9,
            epsilon=1e-5,
            axis_name=axis_name,
            param_dtype=self.param_dtype,
            scale_init=self.scale_init,
        )(x)


def adain(x: Array, scale: Array, bias: Array) -> Array:
    """Instance norm of [n, h, w, c], then a style's scale and bias [n, c] (AdaIN, Huang and Belongie 2017, eq. 8)."""
    return Norm("instance")(x, True) * scale[:, None, None] + bias[:, None, None]


def linear(x: Array, features: int) -> Array:
    """A linear layer [n, d] -> [n, features] that begins as in PyTorch: U(-b, b) with b = 1/sqrt(d)."""
    limit = x.shape[-1] ** -0.5

    def init(key, shape, dtype):
        return jax.random.uniform(key, shape, dtype, -limit, limit)

    return nn.Dense(features, kernel_init=init, bias_init=init)(x)


PADDINGS = {"reflect": "reflect", "zeros": "constant"}  # numpy's names


def pad(how: str, x: Array, width: int) -> Array:
    """Pads height and width of [n, h, w, c] as one of `PADDINGS`."""
    return jnp.pad(x, ((0, 0), (width, width), (width, width), (0, 0)), mode=PADDINGS[how])


def reflect(x: Array, width: int) -> Array:
    """Pads height and width of [n, h, w, c] by mirroring at the border pixels."""
    return pad("reflect", x, width)


def double(x: Array) -> Array:
    """[n, h, w, c] -> [n, 2h, 2w, c], nearest neighbours."""
    return jnp.repeat(jnp.repeat(x, 2, axis=1), 2, axis=2)


def halve_blurred(x: Array) -> Array:
    """[n, h, w, c] -> [n, h/2, w/2, c], rounded up: every second pixel, blurred by [1, 2, 1] each way before.

    Against aliases of what is finer than the pixels that are left (Zhang 2019, Making Convolutional Networks
    Shift-Invariant Again). Sums of slices, because the gradients of a convolution by channels are slow (jax#13800).
    """
    sides = x.shape[1:3]
    x = reflect(x, 1)
    for axis, length in enumerate(sides, 1):
        before, at, after = (jax.lax.slice_in_dim(x, i, i + length, 2, axis) for i in range(3))
        x = (before + 2 * at + after) / 4
    return x


def double_blurred(x: Array) -> Array:
    """[n, h, w, c] -> [n, 2h, 2w, c], zeros in between blurred by [1, 3, 3, 1] each way: bilinear interpolation."""
    for axis in (1, 2):
        length, part = x.shape[axis], partial(jax.lax.slice_in_dim, x, axis=axis)
        before = jnp.concatenate([part(0, 1), part(0, length - 1)], axis)
        after = jnp.concatenate([part(1, length), part(length - 1, length)], axis)
        pairs = [jnp.expand_dims(3 * x + beside, axis + 1) / 4 for beside in (before, after)]
        x = jnp.concatenate(pairs, axis + 1).reshape(*x.shape[:axis], 2 * length, *x.shape[axis + 1 :])
    return x


def upsample(how: str, x: Array, transposed: ConvTranspose) -> Array:
    """[n, h, w, c] -> [n, 2h, 2w, features of `transposed`].

    Args:
      how: "transpose" for the layer as it is; a 3x3 convolution in its place, against checkerboards, after "resize",
        nearest neighbours (Odena et al. 2016), or "blur", `double_blurred` (Park et al. 2020, the authors' code).
      x: images.
      transposed: the recipe's layer.
    Raises:
      UserError: none of these.
    """
    if how == "transpose":
        return transposed(x)
    same = {field: getattr(transposed, field) for field in ("features", "use_bias", "kernel_init", "bias_init")}
    if how == "resize":
        return Conv(kernel_size=3, **same)(reflect(double(x), 1))
    if how == "blur":
        return Conv(kernel_size=3, padding=1, **same)(double_blurred(x))
    raise UserError(f"model.generator.upsample={how!r} is none of transpose, resize, blur")


def convolve(layer: nn.Module, x: Array, spectral_norm: bool, update: bool) -> Array:
    """`layer(x)`, with its kernel divided by its largest singular value where `spectral_norm`.

    One power iteration a call (Miyato et al. 2018, algorithm 1); its vectors are kept where `update`.
    """
    return nn.SpectralNorm(layer)(x, update_stats=update) if spectral_norm else layer(x)


def dropout(x: Array, keys: Array | None, layer: int, rate: float) -> Array:
    """Inverted dropout with one key per sample, so that devices do not matter.

    Args:
      x: [n, ...].
      keys: [n] keys, or None for no dropout.
      layer: the layer's number within its network, to draw anew in each.
      rate: share of values set to zero.
    """
    if keys is None or not rate:
        return x
    keep = jax.vmap(lambda key: jax.random.bernoulli(jax.random.fold_in(key, layer), 1 - rate, x.shape[1:]))(keys)
    return jnp.where(keep, x / (1 - rate), 0)
