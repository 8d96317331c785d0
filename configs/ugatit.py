"""U-GAT-IT with the authors' recipe (Kim et al. 2020), 256x256: for changes of shape as well as of texture.

  python -m gan_xla.main --config=configs/ugatit.py --config.data.path=selfie2anime
  python -m gan_xla.main --config=configs/ugatit.py:quick   built-in images, minutes on 2 CPU cores

`data.path` is a directory with trainA trainB testA testB. Least squares for a global and a local judge of each domain
and for the classifiers of their attention; cycle and identity losses of 10, the generators' classifiers 1000; Adam 1e-4
(0.5, 0.999), weight decay 1e-4, batch 1, 1,000,000 steps, the learning rate constant for the first half, then linear to
zero; resize to 286, random crop to 256, mirroring. A generator makes gamma and beta of all pixels of its maps, which is
a layer of 268 million parameters (8 GB with both players' moments, 3 more for a step);
`--config.model.generator.light=True` makes them of the maps' means, as the authors' `--light` (1.5 GB). With
`--config.model.generator.unbiased=True` variances are those of the authors' PyTorch code, as which such a run can be
exported; without, those of their TensorFlow code.

:quick: chairs to faces at 32x32, width 16, 2 blocks of either kind, judges of 3 and 1 strided convolutions, 2000 steps
of batch 4, no mirroring, Adam 2e-4, an average of G. Expect blurred heads in the place of chairs after 2000 steps (7
minutes), which look where the chairs do with a mean error of 27 degrees where chance gives 55, and chairs in the place
of heads with one of 20.
"""

import ml_collections
from gan_xla.configs import base


def get_config(variant: str = "") -> ml_collections.ConfigDict:
    """`variant`: "" for the authors' recipe, "quick" for minutes on a CPU, "tiny" for two steps."""
    config = base.get_config("ugatit", "ugatit", "ugatit")
    config.optimizer.update(learning_rate=1e-4, weight_decay=1e-4, schedule="linear")
    config.train.update(steps=1_000_000, batch_size=1)
    config.data.update(source="folder", image_size=256, load_size=286, flip=True)
    return base.variant(
        config,
        variant,
        quick=dict(
            data=dict(
                source="builtin",
                name="chairs2faces",
                azimuths=(-75, 75),
                image_size=32,
                load_size=36,
                flip=False,
                validation=0.0,
            ),
            model=dict(generator=dict(width=16, blocks=2), discriminator=dict(width=16, layers=3, local=1)),
            optimizer=dict(learning_rate=2e-4, gen=dict(ema_decay=0.999, ema_warmup=0.05)),
            train=dict(steps=2000, batch_size=4),
        ),
        tiny=dict(
            model=dict(generator=dict(width=4, blocks=1), discriminator=dict(width=4, layers=2, local=1)),
        ),
    )
