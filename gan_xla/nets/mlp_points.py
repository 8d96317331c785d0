"""Multilayer perceptrons for points in the plane (DiscoGAN's toy experiment)."""

import flax.linen as nn

from gan_xla.contract import Array
from gan_xla.nets import blocks


def _perceptron(x: Array, layers: int, hidden: int, out: int) -> tuple[Array, list[Array]]:
    """Linear layers with ReLU between them, initialised as in PyTorch; (output, hidden activations)."""
    features = []
    for i in range(layers):
        x = blocks.linear(x, hidden if i < layers - 1 else out)
        if i < layers - 1:
            x = nn.relu(x)
            features.append(x)
    return x, features


class Generator(blocks.Network):
    """Linear layers with ReLU between them.

    Attributes:
      size: not needed here: points have no size.
      layers: number of linear layers.
      hidden: units of each hidden layer.
      channels: dimensions of a point.
    """

    size: int = 0
    layers: int = 3
    hidden: int = 128
    channels: int = 2
    output: str = "linear"

    size_multiple = None

    @nn.compact
    def __call__(self, x: Array, batch_statistics: bool, keys: Array | None = None) -> Array:
        """[n, d] -> [n, channels]."""
        return _perceptron(x, self.layers, self.hidden, self.channels)[0]


class Discriminator(blocks.Network):
    """As `Generator`, with one logit."""

    size: int = 0
    layers: int = 5
    hidden: int = 128

    norm = "none"

    @nn.compact
    def __call__(self, x: Array, batch_statistics: bool, keys: Array | None = None):
        """[n, d] -> (logits [n, 1], activations of the hidden layers)."""
        return _perceptron(x, self.layers, self.hidden, 1)
