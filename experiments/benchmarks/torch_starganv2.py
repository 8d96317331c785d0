"""StarGAN v2 in plain PyTorch: the reference for speed and for numerical parity.

Networks of Choi et al., "StarGAN v2: Diverse Image Synthesis for Multiple Domains" (2020), in the authors' published
layout, written from the paper's appendix.
"""

import itertools

import ml_collections
import torch
from torch import nn
from torch.nn import functional as F

from experiments.benchmarks import torch_common
from gan_xla import images

HALF = 0.5**0.5


def _active(x):
    return F.leaky_relu(x, 0.2)


def _chosen(heads, label):
    """Of heads [n, domains, d] that of the label vector [n, domains]."""
    return (heads * label[..., None]).sum(1)


class Block(nn.Module):
    def __init__(self, i, o, halves=False, normed=False):
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(i, i, 3, padding=1), nn.Conv2d(i, o, 3, padding=1)
        self.norm1, self.norm2 = (nn.InstanceNorm2d(i, affine=True) if normed else None for _ in range(2))
        self.conv1x1 = nn.Conv2d(i, o, 1, bias=False) if i != o else None
        self._resized = (lambda x: F.avg_pool2d(x, 2)) if halves else lambda x: x

    def forward(self, x):
        short = self._resized(self.conv1x1(x) if self.conv1x1 else x)
        x = self._resized(self.conv1(_active(self.norm1(x) if self.norm1 else x)))
        return (self.conv2(_active(self.norm2(x) if self.norm2 else x)) + short) * HALF


class StyledNorm(nn.Module):
    def __init__(self, style, width):
        super().__init__()
        self.fc = nn.Linear(style, 2 * width)

    def forward(self, x, style):
        scale, bias = self.fc(style)[:, :, None, None].chunk(2, 1)
        return (1 + scale) * F.instance_norm(x) + bias


class StyledBlock(nn.Module):
    def __init__(self, i, o, style, doubles=False):
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(i, o, 3, padding=1), nn.Conv2d(o, o, 3, padding=1)
        self.norm1, self.norm2 = StyledNorm(style, i), StyledNorm(style, o)
        self.conv1x1 = nn.Conv2d(i, o, 1, bias=False) if i != o else None
        self._resized = (lambda x: F.interpolate(x, scale_factor=2)) if doubles else lambda x: x

    def forward(self, x, style):
        short = self._resized(x)
        short = self.conv1x1(short) if self.conv1x1 else short
        x = self.conv1(self._resized(_active(self.norm1(x, style))))
        return (self.conv2(_active(self.norm2(x, style))) + short) * HALF


class Generator(nn.Module):
    """([n, 3, h, w], style [n, d]) -> [n, 3, h, w]."""

    def __init__(self, width, most, levels, style):
        super().__init__()
        widths = [min(width * 2**level, most) for level in range(levels + 1)]
        last, pairs = widths[-1], list(itertools.pairwise(widths))
        self.from_rgb = nn.Conv2d(3, width, 3, padding=1)
        down = [Block(a, b, halves=True, normed=True) for a, b in pairs]
        self.encode = nn.ModuleList([*down, *(Block(last, last, normed=True) for _ in range(2))])
        up = [StyledBlock(b, a, style, doubles=True) for a, b in reversed(pairs)]
        self.decode = nn.ModuleList([*(StyledBlock(last, last, style) for _ in range(2)), *up])
        self.to_rgb = nn.Sequential(nn.InstanceNorm2d(width, affine=True), nn.LeakyReLU(0.2), nn.Conv2d(width, 3, 1))

    def forward(self, x, style):
        x = self.from_rgb(x)
        for block in self.encode:
            x = block(x)
        for block in self.decode:
            x = block(x, style)
        return self.to_rgb(x)


def _perceptron(*sizes):
    return [layer for pair in itertools.pairwise(sizes) for layer in (nn.Linear(*pair), nn.ReLU())]


class Mapping(nn.Module):
    """(noise [n, latent], labels [n, domains]) -> styles."""

    def __init__(self, latent, hidden, style, domains):
        super().__init__()
        self.shared = nn.Sequential(*_perceptron(latent, *[hidden] * 4))
        own = lambda: nn.Sequential(*_perceptron(*[hidden] * 4), nn.Linear(hidden, style))
        self.unshared = nn.ModuleList([own() for _ in range(domains)])

    def forward(self, z, label):
        z = self.shared(z)
        return _chosen(torch.stack([head(z) for head in self.unshared], 1), label)


def _trunk(width, most, size):
    """Layers of [n, 3, size, size] -> [n, d, 1, 1], and d."""
    layers, side = [nn.Conv2d(3, width, 3, padding=1)], images.sides(size)[0]
    for _ in range(side.bit_length() - 3):
        layers.append(Block(width, min(2 * width, most), halves=True))
        width = min(2 * width, most)
    return [*layers, nn.LeakyReLU(0.2), nn.Conv2d(width, width, 4), nn.LeakyReLU(0.2)], width


class Encoder(nn.Module):
    """([n, 3, size, size], labels [n, domains]) -> styles."""

    def __init__(self, width, most, size, style, domains):
        super().__init__()
        layers, last = _trunk(width, most, size)
        self.shared = nn.Sequential(*layers)
        self.unshared = nn.ModuleList([nn.Linear(last, style) for _ in range(domains)])

    def forward(self, x, label):
        x = self.shared(x).flatten(1)
        return _chosen(torch.stack([head(x) for head in self.unshared], 1), label)


class Discriminator(nn.Module):
    """[n, 3, size, size] -> a logit for each domain."""

    def __init__(self, width, most, size, domains):
        super().__init__()
        layers, last = _trunk(width, most, size)
        self.main = nn.Sequential(*layers, nn.Conv2d(last, domains, 1))

    def forward(self, x):
        return self.main(x).flatten(1)


class Trainer(torch_common.Trainer):
    """The turns of `config.train.turns` in order, "d" or "g"; styles by noise and by references in turn."""

    def __init__(self, generators, discriminators, config: ml_collections.ConfigDict, setup: torch_common.Setup):
        super().__init__(generators, discriminators, config, setup)
        self._loss, self._turns, self._count = config.loss, config.train.turns, 0
        self._steps, self._latent = config.train.steps, config.model.latent
        self.g, self.f, self.e = (self.generators[name] for name in "GFE")
        self.d = self.discriminators["D"]

    def _style(self, z, reference, target):
        return self.e(reference, target) if z is None else self.f(z, target)

    def _disc_loss(self, x, fake, label, target):
        x = x.detach().requires_grad_(True)
        real = (self.d.forward(x) * label).sum(1)  # `forward` itself: torch.compile knows no second derivatives
        (slope,) = torch.autograd.grad(real.sum(), x, create_graph=True)
        told = (self.d(fake) * target).sum(1)
        penalty = slope.square().sum((1, 2, 3)).mean() / 2
        return F.softplus(-real).mean() + F.softplus(told).mean() + self._loss.lambda_r1 * penalty

    def _gen_loss(self, x, styles, label, target):
        loss, s = self._loss, self._style(*styles[0], target)
        fake = self.g(x, s)
        with torch.no_grad():
            other = self.g(x, self._style(*styles[1], target))
        fades = max(0, 1 - self._count / self._steps)
        total = F.softplus(-(self.d(fake) * target).sum(1)).mean()
        total = total + loss.lambda_sty * F.l1_loss(self.e(fake, target), s)
        total = total - loss.lambda_ds * fades * F.l1_loss(fake, other)
        return total + loss.lambda_cyc * F.l1_loss(self.g(fake, self.e(x, label)), x)

    def step(
        self,
        x: torch.Tensor,
        x_ref: torch.Tensor,
        x_ref2: torch.Tensor,
        label: torch.Tensor,
        target: torch.Tensor,
        noise: tuple[torch.Tensor, torch.Tensor] | None = None,
    ) -> torch.Tensor:
        """The loss of the player whose turn it is; noise [n, latent] of two styles, or None to draw it."""
        turn, by_noise = self._turns[self._count % len(self._turns)], self._count % 2 == 0
        noise = noise or torch.randn(2, len(x), self._latent, device=x.device, dtype=x.dtype)
        styles = list(zip(noise if by_noise else (None, None), (x_ref, x_ref2)))
        if turn == "d":
            with self._autocast():
                with torch.no_grad():
                    fake = self.g(x, self._style(*styles[0], target))
                loss = self._disc_loss(x, fake, label, target)
            loss = self._learn(self._adam_d, loss)
        else:
            # F and E stay as they are with references, and so do their averages.
            self.f.requires_grad_(by_noise), self.e.requires_grad_(by_noise)
            self._averaged = slice(None if by_noise else len(self.g.state_dict()))
            with self._gen_turn():
                loss = self._gen_loss(x, styles, label, target)
            loss = self._learn(self._adam_g, loss)
        self._count += 1
        return loss


def trainer(config: ml_collections.ConfigDict, setup: torch_common.Setup) -> Trainer:
    """For a config such as configs/starganv2.py."""
    gen, disc, model = config.model.generator, config.model.discriminator, config.model
    domains, size = len(config.data.labels), config.data.image_size
    generators = {
        "G": Generator(gen.width, gen.most, gen.levels, gen.style),
        "F": Mapping(model.latent, model.mapping, gen.style, domains),
        "E": Encoder(disc.width, disc.most, size, gen.style, domains),
    }
    return Trainer(generators, {"D": Discriminator(disc.width, disc.most, size, domains)}, config, setup)
