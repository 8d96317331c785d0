"""CycleGAN with the paper's recipe (Zhu et al. 2017), 256x256.

  python -m gan_xla.main --config=configs/cyclegan.py --config.data.path=horse2zebra
  python -m gan_xla.main --config=configs/cyclegan.py:quick   built-in images, minutes on 2 CPU cores

`data.path` is a directory with trainA trainB testA testB, as the authors' data sets come. ResNet
generators of 9 blocks, 70x70 PatchGANs, instance norm; least squares; cycle weights of 10; pool of
50 images; Adam 2e-4, batch 1, 200 epochs, the learning rate constant for the first half, then
linear to zero; resize to 286, random crop to 256, mirroring. `--config.loss.lambda_identity=0.5`
adds the identity loss. Ablations: `loss.gan_weight=0` is the cycle alone, `lambda_A=0 lambda_B=0`
the GAN alone, `lambda_B=0` GAN and forward cycle, `lambda_A=0` GAN and backward cycle.

:quick: chairs2cars at 32x32, 3 blocks, width 32, discriminators of 16x16 patches, 2000 steps of
batch 4, learning rate as above. Shapes barely change: that is CycleGAN's nature, see DiscoGAN. At the end held-out
images come back to within 9 to 10 of 255 in the mean.
"""

import ml_collections
from gan_xla.configs import base


def get_config(variant: str = "") -> ml_collections.ConfigDict:
    """`variant`: "" for the paper's recipe, "quick" for minutes on a CPU, "tiny" for two steps."""
    config = base.get_config("cyclegan", "resnet", "patchgan")
    config.optimizer.schedule = "linear"
    config.train.update(turns=("gd",), epochs=200, batch_size=1)
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
