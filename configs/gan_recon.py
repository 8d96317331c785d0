"""The second baseline of the DiscoGAN paper: a GAN with one-way reconstruction (figure 2b), 64x64.

  python -m gan_xla.main --config=configs/gan_recon.py
  python -m gan_xla.main --config=configs/gan_recon.py:quick   minutes on 2 CPU cores

L_GAN_B + L_CONST_A: A to B and back, judged in B alone. All else as configs/discogan.py, in the
:quick form too.

Its D has no biases, and batch norm from the second layer on, so it cannot tell a batch from the same at half its
brightness: expect a grey background (experiments/results/azimuth_within/README.md).
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
                generator=dict(net="encoder_decoder", width=64, bottleneck=0, upsample="transpose", output="sigmoid"),
                discriminator=dict(net="encoder_decoder", width=64, spectral_norm=False),
            ),
            loss=dict(
                objective="gan_recon",
                adversarial="log",
                reconstruction="mse",
                reconstruction_weight=1.0,
                reconstruction_rate=(),
                gan_weight=1.0,
                feature_weight=0.0,
                feature_layers=(),
                pixel_weight=0.0,
                disc_weight=1.0,
            ),
            optimizer=dict(
                name="adam",
                learning_rate=2e-4,
                b1=0.5,
                b2=0.999,
                weight_decay=1e-4,
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
                turns=("dg",),
                steps=50_000,
                epochs=0,
                batch_size=200,
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
                loss=dict(
                    gan_weight=0.1,
                    feature_weight=0.9,
                    feature_layers=(1, 2),
                    reconstruction_rate=((0, 0.5),),
                    disc_weight=0.5,
                ),
                optimizer=dict(learning_rate=4e-4, schedule="linear"),
                train=dict(steps=4000, batch_size=16, sample_every=500, checkpoint_every=500),
            )
        )
    elif variant:
        raise ValueError(f"unknown variant {variant!r}; this config has: quick")
    return config
