"""Discriminators of an image at several scales (Wang et al. 2018, pix2pixHD, section 3.2), in UNIT and MUNIT."""

import flax.linen as nn

from gan_xla.contract import Array
from gan_xla.errors import UserError
from gan_xla.images import Size, sides
from gan_xla.nets import blocks
from gan_xla.nets.convolution import Conv


class Discriminator(blocks.Network):
    """One network for each scale: strided convolutions without norms, padded by reflection, and a logit for each place.

    Attributes:
      size: height and width of the images.
      width: channels of the first convolution; they double with every layer.
      layers: convolutions of stride 2.
      scales: the image, halved, halved again, ...
      slope: of LeakyReLU.
    """

    size: Size = 256
    width: int = 64
    layers: int = 4
    scales: int = 3
    slope: float = 0.2

    @nn.compact
    def __call__(self, x: Array, batch_statistics: bool, keys: Array | None = None):
        """[n, h, w, c] -> (logits [n, h', w', 1] of each scale, ()); h' = h / 2^layers, and so for the halves."""
        least = 2 ** (self.layers + self.scales - 1)
        if min(sides(self.size)) < least:
            raise UserError(
                f"data.image_size={self.size}, model.discriminator.layers={self.layers}, scales={self.scales}: they "
                f"take images from {least} pixels on"
            )
        logits = []
        for scale in range(self.scales):
            if scale:  # means of 3x3 pixels, of those that there are at borders
                x = nn.avg_pool(x, (3, 3), (2, 2), ((1, 1), (1, 1)), count_include_pad=False)
            y = x
            for i in range(self.layers):
                y = Conv(self.width * 2**i, 4, 2, **blocks.NORMAL)(blocks.reflect(y, 1))
                y = nn.leaky_relu(y, self.slope)
            logits.append(Conv(1, 1, **blocks.NORMAL)(y))
        return tuple(logits), ()
