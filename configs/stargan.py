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
loss (`loss.lambda_identity`): without it colours come out swapped after so few updates. After 2400 updates, with a
moving average of 0.99, a classifier reads all that was to be chairs as chairs, and 59 % of what was to be cars as cars.
"""

import ml_collections
from gan_xla.configs import base


def get_config(variant: str = "") -> ml_collections.ConfigDict:
    """`variant`: "" for the paper's recipe, "quick" for minutes on a CPU, "tiny" for two steps."""
    config = base.get_config("stargan", "stargan", "stargan")
    config.optimizer.update(learning_rate=1e-4, schedule="linear")
    config.train.update(turns=("d", "d", "d", "d", "dg"), steps=200_000, batch_size=16)
    config.train.update(checkpoint_every=5000, sample_every=1000, log_every=100)
    config.data.update(source="folder", image_size=128, load_size=128, fit="crop", flip=True)
    config.data.labels = ("Black_Hair", "Blond_Hair", "Brown_Hair", "Male", "Young")
    config.data.exclusive = (("Black_Hair", "Blond_Hair", "Brown_Hair"),)
    classes = dict(labels=("all",), exclusive=())
    return base.variant(
        config,
        variant,
        quick=dict(
            data=dict(source="builtin", image_size=32, load_size=36, **classes),
            model=dict(generator=dict(width=32, blocks=3), discriminator=dict(width=32, layers=4)),
            loss=dict(lambda_identity=0.5),
            optimizer=dict(learning_rate=2e-4),
            train=dict(turns=("d", "dg"), steps=10_000, batch_size=8, checkpoint_every=500, sample_every=500),
        ),
        tiny=dict(
            data=classes,
            model=dict(generator=dict(width=4, blocks=1), discriminator=dict(width=4, layers=1)),
            train=dict(turns=("d", "dg")),
        ),
    )
