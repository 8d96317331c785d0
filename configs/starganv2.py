"""StarGAN v2 with the authors' recipe for animals (Choi et al. 2020, appendix B), 256x256: many domains, many styles.

  python -m gan_xla.main --config=configs/starganv2.py --config.data.path=afhq
  python -m gan_xla.main --config=configs/starganv2.py:quick   built-in images, minutes on 2 CPU cores
  python -m gan_xla.main --mode=translate --workdir=runs/starganv2 --domain=cat --input=DIR --output=out --styles=5
  python -m gan_xla.main --mode=translate --workdir=runs/starganv2 --domain=cat --input=DIR --output=out --reference=CAT

`data.path` is a directory with train/<domain>/ test/<domain>/. Styles of 64 numbers, made of noise of 16 by F or read
from an image by E; log loss, R1 1, style 1, diversity 1 (the authors take 2 for animals), which falls to 0, cycle 1;
Adam 1e-4 (0, 0.99), F's rate a hundredth, weight decay 1e-4, batch 8. D in styles by noise, D in styles by images, G by
noise (F and E learn too), G by images: four turns, a batch each, where the authors play them on one batch; 100,000 such
cycles. A moving average of 0.9995 a turn of G's, about 0.999 a cycle. Crops of 256 from 286 (the authors crop half of
the images, at random scales); mirroring; every domain is shown equally often.

The authors' form for CelebA-HQ, which keeps faces' edges by a network that finds landmarks, is not there.

:quick: chairs and faces at 32x32, width 16 up to 64, 2 levels, styles of 16 numbers, F of 64 units, 8000 turns of batch
8, Adam 2e-4, an average that begins short. Expect rough chairs and faces, all read as asked by a classifier, that
differ from style to style (ST-LPIPS 0.19 and 0.17) and take a reference's colours, after 9 minutes.
"""

import ml_collections
from gan_xla.configs import base


def get_config(variant: str = "") -> ml_collections.ConfigDict:
    """`variant`: "" for the authors' recipe, "quick" for minutes on a CPU, "tiny" for four steps."""
    config = base.get_config("starganv2", "starganv2", "starganv2")
    config.optimizer.update(learning_rate=1e-4, b1=0.0, b2=0.99, weight_decay=1e-4)
    config.optimizer.gen.ema_decay = 0.9995
    with config.unlocked():
        config.optimizer.gen.rates.F = 0.01
    config.train.update(turns=("d", "d", "g", "g"), steps=400_000, batch_size=8)
    config.data.update(source="folder", image_size=256, load_size=286, fit="crop", flip=True, labels=("all",))
    return base.variant(
        config,
        variant,
        quick=dict(
            data=dict(source="builtin", name="chairs2faces", image_size=32, load_size=36, validation=0.0),
            model=dict(
                generator=dict(width=16, most=64, levels=2, style=16),
                discriminator=dict(width=16, most=64),
                mapping=64,
            ),
            optimizer=dict(learning_rate=2e-4, gen=dict(ema_warmup=0.05)),
            train=dict(steps=8000),
        ),
        tiny=dict(
            model=dict(
                latent=4,
                generator=dict(width=4, most=8, levels=1, style=3),
                discriminator=dict(width=4, most=8),
                mapping=8,
            ),
            train=dict(steps=4),
        ),
    )
