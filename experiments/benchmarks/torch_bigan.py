"""BiGAN, as a baseline of CycleGAN, in plain PyTorch: the reference for speed and for numerical parity."""

import ml_collections
import torch

from experiments.benchmarks import torch_common
from experiments.benchmarks.torch_common import least_squares
from experiments.benchmarks.torch_cyclegan import PatchGAN, Pool, ResNet


class Trainer(torch_common.Trainer):
    """D's update on pairs, then that of both generators against the new D."""

    def __init__(self, generators, discriminators, config: ml_collections.ConfigDict, setup: torch_common.Setup):
        super().__init__(generators, discriminators, config, setup)
        self._weight, self._pools = config.loss.disc_weight, [Pool(config.train.pool_size) for _ in range(2)]

    def step(self, a: torch.Tensor, b: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        g, e, d = self.generators["G_AB"], self.generators["G_BA"], self.discriminators["D_AB"]
        with self._autocast():
            pairs = torch.cat([a, g(a)], 1), torch.cat([e(b), b], 1)
            forth, back = (pool.query(pair.detach()) for pool, pair in zip(self._pools, pairs, strict=True))
            d_loss = self._weight * (least_squares(d(forth), 1) + least_squares(d(back), 0))
        d_loss = self._learn(self._adam_d, d_loss)
        with self._gen_turn():
            g_loss = least_squares(d(pairs[0]), 0) + least_squares(d(pairs[1]), 1)
        return d_loss, self._learn(self._adam_g, g_loss)


def trainer(config: ml_collections.ConfigDict, setup: torch_common.Setup) -> Trainer:
    """For a config such as configs/bigan.py."""
    gen, disc = config.model.generator, config.model.discriminator
    generators = {name: ResNet(gen.width, gen.blocks, gen.norm, False) for name in ("G_AB", "G_BA")}
    return Trainer(generators, {"D_AB": PatchGAN(disc.width, disc.layers, disc.norm, channels=6)}, config, setup)
