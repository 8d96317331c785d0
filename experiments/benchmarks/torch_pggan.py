"""PGGAN in plain PyTorch: the reference for speed and for numerical parity.

Networks and losses of Karras et al., "Progressive Growing of GANs for Improved Quality, Stability, and Variation"
(2018), written from the paper. They have the layers of all resolutions and work at that of the images that they are
given; what a resolution does not use has no gradients, and the optimiser leaves it alone.
"""

import math

import ml_collections
import torch
from torch import nn
from torch.nn import functional as F

from experiments.benchmarks import torch_common

GAIN = 2**0.5  # of He's constant, before a rectifier


class Convolution(nn.Conv2d):
    """With an equalised learning rate (section 4.1), [n, c_in, h, w] -> [n, c_out, h, w]."""

    def __init__(self, c_in, c_out, kernel=3, gain=GAIN):
        super().__init__(c_in, c_out, kernel, padding=kernel // 2)
        self._scale = gain / math.sqrt(kernel**2 * c_in)
        nn.init.normal_(self.weight)
        nn.init.zeros_(self.bias)

    def forward(self, x):
        return self._conv_forward(x, self.weight * self._scale, self.bias)


class Dense(nn.Linear):
    """As `Convolution`, [n, c_in] -> [n, c_out]."""

    def __init__(self, c_in, c_out, gain=GAIN, bias=True):
        super().__init__(c_in, c_out, bias)
        self._scale = gain / math.sqrt(c_in)
        nn.init.normal_(self.weight)
        if bias:
            nn.init.zeros_(self.bias)

    def forward(self, x):
        return F.linear(x, self.weight * self._scale, self.bias)


def activated(x: torch.Tensor) -> torch.Tensor:
    """Leaky ReLU of slope 0.2."""
    return F.leaky_relu(x, 0.2)


def normalised(x: torch.Tensor) -> torch.Tensor:
    """PixelNorm of [n, c, ...] (section 4.2)."""
    return x * torch.rsqrt(x.square().mean(1, keepdim=True) + 1e-8).to(x.dtype)


def doubled(x: torch.Tensor) -> torch.Tensor:
    """[n, c, r, r] -> [n, c, 2r, 2r], nearest neighbours."""
    return F.interpolate(x, scale_factor=2, mode="nearest")


def faded(old: torch.Tensor, new: torch.Tensor, alpha: torch.Tensor) -> torch.Tensor:
    """From `old` at alpha 0 to `new` at alpha 1, in their dtype."""
    return old + alpha * (new - old)


def spread(x: torch.Tensor, group: int) -> torch.Tensor:
    """[n, c, h, w] with one more map: the standard deviation over each `group` of samples, a mean (section 3)."""
    group = min(group, len(x))
    deviation = (x.unflatten(0, (-1, group)).var(1, unbiased=False) + 1e-8).sqrt().mean((1, 2, 3))
    feature = deviation.repeat_interleave(group).to(x.dtype)[:, None, None, None]
    return torch.cat([x, feature.expand(-1, -1, *x.shape[2:])], 1).contiguous(memory_format=torch.channels_last)


def resolutions(size: int) -> list[int]:
    """From 4 to `size`, each twice the one before."""
    return [4 << level for level in range(size.bit_length() - 2)]


def widths(size: int, base: int, most: int) -> dict[int, int]:
    """Channels by resolution; at 2 of the discriminator's dense layer (table 2)."""
    return {r: min(base // (r // 2), most) for r in (2, *resolutions(size))}


class Generator(nn.Module):
    """Vectors [n, latent] -> images [n, channels, r, r], not bounded.

    Args:
      latent: length of the vectors.
      size: of the last level, a power of two.
      base, most: as `widths`.
      channels: of the images.
    """

    def __init__(self, latent: int, size: int, base: int, most: int, channels: int = 3):
        super().__init__()
        width = widths(size, base, most)
        # What makes one pixel 4x4; its constant counts the 16 pixels too, as the authors' gain does.
        self.dense = Dense(latent, 16 * width[4], GAIN / 4, bias=False)
        self.bias = nn.Parameter(torch.zeros(width[4]))
        self.up = nn.ModuleDict({str(r): Convolution(width[r // 2], width[r]) for r in resolutions(size)[1:]})
        self.conv = nn.ModuleDict({str(r): Convolution(width[r], width[r]) for r in resolutions(size)})
        self.rgb = nn.ModuleDict({str(r): Convolution(width[r], channels, 1, 1.0) for r in resolutions(size)})

    def forward(self, z: torch.Tensor, resolution: int, alpha: torch.Tensor | None) -> torch.Tensor:
        """`alpha` [] is the weight of the newest level; None where nothing fades."""
        x = self.dense(normalised(z)).unflatten(1, (4, 4, -1)) + self.bias
        x = normalised(activated(x.permute(0, 3, 1, 2)))  # channels_last
        old = None
        for r in map(str, resolutions(resolution)):
            if r != "4":
                if int(r) == resolution and alpha is not None:
                    old = doubled(self.rgb[str(resolution // 2)](x))
                x = normalised(activated(self.up[r](doubled(x))))
            x = normalised(activated(self.conv[r](x)))
        image = self.rgb[str(resolution)](x)
        return image if old is None else faded(old, image, alpha)


class Discriminator(nn.Module):
    """Images [n, channels, r, r] -> scores [n, 1]; arguments as the generator's, and the `group` of `spread`."""

    def __init__(self, size: int, base: int, most: int, group: int, channels: int = 3):
        super().__init__()
        width = widths(size, base, most)
        self._group = group
        self.rgb = nn.ModuleDict({str(r): Convolution(channels, width[r], 1) for r in resolutions(size)})
        self.conv = nn.ModuleDict({str(r): Convolution(width[r] + (r == 4), width[r]) for r in resolutions(size)})
        self.down = nn.ModuleDict({str(r): Convolution(width[r], width[r // 2]) for r in resolutions(size)[1:]})
        self.dense = Dense(16 * width[4], width[2])
        self.out = Dense(width[2], 1, 1.0)

    def forward(self, image: torch.Tensor, alpha: torch.Tensor | None) -> torch.Tensor:
        """`alpha` as the generator's."""
        top = image.shape[-1]
        x = activated(self.rgb[str(top)](image))
        for r in resolutions(top)[:0:-1]:
            x = activated(self.down[str(r)](activated(self.conv[str(r)](x))))
            x = F.avg_pool2d(x, 2)
            if r == top and alpha is not None:
                x = faded(activated(self.rgb[str(r // 2)](F.avg_pool2d(image, 2))), x, alpha)
        x = activated(self.conv["4"](spread(x, self._group)))
        return self.out(activated(self.dense(x.permute(0, 2, 3, 1).flatten(1))))


class Trainer(torch_common.Trainer):
    """D's update by WGAN-GP with drift on fakes of one noise, then G's against the new D on those of another.

    The resolution is that of the images; where it changes, the next level begins to fade in.
    """

    def __init__(self, generators, discriminators, config: ml_collections.ConfigDict, setup: torch_common.Setup):
        super().__init__(generators, discriminators, config, setup)
        self._latent, self._loss, self._growth = config.model.latent, config.loss, config.growth
        self._resolution, self._played = 0, 0
        (self.g,), (self.d,) = self.generators.values(), self.discriminators.values()

    def _alpha(self, x: torch.Tensor) -> torch.Tensor | None:
        """Weight of the newest level in this step, and counts it; None at the first resolution."""
        if x.shape[-1] != self._resolution:
            self._resolution, self._played = x.shape[-1], 0
        length, played = math.ceil(self._growth.fade_images / len(x)), self._played
        self._played += 1
        # A tensor: a number would be a constant of the compiled program.
        return x.new_tensor(min(played / length, 1)) if self._resolution > self._growth.first else None

    def _penalty(self, x, fake, epsilon, alpha):
        between = (epsilon * x + (1 - epsilon) * fake).requires_grad_(True)
        # `forward` itself: torch.compile knows no second derivatives.
        (slope,) = torch.autograd.grad(self.d.forward(between, alpha).sum(), between, create_graph=True)
        return ((slope.flatten(1).norm(dim=1) - 1) ** 2).mean()

    def step(
        self,
        x: torch.Tensor,
        noise: tuple[torch.Tensor, torch.Tensor] | None = None,
        epsilon: torch.Tensor | None = None,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Noise [n, latent] for D's turn and for G's; epsilon [n, 1, 1, 1], where to take the penalty; or None."""
        loss, alpha, resolution = self._loss, self._alpha(x), x.shape[-1]
        for_d, for_g = noise or torch.randn(2, len(x), self._latent, device=x.device, dtype=x.dtype)
        epsilon = torch.rand(len(x), 1, 1, 1, device=x.device, dtype=x.dtype) if epsilon is None else epsilon
        with self._autocast():
            x = x if alpha is None else faded(doubled(F.avg_pool2d(x, 2)), x, alpha)  # as blurred as the fakes
            with torch.no_grad():
                fake = self.g(for_d, resolution, alpha)
            scores = self.d(x, alpha)
            d_loss = self.d(fake, alpha).mean() - scores.mean() + loss.drift * scores.square().mean()
            d_loss = d_loss + loss.lambda_gp * self._penalty(x, fake, epsilon, alpha)
        d_loss = self._learn(self._adam_d, d_loss)
        with self._gen_turn():
            g_loss = -self.d(self.g(for_g, resolution, alpha), alpha).mean()
        return d_loss, self._learn(self._adam_g, g_loss)


def trainer(config: ml_collections.ConfigDict, setup: torch_common.Setup) -> Trainer:
    """For a config such as configs/pggan.py, without labels."""
    gen, disc, data = config.model.generator, config.model.discriminator, config.data
    generator = Generator(config.model.latent, data.image_size, gen.fmap_base, gen.fmap_max, data.channels)
    discriminator = Discriminator(data.image_size, disc.fmap_base, disc.fmap_max, disc.group, data.channels)
    return Trainer({"G": generator}, {"D": discriminator}, config, setup)
