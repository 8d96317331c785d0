"""Multilayer perceptrons of vanilla and conditional GANs (Goodfellow et al. 2014, Mirza and Osindero 2014)."""

import math
from collections.abc import Sequence

import flax.linen as nn
import jax.numpy as jnp

from gan_xla.contract import Array
from gan_xla.images import Size, sides
from gan_xla.nets import blocks


def _embedded(label: Array, features: int) -> Array:
    """Label vectors [n, c] as they are, or linearly mapped to [n, features] where that is not 0."""
    return nn.Dense(features, use_bias=False, name="embedding")(label) if features and label.shape[-1] else label


class Generator(blocks.Network):
    """Noise to image through linear layers, batch norm on all hidden ones but the first, leaky ReLU.

    Attributes:
      size: height and width of the images.
      channels: image channels.
      hidden: units of the hidden layers.
      embedding: features of a learned embedding of the label; 0 for the label vector itself.
      output: "tanh", "sigmoid" or "linear".
    """

    size: Size = 28
    channels: int = 1
    hidden: Sequence[int] = (128, 256, 512, 1024)
    embedding: int = 0
    output: str = "tanh"

    size_multiple = None

    @nn.compact
    def __call__(self, x: tuple[Array, Array], batch_statistics: bool, keys: Array | None = None) -> Array:
        """(noise [n, latent], labels [n, c], c of 0 or more) -> [n, h, w, channels] of `size`."""
        z, label = x
        x = jnp.concatenate([z, _embedded(label, self.embedding)], axis=-1)
        for i, width in enumerate(self.hidden):
            x = blocks.linear(x, width)
            x = blocks.Norm("batch", self.axis_name)(x, batch_statistics) if i else x
            x = nn.leaky_relu(x, 0.2)
        shape = (*sides(self.size), self.channels)
        x = blocks.linear(x, math.prod(shape))
        return blocks.OUTPUTS[self.output][0](x.reshape(-1, *shape))


class Discriminator(blocks.Network):
    """Image to logit through linear layers with leaky ReLU, no norm.

    Attributes:
      size: not needed here: the image says it.
      hidden: units of the hidden layers.
      embedding: as the generator's.
    """

    size: Size = 28
    hidden: Sequence[int] = (512, 256)
    embedding: int = 0

    norm = "none"

    @nn.compact
    def __call__(self, x: tuple[Array, Array], batch_statistics: bool, keys: Array | None = None):
        """(images [n, h, w, c], labels [n, d]) -> (logits [n, 1], activations of the hidden layers)."""
        image, label = x
        x = jnp.concatenate([image.reshape(len(image), -1), _embedded(label, self.embedding)], axis=-1)
        features = []
        for width in self.hidden:
            x = nn.leaky_relu(blocks.linear(x, width), 0.2)
            features.append(x)
        return blocks.linear(x, 1), features
