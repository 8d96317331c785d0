"""pix2pix's U-Net (Isola et al. 2017, section 3.2.1 and appendix 6.1.1)."""

import flax.linen as nn
import jax.numpy as jnp

from gan_xla.contract import Array
from gan_xla.errors import UserError
from gan_xla.images import Size, halvings, sides
from gan_xla.nets import blocks
from gan_xla.nets.convolution import Conv, ConvTranspose


def depth(size: Size) -> int:
    """Strided convolutions of a generator whose `levels` are None.

    Raises:
      UserError: a square that is no power of two, or a rectangle of which a side is no multiple of 16.
    """
    height, width = sides(size)
    levels = halvings(size)
    if height == width and height != 2**levels:
        raise UserError(f"data.image_size={size}: this network takes powers of two unless levels is set")
    if height != width and levels < 4:
        raise UserError(f"data.image_size={size}: this network takes multiples of 16 unless levels is set")
    return levels


class Generator(blocks.Network):
    """Strided convolutions down to one pixel and their mirror, with skips between equal sizes.

    At 256 pixels C64-C128-C256-C512 (5 times) and back. The outermost layers and the innermost
    convolution are not normalised. Dropout follows the authors' PyTorch code: on the layers up
    with the most channels, except the innermost one (three at 256 pixels; the Lua code drops
    out on the innermost three). Convolutions have biases unless batch norm is in use; the
    outermost one up always has.

    Attributes:
      size: height and width of the training images.
      width: channels of the first level; they double up to 8 times that.
      levels: number of strided convolutions; None for down to one pixel, which takes powers of two, or of a
        rectangle as many as both sides can be halved, 4 at least.
      dropout: rate.
      norm: kind of `blocks.Norm`.
      upsample: "transpose" as in the paper, or "resize" or "blur", see `blocks.upsample`.
      slope: of LeakyReLU.
      skips: False severs them, which leaves the paper's encoder-decoder (section 4.2, figure 5).
      channels: image channels of the output.
      output: "tanh", "sigmoid" or "linear".
    """

    size: Size = 256
    width: int = 64
    levels: int | None = None
    dropout: float = 0.5
    norm: str = "batch"
    upsample: str = "transpose"
    slope: float = 0.2
    skips: bool = True
    channels: int = 3
    output: str = "tanh"

    @property
    def size_multiple(self) -> int:
        """Sizes that the parameters fit, as multiples.

        Raises:
          UserError: sizes that `levels` cannot halve.
        """
        levels = depth(self.size) if self.levels is None else self.levels
        if levels < 2:
            raise UserError(f"data.image_size={self.size}, model.generator.levels={self.levels}: 2 levels at least")
        if any(side % 2**levels for side in sides(self.size)):
            raise UserError(f"data.image_size={self.size}: this network takes multiples of {2**levels}")
        return 2**levels

    @nn.compact
    def __call__(self, x: Array, batch_statistics: bool, keys: Array | None = None) -> Array:
        """[n, h, w, c] -> [n, h, w, channels], h and w multiples of `size_multiple`."""
        options = {"use_bias": self.norm != "batch", **blocks.NORMAL}

        def norm(x):
            return blocks.Norm(self.norm, self.axis_name, scale_init=blocks.normal_scale)(x, batch_statistics)

        widths = [self.width * min(2**i, 8) for i in range(self.size_multiple.bit_length() - 1)]
        skips = []
        for i, width in enumerate(widths):
            x = Conv(width, 4, 2, 1, **options)(nn.leaky_relu(x, self.slope) if i else x)
            x = norm(x) if 0 < i < len(widths) - 1 else x
            skips.append(self.show(x))
        for i, skip in enumerate(reversed(skips[:-1])):
            up = ConvTranspose(skip.shape[-1], 4, 2, 1, **options)
            x = norm(blocks.upsample(self.upsample, nn.relu(x), up))
            if i and skip.shape[-1] == 8 * self.width:
                x = blocks.dropout(x, keys, i - 1, self.dropout)
            x = jnp.concatenate([skip, x], axis=-1) if self.skips else x
        x = blocks.upsample(self.upsample, nn.relu(x), ConvTranspose(self.channels, 4, 2, 1, **blocks.NORMAL))
        return blocks.OUTPUTS[self.output][0](x)
