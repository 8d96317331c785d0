"""Runs of earlier versions in the present form: the one place that knows what they looked like.

What a run's config.json lacks is a field that is younger than the run. It gets the value of `configs/base.py`, which
must therefore mean "as before", or the one in `upgraded`. The state has had one form since 0.1.0
(`checkpoint.FORMAT`); when that changes, what brings an old one to it belongs here too.
"""

from collections.abc import Mapping
from typing import Any

import ml_collections

from gan_xla.configs import base
from gan_xla.run import evaluators

FORMAT = 1  # of config.json; 0, the first, did not say so
NETS = {"mlp": "mlp_points", "gan_mlp": "mlp_images", "unet": "unet_discogan", "patch": "patch_discogan"}  # renamed
SIDES = ("generator", "discriminator")
# Fields that have other names since a run may have several evaluators.
FIELDS = {"train.evaluate_every": "eval.score.every", "train.score": "eval.score.type"}


def renamed(config: Mapping[str, Any]) -> ml_collections.ConfigDict:
    """A config, of a run or a user's own file, with the present names."""
    config = ml_collections.ConfigDict(config)
    for fields in _sides(config).values():
        fields.net = NETS.get(fields.net, fields.net)
    return _with_evaluators(config)


def _with_evaluators(config: ml_collections.ConfigDict) -> ml_collections.ConfigDict:
    """All fields of every evaluator, and in the first what once was said of the only one."""
    train = config.get("train", {})
    found = {name: dict(fields) for name, fields in config.get("eval", {}).items()}
    for old, new in FIELDS.items():
        if (name := old.rpartition(".")[-1]) in train:
            found.setdefault("score", {})[new.rpartition(".")[-1]] = train[name]
            del train[name]
    config.eval = evaluators.completed(found)
    return config


def _sides(config: ml_collections.ConfigDict) -> dict[str, ml_collections.ConfigDict]:
    """What a config says of the networks that are known by name; some methods bring their own."""
    model = config.get("model", {})
    return {side: model[side] for side in SIDES if "net" in model.get(side, {})}


def upgraded(config: Mapping[str, Any]) -> ml_collections.ConfigDict:
    """The config of a run of any earlier version with the present names and all fields of its method and networks.

    Raises:
      LookupError, TypeError, AttributeError: it is no config.
    """
    config = renamed(config)
    if "gan" not in config:  # whoever builds it will say so
        return config
    full = base.get_config(config.gan, **{side: fields.net for side, fields in _sides(config).items()})
    with full.unlocked(), full.ignore_type():
        full.data.validation = 0.0  # scores were taken on test images
        full.data.dtype = "uint8"  # what had more bits was scaled down
        if "pool" in full.train:
            full.train.pool = "sequential"  # there was no other form
        full.update(config)
    return full
