"""pix2pix with the paper's recipe (Isola et al. 2017), 256x256.

  python -m gan_xla.main --config=configs/pix2pix.py --config.data.path=facades
  python -m gan_xla.main --config=configs/pix2pix.py:quick   built-in pairs, minutes on 2 CPU cores

`data.path` is a directory with train/ and test/ or val/ of side-by-side pairs, A on the left, as the authors'
data sets come; or with trainA trainB testA testB of equal names. U-Net of 8 levels with dropout, 70x70 PatchGAN
that sees source and result, batch norm; log loss and 100 times L1; D first; Adam 2e-4, batch 1, 200 epochs, the
learning rate constant for the first half, then linear to zero; resize to 286, random crop to 256, mirroring.
`--config.model.direction=BtoA` turns it round. Ablations: `loss.gan_weight=0` is L1 alone, `loss.lambda_L1=0`
the cGAN alone, `loss.conditional=False` a D that sees results only, `model.generator.skips=False` an
encoder-decoder. `model.discriminator.layers` is 0 for pixels, 1 for 16x16 patches, 5 for 286x286.

:quick: edges2objects at 64x64, width 32, 16x16 patches, 2000 steps of batch 8, Adam 4e-4 for G and 1e-4 for
D; affine instance norm, which is what batch norm is at the paper's batch of 1. Drawings become
objects of plausible colours within two minutes.
"""

import ml_collections
from ml_collections import config_dict


def get_config(variant: str = "") -> ml_collections.ConfigDict:
    """`variant`: "" for the paper's recipe, "quick" for minutes on a CPU."""
    config = ml_collections.ConfigDict(
        dict(
            gan="pix2pix",
            seed=0,
            data=dict(
                source="folder",
                name="edges2objects",
                path="",
                path_a="",
                path_b="",
                domain_a="",
                domain_b="",
                labels=(),
                paired=True,
                image_size=256,
                channels=3,
                load_size=286,
                fit="stretch",
                flip=True,
                background=(255, 255, 255),
                max_unreadable=10,
                on_device=False,
            ),
            model=dict(
                direction="AtoB",
                generator=dict(
                    net="unet_pix2pix",
                    width=64,
                    dropout=0.5,
                    norm="batch",
                    upsample="transpose",
                    skips=True,
                    output="tanh",
                ),
                discriminator=dict(
                    net="patchgan",
                    width=64,
                    layers=3,
                    norm="batch",
                    spectral_norm=False,
                    judges="patches",
                ),
            ),
            loss=dict(
                adversarial="log",
                conditional=True,
                gan_weight=1.0,
                lambda_L1=100.0,
                disc_weight=0.5,
            ),
            optimizer=dict(
                name="adam",
                learning_rate=2e-4,
                b1=0.5,
                b2=0.999,
                weight_decay=0.0,
                grad_clip=0.0,
                schedule="linear",
                gen=dict(
                    learning_rate=config_dict.placeholder(float),
                    weight_decay=config_dict.placeholder(float),
                    ema_decay=0.0,
                ),
                disc=dict(learning_rate=config_dict.placeholder(float), weight_decay=config_dict.placeholder(float)),
            ),
            train=dict(
                turns=("dg",),
                steps=0,
                epochs=200,
                batch_size=1,
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
                data=dict(source="builtin", image_size=64, load_size=72),
                model=dict(
                    generator=dict(width=32, norm="instance_affine"),
                    discriminator=dict(width=32, layers=1, norm="instance_affine"),
                ),
                optimizer=dict(gen=dict(learning_rate=4e-4), disc=dict(learning_rate=1e-4)),
                train=dict(steps=2000, epochs=0, batch_size=8),
            )
        )
    elif variant:
        raise ValueError(f"unknown variant {variant!r}; this config has: quick")
    return config
