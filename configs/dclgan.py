"""DCLGAN with the released code's recipe (Han et al. 2021), 256x256: both directions.

  python -m gan_xla.main --config=configs/dclgan.py --config.data.path=horse2zebra
  python -m gan_xla.main --config=configs/dclgan.py:quick   built-in images, minutes on 2 CPU cores

`data.path` is a directory with trainA trainB testA testB. Networks as in configs/cut.py, two of each, and two F: one
for images of A, of the activations of G_AB, and one for those of B, of G_BA's; PatchNCE, weight 2, of 256 places of
both downsampling convolutions and residual blocks 1 and 5, temperature 0.07; L1 identity, weight 1; hinge loss; no
pool; D first; Adam 2e-4, batch 1, 400 epochs, the learning rate constant for the first half, then linear to zero;
resize to 286, random crop to 256, mirroring.

:quick: chairs2cars at 32x32, 3 blocks, width 32, discriminators of 16x16 patches, each F of width 64 at 64 places, 2000
steps of batch 4.
"""

import ml_collections
from gan_xla.configs import base


def get_config(variant: str = "") -> ml_collections.ConfigDict:
    """`variant`: "" for the released code's recipe, "quick" for minutes on a CPU, "tiny" for two steps."""
    config = base.get_config("dclgan", "resnet", "patchgan")
    config.model.generator.update(antialias=True, upsample="blur", initial="xavier")
    config.model.discriminator.update(antialias=True, initial="xavier")
    config.optimizer.schedule = "linear"
    config.train.update(epochs=400, batch_size=1)
    config.data.update(source="folder", image_size=256, load_size=286, flip=True)
    return base.variant(
        config,
        variant,
        quick=dict(
            data=dict(source="builtin", image_size=32, load_size=36),
            model=dict(projection=64, generator=dict(width=32, blocks=3), discriminator=dict(width=32, layers=1)),
            loss=dict(nce_layers=(1, 2, 3, 4), patches=64),
            train=dict(steps=2000, epochs=0, batch_size=4),
        ),
        tiny=dict(
            model=dict(projection=8, generator=dict(width=4, blocks=1), discriminator=dict(width=4, layers=1)),
            loss=dict(nce_layers=(1, 2, 3), patches=16),
        ),
    )
