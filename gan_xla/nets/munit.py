"""UNIT's and MUNIT's networks (Huang et al. 2018, figure 3 and appendix B.1): a content, a style, and back to an image.

UNIT's (Liu et al. 2017, as its authors train it since) have no style, and plain instance norm in the decoder.
"""

import itertools
from functools import partial

import flax.linen as nn
import jax
import jax.numpy as jnp

from gan_xla.contract import Array
from gan_xla.images import Size
from gan_xla.nets import blocks
from gan_xla.nets.convolution import Conv
from gan_xla.nets.doubling import doubled_conv


def _convolve(x: Array, width: int, kernel: int, stride: int = 1) -> Array:
    """Padded by reflection, [n, h, w, c] -> [n, h / stride, w / stride, width]."""
    return Conv(width, kernel, stride, **blocks.HE)(blocks.reflect(x, (kernel - stride + 1) // 2))


class Content(nn.Module):
    """[n, h, w, c] -> [n, h / 2^layers, w / 2^layers, width 2^layers]: instance norm takes what a style could tell."""

    width: int
    layers: int
    blocks: int

    @nn.compact
    def __call__(self, x: Array) -> Array:
        norm = blocks.Norm("instance")
        x = nn.relu(norm(_convolve(x, self.width, 7), True))
        for i in range(self.layers):
            x = nn.relu(norm(_convolve(x, self.width * 2 ** (i + 1), 4, 2), True))
        for _ in range(self.blocks):
            y = nn.relu(norm(_convolve(x, x.shape[-1], 3), True))
            x = x + norm(_convolve(y, x.shape[-1], 3), True)
        return x


class Style(nn.Module):
    """[n, h, w, c] -> codes [n, style]: the mean over an image's places, without any norm, which would take it away."""

    width: int
    layers: int
    style: int

    @nn.compact
    def __call__(self, x: Array) -> Array:
        x = nn.relu(_convolve(x, self.width, 7))
        for i in range(self.layers):
            x = nn.relu(_convolve(x, self.width * 2 ** min(i + 1, 2), 4, 2))
        return nn.Dense(self.style, **blocks.HE)(jnp.mean(x, (1, 2)))


class DeviationNorm(nn.LayerNorm):
    """Layer norm by the deviation, of n - 1, plus epsilon; not by the root of the variance plus epsilon."""

    @nn.compact
    def __call__(self, x: Array) -> Array:
        mean = jnp.mean(x, self.reduction_axes, keepdims=True)
        deviation = jnp.std(x, self.reduction_axes, ddof=1, keepdims=True)
        scale = self.param("scale", self.scale_init, x.shape[-1:])
        bias = self.param("bias", self.bias_init, x.shape[-1:])
        return (x - mean) / (deviation + self.epsilon) * scale + bias


class Decoder(nn.Module):
    """Content [n, h, w, c], and codes [n, d] where there are styles, -> images [n, h 2^layers, w 2^layers, channels].

    A perceptron makes of a code the scales and biases of the residual blocks' norms. The norms after them are of each
    image's whole maps: instance norm would take away what the style has put in.
    """

    layers: int
    blocks: int
    hidden: int
    unbiased: bool
    channels: int
    output: str

    @nn.compact
    def __call__(self, x: Array, style: Array | None = None) -> Array:
        width = x.shape[-1]
        if style is not None:
            for units in (self.hidden, self.hidden):
                style = nn.relu(nn.Dense(units, **blocks.HE)(style))
            style = nn.Dense(4 * self.blocks * width, **blocks.HE)(style).reshape(x.shape[0], -1, width)
        numbers = itertools.count()

        def norm(x: Array) -> Array:
            if style is None:
                return blocks.Norm("instance")(x, True)
            # Indexing is a gather where n is open, which exporters do not know.
            bias, scale = (jax.lax.index_in_dim(style, next(numbers), 1, keepdims=False) for _ in range(2))
            return blocks.adain(x, scale, bias)

        for _ in range(self.blocks):
            x = x + norm(_convolve(nn.relu(norm(_convolve(x, width, 3))), width, 3))
        for i in range(self.layers):
            x = Conv(width // 2 ** (i + 1), 5, 1, 2, operation=doubled_conv, **blocks.HE)(x)
            layer_norm = partial(DeviationNorm if self.unbiased else nn.LayerNorm, 1e-5, name=f"LayerNorm_{i}")
            # The authors' scales begin between 0 and 1.
            x = nn.relu(layer_norm(reduction_axes=(1, 2, 3), scale_init=nn.initializers.uniform(1.0))(x))
        return blocks.OUTPUTS[self.output][0](_convolve(x, self.channels, 7))


class Generator(blocks.Network):
    """An autoencoder of one domain, of whose methods `content_of`, `style_of` and `decode` translations are made.

    Attributes:
      size: not needed here: any size is taken.
      width: channels of the first layer of both encoders.
      layers: strided convolutions of the content's encoder, and enlargements of the decoder.
      blocks: residual blocks of either.
      style: numbers of a style's code; 0 for none.
      style_layers: strided convolutions of the style's encoder.
      hidden: units of the perceptron behind a code.
      unbiased: whether the decoder's layer norm is the authors', see `DeviationNorm`; where deviations are about 1, the
        other one gives the same to 1e-5.
      channels: image channels.
      output: "tanh", "sigmoid" or "linear".
    """

    size: Size = 256
    width: int = 64
    layers: int = 2
    blocks: int = 4
    style: int = 8
    style_layers: int = 4
    hidden: int = 256
    unbiased: bool = False
    channels: int = 3
    output: str = "tanh"

    @property
    def size_multiple(self) -> int:
        """Heights and widths that the network takes, as multiples."""
        return 2**self.layers

    def setup(self):
        self.content_encoder = Content(self.width, self.layers, self.blocks)
        if self.style:
            self.style_encoder = Style(self.width, self.style_layers, self.style)
        self.decoder = Decoder(self.layers, self.blocks, self.hidden, self.unbiased, self.channels, self.output)

    def content_of(self, x: Array, batch_statistics: bool, keys: Array | None = None) -> Array:
        """[n, h, w, c] -> [n, h / 2^layers, w / 2^layers, width 2^layers]."""
        return self.content_encoder(x)

    def style_of(self, x: Array, batch_statistics: bool, keys: Array | None = None) -> Array | None:
        """[n, h, w, c] -> codes [n, style], or None."""
        return self.style_encoder(x) if self.style else None

    def decode(self, x: tuple[Array, Array | None], batch_statistics: bool, keys: Array | None = None) -> Array:
        """(content, code or None) -> [n, h, w, channels]."""
        return self.decoder(*x)

    def __call__(self, x: Array, batch_statistics: bool, keys: Array | None = None) -> Array:
        """[n, h, w, c] -> [n, h, w, channels], again."""
        return self.decode((self.content_of(x, batch_statistics), self.style_of(x, batch_statistics)), batch_statistics)
