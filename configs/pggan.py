"""PGGAN with the paper's recipe (Karras et al. 2018), up to 1024x1024.

  python -m gan_xla.main --config=configs/pggan.py --config.data.path=celeba-hq
  python -m gan_xla.main --config=configs/pggan.py:cifar --config.data.source=tfds --config.data.name=cifar10
  python -m gan_xla.main --config=configs/pggan.py:quick   built-in images, minutes on 2 CPU cores
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
that a fade has here, and shows new layers as they were.
"""

import ml_collections
from ml_collections import config_dict


def get_config(variant: str = "") -> ml_collections.ConfigDict:
    """`variant`: "" for the paper's recipe, "cifar" for 32x32, "quick" for minutes on a CPU."""
    config = ml_collections.ConfigDict(
        dict(
            gan="pggan",
            seed=0,
            data=dict(
                source="folder",
                name="chairs2cars",
                path="",
                path_a="",
                path_b="",
                domain_a="",
                domain_b="",
                attributes="",
                labels=(),
                unlabelled=True,
                paired=False,
                image_size=1024,
                channels=3,
                load_size=1024,
                fit="stretch",
                flip=True,
                background=(255, 255, 255),
                max_unreadable=10,
                on_device=False,
            ),
            growth=dict(
                first=4,
                fade_images=600_000,
                stable_images=600_000,
                fooled=0.0,
                batch_sizes=((4, 128), (32, 64), (64, 32), (128, 16), (256, 8), (512, 4)),
            ),
            model=dict(
                latent=512,
                generator=dict(net="progressive", fmap_base=8192, fmap_max=512),
                discriminator=dict(net="progressive", fmap_base=8192, fmap_max=512, group=4),
            ),
            loss=dict(
                lambda_gp=10.0,
                drift=1e-3,
                label_weight=1.0,
            ),
            optimizer=dict(
                name="adam",
                learning_rate=1e-3,
                b1=0.0,
                b2=0.99,
                weight_decay=0.0,
                grad_clip=0.0,
                schedule="constant",
                gen=dict(
                    learning_rate=config_dict.placeholder(float),
                    weight_decay=config_dict.placeholder(float),
                    ema_decay=0.999,
                ),
                disc=dict(
                    learning_rate=config_dict.placeholder(float),
                    weight_decay=config_dict.placeholder(float),
                    clip=0.0,
                ),
            ),
            train=dict(
                turns=("d+g",),
                steps=0,
                epochs=0,
                batch_size=4,
                checkpoint_every=5000,
                keep_every=0,
                evaluate_every=0,
                score="",
                sample_every=1000,
                log_every=100,
                steps_per_call=1,
                num_seeds=1,
                dtype="float32",
                remat=False,
                accumulate=1,
                nonfinite="stop",
                max_rollbacks=3,
            ),
        )
    )
    small = dict(image_size=32, load_size=32)
    if variant == "cifar":
        config.update(dict(data=small, growth=dict(fade_images=400_000, stable_images=400_000)))
    elif variant == "quick":
        config.update(
            dict(
                data=dict(source="builtin", **small),
                growth=dict(fade_images=16_000, stable_images=16_000, batch_sizes=((4, 16),)),
                model=dict(
                    latent=64,
                    generator=dict(fmap_base=1024, fmap_max=64),
                    discriminator=dict(fmap_base=1024, fmap_max=64),
                ),
                optimizer=dict(gen=dict(ema_decay=0.99)),
                train=dict(sample_every=500, checkpoint_every=500, log_every=50),
            )
        )
    elif variant:
        raise ValueError(f"unknown variant {variant!r}; this config has: cifar, quick")
    return config
