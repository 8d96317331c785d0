"""DiscoGAN in plain PyTorch: the reference for speed and for numerical parity.

Networks of Kim et al., "Learning to Discover Cross-Domain Relations with Generative
Adversarial Networks" (2017), with the parameter names of the authors' checkpoints.
"""

import os

# Idle OpenMP threads otherwise spin, which multiplies the CPU time reported for PyTorch.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.setdefault("GOMP_SPINCOUNT", "0")

import numpy as np  # noqa: E402
import torch  # noqa: E402
from torch import nn  # noqa: E402
from torch.nn import functional as F  # noqa: E402


def channels(size: int, width: int) -> list[int]:
    """Channels after each halving from size x size (a power of two) down to 4 x 4."""
    return [width * min(2**i, 8) for i in range(size.bit_length() - 3)]


class Generator(nn.Module):
    """Encoder and decoder, [n, 3, size, size] in [0, 1] to the same; bias-free.

    With `bottleneck` the 4 x 4 code passes through one vector of that many channels.
    """

    def __init__(self, size: int = 64, width: int = 64, bottleneck: int | None = None):
        super().__init__()
        widths = channels(size, width)
        layers = [nn.Conv2d(3, widths[0], 4, 2, 1, bias=False), nn.LeakyReLU(0.2)]
        for c_in, c_out in zip(widths[:-1], widths[1:]):
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
    """[n, 3, size, size] to logits [n, 1, 1, 1]."""

    def __init__(self, size: int = 64, width: int = 64):
        super().__init__()
        widths = [3, *channels(size, width)]
        self.depth = len(widths) - 1
        for i in range(1, self.depth + 1):
            setattr(self, f"conv{i}", nn.Conv2d(widths[i - 1], widths[i], 4, 2, 1, bias=False))
            if i > 1:
                setattr(self, f"bn{i}", nn.BatchNorm2d(widths[i]))
        setattr(self, f"conv{self.depth + 1}", nn.Conv2d(widths[-1], 1, 4, bias=False))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for i in range(1, self.depth + 1):
            x = getattr(self, f"conv{i}")(x)
            x = F.leaky_relu(getattr(self, f"bn{i}")(x) if i > 1 else x, 0.2)
        return getattr(self, f"conv{self.depth + 1}")(x)


def adversarial(logits: torch.Tensor, target: float) -> torch.Tensor:
    """Mean cross-entropy of the logits against one constant label."""
    return F.binary_cross_entropy_with_logits(logits, torch.full_like(logits, target))


class Trainer:
    """Two generators, two discriminators and their optimisers, playing the paper's paired step.

    The layout (channels_last), fused Adam and frozen discriminators during G's turn are each the
    faster choice on a CPU. Call `step(a, b)` for images [n, 3, size, size] in [0, 1].
    """

    def __init__(self, size: int = 64, width: int = 64, weight_decay: float = 1e-4, dtype: torch.dtype = torch.float32):
        self.generators = nn.ModuleDict({name: Generator(size, width) for name in ("G_AB", "G_BA")})
        self.discriminators = nn.ModuleDict({name: Discriminator(size, width) for name in ("D_A", "D_B")})
        for players in (self.generators, self.discriminators):
            players.to(dtype=dtype, memory_format=torch.channels_last)
        self.optimise_g, self.optimise_d = (
            torch.optim.Adam(players.parameters(), 2e-4, (0.5, 0.999), weight_decay=weight_decay, fused=True)
            for players in (self.generators, self.discriminators)
        )

    def step(self, a: np.ndarray, b: np.ndarray) -> tuple[float, float]:
        """D's update, then G's against the new D; returns the losses of D and of G."""
        a, b = (torch.from_numpy(x).contiguous(memory_format=torch.channels_last) for x in (a, b))
        g_ab, g_ba = self.generators["G_AB"], self.generators["G_BA"]
        d_a, d_b = self.discriminators["D_A"], self.discriminators["D_B"]
        ab, ba = g_ab(a), g_ba(b)
        aba, bab = g_ba(ab), g_ab(ba)

        d_loss = adversarial(d_a(a), 1) + adversarial(d_a(ba.detach()), 0)
        d_loss += adversarial(d_b(b), 1) + adversarial(d_b(ab.detach()), 0)
        self.optimise_d.zero_grad()
        d_loss.backward()
        self.optimise_d.step()

        self.discriminators.requires_grad_(False)
        g_loss = adversarial(d_a(ba), 1) + adversarial(d_b(ab), 1) + F.mse_loss(aba, a) + F.mse_loss(bab, b)
        self.optimise_g.zero_grad()
        g_loss.backward()
        self.optimise_g.step()
        self.discriminators.requires_grad_(True)
        return d_loss.item(), g_loss.item()
