"""StarGAN with the paper's recipe (Choi et al. 2018), CelebA's attributes at 128x128.

  python -m gan_xla.main --config=configs/stargan.py --config.data.path=celeba/images \
    --config.data.attributes=celeba/list_attr_celeba.txt
  python -m gan_xla.main --config=configs/stargan.py:quick   built-in images, minutes on 2 CPU cores

One generator for all domains, told by a label vector where to go; WGAN-GP, domain classification,
L1 reconstruction; five updates of D for one of G; Adam 1e-4, batch 16, 200,000 updates of D, the
learning rate constant for the first half, then linear to zero; the central square of 178 resized to
128, mirroring. `data.labels` are the attributes to learn, `data.exclusive` those of which an image
has one at most. With `data.source=tfds --config.data.name=celeb_a` TFDS reads the images. Class
folders: `data.path` with train/<class>/, `--config.data.labels="('all',)" --config.data.exclusive="()"`.
`loss.adversarial=log`, `lambda_gp=0` is the paper's first form (equation 1).

:quick: the built-in chairs and cars as two classes, at 32x32, G of width 32 and 3 blocks, D of width 32
and 4 layers, batch 8, Adam 2e-4, 10,000 updates of D, two for one of G, and half of CycleGAN's identity
loss (`loss.lambda_identity`): without it colours come out swapped after so few updates.
"""

import ml_collections
from ml_collections import config_dict


def get_config(variant: str = "") -> ml_collections.ConfigDict:
    """`variant`: "" for the paper's recipe, "quick" for minutes on a CPU."""
    config = ml_collections.ConfigDict(
        dict(
            gan="stargan",
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
                labels=("Black_Hair", "Blond_Hair", "Brown_Hair", "Male", "Young"),
                exclusive=(("Black_Hair", "Blond_Hair", "Brown_Hair"),),
                joint=dict(),
                paired=False,
                image_size=128,
                channels=3,
                load_size=128,
                fit="crop",
                flip=True,
                background=(255, 255, 255),
                max_unreadable=10,
                on_device=False,
            ),
            model=dict(
                generator=dict(net="stargan", width=64, blocks=6, upsample="transpose", output="tanh"),
                discriminator=dict(net="stargan", width=64, layers=6),
            ),
            loss=dict(
                adversarial="wgan",
                lambda_gp=10.0,
                lambda_cls=1.0,
                lambda_rec=10.0,
                lambda_identity=0.0,
            ),
            optimizer=dict(
                name="adam",
                learning_rate=1e-4,
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
                turns=("d", "d", "d", "d", "dg"),
                steps=200_000,
                epochs=0,
                batch_size=16,
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
                data=dict(source="builtin", image_size=32, load_size=36, labels=("all",), exclusive=()),
                model=dict(generator=dict(width=32, blocks=3), discriminator=dict(width=32, layers=4)),
                loss=dict(lambda_identity=0.5),
                optimizer=dict(learning_rate=2e-4),
                train=dict(turns=("d", "dg"), steps=10_000, batch_size=8, checkpoint_every=500, sample_every=500),
            )
        )
    elif variant:
        raise ValueError(f"unknown variant {variant!r}; this config has: quick")
    return config
