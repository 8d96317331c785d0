"""BiGAN (ALI) as a baseline of CycleGAN (Donahue et al. 2017, Dumoulin et al. 2017; Zhu et al. 2017, section 5.1.1).

  python -m gan_xla.main --config=configs/bigan.py --config.data.path=horse2zebra
  python -m gan_xla.main --config=configs/bigan.py:quick   built-in images, minutes on 2 CPU cores

`data.path` as in configs/cyclegan.py, and networks, optimiser and epochs too, at 256x256; one 70x70 PatchGAN sees an
image of A beside one of B, pools keep 50 pairs of each kind; no cycle; D first.

:quick: chairs2cars at 32x32, as configs/cyclegan.py has it, 2000 steps of batch 4: four minutes of
one core. It collapses: every chair becomes the same dotted shape, as every car does. Zhu et al. found
no good translations either.
"""

import ml_collections
from gan_xla.configs import base


def get_config(variant: str = "") -> ml_collections.ConfigDict:
    """`variant`: "" for the baseline, "quick" for minutes on a CPU, "tiny" for two steps."""
    config = base.get_config("bigan", "resnet", "patchgan")
    config.optimizer.schedule = "linear"
    config.train.update(epochs=200, batch_size=1)
    config.data.update(source="folder", image_size=256, load_size=286, flip=True)
    return base.variant(
        config,
        variant,
        quick=dict(
            data=dict(source="builtin", image_size=32, load_size=36),
            model=dict(generator=dict(width=32, blocks=3), discriminator=dict(width=32, layers=1)),
            train=dict(steps=2000, epochs=0, batch_size=4),
        ),
        tiny=dict(model=dict(generator=dict(width=4, blocks=1), discriminator=dict(width=4, layers=1))),
    )
