"""The toy experiment of the DiscoGAN paper: 5 modes to 10 modes in the plane.

  python -m gan_xla.main --config=configs/toy_gmm.py
  python -m gan_xla.main --config=configs/toy_gmm.py:quick   half a minute on 2 CPU cores

Perceptrons, G of 3 layers and D of 5, 128 hidden units; the paper's objective; Adam 2e-4, beta1
0.5, batch 200. `--config.loss.objective=gan` and `gan_recon` give the baselines. Pictures show
points: where DiscoGAN succeeds, A to B covers all 10 modes. experiments/toy.py runs many seeds.

:quick: 5000 steps in place of 50,000.
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
                name="gmm",
                path="",
                path_a="",
                path_b="",
                domain_a="",
                domain_b="",
                labels=(),
                paired=False,
                image_size=0,
                channels=2,
                load_size=0,
                fit="stretch",
                flip=False,
                background=(255, 255, 255),
                max_unreadable=10,
                on_device=False,
            ),
            model=dict(
                generator=dict(net="mlp", layers=3, hidden=128),
                discriminator=dict(net="mlp", layers=5, hidden=128),
            ),
            loss=dict(
                objective="discogan",
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
                turns=("dg",),
                steps=50_000,
                epochs=0,
                batch_size=200,
                checkpoint_every=10_000,
                keep_every=0,
                evaluate_every=0,
                score="",
                sample_every=5000,
                log_every=500,
                steps_per_call=50,
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
                train=dict(steps=5000, sample_every=1000),
            )
        )
    elif variant:
        raise ValueError(f"unknown variant {variant!r}; this config has: quick")
    return config
