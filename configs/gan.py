"""The GAN of Goodfellow et al. (2014) on MNIST, 28x28.

  python -m gan_xla.main --config=configs/gan.py
  python -m gan_xla.main --config=configs/gan.py:quick   minutes on 2 CPU cores
  python -m gan_xla.main --mode=sample --workdir=runs/gan --num=64 --output=out

Perceptrons in the common form: noise of 100, G 128-256-512-1024 with batch norm, D 512-256; Adam 2e-4, beta1
0.5, batch 64, 200 epochs; new noise for each player. TFDS downloads MNIST (11 MB); where it cannot,
`python -m experiments.data.mnist --output=data/mnist` and `--config.data.source=folder
--config.data.path=data/mnist`. `loss.adversarial`: log is non-saturating, minimax the paper's equation 1,
lsgan, hinge, wgan (with `optimizer.disc.clip=0.01`, or `loss.penalty=wgan-gp`, wgan-gp-one-sided, r1). A
convolutional pair: configs/dcgan.py.

:quick: 20,000 steps, 21 epochs.
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
                source="tfds",
                name="mnist",
                path="",
                path_a="",
                path_b="",
                domain_a="",
                domain_b="",
                attributes="",
                labels=(),
                unlabelled=True,
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
                generator=dict(net="gan_mlp", hidden=(128, 256, 512, 1024), embedding=0, output="tanh"),
                discriminator=dict(net="gan_mlp", hidden=(512, 256), embedding=0),
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
