"""The toy experiment of the DiscoGAN paper: 5 modes to 10 modes in the plane.

  python -m gan_xla.main --config=configs/toy_gmm.py
  python -m gan_xla.main --config=configs/toy_gmm.py:quick   half a minute on 2 CPU cores

Perceptrons, G of 3 layers and D of 5, 128 hidden units; the paper's objective; Adam 2e-4, beta1
0.5, batch 200. `--config.loss.objective=gan` and `gan_recon` give the baselines. Pictures show
points: where DiscoGAN succeeds, A to B covers all 10 modes. experiments/toy.py runs many seeds: after
10,000 steps of batch 64 DiscoGAN covers 7.2 modes in the mean of 50, one-way reconstruction 4.9, a standard GAN 4.8.

:quick: 5000 steps in place of 50,000.
"""

import ml_collections
from gan_xla.configs import base


def get_config(variant: str = "") -> ml_collections.ConfigDict:
    """`variant`: "" for the paper's recipe, "quick" for half a minute on a CPU, "tiny" for two steps."""
    config = base.get_config("discogan", "mlp_points", "mlp_points")
    config.train.update(steps=50_000, batch_size=200, steps_per_call=50)
    config.train.update(checkpoint_every=10_000, sample_every=5000, log_every=500)
    config.data.update(name="gmm", image_size=0, channels=2)
    return base.variant(
        config,
        variant,
        quick=dict(train=dict(steps=5000, sample_every=1000)),
        tiny=dict(
            data=dict(name="gmm", image_size=0, load_size=0),
            model=dict(generator=dict(hidden=8), discriminator=dict(hidden=8)),
        ),
    )
