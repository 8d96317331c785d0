"""Conditional GAN: Mirza and Osindero, Conditional Generative Adversarial Nets, 2014."""

import ml_collections

from gan_xla.contract import Gan
from gan_xla.gans import gan
from gan_xla.labels import LabelSpace


def build(config: ml_collections.ConfigDict, *, axis_name: str | None = None) -> Gan:
    """A GAN (see `gan_xla.gans.gan`) both of whose networks see the label, on batches with `label` and `target`.

    Fakes are made for the labels `target`, which have the distribution of the data's.
    """
    return gan.build(config, axis_name=axis_name, labels=LabelSpace.of(config.data))
