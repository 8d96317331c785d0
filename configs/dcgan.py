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
from ml_collections import config_dict


def get_config(variant: str = "") -> ml_collections.ConfigDict:
    """`variant`: "" for the paper's recipe, "quick" for minutes on a CPU."""
    config = ml_collections.ConfigDict(
        dict(
            gan="gan",
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
                image_size=64,
                channels=3,
                load_size=64,
                fit="stretch",
                flip=True,
                background=(255, 255, 255),
                max_unreadable=10,
                on_device=False,
            ),
            model=dict(
                latent=100,
                generator=dict(net="dcgan", width=64, output="tanh"),
                discriminator=dict(net="dcgan", width=64, norm="batch", spectral_norm=False),
            ),
            loss=dict(
                adversarial="log",
                penalty="none",
                penalty_weight=10.0,
            ),
            optimizer=dict(
                name="adam",
                learning_rate=2e-4,
                b1=0.5,
                b2=0.999,
                weight_decay=0.0,
                grad_clip=0.0,
                schedule="constant",
                gen=dict(
                    learning_rate=config_dict.placeholder(float),
                    weight_decay=config_dict.placeholder(float),
                    ema_decay=0.0,
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
                epochs=25,
                batch_size=128,
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
    if variant == "quick":
        config.update(
            dict(
                data=dict(source="builtin", image_size=32, load_size=32),
                model=dict(generator=dict(width=32), discriminator=dict(width=32)),
                train=dict(steps=4000, epochs=0, batch_size=32, sample_every=500, checkpoint_every=500),
            )
        )
    elif variant:
        raise ValueError(f"unknown variant {variant!r}; this config has: quick")
    return config
