"""U-GAT-IT's networks (Kim et al. 2020, sections 2.1 and appendix A): attention by a classifier, AdaLIN."""

from functools import partial

import flax.linen as nn
import jax.numpy as jnp

from gan_xla.contract import Array
from gan_xla.errors import UserError
from gan_xla.images import Size, check_multiples, sides
from gan_xla.nets import blocks
from gan_xla.nets.convolution import Conv, uniform


def _standardised(x: Array, axes: tuple[int, ...], unbiased: bool) -> Array:
    mean, variance = jnp.mean(x, axes, keepdims=True), jnp.var(x, axes, ddof=int(unbiased), keepdims=True)
    return (x - mean) / jnp.sqrt(variance + 1e-5)


class LayerInstanceNorm(nn.Module):
    """rho times instance norm and 1 - rho times layer norm of [n, h, w, c], then gamma and beta (equation 1).

    rho [c], a parameter, is kept between 0 and 1 by `gan_xla.gans.ugatit`.

    Attributes:
      rho: it begins with.
      unbiased: whether variances of n values divide by n - 1.
    """

    rho: float
    unbiased: bool = False

    @nn.compact
    def __call__(self, x: Array, gamma: Array | None = None, beta: Array | None = None) -> Array:
        """gamma, beta: [n, c] of the image (AdaLIN); None for parameters (LIN)."""
        c = x.shape[-1]
        rho = self.param("rho", nn.initializers.constant(self.rho), (c,))
        if gamma is None:
            gamma = self.param("scale", nn.initializers.ones, (c,))[None]
            beta = self.param("bias", nn.initializers.zeros, (c,))[None]
        standardised = partial(_standardised, x, unbiased=self.unbiased)
        x = rho * standardised((1, 2)) + (1 - rho) * standardised((1, 2, 3))
        return x * gamma[:, None, None] + beta[:, None, None]


class Attention(nn.Module):
    """Weights the maps of an image by how much they tell its domain (section 2.1.1, after Zhou et al. 2016, CAM).

    A classifier without bias sees the mean of every map, another one its maximum.

    Attributes:
      normalised: divide the weights of either classifier by their length, which is their spectral norm.
    """

    normalised: bool = False

    @nn.compact
    def __call__(self, x: Array) -> tuple[Array, Array]:
        """[n, h, w, c] -> (maps [n, h, w, 2 c], the classifiers' logits [n, 2])."""
        maps, logits = [], []
        for name, pooled in (("mean", jnp.mean(x, (1, 2))), ("max", jnp.max(x, (1, 2)))):
            weight = self.param(name, uniform(x.shape[-1]), (x.shape[-1],))
            weight = weight / jnp.linalg.norm(weight) if self.normalised else weight
            logits.append(pooled @ weight[:, None])
            maps.append(x * weight)
        return jnp.concatenate(maps, -1), jnp.concatenate(logits, -1)


class Generator(blocks.Network):
    """Down to a quarter of the size, residual blocks, attention, residual blocks with AdaLIN, and up again.

    Nearest neighbours and a convolution make images larger; padding reflects; no convolution but the attention's has a
    bias. Shows the logits of the attention's classifiers [n, 2].

    Attributes:
      size: height and width of the training images.
      width: channels of the first layer.
      blocks: number of residual blocks of either kind.
      light: whether gamma and beta are made of the means of maps, not of all their pixels, which at 256 pixels takes a
        layer of 268 million parameters (the authors' `--light`).
      unbiased: whether variances of AdaLIN and LIN divide by n - 1, as in the authors' PyTorch code; by n in their
        TensorFlow code.
      channels: image channels of the output.
      output: "tanh", "sigmoid" or "linear".
    """

    size: Size = 256
    width: int = 64
    blocks: int = 4
    light: bool = False
    unbiased: bool = False
    channels: int = 3
    output: str = "tanh"

    @property
    def size_multiple(self) -> int | None:
        """Sizes that the parameters fit, as multiples; None: `size` alone."""
        return 4 if self.light else None

    @nn.compact
    def __call__(self, x: Array, batch_statistics: bool, keys: Array | None = None) -> Array:
        """[n, h, w, c] -> [n, h, w, channels], h and w multiples of 4."""
        check_multiples(self.size, 4)

        def convolve(x: Array, width: int, kernel: int = 3, stride: int = 1) -> Array:
            return Conv(width, kernel, stride, use_bias=False)(blocks.reflect(x, kernel // 2))

        def norm(x: Array) -> Array:
            return blocks.Norm("instance")(x, batch_statistics)

        x = nn.relu(norm(convolve(x, self.width, 7)))
        for width in (2 * self.width, 4 * self.width):
            x = nn.relu(norm(convolve(x, width, stride=2)))
        width = x.shape[-1]
        for _ in range(self.blocks):
            x = x + norm(convolve(nn.relu(norm(convolve(x, width))), width))
        x, logits = Attention()(x)
        self.show(logits)
        x = nn.relu(Conv(width, 1)(x))
        gamma, beta = self._style(x, width)
        adaptive = partial(LayerInstanceNorm, unbiased=self.unbiased)
        for _ in range(self.blocks):
            y = nn.relu(adaptive(0.9)(convolve(x, width), gamma, beta))
            x = x + adaptive(0.9)(convolve(y, width), gamma, beta)
        for width in (2 * self.width, self.width):
            x = nn.relu(adaptive(0.0)(convolve(blocks.double(x), width)))
        return blocks.OUTPUTS[self.output][0](convolve(x, self.channels, 7))

    def _style(self, x: Array, width: int) -> tuple[Array, Array]:
        """gamma and beta [n, width] of maps x."""
        x = jnp.mean(x, (1, 2)) if self.light else x.reshape(x.shape[0], -1)
        linear = partial(nn.Dense, width, use_bias=False)
        for _ in range(2):
            x = nn.relu(linear(kernel_init=uniform(x.shape[-1]))(x))
        return tuple(linear(kernel_init=uniform(width))(x) for _ in range(2))


class _Judge(nn.Module):
    """Strided convolutions, one of stride 1, attention, and a logit for each patch; spectral norm throughout."""

    width: int
    layers: int

    @nn.compact
    def __call__(self, x: Array, update: bool) -> tuple[Array, Array]:
        """[n, h, w, c] -> (logits [n, h', w', 1], the attention's logits [n, 2])."""

        def convolve(x: Array, width: int, stride: int, bias: bool = True) -> Array:
            layer = Conv(width, 4, stride, use_bias=bias)
            return blocks.convolve(layer, blocks.reflect(x, 1), True, update)

        for i in range(self.layers + 1):
            x = nn.leaky_relu(convolve(x, self.width * 2**i, 2 if i < self.layers else 1), 0.2)
        width = x.shape[-1]
        x, logits = Attention(normalised=True)(x)
        x = nn.leaky_relu(Conv(width, 1)(x), 0.2)
        return convolve(x, 1, 1, bias=False), logits


class Discriminator(blocks.Network):
    """A judge of large patches and one of small ones, each with attention.

    Attributes:
      size: height and width of the images.
      width: channels of the first convolutions; they double with every layer.
      layers: strided convolutions of the global judge.
      local: of the local one.
    """

    size: Size = 256
    width: int = 64
    layers: int = 5
    local: int = 3

    @nn.compact
    def __call__(self, x: Array, batch_statistics: bool, keys: Array | None = None):
        """[n, h, w, c] -> ((global logits, those of its attention, local logits, those of its attention), ())."""
        least = 4 * 2 ** max(self.layers, self.local)
        if min(sides(self.size)) < least:
            raise UserError(
                f"data.image_size={self.size}, model.discriminator.layers={self.layers}, local={self.local}: they take "
                f"images from {least} pixels on"
            )
        judges = (_Judge(self.width, layers) for layers in (self.layers, self.local))
        return tuple(y for judge in judges for y in judge(x, batch_statistics)), ()
