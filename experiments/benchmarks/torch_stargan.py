"""StarGAN in plain PyTorch: the reference for speed and for numerical parity.

Networks of Choi et al., "StarGAN: Unified Generative Adversarial Networks for Multi-Domain Image-to-Image Translation"
(2018), in the authors' published layout, written from the paper.
"""

import itertools

import ml_collections
import torch
from torch import nn
from torch.nn import functional as F

from experiments.benchmarks import torch_common
from gan_xla import images


class StarGenerator(nn.Module):
    """StarGAN's generator, [n, 3 + labels, h, w] -> [n, 3, h, w]."""

    def __init__(self, width, blocks, labels):
        super().__init__()

        def norm(c):
            return nn.InstanceNorm2d(c, affine=True, track_running_stats=True)

        def block(c):
            block = nn.Module()
            half = lambda: (nn.Conv2d(c, c, 3, 1, 1, bias=False), norm(c))
            block.main = nn.Sequential(*half(), nn.ReLU(), *half())
            block.forward = lambda x: x + block.main(x)
            return block

        layers = [nn.Conv2d(3 + labels, width, 7, 1, 3, bias=False), norm(width), nn.ReLU()]
        for c in (width, 2 * width):
            layers += [nn.Conv2d(c, 2 * c, 4, 2, 1, bias=False), norm(2 * c), nn.ReLU()]
        layers += [block(4 * width) for _ in range(blocks)]
        for c in (2 * width, width):
            layers += [nn.ConvTranspose2d(2 * c, c, 4, 2, 1, bias=False), norm(c), nn.ReLU()]
        self.main = nn.Sequential(*layers, nn.Conv2d(width, 3, 7, 1, 3, bias=False), nn.Tanh())

    def forward(self, x):
        return self.main(x)


class StarDiscriminator(nn.Module):
    """StarGAN's discriminator, [n, 3, h, w] of `size` -> ([n, 1, h, h], [n, labels])."""

    def __init__(self, width, layers, labels, size):
        super().__init__()
        widths = [3, *(width * 2**i for i in range(layers))]
        main = [(nn.Conv2d(a, b, 4, 2, 1), nn.LeakyReLU(0.01)) for a, b in itertools.pairwise(widths)]
        self.main = nn.Sequential(*itertools.chain(*main))
        self.conv1 = nn.Conv2d(widths[-1], 1, 3, 1, 1, bias=False)
        self.conv2 = nn.Conv2d(widths[-1], labels, [side // 2**layers for side in images.sides(size)], bias=False)

    def forward(self, x):
        x = self.main(x)
        return self.conv1(x), self.conv2(x)[:, :, 0, 0]


class Trainer(torch_common.Trainer):
    """The turns of `config.train.turns` in order: "d", or "dg", where G's update follows with the same fakes."""

    def __init__(self, generators, discriminators, config: ml_collections.ConfigDict, setup: torch_common.Setup):
        super().__init__(generators, discriminators, config, setup)
        self._loss, self._turns = config.loss, itertools.cycle(config.train.turns)
        (self.g,), (self.d,) = self.generators.values(), self.discriminators.values()

    def _generate(self, x, label):
        planes = label[:, :, None, None].expand(-1, -1, *x.shape[2:])
        return self.g(torch.cat([x, planes], 1).contiguous(memory_format=torch.channels_last))

    def _classify(self, logits, label):
        return F.binary_cross_entropy_with_logits(logits, label, reduction="sum") / len(label)

    def _penalty(self, x, fake, epsilon):
        between = (epsilon * x + (1 - epsilon) * fake).requires_grad_(True)
        # `forward` itself: torch.compile knows no second derivatives.
        (slope,) = torch.autograd.grad(self.d.forward(between)[0].sum(), between, create_graph=True)
        return ((slope.flatten(1).norm(dim=1) - 1) ** 2).mean()

    def step(self, x: torch.Tensor, label: torch.Tensor, target: torch.Tensor, epsilon: torch.Tensor | None = None):
        """Labels [n, labels] of 0 and 1; epsilon [n, 1, 1, 1], where to take the gradient penalty, or None."""
        turn, loss = next(self._turns), self._loss
        epsilon = torch.rand(len(x), 1, 1, 1, device=x.device) if epsilon is None else epsilon
        with self._autocast():
            with torch.set_grad_enabled("g" in turn):
                fake = self._generate(x, target)
            (real_src, real_cls), (fake_src, _) = self.d(x), self.d(fake.detach())
            d_loss = fake_src.mean() - real_src.mean() + loss.lambda_cls * self._classify(real_cls, label)
            d_loss = d_loss + loss.lambda_gp * self._penalty(x, fake.detach(), epsilon)
        losses = (self._learn(self._adam_d, d_loss),)
        if "g" in turn:
            with self._gen_turn():
                src, cls = self.d(fake)
                g_loss = loss.lambda_cls * self._classify(cls, target) - src.mean()
                g_loss = g_loss + loss.lambda_rec * F.l1_loss(self._generate(fake, label), x)
            losses += (self._learn(self._adam_g, g_loss),)
        return losses


def trainer(config: ml_collections.ConfigDict, setup: torch_common.Setup) -> Trainer:
    """For a config such as configs/stargan.py."""
    gen, disc, labels = config.model.generator, config.model.discriminator, len(config.data.labels)
    generator = StarGenerator(gen.width, gen.blocks, labels)
    discriminator = StarDiscriminator(disc.width, disc.layers, labels, config.data.image_size)
    return Trainer({"G": generator}, {"D": discriminator}, config, setup)
