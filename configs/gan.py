"""The GAN of Goodfellow et al. (2014) on MNIST, 28x28.

  python -m gan_xla.main --config=configs/gan.py
  python -m gan_xla.main --config=configs/gan.py:quick   minutes on 2 CPU cores
  python -m gan_xla.main --mode=sample --workdir=runs/gan --num=64 --output=out

Perceptrons in the common form: noise of 100, G 128-256-512-1024 with batch norm, D 512-256; Adam 2e-4, beta1
0.5, batch 64, 200 epochs; new noise for each player. TFDS downloads MNIST (11 MB); where it cannot,
`python -m experiments.data.mnist --output=data/mnist` and `--config.data.source=folder
--config.data.path=data/mnist`. `loss.adversarial`: log is non-saturating, minimax the paper's equation 1,
lsgan, hinge, wgan (with `optimizer.disc.clip=0.01`, or `loss.penalty=wgan-gp`, wgan-gp-one-sided, r1). A
convolutional pair: configs/dcgan.py.

:quick: 20,000 steps, 21 epochs.
"""

import ml_collections
from gan_xla.configs import base


def get_config(variant: str = "") -> ml_collections.ConfigDict:
    """`variant`: "" for the common recipe, "quick" for minutes on a CPU, "tiny" for two steps."""
    config = base.get_config("gan", "mlp_images", "mlp_images")
    config.train.update(turns=("d+g",), epochs=200, checkpoint_every=5000, sample_every=1000, log_every=100)
    config.data.update(source="tfds", name="mnist", image_size=28, load_size=28, channels=1)
    return base.variant(
        config,
        variant,
        quick=dict(train=dict(steps=20_000, epochs=0, steps_per_call=20, checkpoint_every=2000)),
        tiny=dict(model=dict(generator=dict(hidden=(4, 5)), discriminator=dict(hidden=(5, 4)))),
    )
