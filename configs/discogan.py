"""DiscoGAN with the paper's objective and training (Kim et al. 2017), 64x64.

  python -m gan_xla.main --config=configs/discogan.py         the paper's recipe: a GPU's work
  python -m gan_xla.main --config=configs/discogan.py:quick   335 s on 2 CPU cores, from an empty cache

L_G = L_GAN + L_CONST in both directions with unit weights, mean squared reconstruction error, D then G on every batch;
Adam 2e-4, beta1 0.5, weight decay 1e-4, batch 200.

:quick changes no part of the method. It takes 32x32 images, half the channels, batch 16, 4000 steps, random crops and
mirroring (D would soon know 240 views of cars by heart), a learning rate of 4e-4 that falls to zero over the second
half, and the weights of the authors' released code (0.1 adversarial + 0.9 feature matching against reconstruction, at
a rate of 0.5), with which a short run shows cars for chairs; with unit weights D wins early on. Expect outlines after
500 steps and recognisable cars and chairs from 1500 on.
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
            data=dict(image_size=32, load_size=36, flip=True),
            model=dict(generator=dict(width=32), discriminator=dict(width=32)),
            loss=dict(
                gan_weight=0.1,
                disc_weight=0.5,
                feature_weight=0.9,
                feature_layers=(1, 2),
                reconstruction_rate=((0, 0.5),),
            ),
            optimizer=dict(learning_rate=4e-4, schedule="linear"),
            train=dict(steps=4000, batch_size=16, checkpoint_every=500),
        ),
        tiny=dict(model=dict(generator=dict(width=4), discriminator=dict(width=4))),
    )
