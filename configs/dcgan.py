"""DCGAN's networks (Radford et al. 2016) in the GAN of gan.py, on any images, 64x64.

  python -m gan_xla.main --config=configs/dcgan.py --config.data.path=photos
  python -m gan_xla.main --config=configs/dcgan.py:quick   built-in images, minutes on 2 CPU cores

`data.path` is a directory of images, or of train/ [test/]; directories within train/ are all taken. Noise of 100,
strided convolutions and batch norm; Adam 2e-4, beta1 0.5, batch 128, 25 epochs. Losses as in gan.py;
gradient penalties want `model.discriminator.norm=instance` or none. `gan=cgan` with `data.labels` and
`data.unlabelled=False` makes it conditional.

:quick: the built-in chairs and cars at 32x32, width 32, 4000 steps of batch 32.
"""

import ml_collections
from gan_xla.configs import base


def get_config(variant: str = "") -> ml_collections.ConfigDict:
    """`variant`: "" for the paper's recipe, "quick" for minutes on a CPU, "tiny" for two steps."""
    config = base.get_config("gan", "dcgan", "dcgan")
    config.train.update(turns=("d+g",), epochs=25, batch_size=128)
    config.train.update(checkpoint_every=5000, sample_every=1000, log_every=100)
    config.data.update(source="folder", image_size=64, load_size=64, flip=True)
    return base.variant(
        config,
        variant,
        quick=dict(
            data=dict(source="builtin", image_size=32, load_size=32),
            model=dict(generator=dict(width=32), discriminator=dict(width=32)),
            train=dict(steps=4000, epochs=0, batch_size=32, sample_every=500, checkpoint_every=500),
        ),
        tiny=dict(model=dict(generator=dict(width=4), discriminator=dict(width=4))),
    )
