"""CoGAN (Liu and Tuzel 2016): pairs of images from one noise, learnt from two domains without pairs, 64x64.

  python -m gan_xla.main --config=configs/cogan.py --config.data.path=horse2zebra
  python -m gan_xla.main --config=configs/cogan.py:quick   built-in images, minutes on 2 CPU cores
  python -m gan_xla.main --mode=sample --workdir=runs/cogan --num=16 --output=pairs
  python -m gan_xla.main --mode=translate --workdir=runs/cogan --direction=AtoB --input=photos --output=out

`data.path` is a directory with trainA trainB testA testB. Noise of 100; transposed convolutions of 1024-512-256-128,
batch norm and PReLU, which both generators share, and a last one of each; of the discriminators the first convolution
is each one's own. Cross-entropy, Adam 2e-4, beta1 0.5, weight decay 5e-4, batch 64, 25,000 steps, new noise for each
player. Images are of 64 pixels where the authors' digits are of 28, with an output of tanh.

A translation is a search for the noise that draws the image, from `model.search_starts` noises in `model.search_steps`
steps each; what G cannot draw comes out as what it can. `--mode=export` holds the search as stablehlo and savedmodel,
and with `--task=sample` the pairs as onnx, too.

:quick: chairs2cars at 32x32, width 32, 4000 steps of batch 32. Images that G drew become the other of their pair, but
for 3 % (chairs) and 8 % (cars) of the mean squared difference of two draws; test images become what G can draw. Pairs
share little of what people see: not the colours, and where they face hardly (mean errors of 60 and 79 degrees, chance
90). A translation takes a third of a second on one core.
"""

import ml_collections
from gan_xla.configs import base


def get_config(variant: str = "") -> ml_collections.ConfigDict:
    """`variant`: "" for the paper's recipe, "quick" for minutes on a CPU, "tiny" for two steps."""
    config = base.get_config("cogan", "cogan", "cogan")
    config.optimizer.weight_decay = 5e-4
    config.train.update(turns=("d+g",), steps=25_000, checkpoint_every=5000, sample_every=1000, log_every=100)
    config.data.update(source="folder", image_size=64, load_size=64)
    return base.variant(
        config,
        variant,
        quick=dict(
            data=dict(source="builtin", image_size=32, load_size=32),
            model=dict(generator=dict(width=32), discriminator=dict(width=32)),
            train=dict(steps=4000, batch_size=32, sample_every=500, checkpoint_every=500),
        ),
        tiny=dict(
            model=dict(search_starts=2, search_steps=3, generator=dict(width=4), discriminator=dict(width=4)),
        ),
    )
