"""The U-Net of the tutorial form of DiscoGAN: instance norm, dropout, skip connections."""

import math

import flax.linen as nn
import jax.numpy as jnp

from gan_xla.contract import Array
from gan_xla.images import Size, check_multiples, halvings, sides
from gan_xla.nets import blocks
from gan_xla.nets.convolution import Conv, ConvTranspose


class Generator(blocks.Network):
    """Six levels down (width x 1, 2, 4, 8, 8, 8) and up with skips; upsample and convolve last.

    Normalised on all levels but the first and the innermost; dropout from the third level down
    and on the first three up.

    Attributes:
      size: height and width; there are fewer levels where the sides cannot be halved as often, but 4 at least (or
        down to one pixel).
      width: channels of the first level.
      dropout: rate.
      norm: kind of `blocks.Norm`.
      channels, output: as in `encoder_decoder.Generator`.
    """

    size: Size = 64
    width: int = 64
    dropout: float = 0.5
    norm: str = "instance"
    channels: int = 3
    output: str = "tanh"

    @property
    def levels(self) -> int:
        """Number of strided convolutions."""
        return max(min(4, int(math.log2(max(1, min(sides(self.size)))))), min(6, halvings(self.size)))

    @property
    def size_multiple(self) -> int:
        """Sizes that the parameters fit, as multiples."""
        return 2**self.levels

    @nn.compact
    def __call__(self, x: Array, batch_statistics: bool, keys: Array | None = None) -> Array:
        """[n, h, w, c] -> [n, h, w, c], h and w multiples of `size_multiple`."""
        check_multiples(self.size, self.size_multiple)

        def norm(x):
            return blocks.Norm(self.norm, self.axis_name)(x, batch_statistics)

        widths = [self.width * min(2**i, 8) for i in range(self.levels)]
        skips = []
        for i, width in enumerate(widths):
            x = Conv(width, 4, 2, 1)(x)
            x = nn.leaky_relu(norm(x) if 0 < i < self.levels - 1 else x, 0.2)
            x = blocks.dropout(x, keys, i, self.dropout) if i >= 2 else x
            skips.append(self.show(x))
        for i, skip in enumerate(reversed(skips[:-1])):
            x = nn.relu(norm(ConvTranspose(skip.shape[-1], 4, 2, 1)(x)))
            x = blocks.dropout(x, keys, self.levels + i, self.dropout) if i < 3 else x
            x = jnp.concatenate([x, skip], axis=-1)
        x = blocks.double(x)
        # A kernel of 4 keeps the size with one more row and column before than after.
        x = Conv(self.channels, 4, padding=1)(jnp.pad(x, ((0, 0), (1, 0), (1, 0), (0, 0))))
        return blocks.OUTPUTS[self.output][0](x)
