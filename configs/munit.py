"""MUNIT with the authors' recipe (Huang et al. 2018), 256x256: many translations of one image.

  python -m gan_xla.main --config=configs/munit.py --config.data.path=edges2shoes
  python -m gan_xla.main --config=configs/munit.py:quick   built-in images, minutes on 2 CPU cores
  python -m gan_xla.main --mode=translate --workdir=runs/munit --input=DIR --output=out --styles=5
  python -m gan_xla.main --mode=translate --workdir=runs/munit --input=DIR --output=out --reference=PHOTO

`data.path` is a directory with trainA trainB testA testB. Contents by 2 strided convolutions and 4 residual blocks,
styles of 8 numbers, drawn from N(0, 1) or read from an image; discriminators at 3 scales, least squares; images 10,
contents 1, styles 1, no cycle (`loss.lambda_cycle=10` is the authors' for some data); `model.generator.unbiased=True`
is their layer norm to the last digit; new styles for G's turn; Adam 1e-4 (0.5, 0.999), weight decay 1e-4, batch 1,
1,000,000 steps, the rate halved every 100,000; resize to 286, random crop to 256, mirroring.

:quick: line drawings and coloured objects at 32x32, unpaired, width 16, 2 blocks, 3 convolutions to the style,
discriminators at 2 scales of 3 layers, 3000 steps of batch 8 in which both turns share the styles, Adam 2e-4, an
average of G. Expect blurred objects where the lines are, in colours that change with the style and follow a reference's
(blue for a blue chair): L1 to the truth 33 of 255, of the nearest of four styles 26, where the drawing itself has 43;
drawings of objects in broken lines.
"""

import ml_collections
from gan_xla.configs import base


def get_config(variant: str = "") -> ml_collections.ConfigDict:
    """`variant`: "" for the authors' recipe, "quick" for minutes on a CPU, "tiny" for two steps."""
    config = base.get_config("munit", "munit", "multiscale")
    config.optimizer.update(learning_rate=1e-4, weight_decay=1e-4, schedule="halving", decay_start=0.1)
    config.train.update(turns=("d+g",), steps=1_000_000, batch_size=1)
    config.data.update(source="folder", image_size=256, load_size=286, flip=True)
    return base.variant(
        config,
        variant,
        quick=dict(
            data=dict(source="builtin", name="edges2objects", image_size=32, load_size=36, validation=0.0),
            model=dict(
                generator=dict(width=16, blocks=2, style_layers=3, hidden=64),
                discriminator=dict(width=16, layers=3, scales=2),
            ),
            optimizer=dict(learning_rate=2e-4, gen=dict(ema_decay=0.999, ema_warmup=0.05)),
            train=dict(turns=("dg",), steps=3000, batch_size=8),
        ),
        tiny=dict(
            model=dict(
                generator=dict(width=4, blocks=1, style=3, style_layers=2, hidden=8),
                discriminator=dict(width=4, layers=2, scales=2),
            ),
            train=dict(turns=("dg",)),
        ),
    )
