"""DiscoGAN's convolutional encoder-decoder and its discriminator (Kim et al. 2017, figure 2)."""

import math

import flax.linen as nn

from gan_xla.contract import Array
from gan_xla.errors import UserError
from gan_xla.images import Size, sides
from gan_xla.nets import blocks
from gan_xla.nets.convolution import Conv, ConvTranspose


def channels(size: Size, width: int) -> list[int]:
    """Channels of the strided layers that take the smaller side down to 4 pixels, or to 5, 6 or 7.

    Raises:
      UserError: a side below 8, or one that the layers cannot halve.
    """
    layers = int(math.log2(max(1, min(sides(size))))) - 2
    if layers < 1 or any(side % 2**layers for side in sides(size)):
        takes = f"multiples of {2**layers}, such as powers of two" if layers > 0 else "8 pixels or more"
        raise UserError(f"data.image_size={size}: this network takes {takes}")
    return [width * min(2**i, 8) for i in range(layers)]


def innermost(size: Size) -> tuple[int, int]:
    """Height and width after these layers: 4x4 where the size is a power of two."""
    layers = len(channels(size, 1))
    return tuple(side // 2**layers for side in sides(size))


class Generator(blocks.Network):
    """Image to image through a 4x4 bottleneck (of other sizes: `innermost`), or through a vector.

    At 64 pixels and width 64 the published network: four strided convolutions 64-128-256-512
    and their mirror, batch norm on all but the first and the last layer, no biases.

    Attributes:
      size: height and width, which choose the depth (log2(size) - 2 of a square).
      width: channels of the first layer.
      bottleneck: channels of the 1x1 bottleneck of the 5-layer form (100 in the paper's angle
        experiments), or None for the fully convolutional 4-layer form.
      upsample: "transpose" as in the paper, or "resize" or "blur", see `blocks.upsample`.
      slope: of LeakyReLU.
      channels: image channels.
      output: "sigmoid" or "tanh".
    """

    size: Size = 64
    width: int = 64
    bottleneck: int | None = None
    upsample: str = "transpose"
    slope: float = 0.2
    channels: int = 3
    output: str = "sigmoid"

    @property
    def size_multiple(self) -> int | None:
        """Sizes that the parameters fit, as multiples; None: `size` alone."""
        return None if self.bottleneck else 2 ** len(channels(self.size, self.width))

    @nn.compact
    def __call__(self, x: Array, batch_statistics: bool, keys: Array | None = None) -> Array:
        """[n, h, w, c] -> [n, h, w, c]; there is no dropout, so `keys` is not used."""
        widths = channels(self.size, self.width)

        def norm(x):
            return blocks.Norm(axis_name=self.axis_name)(x, batch_statistics)

        for i, width in enumerate(widths):
            x = Conv(width, 4, 2, 1, use_bias=False)(x)
            x = self.show(nn.leaky_relu(norm(x) if i else x, self.slope))
        if self.bottleneck:
            kernel = innermost(self.size)
            x = norm(Conv(self.bottleneck, kernel, use_bias=False)(x))  # [n, 1, 1, bottleneck]
            x = nn.leaky_relu(x, self.slope)
            x = nn.relu(norm(ConvTranspose(widths[-1], kernel, use_bias=False)(x)))
        for width in reversed(widths[:-1]):
            x = nn.relu(norm(blocks.upsample(self.upsample, x, ConvTranspose(width, 4, 2, 1, use_bias=False))))
        x = blocks.upsample(self.upsample, x, ConvTranspose(self.channels, 4, 2, 1, use_bias=False))
        return blocks.OUTPUTS[self.output][0](x)


class Discriminator(blocks.Network):
    """Strided convolutions down to 4x4 (of other sizes: `innermost`), normalised from the second, then one logit.

    Attributes:
      norm: kind of `blocks.Norm`; one that keeps samples apart for gradient penalties.
      spectral_norm: divide every kernel by its largest singular value.
      slope: of LeakyReLU.
      size, width: as the generator's.
    """

    size: Size = 64
    width: int = 64
    norm: str = "batch"
    spectral_norm: bool = False
    slope: float = 0.2

    @nn.compact
    def __call__(self, x: Array, batch_statistics: bool, keys: Array | None = None):
        """[n, h, w, c] of `size` -> (logits [n, 1, 1, 1], activations of the strided layers)."""
        features = []
        for i, width in enumerate(channels(self.size, self.width)):
            x = blocks.convolve(Conv(width, 4, 2, 1, use_bias=False), x, self.spectral_norm, batch_statistics)
            if i:
                x = blocks.Norm(self.norm, self.axis_name)(x, batch_statistics)
            x = nn.leaky_relu(x, self.slope)
            features.append(x)
        last = Conv(1, innermost(self.size), use_bias=False)
        logits = blocks.convolve(last, x, self.spectral_norm, batch_statistics)
        return logits, features
