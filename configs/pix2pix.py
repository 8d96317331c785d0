"""pix2pix with the paper's recipe (Isola et al. 2017), 256x256.

  python -m gan_xla.main --config=configs/pix2pix.py --config.data.path=facades
  python -m gan_xla.main --config=configs/pix2pix.py:quick   built-in pairs, minutes on 2 CPU cores

`data.path` is a directory with train/ and test/ or val/ of side-by-side pairs, A on the left, as the authors'
data sets come; or with trainA trainB testA testB of equal names. U-Net of 8 levels with dropout, 70x70 PatchGAN
that sees source and result, batch norm; log loss and 100 times L1; D first; Adam 2e-4, batch 1, 200 epochs, the
learning rate constant for the first half, then linear to zero; resize to 286, random crop to 256, mirroring.
`--config.model.direction=BtoA` turns it round. Ablations: `loss.gan_weight=0` is L1 alone, `loss.lambda_L1=0`
the cGAN alone, `loss.conditional=False` a D that sees results only, `model.generator.skips=False` an
encoder-decoder. `model.discriminator.layers` is 0 for pixels, 1 for 16x16 patches, 5 for 286x286.

:quick: edges2objects at 64x64, width 32, 16x16 patches, 2000 steps of batch 8, Adam 4e-4 for G and 1e-4 for
D; affine instance norm, which is what batch norm is at the paper's batch of 1. Drawings become objects of plausible
colours within two minutes; at the end the mean distance to the truth is 8 of 255 (the drawings': 35).
"""

import ml_collections
from gan_xla.configs import base


def get_config(variant: str = "") -> ml_collections.ConfigDict:
    """`variant`: "" for the paper's recipe, "quick" for minutes on a CPU, "tiny" for two steps."""
    config = base.get_config("pix2pix", "unet_pix2pix", "patchgan")
    config.model.discriminator.norm = "batch"
    config.optimizer.schedule = "linear"
    config.train.update(epochs=200, batch_size=1)
    config.data.update(source="folder", name="edges2objects", paired=True, image_size=256, load_size=286, flip=True)
    norm = dict(norm="instance_affine")
    return base.variant(
        config,
        variant,
        quick=dict(
            data=dict(source="builtin", image_size=64, load_size=72),
            model=dict(generator=dict(width=32, **norm), discriminator=dict(width=32, layers=1, **norm)),
            optimizer=dict(gen=dict(learning_rate=4e-4), disc=dict(learning_rate=1e-4)),
            train=dict(steps=2000, epochs=0, batch_size=8),
        ),
        tiny=dict(
            data=dict(name="edges2objects"),
            model=dict(generator=dict(width=4), discriminator=dict(width=4, layers=1)),
        ),
    )
