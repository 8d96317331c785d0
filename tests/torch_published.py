"""PGGAN and U-GAT-IT in PyTorch under the names of published code, written for the tests from what that code computes.

And MUNIT's layer norm. Networks are faded in whole. Imported by tests, which need the extra `parity`.
"""

import itertools
import math

import pytest

torch = pytest.importorskip("torch")
from torch import nn
from torch.nn import functional as F

from experiments.benchmarks import torch_munit


class DeviationNorm(torch_munit.LayerNorm):
    """MUNIT's, which divides by the deviation plus 1e-5."""

    def forward(self, x):
        maps = x.flatten(1)
        x = (x - maps.mean(1)[:, None, None, None]) / (maps.std(1)[:, None, None, None] + 1e-5)
        return x * self.gamma[:, None, None] + self.beta[:, None, None]


def autoencoder(*sizes):
    """A generator of torch_munit that computes what the published one does."""
    network = torch_munit.Generator(*sizes)
    for module in network.modules():
        if isinstance(module, torch_munit.LayerNorm):
            module.__class__ = DeviationNorm
    return network


def pixel_norm(x):
    return x / (x.square().mean(1, keepdim=True) + 1e-8).sqrt()


def leaky(x):
    return F.leaky_relu(x, 0.2)


def deviations(x, group, unbiased):
    """x [n, c, h, w] with the mean standard deviation of its consecutive groups as one more map."""
    maps = []
    for part in x.split(group):
        deviation = (part.var(0, unbiased=unbiased) + 1e-8).sqrt().mean()
        maps.append(deviation.expand(len(part), 1, *x.shape[2:]))
    return torch.cat([x, torch.cat(maps)], 1)


def double(x):
    return F.interpolate(x, scale_factor=2, mode="nearest")


class Scaled(nn.Module):
    """pytorch_GAN_zoo's layer: the constant multiplies the bias as well; `old`: without "module" in its names."""

    def __init__(self, layer, old=False):
        super().__init__()
        self.scale, self.old = math.sqrt(2 / layer.weight[0].numel()), old
        if old:
            self.weight, self.bias, self.module = layer.weight, layer.bias, [layer]
        else:
            self.module = layer

    def forward(self, x):
        return (self.module[0] if self.old else self.module)(x) * self.scale


def _modules(*layers):
    return nn.ModuleList(layers)


class ZooGenerator(nn.Module):
    def __init__(self, widths, latent, old=False):
        super().__init__()
        conv = lambda i, o, k: Scaled(nn.Conv2d(i, o, k, padding=k // 2), old)
        self.scaleLayers = _modules(*(_modules(conv(a, b, 3), conv(b, b, 3)) for a, b in itertools.pairwise(widths)))
        self.toRGBLayers = _modules(*(conv(width, 3, 1) for width in widths))
        self.formatLayer = Scaled(nn.Linear(latent, 16 * widths[0]), old)
        self.groupScale0 = _modules(conv(widths[0], widths[0], 3))

    def forward(self, z):
        x = leaky(self.formatLayer(pixel_norm(z)))
        x = pixel_norm(x.view(len(x), -1, 4, 4))
        x = pixel_norm(leaky(self.groupScale0[0](x)))
        for scale in self.scaleLayers:
            x = double(x)
            for layer in scale:
                x = pixel_norm(leaky(layer(x)))
        return self.toRGBLayers[-1](x)


class ZooDiscriminator(nn.Module):
    def __init__(self, widths, labels=0, deviation=True):
        super().__init__()
        conv = lambda i, o, k: Scaled(nn.Conv2d(i, o, k, padding=k // 2))
        self.scaleLayers = _modules(*(_modules(conv(b, b, 3), conv(b, a, 3)) for a, b in itertools.pairwise(widths)))
        self.fromRGBLayers = _modules(*(conv(3, width, 1) for width in widths))
        first = widths[0]
        self.decisionLayer = Scaled(nn.Linear(first, 1 + labels))
        self.groupScaleZero = _modules(conv(first + deviation, first, 3), Scaled(nn.Linear(16 * first, first)))

    def forward(self, x):
        x = leaky(self.fromRGBLayers[-1](x))
        for scale in reversed(self.scaleLayers):
            for layer in scale:
                x = leaky(layer(x))
            x = F.avg_pool2d(x, 2)
        x = leaky(self.groupScaleZero[0](deviations(x, 4, unbiased=True)))
        return self.decisionLayer(leaky(self.groupScaleZero[1](x.flatten(1))))


class Equalised(nn.Conv2d):
    """pro_gan_pytorch's convolution, whose constant multiplies the weights alone."""

    def forward(self, x):
        return self._conv_forward(x, self.weight * math.sqrt(2 / self.weight[0].numel()), self.bias)


class EqualisedTransposed(nn.ConvTranspose2d):
    def forward(self, x):
        return F.conv_transpose2d(x, self.weight * math.sqrt(2 / len(self.weight)), self.bias)


class _Block(nn.Module):
    def __init__(self, *layers):
        super().__init__()
        for number, layer in enumerate(layers, 1):
            setattr(self, f"conv_{number}", layer)


class ProGenerator(nn.Module):
    def __init__(self, widths, latent):
        super().__init__()
        conv = lambda i, o: Equalised(i, o, 3, padding=1)
        first = _Block(EqualisedTransposed(latent, widths[0], 4), conv(widths[0], widths[0]))
        rest = [_Block(conv(a, b), conv(b, b)) for a, b in itertools.pairwise(widths)]
        self.layers = _modules(first, *rest)
        self.rgb_converters = _modules(*(Equalised(width, 3, 1) for width in widths))

    def forward(self, z):
        first, *rest = self.layers
        x = leaky(first.conv_1(pixel_norm(z)[:, :, None, None]))
        x = pixel_norm(leaky(first.conv_2(x)))
        for block in rest:
            x = pixel_norm(leaky(block.conv_1(double(x))))
            x = pixel_norm(leaky(block.conv_2(x)))
        return self.rgb_converters[-1](x)


class ProDiscriminator(nn.Module):
    def __init__(self, widths):
        super().__init__()
        conv = lambda i, o: Equalised(i, o, 3, padding=1)
        down, w = widths[::-1], widths[0]
        blocks = [_Block(conv(b, b), conv(b, a)) for b, a in itertools.pairwise(down)]
        last = _Block(conv(w + 1, w), Equalised(w, w, 4), Equalised(w, 1, 1))
        self.layers = _modules(*blocks, last)
        self.from_rgb = _modules(*(nn.Sequential(Equalised(3, width, 1), nn.LeakyReLU(0.2)) for width in down))

    def forward(self, x):
        *blocks, last = self.layers
        x = self.from_rgb[0](x)
        for block in blocks:
            x = F.avg_pool2d(leaky(block.conv_2(leaky(block.conv_1(x)))), 2)
        x = leaky(last.conv_1(deviations(x, 4, unbiased=False)))
        return last.conv_3(leaky(last.conv_2(x))).flatten(1)


class _Norm(nn.Module):
    """rho of instance norm and 1 - rho of layer norm, variances by n - 1."""

    def __init__(self, width, affine):
        super().__init__()
        for name in ("rho", "gamma", "beta") if affine else ("rho",):
            self.register_parameter(name, nn.Parameter(torch.rand(1, width, 1, 1)))

    def forward(self, x, gamma=None, beta=None):
        standard = [
            (x - x.mean(axes, keepdim=True)) / (x.var(axes, keepdim=True) + 1e-5).sqrt() for axes in ((2, 3), (1, 2, 3))
        ]
        x = self.rho * standard[0] + (1 - self.rho) * standard[1]
        if gamma is None:
            return x * self.gamma + self.beta
        return x * gamma[:, :, None, None] + beta[:, :, None, None]


def _padded(i, o, k, stride=1):
    return nn.ReflectionPad2d(k // 2), nn.Conv2d(i, o, k, stride, bias=False)


class _Residual(nn.Module):
    def __init__(self, width):
        super().__init__()
        half = lambda: (*_padded(width, width, 3), nn.InstanceNorm2d(width))
        self.conv_block = nn.Sequential(*half(), nn.ReLU(), *half())

    def forward(self, x):
        return x + self.conv_block(x)


class _Adaptive(nn.Module):
    def __init__(self, width):
        super().__init__()
        for number in (1, 2):
            setattr(self, f"conv{number}", nn.Conv2d(width, width, 3, bias=False))
            setattr(self, f"norm{number}", _Norm(width, affine=False))

    def forward(self, x, gamma, beta):
        reflect = nn.ReflectionPad2d(1)
        y = F.relu(self.norm1(self.conv1(reflect(x)), gamma, beta))
        return x + self.norm2(self.conv2(reflect(y)), gamma, beta)


def _attend(x, means, maxima, weights):
    """(maps weighted by two classifiers' weights [1, c], their logits [n, 2])."""
    logits = torch.cat([means(x.mean((2, 3))), maxima(x.amax((2, 3)))], 1)
    return torch.cat([x * weight[:, :, None, None] for weight in weights], 1), logits


class AttentiveGenerator(nn.Module):
    def __init__(self, width=4, blocks=1, size=32, light=False):
        super().__init__()
        w, self.blocks, self.light = 4 * width, blocks, light
        down = []
        for i, o, k, stride in ((3, width, 7, 1), (width, 2 * width, 3, 2), (2 * width, w, 3, 2)):
            down += [*_padded(i, o, k, stride), nn.InstanceNorm2d(o), nn.ReLU()]
        self.DownBlock = nn.Sequential(*down, *(_Residual(w) for _ in range(blocks)))
        self.gap_fc, self.gmp_fc = nn.Linear(w, 1, bias=False), nn.Linear(w, 1, bias=False)
        self.conv1x1 = nn.Conv2d(2 * w, w, 1)
        inputs = w if light else w * (size // 4) ** 2
        self.FC = nn.Sequential(nn.Linear(inputs, w, bias=False), nn.ReLU(), nn.Linear(w, w, bias=False), nn.ReLU())
        self.gamma, self.beta = nn.Linear(w, w, bias=False), nn.Linear(w, w, bias=False)
        for number in range(blocks):
            setattr(self, f"UpBlock1_{number + 1}", _Adaptive(w))
        up = []
        for i, o in ((w, 2 * width), (2 * width, width)):
            up += [nn.Upsample(scale_factor=2), *_padded(i, o, 3), _Norm(o, affine=True), nn.ReLU()]
        self.UpBlock2 = nn.Sequential(*up, *_padded(width, 3, 7), nn.Tanh())

    def forward(self, x):
        x = self.DownBlock(x)
        x, _ = _attend(x, self.gap_fc, self.gmp_fc, (self.gap_fc.weight, self.gmp_fc.weight))
        x = F.relu(self.conv1x1(x))
        style = self.FC(x.mean((2, 3)) if self.light else x.flatten(1))
        gamma, beta = self.gamma(style), self.beta(style)
        for number in range(self.blocks):
            x = getattr(self, f"UpBlock1_{number + 1}")(x, gamma, beta)
        return self.UpBlock2(x)


class AttentiveJudge(nn.Module):
    """With spectral norm, and maps weighted by what the classifiers' weights are before it."""

    def __init__(self, width=4, layers=2):
        super().__init__()
        spectral = nn.utils.spectral_norm
        model, i = [], 3
        for number in range(layers + 1):
            o = width * 2**number
            conv = spectral(nn.Conv2d(i, o, 4, 2 if number < layers else 1))
            model += [nn.ReflectionPad2d(1), conv, nn.LeakyReLU(0.2)]
            i = o
        self.gap_fc, self.gmp_fc = (spectral(nn.Linear(i, 1, bias=False)) for _ in range(2))
        self.conv1x1 = nn.Conv2d(2 * i, i, 1)
        self.conv = spectral(nn.Conv2d(i, 1, 4, bias=False))
        self.model = nn.Sequential(*model)

    def forward(self, x):
        x, logits = _attend(self.model(x), self.gap_fc, self.gmp_fc, (self.gap_fc.weight_orig, self.gmp_fc.weight_orig))
        x = leaky(self.conv1x1(x))
        return self.conv(F.pad(x, [1] * 4, mode="reflect")), logits
