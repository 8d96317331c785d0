"""GAN, conditional GAN and DCGAN in plain PyTorch: the reference for speed and for numerical parity.

Perceptrons in the common form of Goodfellow et al., "Generative Adversarial Nets" (2014), and of Mirza and Osindero,
"Conditional Generative Adversarial Nets" (2014); the convolutional networks of Radford et al., "Unsupervised
Representation Learning with Deep Convolutional Generative Adversarial Networks" (2016). Written from the papers.
"""

import itertools
import math

import ml_collections
import torch
from torch import nn

from experiments.benchmarks import torch_common, torch_discogan
from experiments.benchmarks.torch_common import log_loss
from gan_xla import images


class Perceptron(nn.Module):
    """Linear layers with leaky ReLU, [n, inputs] and label vectors [n, labels] or None -> [n, outputs].

    Args:
      inputs, hidden, outputs: units.
      labels: length of the label vectors; 0 for none.
      embedding: features of a learned embedding of the label; 0 for the vector itself.
      norm: whether there is batch norm on all hidden layers but the first.
    """

    def __init__(self, inputs, hidden, outputs, labels, embedding, norm):
        super().__init__()
        self.embedding = nn.Linear(labels, embedding, bias=False) if labels and embedding else nn.Identity()
        widths, layers = [inputs + (labels and (embedding or labels)), *hidden], []
        for i, (a, b) in enumerate(itertools.pairwise(widths)):
            layers += [nn.Linear(a, b), *[nn.BatchNorm1d(b)] * (norm and i > 0), nn.LeakyReLU(0.2)]
        self.main = nn.Sequential(*layers, nn.Linear(widths[-1], outputs))

    def forward(self, x, label=None):
        return self.main(x if label is None else torch.cat([x, self.embedding(label)], 1))


class Generator(Perceptron):
    """Noise [n, latent], and labels or None -> images [n, c, h, w] in [-1, 1], of `shape` (h, w, c)."""

    def __init__(self, latent, hidden, shape, labels, embedding):
        super().__init__(latent, hidden, math.prod(shape), labels, embedding, norm=True)
        self._shape = shape

    def forward(self, z, label=None):
        return super().forward(z, label).tanh().unflatten(1, self._shape).permute(0, 3, 1, 2)  # channels_last


class Discriminator(Perceptron):
    """Images [n, c, h, w] of `shape` (h, w, c), and labels or None -> logits [n, 1]."""

    def __init__(self, hidden, shape, labels, embedding):
        super().__init__(math.prod(shape), hidden, 1, labels, embedding, norm=False)

    def forward(self, x, label=None):
        return super().forward(x.permute(0, 2, 3, 1).flatten(1), label)  # no copy of channels_last


class ConvolutionalGenerator(nn.Module):
    """DCGAN's: noise [n, latent] -> images [n, channels, size, size] in [-1, 1]; bias-free."""

    def __init__(self, latent, size, width, channels):
        super().__init__()
        widths = torch_discogan.channels(size, width)[::-1]
        layers = [nn.ConvTranspose2d(latent, widths[0], size >> len(widths), bias=False)]
        for a, b in zip(widths, [*widths[1:], channels]):
            layers += [nn.BatchNorm2d(a), nn.ReLU(), nn.ConvTranspose2d(a, b, 4, 2, 1, bias=False)]
        self.main = nn.Sequential(*layers, nn.Tanh())

    def forward(self, z):
        return self.main(z[:, :, None, None])


class Trainer(torch_common.Trainer):
    """D's update on fakes of one noise, then G's against the new D on those of another."""

    def __init__(self, generators, discriminators, config: ml_collections.ConfigDict, setup: torch_common.Setup):
        super().__init__(generators, discriminators, config, setup)
        self._latent = config.model.latent
        (self.g,), (self.d,) = self.generators.values(), self.discriminators.values()

    def step(
        self,
        x: torch.Tensor,
        label: torch.Tensor | None = None,
        target: torch.Tensor | None = None,
        noise: tuple[torch.Tensor, torch.Tensor] | None = None,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Labels [n, labels] of x and of what to make; noise [n, latent] for D's turn and for G's, or None."""
        wanted, of_x = ([] if vector is None else [vector] for vector in (target, label))
        for_d, for_g = noise or torch.randn(2, len(x), self._latent, device=x.device, dtype=x.dtype)
        with self._autocast():
            with torch.no_grad():
                fake = self.g(for_d, *wanted)
            d_loss = log_loss(self.d(x, *of_x), 1) + log_loss(self.d(fake, *wanted), 0)
        d_loss = self._learn(self._adam_d, d_loss)
        with self._gen_turn():
            g_loss = log_loss(self.d(self.g(for_g, *wanted), *wanted), 1)
        return d_loss, self._learn(self._adam_g, g_loss)


def trainer(config: ml_collections.ConfigDict, setup: torch_common.Setup) -> Trainer:
    """For a config such as configs/gan.py, configs/cgan.py or configs/dcgan.py."""
    gen, disc, data, latent = config.model.generator, config.model.discriminator, config.data, config.model.latent
    if gen.net == "dcgan":
        generator = ConvolutionalGenerator(latent, data.image_size, gen.width, data.channels)
        discriminator = torch_discogan.Discriminator(data.image_size, disc.width, data.channels)
    else:
        labels, shape = len(data.labels), (*images.sides(data.image_size), data.channels)
        generator = Generator(latent, gen.hidden, shape, labels, gen.embedding)
        discriminator = Discriminator(disc.hidden, shape, labels, disc.embedding)
    return Trainer({"G": generator}, {"D": discriminator}, config, setup)
