"""PGGAN's networks at 16x16 in PyTorch, as functions of our parameters. For tests that need the extra `parity`."""

import math

import torch
from torch.nn import functional as F


def tensors(params: dict, requires_grad: bool = False) -> dict:
    """Our tree of arrays as one of tensors."""
    make = lambda leaf: torch.tensor(leaf, requires_grad=requires_grad)
    return {name: {leaf: make(value) for leaf, value in layer.items()} for name, layer in params.items()}


def _layer(params, name, x, gain=2**0.5):
    """An equalised layer; the dense ones as PyTorch's Linear."""
    kernel, bias = params[name]["kernel"], params[name]["bias"]
    k, _, fan, features = kernel.shape
    if k == 4:
        dense = kernel.flip(0, 1) if name == "4x4_up" else kernel  # ours is a transposed convolution there
        if name == "4x4_up":
            weight = dense.permute(3, 0, 1, 2).reshape(-1, fan) * (math.sqrt(2) / 4 / math.sqrt(fan))
            return F.linear(x.flatten(1), weight).view(len(x), features, 4, 4) + bias.view(-1, 1, 1)
        weight = dense.permute(3, 2, 0, 1).reshape(features, -1) * gain / math.sqrt(16 * fan)
        return F.linear(x.flatten(1), weight, bias)[:, :, None, None]
    weight = kernel.permute(3, 2, 0, 1) * gain / math.sqrt(k * k * fan)
    return F.conv2d(x, weight, bias, padding=1 if k == 3 else 0)


def _normalised(x):
    return x / (x.pow(2).mean(1, keepdim=True) + 1e-8).sqrt()


def generate(params, z, alpha):
    """[n, latent] -> [n, 3, 16, 16]."""
    x, images = _normalised(z)[:, :, None, None], []
    for r in (4, 8, 16):
        x = x if r == 4 else F.interpolate(x, scale_factor=2, mode="nearest")
        for name in ("up", "conv"):
            x = _normalised(F.leaky_relu(_layer(params, f"{r}x{r}_{name}", x), 0.2))
        images.append(_layer(params, f"{r}x{r}_rgb", x, 1))
    return torch.lerp(F.interpolate(images[-2], scale_factor=2), images[-1], alpha)


def judge(params, x, alpha):
    """[n, 3, 16, 16] -> [n, 1 + labels]; groups of 4."""
    act = lambda name, x: F.leaky_relu(_layer(params, name, x), 0.2)
    old = act("8x8_rgb", F.avg_pool2d(x, 2))
    x = act("16x16_down", act("16x16_conv", act("16x16_rgb", x)))
    x = torch.lerp(old, F.avg_pool2d(x, 2), alpha)
    x = F.avg_pool2d(act("8x8_down", act("8x8_conv", x)), 2)
    spread = [(g.var(0, unbiased=False) + 1e-8).sqrt().mean().expand(4, 1, 4, 4) for g in x.split(4)]
    x = act("4x4_down", act("4x4_conv", torch.cat([x, torch.cat(spread)], 1)))
    return _layer(params, "out", x, 1)[:, :, 0, 0]
