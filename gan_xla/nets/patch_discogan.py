"""Discriminators that judge patches."""

import flax.linen as nn
import jax.numpy as jnp

from gan_xla.contract import Array
from gan_xla.images import Size
from gan_xla.nets import blocks
from gan_xla.nets.convolution import Conv


class Discriminator(blocks.Network):
    """Three strided convolutions (width x 1, 2, 4), then one logit per patch, at an eighth of the size.

    Attributes:
      size: not needed here: any size is judged, patch by patch.
      width: channels of the first layer.
      norm: kind of `blocks.Norm`, on all layers but the first and the last.
      spectral_norm: divide every kernel by its largest singular value.
    """

    size: Size = 64
    width: int = 64
    norm: str = "instance"
    spectral_norm: bool = False

    @nn.compact
    def __call__(self, x: Array, batch_statistics: bool, keys: Array | None = None):
        """[n, h, w, c] -> (logits [n, h/8, w/8, 1], activations of the strided layers)."""
        features = []
        for i in range(3):
            x = blocks.convolve(Conv(self.width * 2**i, 4, 2, 1), x, self.spectral_norm, batch_statistics)
            if i:
                x = blocks.Norm(self.norm, self.axis_name)(x, batch_statistics)
            x = nn.leaky_relu(x, 0.2)
            features.append(x)
        x = jnp.pad(x, ((0, 0), (1, 0), (1, 0), (0, 0)))
        return blocks.convolve(Conv(1, 4, padding=1), x, self.spectral_norm, batch_statistics), features
