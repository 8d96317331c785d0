"""StarGAN v2's networks (Choi et al. 2020, section 2.1 and appendix D): generator, mapping network, style encoder, D.

Weights begin as He et al.'s. The authors' high-pass filter of skipped maps, which needs a network that finds facial
landmarks, is left out, as they leave it out for animals.
"""

import math

import flax.linen as nn
import jax.numpy as jnp

from gan_xla.contract import Array
from gan_xla.errors import UserError
from gan_xla.images import Size, sides
from gan_xla.nets import blocks
from gan_xla.nets.convolution import Conv

HALF = 1 / math.sqrt(2)  # of a sum of two maps, whose variance stays


def _active(x: Array) -> Array:
    return nn.leaky_relu(x, 0.2)


def _convolve(x: Array, width: int) -> Array:
    return Conv(width, 3, padding=1, **blocks.HE)(x)


def _shortcut(x: Array, width: int) -> Array:
    """One product for each pixel: the same before doubling, and of means, where pixels are fewer."""
    return x if x.shape[-1] == width else Conv(width, 1, use_bias=False, **blocks.HE)(x)


def _halve(x: Array) -> Array:
    """[n, h, w, c] -> [n, h / 2, w / 2, c], means of 2x2 pixels."""
    n, h, w, c = x.shape
    return jnp.mean(x.reshape(n, h // 2, 2, w // 2, 2, c), axis=(2, 4))


def _chosen(x: Array, label: Array) -> Array:
    """Of heads [n, domains, d] that of the label vector, one-hot [n, domains] -> [n, d]."""
    return jnp.sum(x * label[..., None], axis=1)


class Block(nn.Module):
    """A residual block before the style: activation first, [n, h, w, c] -> [n, h', w', width].

    Attributes:
      width: channels of the output.
      halves: whether h' is h / 2.
      norm: of `blocks.NORMS`.
    """

    width: int
    halves: bool = False
    norm: str = "none"

    @nn.compact
    def __call__(self, x: Array) -> Array:
        resized = _halve if self.halves else lambda x: x
        y = _active(blocks.Norm(self.norm)(x, True))
        y = resized(_convolve(y, x.shape[-1]))
        y = _convolve(_active(blocks.Norm(self.norm)(y, True)), self.width)
        return (y + _shortcut(resized(x), self.width)) * HALF


class StyledBlock(nn.Module):
    """A residual block whose norms a style scales and moves, [n, h, w, c] -> [n, h', w', width].

    Attributes:
      width: channels of the output.
      doubles: whether h' is 2 h.
    """

    width: int
    doubles: bool = False

    @nn.compact
    def __call__(self, x: Array, style: Array) -> Array:
        resized = blocks.double if self.doubles else lambda x: x

        def norm(x: Array) -> Array:
            width = x.shape[-1]
            numbers = nn.Dense(2 * width, **blocks.HE)(style)
            return blocks.adain(x, 1 + numbers[:, :width], numbers[:, width:])

        y = _convolve(resized(_active(norm(x))), self.width)
        y = _convolve(_active(norm(y)), self.width)
        return (y + resized(_shortcut(x, self.width))) * HALF


class Generator(blocks.Network):
    """An image, and a style's code that says what becomes of it.

    Attributes:
      size: not needed here: any size is taken.
      width: channels of the first layer; they double with every level, up to `most`.
      most: channels.
      levels: halvings; the authors have as many as lead to 16x16.
      style: numbers of a code.
      channels: image channels.
      output: "linear", as published, "tanh" or "sigmoid".
    """

    size: Size = 256
    width: int = 64
    most: int = 512
    levels: int = 4
    style: int = 64
    channels: int = 3
    output: str = "linear"

    @property
    def size_multiple(self) -> int:
        """Heights and widths that the network takes, as multiples."""
        return 2**self.levels

    @nn.compact
    def __call__(self, x: tuple[Array, Array], batch_statistics: bool, keys: Array | None = None) -> Array:
        """(images [n, h, w, c], codes [n, style]) -> [n, h, w, channels]."""
        x, style = x
        widths = [min(self.width * 2**level, self.most) for level in range(self.levels + 1)]
        x = _convolve(x, self.width)
        for width in widths[1:]:
            x = Block(width, halves=True, norm="instance_affine")(x)
        for _ in range(2):
            x = Block(widths[-1], norm="instance_affine")(x)
        for _ in range(2):
            x = StyledBlock(widths[-1])(x, style)
        for width in widths[-2::-1]:
            x = StyledBlock(width, doubles=True)(x, style)
        x = _active(blocks.Norm("instance_affine")(x, True))
        return blocks.OUTPUTS[self.output][0](Conv(self.channels, 1, **blocks.HE)(x))


class Mapping(blocks.Network):
    """F: noise to the style of a domain; layers that all domains share, and then each domain's own.

    Attributes:
      domains: how many.
      style: numbers of a code.
      hidden: units of every other layer.
    """

    domains: int = 2
    style: int = 64
    hidden: int = 512

    @nn.compact
    def __call__(self, x: tuple[Array, Array], batch_statistics: bool, keys: Array | None = None) -> Array:
        """(z [n, d], labels one-hot [n, domains]) -> codes [n, style]."""
        z, label = x

        def layers(x: Array, count: int) -> Array:
            for _ in range(count):
                x = nn.relu(nn.Dense(self.hidden, **blocks.HE)(x))
            return x

        shared, heads = layers(z, 4), []
        for _ in range(self.domains):
            own = layers(shared, 3)
            heads.append(nn.Dense(self.style, **blocks.HE)(own))
        return _chosen(jnp.stack(heads, 1), label)


class Trunk(nn.Module):
    """What the style encoder and the discriminator share: [n, h, w, c] of `size` -> [n, d]."""

    size: Size
    width: int
    most: int

    @nn.compact
    def __call__(self, x: Array) -> Array:
        least = min(sides(self.size))
        if x.shape[1:3] != sides(self.size):
            raise UserError(f"images of {x.shape[2]}x{x.shape[1]}: this network takes {self.size} pixels alone")
        if least < 8 or any(side % (least // 4) or least & (least - 1) for side in sides(self.size)):
            raise UserError(f"data.image_size={self.size}: starganv2 takes powers of two from 8")
        x, width = _convolve(x, self.width), self.width
        for _ in range(least.bit_length() - 3):
            width = min(2 * width, self.most)
            x = Block(width, halves=True)(x)
        x = Conv(width, x.shape[1:3], **blocks.HE)(_active(x))  # of 4x4 pixels
        return _active(x).reshape(x.shape[0], -1)


class Encoder(blocks.Network):
    """E: the style of an image of a known domain.

    Attributes:
      domains, style, size, width, most: as of the others.
    """

    domains: int = 2
    style: int = 64
    size: Size = 256
    width: int = 64
    most: int = 512

    @nn.compact
    def __call__(self, x: tuple[Array, Array], batch_statistics: bool, keys: Array | None = None) -> Array:
        """(images [n, h, w, c] of `size`, labels one-hot [n, domains]) -> codes [n, style]."""
        image, label = x
        heads = nn.Dense(self.domains * self.style, **blocks.HE)(Trunk(self.size, self.width, self.most)(image))
        return _chosen(heads.reshape(image.shape[0], self.domains, self.style), label)


class Discriminator(blocks.Network):
    """D: whether an image is a real one of its domain.

    Attributes:
      size: height and width of the images, powers of two.
      width: channels of the first layer; they double with every halving, up to `most`.
      most: channels.
      labels: number of domains.
    """

    size: Size = 256
    width: int = 64
    most: int = 512
    labels: int = 2

    @nn.compact
    def __call__(self, x: Array, batch_statistics: bool, keys: Array | None = None):
        """[n, h, w, c] -> (a logit for each domain [n, labels], ())."""
        return nn.Dense(self.labels, **blocks.HE)(Trunk(self.size, self.width, self.most)(x)), ()
