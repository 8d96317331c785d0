"""The shipped configs: what they resolve to, and that base.py says it of the networks that there are."""

import importlib
import json
import pkgutil
from pathlib import Path

import pytest
from gan_xla.configs import base

from gan_xla import gans, nets
from gan_xla.errors import UserError
from gan_xla.nets import blocks
from gan_xla.run import compat, limits, settings

CONFIGS = settings.shipped()
VARIANTS = {name: ("", "quick", "tiny") for name in CONFIGS} | {
    "pggan": ("", "cifar", "quick", "tiny"),
    "cut": ("", "fast", "quick", "tiny"),
    "simgan": ("", "features", "quick", "tiny"),
}
SPECS = [f"{name}:{variant}".rstrip(":") for name, variants in VARIANTS.items() for variant in variants]
# Made when every config had all of its fields in its own file; of a younger config, when it came.
BEFORE = json.loads(Path(__file__).with_name("configs_before.json").read_text())
# Fields that not every config had then, with the values that their absence meant, of some by network or method.
SINCE = {
    "data.validation": None,
    "data.azimuths": [],
    "data.spread": 0.1,
    "model.generator.padding": "reflect",
    "model.generator.slope": 0.2,
    "model.discriminator.slope": 0.2,
    "model.generator.unbiased": False,
    "model.generator.first_norm": True,
    "model.generator.first_biases": "shared",
    "data.pairs": "",
    "data.paired_share": 0.0,
    "data.suffixes": [],
    "data.flip_vertical": False,
    "data.turn": False,
    "data.rotate": 0.0,
    "data.scale": 0.0,
    "data.color": 0.0,
    "data.balance": False,
    "data.max_pixels": 178_956_970,
    "data.channels_a": None,
    "data.channels_b": None,
    "data.kind_a": "images",
    "data.kind_b": "images",
    "data.palette_a": [],
    "data.palette_b": [],
    "data.dtype": "",
    "data.dtype_a": "",
    "data.dtype_b": "",
    "data.range": [],
    "data.range_a": [],
    "data.range_b": [],
    "optimizer.disc.clip": 0.0,
    "model.direction": "AtoB",
    "model.generator.levels": None,
    "model.generator.norm": "instance",
    "model.generator.output": "linear",
    "model.generator.antialias": False,
    "model.generator.initial": "normal",
    "model.discriminator.joined": 0,
    "model.discriminator.antialias": False,
    "model.discriminator.initial": "normal",
    "model.discriminator.norm": {"patch_discogan": "instance", "encoder_decoder": "batch"},
    "model.discriminator.spectral_norm": False,
    "loss.augment": [],
    "loss.perceptual_weight": 0.0,
    "loss.ms_ssim_weight": 0.0,
    "loss.edge_weight": 0.0,
    "loss.compare": {
        **dict.fromkeys(("discogan", "cyclegan", "stargan"), "cycle"),
        **dict.fromkeys(("cut", "dclgan"), "source"),
        "pix2pix": "truth",
    },
    "loss.paired_weight": 10.0,
    "loss.penalty": "none",
    "loss.penalty_weight": 10.0,
    "optimizer.gen.ema_warmup": 0.0,
    "optimizer.gen.rates": {},
    "train.pool": "",
    "train.patience": 0,
    "train.best": "score",
    **{f"eval.score.{name}": value for name, value in base.EVALUATOR.items()},
    "train.wandb": "",
    "optimizer.decay_start": 0.5,
    "optimizer.warmup": 0,
    "optimizer.gen.schedule": None,
    "optimizer.gen.decay_start": None,
    "optimizer.gen.warmup": None,
    "optimizer.disc.schedule": None,
    "optimizer.disc.decay_start": None,
    "optimizer.disc.warmup": None,
}

# Recipes that were changed on purpose.
_QUICK = {
    "data.name": "chairs2faces",
    "data.flip": False,
    "loss.augment": ["shift", "cutout"],
    "optimizer.gen.ema_decay": 0.999,
    "train.batch_size": 32,
    "eval.score.every": 3000,
    "eval.score.type": "azimuth",
    "train.steps": 3000,
    # Younger than the record.
    "data.azimuths": [-75, 75],
    "data.validation": 0.0,
    "optimizer.gen.ema_warmup": 0.05,
}
CHANGED = {f"{name}:quick": _QUICK for name in ("discogan", "gan_recon", "standard_gan")}


NETWORKS = [
    (role, part.name)
    for part in pkgutil.iter_modules(nets.__path__)
    for role in ("Generator", "Discriminator")
    if hasattr(importlib.import_module(f"gan_xla.nets.{part.name}"), role)
]


def _leaves(tree, prefix=""):
    """As `settings.flat`, with empty sections."""
    for key, value in tree.items():
        yield from (
            _leaves(value, f"{prefix}{key}.") if value and isinstance(value, dict) else [(f"{prefix}{key}", value)]
        )


@pytest.mark.parametrize("spec", BEFORE)
def test_a_config_resolves_to_what_it_was(spec):
    before, changed = dict(_leaves(BEFORE[spec])), CHANGED.get(spec, {})
    before = {compat.FIELDS.get(name, name): value for name, value in before.items()}
    before |= {name: value for name, value in changed.items() if name in before}
    for side in compat.SIDES:
        before[f"model.{side}.net"] = compat.NETS.get(before[f"model.{side}.net"], before[f"model.{side}.net"])
    now = dict(_leaves(json.loads(json.dumps(settings.load(spec).to_dict()))))
    assert {name: now.get(name, "missing") for name in before} == before
    assert [name for name in before if type(now[name]) is not type(before[name])] == []
    names = (now["gan"], now["model.discriminator.net"])
    added = {name: changed.get(name, SINCE[name]) for name in now.keys() - before.keys()}
    one = lambda values: next(values[name] for name in names if name in values)
    meant = {name: one(value) if value and isinstance(value, dict) else value for name, value in added.items()}
    assert {name: now[name] for name in added} == meant


def test_every_form_of_every_config_but_the_new_tiny_ones_is_in_the_record():
    assert sorted(spec for spec in SPECS if not spec.endswith(":tiny")) == sorted(BEFORE)


@pytest.mark.parametrize("spec", SPECS)
def test_every_form_of_every_config_builds(spec):
    config = settings.load(spec)
    assert gans.build(config).length > 0 or settings.resolve(config, 1000).train.steps > 0


@pytest.mark.parametrize("config", CONFIGS)
def test_an_unknown_variant_is_told_with_the_known_ones(config):
    known = ", ".join(VARIANTS[config][1:])
    with pytest.raises(UserError, match=f"unknown variant 'nonesuch'; this config has: {known}$"):
        settings.load(f"{config}:nonesuch")


@pytest.mark.parametrize("config", CONFIGS)
def test_a_tiny_form_needs_no_data_and_is_small(config):
    tiny = settings.load(f"{config}:tiny")
    assert tiny.data.source == "builtin" and tiny.data.image_size in (0, 16) and tiny.train.batch_size == 4
    sizes = [value for name, value in _leaves(tiny.model.to_dict()) if name.endswith((".width", ".hidden"))]
    assert all(x <= 8 for size in sizes for x in (size if isinstance(size, tuple) else (size,)))


@pytest.mark.parametrize("role, net", NETWORKS)
def test_base_has_all_options_of_each_network_and_no_others(role, net):
    network = getattr(importlib.import_module(f"gan_xla.nets.{net}"), role)
    given = {*blocks.Network.__dataclass_fields__, "size", "channels", "labels", "latent"}  # by what builds it
    fields = base.get_config("gan", net, net).model[role.lower()]
    assert set(fields) - {"net"} == network.__dataclass_fields__.keys() - given


def test_configs_share_no_values():
    one, other = settings.load("gan"), settings.load("gan")
    one.optimizer.gen.learning_rate = 1.0
    assert other.optimizer.gen.learning_rate is None and settings.load("gan").optimizer.gen.learning_rate is None


def test_a_newcomer_has_the_common_fields_and_brings_its_own():
    config = base.get_config("newcomer", "resnet", "patchgan", loss=dict(adversarial="hinge", mine=2.0))
    assert config.loss.to_dict() == {"adversarial": "hinge", "mine": 2.0} and "pool_size" not in config.train
    assert config.model.generator.net == "resnet" and config.train.steps_per_call == 1
    with pytest.raises(AttributeError, match="stesp"):
        config.train.stesp = 3


def test_a_rule_is_for_the_field_of_its_full_name_alone():
    limits.check({"loss.group": 0, "loss.levels": 5000, "mine.width": 0, "train.channels": 9})
    for field, value in {
        "model.discriminator.group": 0,
        "model.generator.levels": 5000,
        "data.joint.second.channels": 0,
        "optimizer.disc.b1": 1.0,
    }.items():
        with pytest.raises(UserError, match=f"{field}={value} must be"):
            limits.check({field: value})
