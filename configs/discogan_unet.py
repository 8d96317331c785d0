"""DiscoGAN's U-Net variant.
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
                paired=False,
                image_size=64,
                load_size=0,
                flip=False,
                background=(255, 255, 255),
                max_unreadable=10,
            ),
            model=dict(
                generator=dict(net="unet", width=64, dropout=0.5, output="tanh"),
                discriminator=dict(net="patch", width=64),
            ),
            loss=dict(
                objective="discogan",
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
                schedule="constant",
                gen=dict(learning_rate=config_dict.placeholder(float), weight_decay=config_dict.placeholder(float)),
                disc=dict(learning_rate=config_dict.placeholder(float), weight_decay=config_dict.placeholder(float)),
            ),
            train=dict(
                turns=("gd",),
                steps=50_000,
                epochs=0,
                batch_size=1,
                checkpoint_every=1000,
                sample_every=500,
                log_every=20,
                steps_per_call=1,
                num_seeds=1,
            ),
        )
    )
    if variant == "quick":
        config.update(dict(train=dict(steps=500, batch_size=32)))
    elif variant:
        raise ValueError(f"unknown variant {variant!r}; this config has: quick")
    return config
