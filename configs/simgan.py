"""SimGAN as a baseline of CycleGAN (Shrivastava et al. 2017; Zhu et al. 2017, section 5.1.1), 256x256.

  python -m gan_xla.main --config=configs/simgan.py --config.data.path=horse2zebra
  python -m gan_xla.main --config=configs/simgan.py:quick   built-in images, minutes on 2 CPU cores

`data.path` as in configs/cyclegan.py, and networks, pool, optimiser and epochs too; one generator, from A to B
(`model.direction=BtoA` the other way), that is to stay near its source by 10 times L1; D first.

:features: the distance is one of features (Zhu et al.: VGG-16's relu4_2; here EfficientNet-Lite0, of the extra eval).

:quick: chairs2cars at 32x32, as configs/cyclegan.py has it, 2000 steps of batch 4: two minutes of
one core. Chairs stay chairs, in the colours and with the edges of cars.
"""

import ml_collections
from gan_xla.configs import base


def get_config(variant: str = "") -> ml_collections.ConfigDict:
    """`variant`: "" for the baseline, "features", "quick" for minutes on a CPU, "tiny" for two steps."""
    config = base.get_config("simgan", "resnet", "patchgan")
    config.optimizer.schedule = "linear"
    config.train.update(epochs=200, batch_size=1)
    config.data.update(source="folder", image_size=256, load_size=286, flip=True)
    return base.variant(
        config,
        variant,
        features=dict(loss=dict(content_weight=0.0, perceptual_weight=10.0)),
        quick=dict(
            data=dict(source="builtin", image_size=32, load_size=36),
            model=dict(generator=dict(width=32, blocks=3), discriminator=dict(width=32, layers=1)),
            train=dict(steps=2000, epochs=0, batch_size=4),
        ),
        tiny=dict(model=dict(generator=dict(width=4, blocks=1), discriminator=dict(width=4, layers=1))),
    )
