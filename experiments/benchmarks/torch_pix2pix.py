"""pix2pix in plain PyTorch: the reference for speed and for numerical parity.

Networks of Isola et al., "Image-to-Image Translation with Conditional Adversarial Networks" (2017), in the authors'
published layout, written from the paper.
"""

import ml_collections
import torch
from torch import nn
from torch.nn import functional as F

from experiments.benchmarks import torch_common
from experiments.benchmarks.torch_common import log_loss
from experiments.benchmarks.torch_cyclegan import NORMS, PatchGAN


class Level(nn.Module):
    """Levels `i` to the innermost one of a U-Net, with the skip around them."""

    def __init__(self, widths, i, norm):
        super().__init__()
        bias = norm != "batch"
        outer, inner, innermost = widths[i - 1], widths[i], i == len(widths) - 1
        layers = [nn.LeakyReLU(0.2), nn.Conv2d(outer, inner, 4, 2, 1, bias=bias)]
        if not innermost:
            layers += [NORMS[norm](inner), Level(widths, i + 1, norm)]
        up = nn.ConvTranspose2d(inner if innermost else 2 * inner, outer, 4, 2, 1, bias=bias)
        layers += [nn.ReLU(), up, NORMS[norm](outer)]
        self.model = nn.Sequential(*layers, *[nn.Dropout(0.5)] * (outer == inner and not innermost))

    def forward(self, x):
        return torch.cat([x, self.model(x)], 1)


class UNet(nn.Module):
    """U-Net generator, [n, 3, h, w] -> [n, 3, h, w]."""

    def __init__(self, width, levels, norm="batch"):
        super().__init__()
        widths = [width * min(2**i, 8) for i in range(levels)]
        up = nn.ConvTranspose2d(2 * width, 3, 4, 2, 1)
        self.model = nn.Module()  # the outermost level, which has no skip
        self.model.model = nn.Sequential(
            nn.Conv2d(3, width, 4, 2, 1, bias=norm != "batch"), Level(widths, 1, norm), nn.ReLU(), up, nn.Tanh()
        )

    def forward(self, x):
        return self.model.model(x)


class Trainer(torch_common.Trainer):
    """D's update, then G's against the new D."""

    def __init__(self, generators, discriminators, config: ml_collections.ConfigDict, setup: torch_common.Setup):
        super().__init__(generators, discriminators, config, setup)
        self._loss = config.loss

    def step(self, a: torch.Tensor, b: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        loss = self._loss

        def judged(y, target):
            return log_loss(self.discriminators["D_B"](torch.cat([a, y], 1)), target)

        with self._autocast():
            fake = self.generators["G_AB"](a)
            d_loss = loss.disc_weight * (judged(b, 1) + judged(fake.detach(), 0))
        d_loss = self._learn(self._adam_d, d_loss)
        with self._gen_turn():
            g_loss = loss.gan_weight * judged(fake, 1) + loss.lambda_L1 * F.l1_loss(fake, b)
        return d_loss, self._learn(self._adam_g, g_loss)


def trainer(config: ml_collections.ConfigDict, setup: torch_common.Setup) -> Trainer:
    """For a config such as configs/pix2pix.py."""
    levels, disc = config.data.image_size.bit_length() - 1, config.model.discriminator
    generators = {"G_AB": UNet(config.model.generator.width, levels)}
    discriminators = {"D_B": PatchGAN(disc.width, disc.layers, "batch", 6)}
    return Trainer(generators, discriminators, config, setup)
