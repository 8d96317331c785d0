"""The networks that grow (Karras et al. 2018, Progressive Growing of GANs).

Level l draws and judges images of 4 * 2^l pixels. One parameter tree serves every level: layers are
named after the resolution that they work at, `init` makes all of them, and at a low level the rest go
unused, with gradients of exactly zero.
"""

import math
from collections.abc import Callable

import flax.linen as nn
import jax.numpy as jnp
from flax.linen.dtypes import promote_dtype
from jax import lax

from gan_xla.contract import Array
from gan_xla.errors import UserError
from gan_xla.nets import blocks
from gan_xla.nets.convolution import conv, conv_transpose

EPSILON = 1e-8


def levels(size: int) -> int:
    """Number of levels that end at `size` pixels: 1 for 4, 9 for 1024; the last level is one less.

    Raises:
      UserError: the size is none that doubling reaches.
    """
    if size not in [4 << level for level in range(9)]:
        raise UserError(f"data.image_size={size}: networks that grow take powers of two from 4 to 1024")
    return size.bit_length() - 2


def box_resize(images: Array, resolution: int) -> Array:
    """[n, h, w, c] -> [n, resolution, resolution, c], each pixel the mean of the block that it covers.

    Raises:
      ValueError: h or w is no multiple of the resolution.
    """
    n, h, w, c = images.shape
    if h % resolution or w % resolution:
        raise ValueError(f"images of {h}x{w} have no blocks for {resolution}x{resolution} pixels")
    return jnp.mean(images.reshape(n, resolution, h // resolution, resolution, w // resolution, c), axis=(2, 4))


def halve(x: Array) -> Array:
    """[n, r, r, c] -> [n, r / 2, r / 2, c], means of 2x2 pixels."""
    return box_resize(x, x.shape[1] // 2)


def lerp(old: Array, new: Array, alpha: Array | float) -> Array:
    """From `old` at alpha 0 to `new` at alpha 1, each of them exact at its end, in the dtype of `new`."""
    return ((1 - alpha) * old + alpha * new).astype(new.dtype)


def pixel_norm(x: Array) -> Array:
    """Scales every vector along the last axis of x [..., c] to a root mean square of 1 (section 4.2)."""
    return x * lax.rsqrt(jnp.mean(jnp.square(x), axis=-1, keepdims=True) + EPSILON)


def minibatch_stddev(x: Array, group: int) -> Array:
    """How much the samples of a group differ, as one more feature map (section 3).

    Groups are consecutive samples, so that no group spans two devices where each device's share
    of the batch is a multiple of `group`: then N devices compute what one does.

    Args:
      x: [n, h, w, c].
      group: samples of a group; all n where there are fewer.

    Returns:
      [n, h, w, c + 1]; the map is constant over a group: the standard deviation over its samples,
      averaged over pixels and channels.

    Raises:
      UserError: n samples do not make whole groups.
    """
    n, h, w, c = x.shape
    size = min(group, n)
    if size < 1 or n % size:
        raise UserError(
            f"model.discriminator.group={group}: a batch of {n} on a device does not make whole groups; "
            f"change it or train.batch_size"
        )
    variance = jnp.var(x.reshape(n // size, size, h, w, c), axis=1)
    deviation = jnp.mean(jnp.sqrt(variance + EPSILON), axis=(1, 2, 3))  # [n / size]
    feature = jnp.broadcast_to(jnp.repeat(deviation, size)[:, None, None, None], (n, h, w, 1))
    return jnp.concatenate([x, feature], axis=-1)


class EqualConv(nn.Module):
    """Convolution with an equalised learning rate (section 4.1).

    Weights begin as N(0, 1) and are scaled by He's constant whenever they are used, so that Adam,
    whose steps know no scale, moves all layers at one speed.

    Attributes:
      features: channels of the output.
      kernel_size: height and width of the kernel.
      padding: as of `operation`.
      gain: the constant is gain / sqrt(fan-in); sqrt(2) before a rectifier.
      operation: `conv` or `conv_transpose`.
      biased: height and width of the output where each of its pixels has a bias of its own; () where all share one.
    """

    features: int
    kernel_size: int = 3
    padding: int = 1
    gain: float = math.sqrt(2)
    operation: Callable = conv
    biased: tuple[int, ...] = ()

    @nn.compact
    def __call__(self, x: Array) -> Array:
        """[n, h, w, c] -> [n, h', w', features]."""
        shape = (self.kernel_size, self.kernel_size, x.shape[-1], self.features)
        kernel = self.param("kernel", nn.initializers.normal(1.0), shape, jnp.float32)
        bias = self.param("bias", nn.initializers.zeros, (*self.biased, self.features), jnp.float32)
        scale = self.gain / math.sqrt(math.prod(shape[:3]))
        x, kernel, bias = promote_dtype(x, kernel, bias)
        # XLA:GPU is not to see the scaling: it would take an input's gradient for a convolution.
        kernel = lax.optimization_barrier(kernel * scale)
        return self.operation(x, kernel, padding=self.padding) + bias


class _Progressive(blocks.Network):
    """What the two networks share.

    Attributes:
      size: height and width of the images of the last level, a power of two from 4 to 1024.
      fmap_base, fmap_max: min(fmap_base / 2^s, fmap_max) channels, where s is 1 at 4x4 pixels and
        grows by one with every level.
      channels: of the images.
      labels: length of the label vectors, 0 for none.
    """

    size: int = 1024
    fmap_base: int = 8192
    fmap_max: int = 512
    channels: int = 3
    labels: int = 0

    def resolutions(self, level: int | None) -> list[int]:
        """Those of the levels 0 to `level`, the last one by default; ValueError where there is no such level."""
        last = levels(self.size) - 1
        level = last if level is None else level
        if not 0 <= level <= last:
            raise ValueError(f"level {level} is none of 0 to {last}, which end at {self.size} pixels")
        return [4 << i for i in range(level + 1)]

    def width(self, resolution: int) -> int:
        """Channels at this resolution; at 2 those of the discriminator's dense layer."""
        width = min(self.fmap_base // (resolution // 2), self.fmap_max)
        if width < 1:
            where = f"model.{type(self).__name__.lower()}"
            raise UserError(
                f"{where}.fmap_base={self.fmap_base}, {where}.fmap_max={self.fmap_max}: no channels are left at "
                f"{resolution}x{resolution} pixels; fmap_base takes {self.size // 2} and more, fmap_max 1"
            )
        return width


class Generator(_Progressive):
    """Doubles the resolution with every level (table 2).

    Attributes, besides the shared ones:
      latent: length of the latent vectors.
      first_norm: whether what the first layer makes is normalised, as that of all others is.
      first_biases: of the first layer, "shared" by the 4x4 pixels, or one for each of the "pixels".
    """

    latent: int = 512
    first_norm: bool = True
    first_biases: str = "shared"

    @nn.compact
    def __call__(self, z: Array, level: int | None = None, alpha: Array | float = 1.0) -> Array:
        """[n, latent + labels] -> images [n, r, r, channels], r = 4 * 2^level, not bounded.

        Args:
          z: latent vectors, each followed by its label vector; normalised here.
          level: static; None for the last one, at which `init` makes the parameters of every level.
          alpha: weight of the newest level against the one before it, 0 to 1 (figure 2).
        Raises:
          ValueError: wrong length of z, or no such level.
        """
        if z.shape[1:] != (self.latent + self.labels,):
            raise ValueError(f"z is {z.shape}, not [n, {self.latent} + {self.labels}]")

        if self.first_biases not in ("shared", "pixels"):
            raise UserError(f"model.generator.first_biases={self.first_biases!r} is unknown; use shared or pixels")

        def hidden(x, features, name, normalise=pixel_norm, **options):
            return normalise(nn.leaky_relu(EqualConv(features, name=name, **options)(x), 0.2))

        # A transposed convolution of one pixel is a dense layer. Its fan-in counts the 16 pixels that it makes,
        # as the authors do by a gain of sqrt(2)/4 over the length of z.
        dense = dict(kernel_size=4, padding=0, operation=conv_transpose)
        dense["biased"] = (4, 4) if self.first_biases == "pixels" else ()
        dense["normalise"] = pixel_norm if self.first_norm else lambda x: x
        x = hidden(pixel_norm(z)[:, None, None], self.width(4), "4x4_up", **dense)
        image = None
        for r in self.resolutions(level):
            if r > 4:
                x = hidden(blocks.double(x), self.width(r), f"{r}x{r}_up")
            x = hidden(x, self.width(r), f"{r}x{r}_conv")
            # Of the smaller images only the last is used; the compiler drops the rest.
            old, image = image, EqualConv(self.channels, 1, 0, gain=1.0, name=f"{r}x{r}_rgb")(x)
        return image if old is None else lerp(blocks.double(old), image, alpha)


class Discriminator(_Progressive):
    """Halves the resolution with every level; the mirror of the generator (table 2).

    Attributes, besides the shared ones:
      group: samples whose variation `minibatch_stddev` tells; 16 in the paper's runs on CelebA-HQ.
    """

    group: int = 4

    @nn.compact
    def __call__(self, x: Array, level: int | None = None, alpha: Array | float = 1.0) -> tuple[Array, Array]:
        """Images [n, r, r, channels], r = 4 * 2^level -> (scores [n, 1], label logits [n, labels]).

        n must be a multiple of `group`, or smaller: see `minibatch_stddev`, also for several devices.

        Args:
          x: images.
          level: static; None for the last one, at which `init` makes the parameters of every level.
          alpha: weight of the newest level against the one before it, 0 to 1 (figure 2).
        Raises:
          ValueError: images of another shape, or no such level.
          UserError: n does not make whole groups.
        """
        *smaller, r = self.resolutions(level)
        if x.shape[1:] != (r, r, self.channels):
            raise ValueError(f"images are {x.shape}, not [n, {r}, {r}, {self.channels}]")

        def hidden(x, features, name, *options):
            return nn.leaky_relu(EqualConv(features, *options, name=name)(x), 0.2)

        def from_rgb(image):
            r = image.shape[1]
            return hidden(image, self.width(r), f"{r}x{r}_rgb", 1, 0)

        image, x = x, from_rgb(x)
        for half in reversed(smaller):
            x = hidden(x, self.width(2 * half), f"{2 * half}x{2 * half}_conv")
            x = halve(hidden(x, self.width(half), f"{2 * half}x{2 * half}_down"))
            # Below the newest level nothing uses it; the compiler drops it.
            image = halve(image)
            old = from_rgb(image)
            x = lerp(old, x, alpha) if 2 * half == r else x
        x = hidden(minibatch_stddev(x, self.group), self.width(4), "4x4_conv")
        x = hidden(x, self.width(2), "4x4_down", 4, 0)  # one pixel: dense
        y = EqualConv(1 + self.labels, 1, 0, gain=1.0, name="out")(x)[:, 0, 0]
        return y[:, :1], y[:, 1:]
