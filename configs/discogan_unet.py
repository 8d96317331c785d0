"""DiscoGAN's U-Net variant, as tutorials present it, 64x64.

  python -m gan_xla.main --config=configs/discogan_unet.py
  python -m gan_xla.main --config=configs/discogan_unet.py:quick   about 10 minutes on 2 CPU cores

U-Net generators with instance norm and dropout 0.5 (off at inference), patch discriminators, the
log loss on logits, mean squared reconstruction error, all sums of two halved; both players move
from one forward pass. With aligned pairs (`--config.data.paired=True` and two directories of
equal names) `--config.loss.pixel_weight=0.5` adds the pixelwise loss.

:quick: 32x32 images, half the channels, batch 16, 2000 steps, reconstruction weighted 5 times
more, random crops and mirroring, a learning rate of 4e-4 that falls to zero over the second half.
"""

import ml_collections
from gan_xla.configs import base


def get_config(variant: str = "") -> ml_collections.ConfigDict:
    """`variant`: "" for the tutorials' recipe, "quick" for minutes on a CPU, "tiny" for two steps."""
    config = base.get_config("discogan", "unet_discogan", "patch_discogan")
    config.loss.update(gan_weight=0.5, disc_weight=0.5, reconstruction_weight=0.5)
    config.train.update(turns=("gd",), steps=50_000)
    return base.variant(
        config,
        variant,
        quick=dict(
            data=dict(image_size=32, load_size=36, flip=True),
            model=dict(generator=dict(width=32), discriminator=dict(width=32)),
            loss=dict(reconstruction_weight=2.5),
            optimizer=dict(learning_rate=4e-4, schedule="linear"),
            train=dict(steps=2000, batch_size=16, checkpoint_every=500),
        ),
        tiny=dict(model=dict(generator=dict(width=4), discriminator=dict(width=4))),
    )
