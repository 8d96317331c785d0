"""CycleGAN as it is trained today: the training of UVCGANv2 (Torbunov et al. 2023) with CycleGAN's networks, 256x256.

  python -m gan_xla.main --config=configs/cyclegan_modern.py --config.data.path=male2female
  python -m gan_xla.main --config=configs/cyclegan_modern.py:quick   built-in images, minutes on 2 CPU cores

`data.path` as in configs/cyclegan.py. Against that recipe: cycle weights of 5, identity loss of half of that; spectral
norm in the discriminators and a zero-centred gradient penalty between real and made images, which the authors' code
takes of the mean of an image's patches; the moving average of G, decay 0.9999, is used after training; Adam 1e-4
(0.5, 0.99), constant, 1,000,000 steps of batch 1; images at 256x256, mirrored, not cropped. Not of theirs: generators
stay ResNets (theirs: U-Net with a vision transformer, trained before on filling in), D sees no statistics of a batch.

:quick: chairs2cars at 32x32, as configs/cyclegan.py has it, 2000 steps of batch 4, the average's decay 0.999.
At the end chairs are cars in shape, coloured with noise; cars have a chair's legs, and keep their bodies; held-out
images come back to within 10 and 8 of 255 in the mean.
"""

import ml_collections
from gan_xla.configs import base


def _mean_of(patches: int) -> float:
    """Weight of a penalty on the sum of so many logits that equals weight 1 on their mean."""
    return 1.0 / patches**2


def get_config(variant: str = "") -> ml_collections.ConfigDict:
    """`variant`: "" for the recipe, "quick" for minutes on a CPU, "tiny" for two steps."""
    config = base.get_config("cyclegan", "resnet", "patchgan")
    config.model.discriminator.spectral_norm = True
    config.loss.update(lambda_A=5.0, lambda_B=5.0, lambda_identity=0.5, penalty="zero-gp")
    config.loss.penalty_weight = _mean_of(30 * 30)
    config.optimizer.update(learning_rate=1e-4, b2=0.99)
    config.optimizer.gen.ema_decay = 0.9999
    config.train.update(turns=("gd",), steps=1_000_000, batch_size=1)
    config.data.update(source="folder", image_size=256, flip=True)
    return base.variant(
        config,
        variant,
        quick=dict(
            data=dict(source="builtin", image_size=32, load_size=36),
            model=dict(generator=dict(width=32, blocks=3), discriminator=dict(width=32, layers=1)),
            loss=dict(penalty_weight=_mean_of(14 * 14)),
            optimizer=dict(gen=dict(ema_decay=0.999, ema_warmup=0.05)),
            train=dict(steps=2000, batch_size=4),
        ),
        tiny=dict(model=dict(generator=dict(width=4, blocks=1), discriminator=dict(width=4, layers=1))),
    )
