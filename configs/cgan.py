"""The conditional GAN of Mirza and Osindero (2014) on MNIST, 28x28.

  python -m gan_xla.main --config=configs/cgan.py
  python -m gan_xla.main --config=configs/cgan.py:quick   minutes on 2 CPU cores
  python -m gan_xla.main --mode=sample --workdir=runs/cgan --num=16 --labels=3,7 --output=out

As gan.py, and both networks see the label: a learned embedding of 10 features beside the noise and beside the
pixels (`embedding=0` for the one-hot vector itself). Sample pictures have a row for each class.

:quick: 20,000 steps, 21 epochs.
"""

import ml_collections
from ml_collections import config_dict


def get_config(variant: str = "") -> ml_collections.ConfigDict:
    """`variant`: "" for the paper's recipe, "quick" for minutes on a CPU."""
    config = ml_collections.ConfigDict(
        dict(
            gan="cgan",
            seed=0,
            data=dict(
                source="tfds",
                name="mnist",
                path="",
                path_a="",
                path_b="",
                domain_a="",
                domain_b="",
                attributes="",
                labels=("all",),
                unlabelled=False,
                paired=False,
                image_size=28,
                channels=1,
                load_size=28,
                fit="stretch",
                flip=False,
                background=(255, 255, 255),
                max_unreadable=10,
                on_device=False,
            ),
            model=dict(
                latent=100,
                generator=dict(net="gan_mlp", hidden=(128, 256, 512, 1024), embedding=10, output="tanh"),
                discriminator=dict(net="gan_mlp", hidden=(512, 256), embedding=10),
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
                epochs=200,
                batch_size=64,
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
            dict(train=dict(steps=20_000, epochs=0, steps_per_call=20, sample_every=1000, checkpoint_every=2000))
        )
    elif variant:
        raise ValueError(f"unknown variant {variant!r}; this config has: quick")
    return config
