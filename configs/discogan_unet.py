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
from ml_collections import config_dict


def get_config(variant: str = "") -> ml_collections.ConfigDict:
    """`variant`: "" for the paper's recipe, "quick" for minutes on a CPU."""
    config = ml_collections.ConfigDict(
        dict(
            gan="discogan",
            seed=0,
            data=dict(
                source="builtin",
                name="chairs2cars",
                path="",
                path_a="",
                path_b="",
                domain_a="",
                domain_b="",
                labels=(),
                paired=False,
                image_size=64,
                channels=3,
                load_size=0,
                fit="stretch",
                flip=False,
                background=(255, 255, 255),
                max_unreadable=10,
                on_device=False,
            ),
            model=dict(
                generator=dict(net="unet", width=64, dropout=0.5, output="tanh"),
                discriminator=dict(net="patch", width=64),
            ),
            loss=dict(
                objective="discogan",
                adversarial="log",
                reconstruction="mse",
                reconstruction_weight=0.5,
                reconstruction_rate=(),
                gan_weight=0.5,
                feature_weight=0.0,
                feature_layers=(),
                pixel_weight=0.0,
                disc_weight=0.5,
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
                disc=dict(learning_rate=config_dict.placeholder(float), weight_decay=config_dict.placeholder(float)),
            ),
            train=dict(
                turns=("gd",),
                steps=50_000,
                epochs=0,
                batch_size=64,
                checkpoint_every=1000,
                keep_every=0,
                evaluate_every=0,
                score="",
                sample_every=500,
                log_every=20,
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
                data=dict(image_size=32, load_size=36, flip=True),
                model=dict(generator=dict(width=32), discriminator=dict(width=32)),
                loss=dict(reconstruction_weight=2.5),
                optimizer=dict(learning_rate=4e-4, schedule="linear"),
                train=dict(steps=2000, batch_size=16, sample_every=500, checkpoint_every=500),
            )
        )
    elif variant:
        raise ValueError(f"unknown variant {variant!r}; this config has: quick")
    return config
