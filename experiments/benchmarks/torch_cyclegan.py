"""CycleGAN in plain PyTorch: the reference for speed and for numerical parity.

Networks of Zhu et al., "Unpaired Image-to-Image Translation using Cycle-Consistent Adversarial Networks" (2017), in the
authors' published layout, written from the paper.
"""

import itertools
import random

import ml_collections
import torch
from torch import nn
from torch.nn import functional as F

from experiments.benchmarks import torch_common
from experiments.benchmarks.torch_common import least_squares

NORMS = {"batch": nn.BatchNorm2d, "instance": nn.InstanceNorm2d}
DOMAINS = ("A", "B")


class Residual(nn.Module):
    def __init__(self, width, norm, dropout):
        super().__init__()

        def half():
            return nn.ReflectionPad2d(1), nn.Conv2d(width, width, 3, bias=norm != "batch"), NORMS[norm](width)

        self.conv_block = nn.Sequential(*half(), nn.ReLU(), *[nn.Dropout(0.5)] * dropout, *half())

    def forward(self, x):
        return x + self.conv_block(x)


class Blur(nn.Module):
    """Every second pixel after a blur by [1, 2, 1], or twice as many by one of [1, 3, 3, 1], channel by channel."""

    def __init__(self, taps):
        super().__init__()
        taps = torch.tensor(taps, dtype=torch.float32)
        self.register_buffer("kernel", torch.outer(taps, taps)[None, None], persistent=False)

    def forward(self, x):
        kernel = self.kernel.repeat(x.shape[1], 1, 1, 1) / self.kernel.sum()
        if kernel.shape[-1] == 3:
            return F.conv2d(F.pad(x, (1, 1, 1, 1), "reflect"), kernel, stride=2, groups=x.shape[1])
        x = F.pad(x, (1, 1, 1, 1), "replicate")
        return F.conv_transpose2d(x, 4 * kernel, stride=2, padding=3, groups=x.shape[1])


class ResNet(nn.Module):
    """ResNet generator, [n, 3, h, w] -> [n, 3, h, w]."""

    def __init__(self, width, blocks, norm, dropout, upsample="transpose", antialias=False):
        super().__init__()
        bias = norm != "batch"
        layers = [nn.ReflectionPad2d(3), nn.Conv2d(3, width, 7, bias=bias), NORMS[norm](width), nn.ReLU()]
        for c in (width, 2 * width):
            layers += [nn.Conv2d(c, 2 * c, 3, 1 if antialias else 2, 1, bias=bias), NORMS[norm](2 * c), nn.ReLU()]
            layers += [Blur([1, 2, 1])] * antialias
        layers += [Residual(4 * width, norm, dropout) for _ in range(blocks)]
        for c in (2 * width, width):
            if upsample == "transpose":
                layers += [nn.ConvTranspose2d(2 * c, c, 3, 2, 1, 1, bias=bias)]
            elif upsample == "blur":
                layers += [Blur([1, 3, 3, 1]), nn.Conv2d(2 * c, c, 3, padding=1, bias=bias)]
            else:
                layers += [nn.Upsample(scale_factor=2), nn.ReflectionPad2d(1), nn.Conv2d(2 * c, c, 3, bias=bias)]
            layers += [NORMS[norm](c), nn.ReLU()]
        self.model = nn.Sequential(*layers, nn.ReflectionPad2d(3), nn.Conv2d(width, 3, 7), nn.Tanh())

    def forward(self, x):
        return self.model(x)


class PatchGAN(nn.Module):
    """Discriminator of patches, [n, c, h, w] -> [n, 1, h', w']."""

    def __init__(self, width, layers, norm, channels=3, antialias=False):
        super().__init__()
        k, p = (4, 1) if layers else (1, 0)
        widths = [width * min(2**i, 8) for i in range(layers + 1 if layers else 2)]
        stride, blur = 1 if antialias else 2, [Blur([1, 2, 1])] * antialias
        model = [nn.Conv2d(channels, width, k, stride if layers else 1, p), nn.LeakyReLU(0.2), *blur]
        for i, (a, b) in enumerate(itertools.pairwise(widths), 1):
            model += [nn.Conv2d(a, b, k, stride if i < layers else 1, p, bias=norm != "batch"), NORMS[norm](b)]
            model += [nn.LeakyReLU(0.2), *(blur if i < layers else [])]
        self.model = nn.Sequential(*model, nn.Conv2d(widths[-1], 1, k, 1, p))

    def forward(self, x):
        return self.model(x)


class Pool:
    """Earlier fakes of one domain, `size` at most; with 0 the newest alone are shown."""

    def __init__(self, size: int):
        self._size, self._images = size, []

    def query(self, fakes: torch.Tensor) -> torch.Tensor:
        """[n, c, h, w] to show D in place of `fakes`: each itself, or half of the time one from before."""
        if not self._size:
            return fakes
        shown = []
        for fake in fakes.split(1):
            if len(self._images) < self._size:
                self._images.append(fake)
            elif random.random() < 0.5:
                place = random.randrange(self._size)
                self._images[place], fake = fake, self._images[place]
            shown.append(fake)
        return torch.cat(shown)


class Trainer(torch_common.Trainer):
    """G's update, then D's on the fakes made before it."""

    def __init__(self, generators, discriminators, config: ml_collections.ConfigDict, setup: torch_common.Setup):
        super().__init__(generators, discriminators, config, setup)
        self._loss, self._pools = config.loss, {domain: Pool(config.train.pool_size) for domain in DOMAINS}

    def step(self, a: torch.Tensor, b: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        g_ab, g_ba = self.generators["G_AB"], self.generators["G_BA"]
        d_a, d_b = self.discriminators["D_A"], self.discriminators["D_B"]
        loss, identity = self._loss, self._loss.lambda_identity
        with self._gen_turn():
            ab, ba = g_ab(a), g_ba(b)
            g_loss = loss.gan_weight * (least_squares(d_b(ab), 1) + least_squares(d_a(ba), 1))
            g_loss = g_loss + loss.lambda_A * F.l1_loss(g_ba(ab), a) + loss.lambda_B * F.l1_loss(g_ab(ba), b)
            if identity:
                g_loss = g_loss + loss.lambda_B * identity * F.l1_loss(g_ab(b), b)
                g_loss = g_loss + loss.lambda_A * identity * F.l1_loss(g_ba(a), a)
        g_loss = self._learn(self._adam_g, g_loss)
        with self._autocast():
            d_loss = 0
            for domain, d, real, fake in (("A", d_a, a, ba), ("B", d_b, b, ab)):
                shown = self._pools[domain].query(fake.detach())
                d_loss = d_loss + loss.disc_weight * (least_squares(d(real), 1) + least_squares(d(shown), 0))
        return self._learn(self._adam_d, d_loss), g_loss


def trainer(config: ml_collections.ConfigDict, setup: torch_common.Setup) -> Trainer:
    """For a config such as configs/cyclegan.py."""
    gen, disc = config.model.generator, config.model.discriminator
    blocks = gen.blocks
    generators = {name: ResNet(gen.width, blocks, gen.norm, False) for name in ("G_AB", "G_BA")}
    discriminators = {f"D_{domain}": PatchGAN(disc.width, disc.layers, disc.norm) for domain in DOMAINS}
    return Trainer(generators, discriminators, config, setup)
