"""CycleGAN's residual generator (Zhu et al. 2017, appendix 7.2, after Johnson et al. 2016)."""

import flax.linen as nn

from gan_xla.contract import Array
from gan_xla.images import Size, check_multiples, sides
from gan_xla.nets import blocks
from gan_xla.nets.convolution import Conv, ConvTranspose


class Generator(blocks.Network):
    """Down to a quarter of the size, residual blocks there, and up again.

    c7s1-64, d128, d256, R256 (6 or 9 times), u128, u64, c7s1 in the paper's notation. Convolutions have biases
    unless batch norm follows.

    Attributes:
      size: height and width of the training images.
      width: channels of the first layer.
      blocks: number of residual blocks; None for the paper's 9 at 256 pixels and more, 6 below.
      dropout: rate within each block (0.5 in the authors' code where it is used, off by default).
      norm: kind of `blocks.Norm`.
      padding: "reflect" as in the paper, or "zeros", wherever the stride is 1.
      upsample: "transpose" as in the paper, or "resize" or "blur", see `blocks.upsample`.
      antialias: whether to convolve at full size and blur before every second pixel is taken, in place of strides.
      initial: of `blocks.INITIAL`.
      channels: image channels of the output.
      output: "tanh", "sigmoid" or "linear".
    """

    size: Size = 256
    width: int = 64
    blocks: int | None = None
    dropout: float = 0.0
    norm: str = "instance"
    padding: str = "reflect"
    upsample: str = "transpose"
    antialias: bool = False
    initial: str = "normal"
    channels: int = 3
    output: str = "tanh"

    size_multiple = 4

    @nn.compact
    def __call__(self, x: Array, batch_statistics: bool, keys: Array | None = None) -> Array:
        """[n, h, w, c] -> [n, h, w, channels], h and w multiples of 4 from 8 on.

        Shows the image, both downsampling convolutions, and every residual block.
        """
        check_multiples(self.size, self.size_multiple)
        initial = blocks.INITIAL[self.initial]
        options = {"use_bias": self.norm != "batch", **initial}

        def norm(x):
            return blocks.Norm(self.norm, self.axis_name, scale_init=blocks.normal_scale)(x, batch_statistics)

        x = nn.relu(norm(Conv(self.width, 7, **options)(blocks.pad(self.padding, self.show(x), 3))))
        for width in (2 * self.width, 4 * self.width):
            x = self.show(Conv(width, 3, 1 if self.antialias else 2, 1, **options)(x))
            x = nn.relu(norm(x))
            x = blocks.halve_blurred(x) if self.antialias else x
        count = (9 if min(sides(self.size)) >= 256 else 6) if self.blocks is None else self.blocks
        for i in range(count):  # [n, h/4, w/4, 4 width]
            y = nn.relu(norm(Conv(4 * self.width, 3, **options)(blocks.pad(self.padding, x, 1))))
            y = blocks.dropout(y, keys, i, self.dropout)
            x = self.show(x + norm(Conv(4 * self.width, 3, **options)(blocks.pad(self.padding, y, 1))))
        for width in (2 * self.width, self.width):
            up = ConvTranspose(width, 3, 2, 1, output_padding=1, **options)
            x = nn.relu(norm(blocks.upsample(self.upsample, x, up)))
        x = Conv(self.channels, 7, **initial)(blocks.pad(self.padding, x, 3))
        return blocks.OUTPUTS[self.output][0](x)
