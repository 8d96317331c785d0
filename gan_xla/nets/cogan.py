"""CoGAN's coupled networks (Liu and Tuzel 2016, section 3): both domains' in one, with the layers that they share."""

import flax.linen as nn
import jax.numpy as jnp

from gan_xla.contract import Array
from gan_xla.images import Size
from gan_xla.nets import blocks
from gan_xla.nets.convolution import Conv, ConvTranspose
from gan_xla.nets.encoder_decoder import channels, innermost

DOMAINS = ("A", "B")


class Generator(blocks.Network):
    """Both generators: noise to 4x4, then strided transposed convolutions; each has only its last layer for itself.

    Batch norm and PReLU on all but the last layer, as the authors' for digits, whose kernels are of 3x3 and whose
    scales are fixed.

    Attributes:
      size: height and width of the images; where they are no powers of two, `innermost` stands for 4x4.
      width: channels of the last shared layer; they double towards the noise, up to 8 times that.
      channels: of the images, or (of A, of B).
      output: "tanh", "sigmoid" or "linear".
    """

    size: Size = 64
    width: int = 128
    channels: int | tuple[int, int] = 3
    output: str = "tanh"

    size_multiple = None

    @nn.compact
    def __call__(self, z: Array, batch_statistics: bool, keys: Array | None = None) -> dict[str, Array]:
        """[n, latent] -> {domain: [n, h, w, channels] of `size`}."""
        x, geometry = z[:, None, None], (innermost(self.size), 1, 0)
        for width in reversed(channels(self.size, self.width)):
            x = blocks.Norm("batch", self.axis_name)(ConvTranspose(width, *geometry)(x), batch_statistics)
            x, geometry = nn.PReLU(negative_slope_init=0.25)(x), (4, 2, 1)
        both = self.channels if isinstance(self.channels, tuple) else (self.channels,) * len(DOMAINS)
        last = {d: ConvTranspose(count, *geometry, name=f"last_{d}") for d, count in zip(DOMAINS, both, strict=True)}
        return {domain: blocks.OUTPUTS[self.output][0](layer(x)) for domain, layer in last.items()}


class Discriminator(blocks.Network):
    """Both discriminators: strided convolutions down to 4x4, then one logit; each has only its first for itself.

    PReLU, and no norm, as the authors' for digits, which pool where these stride.

    Attributes:
      size: as the generator's.
      width: channels of the first layer; they double with every layer, up to 8 times that.
    """

    size: Size = 64
    width: int = 64

    @nn.compact
    def __call__(self, images: dict[str, Array], batch_statistics: bool, keys: Array | None = None):
        """{domain: [n, h, w, c]} -> ({domain: logits [n, 1, 1, 1]}, activations of the strided layers [2n, ...])."""
        first, *rest = channels(self.size, self.width)
        x = jnp.concatenate([Conv(first, 4, 2, 1, name=f"first_{domain}")(images[domain]) for domain in DOMAINS])
        features = [x := nn.PReLU(negative_slope_init=0.25)(x)]
        for width in rest:
            features.append(x := nn.PReLU(negative_slope_init=0.25)(Conv(width, 4, 2, 1)(x)))
        logits = jnp.split(Conv(1, innermost(self.size))(x), len(DOMAINS))
        return dict(zip(DOMAINS, logits, strict=True)), features
