"""PGGAN with the paper's recipe (Karras et al. 2018), up to 1024x1024.

  python -m gan_xla.main --config=configs/pggan.py --config.data.path=celeba-hq
  python -m gan_xla.main --config=configs/pggan.py:cifar --config.data.source=tfds --config.data.name=cifar10
  python -m gan_xla.main --config=configs/pggan.py:quick   built-in images, 35 minutes on 2 CPU cores beside other work
  python -m gan_xla.main --mode=sample --workdir=runs/pggan --num=64 --output=out

`data.path` is a directory of images, or of train/ [test/]; directories within train/ are all taken. Training
begins at 4x4 pixels; each doubling fades in over 600,000 images and stays for as many; batches shrink
from 128 to 4; equalised learning rate, PixelNorm, minibatch standard deviation, WGAN-GP with drift; Adam 1e-3,
beta1 0, beta2 0.99, whose moments are forgotten at both ends of a fade; pictures and samples show the
moving average of G (0.999). `data.labels` adds AC-GAN's term. `train.steps=0` is the whole schedule.
`growth.fooled=0.4` lets a level come sooner, when D scores that share of the fakes above the mean of
the real images; the last level stays the longer for it.

:cifar is the 32x32 form, 400,000 images a fade. :quick: the built-in chairs and cars up to 32x32, at most 64
channels, 16,000 images a fade and after it, batch 16, and a moving average of 0.99: one of 0.999 spans 1000 steps, all
that a fade has here, and shows new layers as they were. 7000 steps; even with 0.999 the sliced Wasserstein distance
to held-out images falls to a third of the first level's by the end.
"""

import ml_collections
from gan_xla.configs import base


def get_config(variant: str = "") -> ml_collections.ConfigDict:
    """`variant`: "" for the paper's recipe, "cifar" for 32x32, "quick" for a CPU, "tiny" for ten steps to 16x16."""
    config = base.get_config("pggan", "progressive", "progressive")
    config.optimizer.update(learning_rate=1e-3, b1=0.0, b2=0.99, gen=dict(ema_decay=0.999))
    config.train.update(turns=("d+g",), batch_size=4, checkpoint_every=5000, sample_every=1000, log_every=100)
    config.data.update(source="folder", image_size=1024, load_size=1024, flip=True)
    small = dict(image_size=32, load_size=32)
    few, fewest = dict(fmap_base=1024, fmap_max=64), dict(fmap_base=16, fmap_max=4)
    return base.variant(
        config,
        variant,
        cifar=dict(data=small, growth=dict(fade_images=400_000, stable_images=400_000)),
        quick=dict(
            data=dict(source="builtin", **small),
            growth=dict(fade_images=16_000, stable_images=16_000, batch_sizes=((4, 16),)),
            model=dict(latent=64, generator=few, discriminator=few),
            optimizer=dict(gen=dict(ema_decay=0.99)),
            train=dict(sample_every=500, checkpoint_every=500, log_every=50),
        ),
        tiny=dict(
            growth=dict(fade_images=8, stable_images=8, batch_sizes=((4, 4),)),
            model=dict(latent=4, generator=fewest, discriminator=fewest),
            train=dict(steps=0),
        ),
    )
