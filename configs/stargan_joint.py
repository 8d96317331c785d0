"""StarGAN trained jointly on two data sets of different labels (Choi et al. 2018, section 3.3).

  python -m gan_xla.main --config=configs/stargan_joint.py --config.data.path=celeba/images \
    --config.data.attributes=celeba/list_attr_celeba.txt --config.data.joint.second.path=rafd
  python -m gan_xla.main --config=configs/stargan_joint.py:quick   built-in images, minutes on 2 CPU cores

As stargan.py, and a label vector holds the labels of both data sets and a mask that says which are known. Batches
of single data sets alternate, so every turn is played twice. The fields of `data.joint.second` replace those
of `data`; the paper's second data set is RaFD in class folders (rafd/train/<expression>/). Any name and
any number of data sets will do, in a config file of your own.

:quick: the built-in chairs and cars, of which the first data set knows the category and the second whether
they face the viewer, at 32x32, the rest as stargan.py:quick, 20,000 updates of D.
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
                joint=dict(
                    second=dict(
                        source="folder", name="", path="", attributes="", labels=("all",), exclusive=(), fit="crop"
                    )
                ),
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
                turns=("d", "d", "d", "d", "d", "d", "d", "d", "dg", "dg"),
                steps=400_000,
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
                data=dict(
                    source="builtin",
                    image_size=32,
                    load_size=36,
                    labels=("all",),
                    exclusive=(),
                    joint=dict(second=dict(source="builtin", name="chairs2cars", labels=("front", "back"))),
                ),
                model=dict(generator=dict(width=32, blocks=3), discriminator=dict(width=32, layers=4)),
                loss=dict(lambda_identity=0.5),
                optimizer=dict(learning_rate=2e-4),
                train=dict(
                    turns=("d", "d", "dg", "dg"),
                    steps=20_000,
                    batch_size=8,
                    checkpoint_every=500,
                    sample_every=500,
                ),
            )
        )
    elif variant:
        raise ValueError(f"unknown variant {variant!r}; this config has: quick")
    return config
