"""UNIT with its authors' later recipe (Liu et al. 2017; Huang et al. 2018, section 5.2), 256x256.

  python -m gan_xla.main --config=configs/unit.py --config.data.path=summer2winter
  python -m gan_xla.main --config=configs/unit.py:quick   built-in images, minutes on 2 CPU cores

`data.path` is a directory with trainA trainB testA testB. Variational autoencoders of 2 strided convolutions and 4
residual blocks whose codes both decoders read, discriminators at 3 scales, least squares; images and cycles 10, their
divergences 0.01; Adam 1e-4 (0.5, 0.999), weight decay 1e-4, batch 1, 1,000,000 steps, the rate halved every 100,000;
resize to 286, random crop to 256, mirroring.

:quick: chairs2cars at 32x32, width 16, 2 blocks, discriminators at 2 scales of 3 layers, 3000 steps of batch 8, Adam
2e-4, an average of G. Expect blurred cars where chairs are and the reverse, of few colours, and ways back near their
sources, after 12 minutes.
"""

import ml_collections
from gan_xla.configs import base


def get_config(variant: str = "") -> ml_collections.ConfigDict:
    """`variant`: "" for the authors' recipe, "quick" for minutes on a CPU, "tiny" for two steps."""
    config = base.get_config("unit", "munit", "multiscale")
    config.model.generator.style = 0
    config.optimizer.update(learning_rate=1e-4, weight_decay=1e-4, schedule="halving", decay_start=0.1)
    config.train.update(turns=("d+g",), steps=1_000_000, batch_size=1)
    config.data.update(source="folder", image_size=256, load_size=286, flip=True)
    return base.variant(
        config,
        variant,
        quick=dict(
            data=dict(source="builtin", image_size=32, load_size=36, validation=0.0),
            model=dict(generator=dict(width=16, blocks=2), discriminator=dict(width=16, layers=3, scales=2)),
            optimizer=dict(learning_rate=2e-4, gen=dict(ema_decay=0.999, ema_warmup=0.05)),
            train=dict(turns=("dg",), steps=3000, batch_size=8),
        ),
        tiny=dict(
            model=dict(generator=dict(width=4, blocks=1, hidden=8), discriminator=dict(width=4, layers=2, scales=2)),
            train=dict(turns=("dg",)),
        ),
    )
