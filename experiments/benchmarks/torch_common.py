"""What the PyTorch trainers share."""

import contextlib
import os
from collections.abc import Iterator
from typing import NamedTuple

# Idle OpenMP threads otherwise spin, which multiplies the CPU time reported for PyTorch.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.setdefault("GOMP_SPINCOUNT", "0")

import ml_collections
import torch
from torch import nn
from torch.nn import functional as F


class Setup(NamedTuple):
    """How a trainer runs.

    Attributes:
      device: "cpu" or "cuda".
      dtype: of the parameters.
      autocast: whether the networks compute in bfloat16.
      compiled: whether torch.compile makes their programs.
    """

    device: str = "cpu"
    dtype: torch.dtype = torch.float32
    autocast: bool = False
    compiled: bool = False


class Trainer:
    """Two players with their optimisers.

    The layout (channels_last), fused Adam and discriminators that are frozen during G's turn are each the faster
    choice. Subclasses have `step`, which plays one turn on a batch of tensors, images [n, c, h, w] in the networks'
    range, and returns the losses of the players that learnt, D's first.

    Attributes:
      average: moving average of the generators' parameters and statistics, in the order of their `state_dict`; []
        where the config keeps none.

    Args:
      generators, discriminators: networks by name.
      config: whose `optimizer` section says how they learn.
      setup: as `Setup`.
    """

    def __init__(
        self,
        generators: dict[str, nn.Module],
        discriminators: dict[str, nn.Module],
        config: ml_collections.ConfigDict,
        setup: Setup,
    ):
        self.generators, self.discriminators = nn.ModuleDict(generators), nn.ModuleDict(discriminators)
        self._setup, adam = setup, config.optimizer
        for players in (self.generators, self.discriminators):
            players.to(setup.device, setup.dtype, memory_format=torch.channels_last)
            for net in players.values() if setup.compiled else ():
                net.compile()
        options = dict(betas=(adam.b1, adam.b2), weight_decay=adam.weight_decay, fused=True)

        def learner(players, rates):
            rate = {name: adam.learning_rate * rates.get(name, 1.0) for name in players}
            groups = [{"params": net.parameters(), "lr": rate[name]} for name, net in players.items()]
            return torch.optim.Adam(groups, **options)

        self._adam_g, self._adam_d = learner(self.generators, adam.gen.rates), learner(self.discriminators, {})
        self._rate = 1 - adam.gen.ema_decay  # of the moving average of G; with 1 none is kept
        self._made = [tensor for tensor in self.generators.state_dict().values() if tensor.is_floating_point()]
        self.average = [tensor.clone() for tensor in self._made if self._rate < 1]
        self._averaged = slice(None)  # which of them this turn's update moves

    def _autocast(self) -> torch.autocast:
        """For one loss: within it the cast weights are kept, which an update would make stale."""
        return torch.autocast(self._setup.device, torch.bfloat16, enabled=self._setup.autocast)

    @contextlib.contextmanager
    def _gen_turn(self) -> Iterator[None]:
        """For G's loss: the discriminators' weights need no gradients."""
        self.discriminators.requires_grad_(False)
        with self._autocast():
            yield
        self.discriminators.requires_grad_(True)

    def _learn(self, optimizer: torch.optim.Optimizer, loss: torch.Tensor) -> torch.Tensor:
        """One update; returns the loss as a number on the device."""
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if optimizer is self._adam_g and self.average:
            learnt = self.average[self._averaged], self._made[self._averaged]
            torch._foreach_lerp_(*learnt, self._rate)  # as the optimiser does, all in one
        return loss.detach()


def log_loss(logits: torch.Tensor, target: float) -> torch.Tensor:
    """Mean cross-entropy of the logits against one constant label."""
    return F.binary_cross_entropy_with_logits(logits, torch.full_like(logits, target))


def least_squares(logits: torch.Tensor, target: float) -> torch.Tensor:
    """Mean squared difference from one constant label."""
    return F.mse_loss(logits, torch.full_like(logits, target))
