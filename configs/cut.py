"""CUT with the paper's recipe (Park et al. 2020), 256x256: one direction, one generator.

  python -m gan_xla.main --config=configs/cut.py --config.data.path=horse2zebra
  python -m gan_xla.main --config=configs/cut.py:fast --config.data.path=horse2zebra   FastCUT
  python -m gan_xla.main --config=configs/cut.py:quick   built-in images, minutes on 2 CPU cores

`data.path` is a directory with trainA trainB testA testB; A becomes B. ResNet generator of 9 blocks and 70x70 PatchGAN,
both with blurs before every second pixel is taken, weights that begin as Xavier's times 0.02, instance norm; least
squares; PatchNCE of 256 places of the image, both downsampling convolutions and residual blocks 1 and 5, temperature
0.07, weight 1 of translations and 1 of what G makes of B (in the released code 0.5 each); D first; Adam 2e-4, batch 1,
400 epochs, the learning rate constant for the first half, then linear to zero; resize to 286, random crop to 256,
mirroring.

:fast: FastCUT, with less memory and time a step: `loss.lambda_X=10`, `loss.lambda_Y=0`, `loss.flip_equivariance=True`,
200 epochs, the learning rate constant for 150.

:quick: chairs2cars at 32x32, 3 blocks, width 32, discriminator of 16x16 patches, F of width 64 at 64 places, 2000 steps
of batch 4. Chairs become bodies of cars where they stand, seen from the same side, with legs that fade; their colours
are not kept.
"""

import ml_collections
from gan_xla.configs import base


def get_config(variant: str = "") -> ml_collections.ConfigDict:
    """`variant`: "" for the paper's recipe, "fast" for FastCUT, "quick" for minutes on a CPU, "tiny" for two steps."""
    config = base.get_config("cut", "resnet", "patchgan")
    config.model.generator.update(antialias=True, upsample="blur", initial="xavier")
    config.model.discriminator.update(antialias=True, initial="xavier")
    config.optimizer.schedule = "linear"
    config.train.update(epochs=400, batch_size=1)
    config.data.update(source="folder", image_size=256, load_size=286, flip=True)
    return base.variant(
        config,
        variant,
        fast=dict(
            loss=dict(lambda_X=10.0, lambda_Y=0.0, flip_equivariance=True),
            optimizer=dict(decay_start=0.75),
            train=dict(epochs=200),
        ),
        quick=dict(
            data=dict(source="builtin", image_size=32, load_size=36),
            model=dict(projection=64, generator=dict(width=32, blocks=3), discriminator=dict(width=32, layers=1)),
            loss=dict(nce_layers=(0, 1, 2, 3, 4), patches=64),
            train=dict(steps=2000, epochs=0, batch_size=4),
        ),
        tiny=dict(
            model=dict(projection=8, generator=dict(width=4, blocks=1), discriminator=dict(width=4, layers=1)),
            loss=dict(nce_layers=(0, 1, 2, 3), patches=16),
        ),
    )
