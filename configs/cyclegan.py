"""CycleGAN with the paper's recipe (Zhu et al. 2017), 256x256.

  python -m gan_xla.main --config=configs/cyclegan.py --config.data.path=horse2zebra
  python -m gan_xla.main --config=configs/cyclegan.py:quick   built-in images, minutes on 2 CPU cores

`data.path` is a directory with trainA trainB testA testB, as the authors' data sets come. ResNet
generators of 9 blocks, 70x70 PatchGANs, instance norm; least squares; cycle weights of 10; pool of
50 images; Adam 2e-4, batch 1, 200 epochs, the learning rate constant for the first half, then
linear to zero; resize to 286, random crop to 256, mirroring. `--config.loss.lambda_identity=0.5`
adds the identity loss. Ablations: `loss.gan_weight=0` is the cycle alone, `lambda_A=0 lambda_B=0`
the GAN alone, `lambda_B=0` GAN and forward cycle, `lambda_A=0` GAN and backward cycle.

:quick: chairs2cars at 32x32, 3 blocks, width 32, discriminators of 16x16 patches, 2000 steps of
batch 4, learning rate as above. Shapes barely change: that is CycleGAN's nature, see DiscoGAN.
"""

import ml_collections
from ml_collections import config_dict


def get_config(variant: str = "") -> ml_collections.ConfigDict:
    """`variant`: "" for the paper's recipe, "quick" for minutes on a CPU."""
    config = ml_collections.ConfigDict(
        dict(
            gan="cyclegan",
            seed=0,
            data=dict(
                source="folder",
                name="chairs2cars",
                path="",
                path_a="",
                path_b="",
                domain_a="",
                domain_b="",
                labels=(),
                paired=False,
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
                generator=dict(
                    net="resnet",
                    width=64,
                    blocks=9,
                    dropout=0.0,
                    norm="instance",
                    upsample="transpose",
                    output="tanh",
                ),
                discriminator=dict(
                    net="patchgan",
                    width=64,
                    layers=3,
                    norm="instance",
                    spectral_norm=False,
                    judges="patches",
                ),
            ),
            loss=dict(
                adversarial="lsgan",
                gan_weight=1.0,
                lambda_A=10.0,
                lambda_B=10.0,
                lambda_identity=0.0,
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
                turns=("gd",),
                steps=0,
                epochs=200,
                batch_size=1,
                pool_size=50,
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
                data=dict(source="builtin", image_size=32, load_size=36),
                model=dict(generator=dict(width=32, blocks=3), discriminator=dict(width=32, layers=1)),
                train=dict(steps=2000, epochs=0, batch_size=4),
            )
        )
    elif variant:
        raise ValueError(f"unknown variant {variant!r}; this config has: quick")
    return config
