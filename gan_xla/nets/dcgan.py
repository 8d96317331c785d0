"""DCGAN's networks (Radford et al. 2016, section 3 and figure 1), with labels where there are any."""

import flax.linen as nn
import jax.numpy as jnp

from gan_xla.contract import Array
from gan_xla.images import Size
from gan_xla.nets import blocks
from gan_xla.nets.convolution import Conv, ConvTranspose
from gan_xla.nets.encoder_decoder import channels, innermost


class Generator(blocks.Network):
    """Noise to 4x4, then strided transposed convolutions; batch norm and ReLU on all but the last layer.

    Attributes:
      size: height and width of the images; where they are no powers of two, `innermost` stands for 4x4.
      width: channels of the last hidden layer; they double towards the noise, up to 8 times that.
      channels: image channels.
      output: "tanh", "sigmoid" or "linear".
    """

    size: Size = 64
    width: int = 64
    channels: int = 3
    output: str = "tanh"

    size_multiple = None

    @nn.compact
    def __call__(self, x: tuple[Array, Array], batch_statistics: bool, keys: Array | None = None) -> Array:
        """(noise [n, latent], labels [n, c], c of 0 or more) -> [n, h, w, channels] of `size`."""
        x = jnp.concatenate(x, axis=-1)[:, None, None]  # [n, 1, 1, latent + c]
        geometry = (innermost(self.size), 1, 0)
        for width in reversed(channels(self.size, self.width)):
            x = ConvTranspose(width, *geometry, use_bias=False, **blocks.NORMAL)(x)
            x = blocks.Norm("batch", self.axis_name, scale_init=blocks.normal_scale)(x, batch_statistics)
            x, geometry = nn.relu(x), (4, 2, 1)
        x = ConvTranspose(self.channels, *geometry, use_bias=False, **blocks.NORMAL)(x)
        return blocks.OUTPUTS[self.output][0](x)


class Discriminator(blocks.Network):
    """Strided convolutions down to 4x4, normalised from the second, then one logit; labels are planes beside the input.

    Attributes:
      size, width: as the generator's.
      joined: strided convolutions before the labels join.
      norm: kind of `blocks.Norm`; one that keeps samples apart for gradient penalties.
      spectral_norm: divide every kernel by its largest singular value.
    """

    size: Size = 64
    width: int = 64
    joined: int = 0
    norm: str = "batch"
    spectral_norm: bool = False

    @nn.compact
    def __call__(self, x: tuple[Array, Array], batch_statistics: bool, keys: Array | None = None):
        """(images [n, h, w, c], labels [n, d]) -> (logits [n, 1, 1, 1], activations of the strided layers)."""
        (x, label), features = x, []
        for i, width in enumerate(channels(self.size, self.width)):
            if i == self.joined:
                planes = jnp.broadcast_to(label[:, None, None], (*x.shape[:3], label.shape[-1]))
                x = jnp.concatenate([x, planes.astype(x.dtype)], axis=-1)
            layer = Conv(width, 4, 2, 1, use_bias=False, **blocks.NORMAL)
            x = blocks.convolve(layer, x, self.spectral_norm, batch_statistics)
            if i:
                x = blocks.Norm(self.norm, self.axis_name, scale_init=blocks.normal_scale)(x, batch_statistics)
            x = nn.leaky_relu(x, 0.2)
            features.append(x)
        layer = Conv(1, innermost(self.size), use_bias=False, **blocks.NORMAL)
        return blocks.convolve(layer, x, self.spectral_norm, batch_statistics), features
