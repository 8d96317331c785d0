"""DiscoGAN in plain PyTorch: the reference for speed and for numerical parity.

Networks of Kim et al., "Learning to Discover Cross-Domain Relations with Generative
Adversarial Networks" (2017), with the parameter names of the authors' checkpoints.
"""

import itertools

import ml_collections
import torch
from torch import nn
from torch.nn import functional as F

from experiments.benchmarks import torch_common
from experiments.benchmarks.torch_common import log_loss


def channels(size: int, width: int) -> list[int]:
    """Channels after each halving from size x size down to 4 x 4 (to 5, 6 or 7 where it is no power of two)."""
    return [width * min(2**i, 8) for i in range(size.bit_length() - 3)]


class Generator(nn.Module):
    """Encoder and decoder, [n, 3, size, size] in [0, 1] to the same; bias-free.

    With `bottleneck` the 4 x 4 code passes through one vector of that many channels.
    """

    def __init__(self, size: int = 64, width: int = 64, bottleneck: int | None = None):
        super().__init__()
        widths = channels(size, width)
        layers = [nn.Conv2d(3, widths[0], 4, 2, 1, bias=False), nn.LeakyReLU(0.2)]
        for c_in, c_out in itertools.pairwise(widths):
            layers += [nn.Conv2d(c_in, c_out, 4, 2, 1, bias=False), nn.BatchNorm2d(c_out), nn.LeakyReLU(0.2)]
        if bottleneck is not None:
            layers += [nn.Conv2d(widths[-1], bottleneck, 4, bias=False), nn.BatchNorm2d(bottleneck), nn.LeakyReLU(0.2)]
            layers += [nn.ConvTranspose2d(bottleneck, widths[-1], 4, bias=False), nn.BatchNorm2d(widths[-1]), nn.ReLU()]
        for c_in, c_out in zip(widths[:0:-1], widths[-2::-1]):
            layers += [nn.ConvTranspose2d(c_in, c_out, 4, 2, 1, bias=False), nn.BatchNorm2d(c_out), nn.ReLU()]
        layers += [nn.ConvTranspose2d(widths[0], 3, 4, 2, 1, bias=False), nn.Sigmoid()]
        self.main = nn.Sequential(*layers)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.main(x)


class Discriminator(nn.Module):
    """[n, images, size, size] to logits [n, 1, 1, 1]; `images` are the channels of these."""

    def __init__(self, size: int = 64, width: int = 64, images: int = 3):
        super().__init__()
        widths = [images, *channels(size, width)]
        self.depth = len(widths) - 1
        for i in range(1, self.depth + 1):
            setattr(self, f"conv{i}", nn.Conv2d(widths[i - 1], widths[i], 4, 2, 1, bias=False))
            if i > 1:
                setattr(self, f"bn{i}", nn.BatchNorm2d(widths[i]))
        setattr(self, f"conv{self.depth + 1}", nn.Conv2d(widths[-1], 1, size >> self.depth, bias=False))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for i in range(1, self.depth + 1):
            x = getattr(self, f"conv{i}")(x)
            x = F.leaky_relu(getattr(self, f"bn{i}")(x) if i > 1 else x, 0.2)
        return getattr(self, f"conv{self.depth + 1}")(x)


class Trainer(torch_common.Trainer):
    """The paper's paired step: D's update, then G's against the new D."""

    def step(self, a: torch.Tensor, b: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        g_ab, g_ba = self.generators["G_AB"], self.generators["G_BA"]
        d_a, d_b = self.discriminators["D_A"], self.discriminators["D_B"]
        with self._autocast():
            ab, ba = g_ab(a), g_ba(b)
            aba, bab = g_ba(ab), g_ab(ba)
            d_loss = log_loss(d_a(a), 1) + log_loss(d_a(ba.detach()), 0)
            d_loss = d_loss + log_loss(d_b(b), 1) + log_loss(d_b(ab.detach()), 0)
        d_loss = self._learn(self._adam_d, d_loss)
        with self._gen_turn():
            g_loss = log_loss(d_a(ba), 1) + log_loss(d_b(ab), 1) + F.mse_loss(aba, a) + F.mse_loss(bab, b)
        return d_loss, self._learn(self._adam_g, g_loss)


def trainer(config: ml_collections.ConfigDict, setup: torch_common.Setup) -> Trainer:
    """For a config such as configs/discogan.py."""
    size, gen, disc = config.data.image_size, config.model.generator.width, config.model.discriminator.width
    generators = {name: Generator(size, gen) for name in ("G_AB", "G_BA")}
    return Trainer(generators, {name: Discriminator(size, disc) for name in ("D_A", "D_B")}, config, setup)
