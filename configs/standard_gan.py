"""The first baseline of the DiscoGAN paper: a standard GAN from A to B (figure 2a), 64x64.

  python -m gan_xla.main --config=configs/standard_gan.py
  python -m gan_xla.main --config=configs/standard_gan.py:quick   minutes on 2 CPU cores

L_GAN_B alone, no reconstruction. All else as configs/discogan.py, in the other forms too.

Its D has no biases, and batch norm from the second layer on, so it cannot tell a batch from the same at half its
brightness: expect a grey background (experiments/results/azimuth_within/README.md), but in :quick, where D
sees shifted and cut images, whose grey parts give it a measure.
"""

import ml_collections
from gan_xla.configs import discogan


def get_config(variant: str = "") -> ml_collections.ConfigDict:
    """`variant`: as of configs/discogan.py."""
    config = discogan.get_config(variant)
    config.loss.objective = "gan"
    return config
