"""The PatchGAN family of discriminators (Isola et al. 2017, sections 3.2.2 and 4.4, appendix 6.1.2)."""

import flax.linen as nn
import jax.numpy as jnp

from gan_xla.contract import Array
from gan_xla.errors import UserError
from gan_xla.images import Size
from gan_xla.nets import blocks
from gan_xla.nets.convolution import Conv


def _convolutions(layers: int) -> list[tuple[int, int, int]]:
    """(kernel, stride, padding) of each convolution."""
    if layers < 0:
        raise UserError(f"model.discriminator.layers={layers}: takes 0 (pixels) and more")
    return [(4, 2, 1)] * layers + [(4, 1, 1)] * 2 if layers else [(1, 1, 0)] * 3


def receptive_field(layers: int, antialias: bool = False) -> int:
    """Height and width of the patch that one logit judges: 1, 16, 34, 70, 142, 286 for 0 to 5 layers.

    With `antialias` the blurs widen it, of 3 layers to 84.
    """
    field = 1
    for kernel, stride, _ in reversed(_convolutions(layers)):
        if antialias and stride > 1:
            field, stride = (field - 1) * stride + 3, 1
        field = (field - 1) * stride + kernel
    return field


class Discriminator(blocks.Network):
    """One logit per patch: `layers` convolutions of stride 2, then two of stride 1.

    At 3 layers the paper's C64-C128-C256-C512 and its last convolution, which judge 70x70
    pixels; with no layers the 1x1 PixelGAN C64-C128. Normalised on all but the first and the
    last convolution; biases where no batch norm follows. Conditional forms judge images that
    the caller has concatenated.

    Attributes:
      size: not needed here: any size is judged, patch by patch.
      width: channels of the first convolution; they double up to 8 times that.
      layers: number of strided convolutions.
      norm: kind of `blocks.Norm`.
      slope: of LeakyReLU.
      spectral_norm: divide every kernel by its largest singular value.
      judges: "patches", one logit each, so that the loss is averaged over patches; "mean", the
        average of the patches' logits, one logit an image; "image", one logit from a last
        convolution over the whole map, so for images of the training size alone.
      antialias: whether to convolve at full size and blur before every second pixel is taken, in place of strides.
      initial: of `blocks.INITIAL`.
    """

    size: Size = 256
    width: int = 64
    layers: int = 3
    norm: str = "instance"
    slope: float = 0.2
    spectral_norm: bool = False
    judges: str = "patches"
    antialias: bool = False
    initial: str = "normal"

    @property
    def receptive_field(self) -> int:
        """Height and width of the patch that one logit judges."""
        return receptive_field(self.layers, self.antialias)

    @nn.compact
    def __call__(self, x: Array, batch_statistics: bool, keys: Array | None = None):
        """[n, h, w, c] -> (logits [n, h', w', 1], activations of all convolutions but the last).

        h' = h / 2^layers - 2, rounded down; h' = h without layers; 1 unless patches are
        judged. There is no dropout.
        """
        if self.judges not in ("patches", "mean", "image"):
            raise UserError(f"model.discriminator.judges={self.judges!r} is none of patches, mean, image")
        *hidden, last = _convolutions(self.layers)
        initial = blocks.INITIAL[self.initial]
        if self.layers and min(x.shape[1:3]) < 3 * 2**self.layers:
            raise UserError(
                f"model.discriminator.layers={self.layers} takes images from {3 * 2**self.layers} pixels on, "
                f"not {x.shape[1]}x{x.shape[2]}"
            )
        features = []
        for i, (kernel, stride, padding) in enumerate(hidden):
            bias, blurred = i == 0 or self.norm != "batch", self.antialias and stride > 1
            stride = 1 if blurred else stride
            layer = Conv(self.width * min(2**i, 8), kernel, stride, padding, use_bias=bias, **initial)
            x = blocks.convolve(layer, x, self.spectral_norm, batch_statistics)
            if i:
                x = blocks.Norm(self.norm, self.axis_name, scale_init=blocks.normal_scale)(x, batch_statistics)
            x = nn.leaky_relu(x, self.slope)
            x = blocks.halve_blurred(x) if blurred else x
            features.append(x)
        if self.judges == "image":
            last = (x.shape[1:3], 1, 0)
        logits = blocks.convolve(Conv(1, *last, **initial), x, self.spectral_norm, batch_statistics)
        if self.judges == "mean":
            logits = jnp.mean(logits, axis=(1, 2), keepdims=True)
        return logits, features
