"""StarGAN's networks (Choi et al. 2018, section 4 and appendix 7.2)."""

import flax.linen as nn

from gan_xla.contract import Array
from gan_xla.errors import UserError
from gan_xla.images import Size, check_multiples, sides
from gan_xla.nets import blocks
from gan_xla.nets.convolution import Conv, ConvTranspose


class Generator(blocks.Network):
    """Down to a quarter of the size, residual blocks there, and up again, on an image and label planes.

    Padding is with zeros (the borders of a reflected label plane would say nothing of borders), no
    convolution has a bias, and instance norm is affine, everywhere but on the last layer.

    Attributes:
      size: height and width of the training images.
      width: channels of the first layer.
      blocks: number of residual blocks.
      upsample: "transpose" as in the paper, or "resize" or "blur", see `blocks.upsample`.
      channels: image channels of the output.
      output: "tanh", "sigmoid" or "linear".
    """

    size: Size = 128
    width: int = 64
    blocks: int = 6
    upsample: str = "transpose"
    channels: int = 3
    output: str = "tanh"

    size_multiple = 4

    @nn.compact
    def __call__(self, x: Array, batch_statistics: bool, keys: Array | None = None) -> Array:
        """[n, h, w, channels + labels] -> [n, h, w, channels], h and w multiples of 4."""
        check_multiples(self.size, self.size_multiple)

        def norm(x):
            return blocks.Norm("instance_affine")(x, batch_statistics)

        x = nn.relu(norm(Conv(self.width, 7, padding=3, use_bias=False)(x)))
        for width in (2 * self.width, 4 * self.width):
            x = self.show(nn.relu(norm(Conv(width, 4, 2, 1, use_bias=False)(x))))
        for _ in range(self.blocks):  # [n, h/4, w/4, 4 width]
            y = nn.relu(norm(Conv(4 * self.width, 3, padding=1, use_bias=False)(x)))
            x = self.show(x + norm(Conv(4 * self.width, 3, padding=1, use_bias=False)(y)))
        for width in (2 * self.width, self.width):
            x = nn.relu(norm(blocks.upsample(self.upsample, x, ConvTranspose(width, 4, 2, 1, use_bias=False))))
        x = Conv(self.channels, 7, padding=3, use_bias=False)(x)
        return blocks.OUTPUTS[self.output][0](x)


class Discriminator(blocks.Network):
    """Strided convolutions with biases, no norm, then two heads without: patches and labels.

    Attributes:
      labels: number of labels that the second head tells.
      size: height and width of the images.
      width: channels of the first layer; they double with every layer.
      layers: strided convolutions, 6 in the paper; they must divide `size` by 2 each.
    """

    labels: int = 5
    size: Size = 128
    width: int = 64
    layers: int = 6

    @nn.compact
    def __call__(self, x: Array, batch_statistics: bool, keys: Array | None = None) -> tuple[Array, Array]:
        """[n, h, w, c] -> (D_src, logits [n, h / 2^layers, w / 2^layers, 1]; D_cls, logits [n, labels])."""
        if any(side % 2**self.layers for side in sides(self.size)):
            raise UserError(
                f"data.image_size={self.size}, model.discriminator.layers={self.layers}: the size must be a multiple "
                f"of {2**self.layers}"
            )
        for i in range(self.layers):
            x = nn.leaky_relu(Conv(self.width * 2**i, 4, 2, 1)(x), 0.01)
        src = Conv(1, 3, padding=1, use_bias=False)(x)
        cls = Conv(self.labels, tuple(side // 2**self.layers for side in sides(self.size)), use_bias=False)(x)
        return src, cls[:, 0, 0]
