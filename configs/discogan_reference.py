"""DiscoGAN as the authors' released code trains it, 64x64.

  python -m gan_xla.main --config=configs/discogan_reference.py
  python -m gan_xla.main --config=configs/discogan_reference.py:quick   about 6 minutes on 2 CPU cores

Per direction (0.1 L_GAN + 0.9 feature matching)(1 - r) + r L_CONST, r = 0.01 for 10,000 steps,
then 0.5 (the angle experiments: 0.9 throughout, `--config.loss.reconstruction_rate="((0,0.9),)"`,
with the 5-layer generator, `--config.model.generator.bottleneck=100`, and activations (2, 3));
half the discriminators' loss; every third batch is D's, the others are G's; batch 64, weight
decay 1e-5. Unlike that code, translation uses running batch statistics unless told otherwise.

:quick: 32x32 images, half the channels, batch 16, 6000 steps, r = 0.5, random crops and mirroring, a
learning rate of 4e-4 that falls to zero over the second half.
"""

import ml_collections
from gan_xla.configs import base


def get_config(variant: str = "") -> ml_collections.ConfigDict:
    """`variant`: "" for the released code's recipe, "quick" for minutes on a CPU, "tiny" for two steps."""
    config = base.get_config("discogan", "encoder_decoder", "encoder_decoder")
    config.model.generator.output = "sigmoid"
    config.loss.update(gan_weight=0.1, disc_weight=0.5, feature_weight=0.9, feature_layers=(1, 2, 3))
    config.loss.reconstruction_rate = ((0, 0.01), (10_000, 0.5))
    config.optimizer.weight_decay = 1e-5
    config.train.update(turns=("d", "g", "g"), steps=50_000)
    return base.variant(
        config,
        variant,
        quick=dict(
            data=dict(image_size=32, load_size=36, flip=True),
            model=dict(generator=dict(width=32), discriminator=dict(width=32)),
            loss=dict(feature_layers=(1, 2), reconstruction_rate=((0, 0.5),)),
            optimizer=dict(learning_rate=4e-4, schedule="linear"),
            train=dict(steps=6000, batch_size=16, checkpoint_every=500),
        ),
        tiny=dict(
            model=dict(generator=dict(width=4), discriminator=dict(width=4)),
            loss=dict(feature_layers=(0, 1)),  # the two that D has at this size
        ),
    )
