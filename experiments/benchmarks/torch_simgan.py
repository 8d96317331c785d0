"""SimGAN, as a baseline of CycleGAN, in plain PyTorch: the reference for speed and for numerical parity."""

import ml_collections
import torch
from torch.nn import functional as F

from experiments.benchmarks import torch_common
from experiments.benchmarks.torch_common import least_squares
from experiments.benchmarks.torch_cyclegan import PatchGAN, Pool, ResNet


class Trainer(torch_common.Trainer):
    """D's update, then G's against the new D."""

    def __init__(self, generators, discriminators, config: ml_collections.ConfigDict, setup: torch_common.Setup):
        super().__init__(generators, discriminators, config, setup)
        self._loss, self._pool = config.loss, Pool(config.train.pool_size)

    def step(self, a: torch.Tensor, b: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        g, d, loss = self.generators["G_AB"], self.discriminators["D_B"], self._loss
        with self._autocast():
            ab = g(a)
            shown = self._pool.query(ab.detach())
            d_loss = loss.disc_weight * (least_squares(d(b), 1) + least_squares(d(shown), 0))
        d_loss = self._learn(self._adam_d, d_loss)
        with self._gen_turn():
            g_loss = least_squares(d(ab), 1) + loss.content_weight * F.l1_loss(ab, a)
        return d_loss, self._learn(self._adam_g, g_loss)


def trainer(config: ml_collections.ConfigDict, setup: torch_common.Setup) -> Trainer:
    """For a config such as configs/simgan.py."""
    gen, disc = config.model.generator, config.model.discriminator
    generators = {"G_AB": ResNet(gen.width, gen.blocks, gen.norm, False)}
    return Trainer(generators, {"D_B": PatchGAN(disc.width, disc.layers, disc.norm)}, config, setup)
