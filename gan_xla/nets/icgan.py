"""IcGAN's encoders (Perarnau et al. 2016): G and D are those of `gan_xla.nets.dcgan`."""

import flax.linen as nn
import jax

from gan_xla.contract import Array
from gan_xla.images import Size
from gan_xla.nets import blocks
from gan_xla.nets.convolution import Conv
from gan_xla.nets.encoder_decoder import channels


class Encoder(blocks.Network):
    """Strided convolutions down to 4x4, a hidden layer and a linear one; batch norm and ReLU on all but the last.

    Attributes:
      outputs: length of the vectors.
      hidden: units of the hidden layer.
      size: height and width of the images; where they are no powers of two, `innermost` stands for 4x4.
      width: channels of the first layer; they double with every layer, up to 8 times that.
      shares: whether the outputs are in (0, 1), by a sigmoid.
    """

    outputs: int = 100
    hidden: int = 4096
    size: Size = 64
    width: int = 32
    shares: bool = False

    @nn.compact
    def __call__(self, x: Array, batch_statistics: bool, keys: Array | None = None) -> Array:
        """[n, h, w, c] of `size` -> [n, outputs]."""
        for width in channels(self.size, self.width):
            x = Conv(width, 5, 2, 2, use_bias=False, **blocks.NORMAL)(x)
            x = nn.relu(blocks.Norm("batch", self.axis_name)(x, batch_statistics))
        x = blocks.linear(x.reshape(x.shape[0], -1), self.hidden)
        x = nn.relu(blocks.Norm("batch", self.axis_name)(x, batch_statistics))
        x = blocks.linear(x, self.outputs)
        return jax.nn.sigmoid(x) if self.shares else x
