"""CoGAN as published: noise of 100, Adam 2e-4 with a weight decay of 5e-4, batch 64."""

from gan_xla.configs import base


def get_config(variant=""):
    config = base.get_config("cogan", loss=dict(adversarial="log"), model=dict(latent=100, width=64))
    config.optimizer.weight_decay = 5e-4
    config.train.update(turns=("d+g",), steps=25_000, batch_size=64)
    return base.variant(config, variant, tiny=dict(model=dict(latent=8, width=4)))
