"""IcGAN with the paper's recipe (Perarnau et al. 2016), CelebA's attributes at 64x64.

  python -m gan_xla.main --config=configs/icgan.py --config.data.path=celeba/images \
    --config.data.attributes=celeba/list_attr_celeba.txt
  python -m gan_xla.main --config=configs/icgan.py:quick   built-in images, minutes on 2 CPU cores
  python -m gan_xla.main --mode=sample --workdir=runs/icgan --labels=Blond_Hair,Male --output=out
  python -m gan_xla.main --mode=translate --workdir=runs/icgan --domain=Blond_Hair --input=photos --output=out

First a conditional GAN of DCGAN's networks, whose G sees the label beside the noise and whose D sees it from the second
layer on; then, from the share `train.encoders_after` of the steps on, encoders of noise and of label, while G and D
stay as they are. Noise of 100; Adam 2e-4, beta1 0.5, batch 64; D first, and G of the same noise; the central square of
178 resized to 64, mirroring; 50 epochs, half of them the encoders'. `data.labels` are the attributes to learn, and
`data.exclusive` those of which an image has one at most. More steps later move the beginning of the encoders' half.

A translation keeps what G can draw: likeness is in the noise alone.

:quick: the built-in chairs and cars as two classes, at 32x32, width 32 (encoders: 16), 8000 steps of batch 32, the last
4000 of them the encoders'. A classifier reads 99 % of the samples, and of the translations, as the class asked for. In
the pictures chairs come again with much of their shape and colour, cars with their shape alone.
"""

import ml_collections
from gan_xla.configs import base


def get_config(variant: str = "") -> ml_collections.ConfigDict:
    """`variant`: "" for the paper's recipe, "quick" for minutes on a CPU, "tiny" for two steps."""
    config = base.get_config("icgan", "dcgan", "dcgan")
    config.model.discriminator.joined = 1
    config.train.update(epochs=50, checkpoint_every=5000, sample_every=1000, log_every=100)
    config.data.update(source="folder", image_size=64, load_size=64, fit="crop", flip=True)
    config.data.labels = ("Black_Hair", "Blond_Hair", "Brown_Hair", "Male", "Young")
    config.data.exclusive = (("Black_Hair", "Blond_Hair", "Brown_Hair"),)
    classes = dict(labels=("all",), exclusive=())
    return base.variant(
        config,
        variant,
        quick=dict(
            data=dict(source="builtin", image_size=32, load_size=32, **classes),
            model=dict(encoder=dict(width=16), generator=dict(width=32), discriminator=dict(width=32)),
            train=dict(steps=8000, epochs=0, batch_size=32, sample_every=500, checkpoint_every=500),
        ),
        tiny=dict(
            data=classes,
            model=dict(encoder=dict(width=2), generator=dict(width=4), discriminator=dict(width=4)),
        ),
    )
