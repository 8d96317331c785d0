"""DiscoGAN with the paper's objective and training (Kim et al. 2017), 64x64.

  python -m gan_xla.main --config=configs/discogan.py         the paper's recipe: a GPU's work
  python -m gan_xla.main --config=configs/discogan.py:quick   8 minutes on 2 CPU cores, from an empty cache

L_G = L_GAN + L_CONST in both directions with unit weights, mean squared reconstruction error, D then G on every batch;
Adam 2e-4, beta1 0.5, weight decay 1e-4, batch 200.

:quick changes no part of the method. It turns chairs into faces that look where the chairs do, between -75 and 75
degrees as in the paper's angle experiments, and says at the end how well: 32x32 images, half the channels, batch 32,
3000 steps, random crops, no mirroring (left is not right here), a learning rate of 4e-4 that falls to zero over the
second half, shift and cutout of what D sees (it would soon know 550 views by heart), an average of G, and the weights
of the authors' released code (0.1 adversarial + 0.9 feature matching against reconstruction, at a rate of 0.5), with
which a short run shows something; with unit weights D wins early on. Expect outlines after 500 steps, faces that turn
from 1500 on. With data of your own, add `--config.data.flip=True` where left and right are alike.
"""

import ml_collections
from gan_xla.configs import base


def get_config(variant: str = "") -> ml_collections.ConfigDict:
    """`variant`: "" for the paper's recipe, "quick" for minutes on a CPU, "tiny" for two steps."""
    config = base.get_config("discogan", "encoder_decoder", "encoder_decoder")
    config.model.generator.output = "sigmoid"
    config.optimizer.weight_decay = 1e-4
    config.train.update(steps=50_000, batch_size=200)
    return base.variant(
        config,
        variant,
        quick=dict(
            data=dict(name="chairs2faces", azimuths=(-75, 75), image_size=32, load_size=36, validation=0.0),
            model=dict(generator=dict(width=32), discriminator=dict(width=32)),
            loss=dict(
                gan_weight=0.1,
                disc_weight=0.5,
                feature_weight=0.9,
                feature_layers=(1, 2),
                reconstruction_rate=((0, 0.5),),
                augment=("shift", "cutout"),
            ),
            optimizer=dict(learning_rate=4e-4, schedule="linear", gen=dict(ema_decay=0.999, ema_warmup=0.05)),
            train=dict(steps=3000, batch_size=32, checkpoint_every=500),
            eval=dict(score=dict(type="azimuth", every=3000)),
        ),
        tiny=dict(model=dict(generator=dict(width=4), discriminator=dict(width=4))),
    )
