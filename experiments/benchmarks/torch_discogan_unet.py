"""DiscoGAN's U-Net form in plain PyTorch: the reference for speed and for numerical parity.

As tutorials of Kim et al., "Learning to Discover Cross-Domain Relations with Generative Adversarial Networks" (2017),
present it: U-Net generators with instance norm and dropout, and discriminators of patches.
"""

import itertools

import ml_collections
import torch
from torch import nn
from torch.nn import functional as F

from experiments.benchmarks import torch_common
from experiments.benchmarks.torch_common import log_loss
from gan_xla import images


def last(c_in: int, c_out: int) -> nn.Sequential:
    """A convolution of kernel 4 that keeps the size, by one more row and column before than after."""
    return nn.Sequential(nn.ZeroPad2d((1, 0, 1, 0)), nn.Conv2d(c_in, c_out, 4, padding=1))


class UNet(nn.Module):
    """Generator, [n, 3, size, size] -> the same in [-1, 1].

    Args:
      size: a multiple of 16; there are as many levels as it can be halved, six at most.
      width: channels of the first level.
      dropout: rate, from the third level down and on the first three up.
    """

    def __init__(self, size: int, width: int, dropout: float):
        super().__init__()
        levels = min(6, images.halvings(size))
        widths = [3, *(width * min(2**i, 8) for i in range(levels))]

        def level(conv, act, norm, drops):
            norm = [nn.InstanceNorm2d(conv.out_channels)] * norm
            return nn.Sequential(conv, *norm, act, *[nn.Dropout(dropout)] * drops)

        self.downs, self.ups = nn.ModuleList(), nn.ModuleList()
        for i, (c_in, c_out) in enumerate(itertools.pairwise(widths)):
            conv = nn.Conv2d(c_in, c_out, 4, 2, 1)
            self.downs.append(level(conv, nn.LeakyReLU(0.2), norm=0 < i < levels - 1, drops=i >= 2))
        seen = widths[-1]  # channels that a level sees: of the one below it and, above the innermost, of its skip
        for i, c_out in enumerate(widths[-2:0:-1]):
            self.ups.append(level(nn.ConvTranspose2d(seen, c_out, 4, 2, 1), nn.ReLU(), norm=True, drops=i < 3))
            seen = 2 * c_out
        self.last = nn.Sequential(nn.Upsample(scale_factor=2), last(seen, 3), nn.Tanh())

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        skips = []
        for down in self.downs:
            x = down(x)
            skips.append(x)
        for up, skip in zip(self.ups, skips[-2::-1], strict=True):
            x = torch.cat([up(x), skip], 1)
        return self.last(x)


class Patches(nn.Sequential):
    """Discriminator, [n, 3, h, w] -> logits [n, 1, h / 8, w / 8]."""

    def __init__(self, width: int):
        layers = [nn.Conv2d(3, width, 4, 2, 1), nn.LeakyReLU(0.2)]
        for c in (width, 2 * width):
            layers += [nn.Conv2d(c, 2 * c, 4, 2, 1), nn.InstanceNorm2d(2 * c), nn.LeakyReLU(0.2)]
        super().__init__(*layers, last(4 * width, 1))


class Trainer(torch_common.Trainer):
    """G's update, then D's on the fakes made before it."""

    def __init__(self, generators, discriminators, config: ml_collections.ConfigDict, setup: torch_common.Setup):
        super().__init__(generators, discriminators, config, setup)
        self._loss = config.loss

    def step(self, a: torch.Tensor, b: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        g_ab, g_ba = self.generators["G_AB"], self.generators["G_BA"]
        d_a, d_b = self.discriminators["D_A"], self.discriminators["D_B"]
        loss = self._loss
        with self._gen_turn():
            ab, ba = g_ab(a), g_ba(b)
            g_loss = loss.gan_weight * (log_loss(d_a(ba), 1) + log_loss(d_b(ab), 1))
            g_loss = g_loss + loss.reconstruction_weight * (F.mse_loss(g_ba(ab), a) + F.mse_loss(g_ab(ba), b))
        g_loss = self._learn(self._adam_g, g_loss)
        with self._autocast():
            d_loss = log_loss(d_a(a), 1) + log_loss(d_a(ba.detach()), 0)
            d_loss = loss.disc_weight * (d_loss + log_loss(d_b(b), 1) + log_loss(d_b(ab.detach()), 0))
        return self._learn(self._adam_d, d_loss), g_loss


def trainer(config: ml_collections.ConfigDict, setup: torch_common.Setup) -> Trainer:
    """For a config such as configs/discogan_unet.py."""
    size, gen, disc = config.data.image_size, config.model.generator, config.model.discriminator
    generators = {name: UNet(size, gen.width, gen.dropout) for name in ("G_AB", "G_BA")}
    return Trainer(generators, {name: Patches(disc.width) for name in ("D_A", "D_B")}, config, setup)
