"""Run by test_devices in a process of its own: three steps on one device and on eight.

Prints, for each case, the largest relative difference between the two states, in float64.
"""

import json
import sys

import jax
import jax.numpy as jnp
import numpy as np
from ml_collections import ConfigDict

from gan_xla import devices, gans, images
from gan_xla.run import settings
from gan_xla.run.state import create, optimizers
from gan_xla.training.step import make_step

SIZE, BATCH, STEPS = 16, 16, 3

CASES = {
    # Feature matching is not a mean over samples; dropout is drawn per sample.
    "feature_matching": dict(config="discogan_reference", turns=("dg",)),
    "dropout": dict(config="discogan_unet", turns=("gd",)),
    # Conditional discriminators; the averages are kept too.
    "ema": dict(config="pix2pix", turns=("dg",), ema_decay=0.9),
    # The gradient penalty draws a point for every sample.
    "gradient_penalty": dict(config="stargan", turns=("dg",)),
    # Groups of the minibatch standard deviation; a mean over all devices tells how well D is fooled.
    "progressive": dict(config="pggan", turns=("d+g",), ema_decay=0.9),
    # The pool sees the samples of all devices, in their order; it is full in the second step, or in the first.
    # Batch norm, because biases before an instance norm move by what Adam makes of rounding.
    "pool": dict(config="cyclegan", turns=("gd",), norm="batch", size=(12, 16)),
    "small_pool": dict(config="cyclegan", turns=("gd",), norm="batch", size=(12, 16), pool_size=6),
    "sequential_pool": dict(config="cyclegan", turns=("gd",), norm="batch", size=(12, 16), pool="sequential"),
    # Places, and which samples are mirrored, are drawn for each sample. Batch norm as above.
    "places": dict(config="cut:fast", turns=("dg",), norm="batch"),
    "two ways": dict(config="dclgan", turns=("dg",), norm="batch"),
    # Pools of pairs.
    "pairs": dict(config="bigan", turns=("dg",), norm="batch"),
    "one way": dict(config="simgan", turns=("dg",), norm="batch"),
    # A penalty beside spectral norm and an average; it takes no batch norm.
    "modern": dict(config="cyclegan_modern", turns=("gd",), norm="none", ema_decay=0.9),
    # Parameters that are kept within bounds.
    "bounds": dict(config="ugatit", turns=("dg",)),
    # Styles, and what is added to codes, are drawn for each sample; outputs at several scales. Biases before instance
    # norms as above: plain gradient descent.
    "styles": dict(config="munit", turns=("d+g",), optimizer="sgd"),
    "variational": dict(config="unit", turns=("dg",), optimizer="sgd"),
    # Styles by noise and by images; networks that learn in some turns; a penalty.
    "references": dict(config="starganv2:tiny", turns=("dg",), optimizer="sgd", ema_decay=0.9),
    # Noise is drawn for each sample; batch norm is shared by what both domains' images are drawn with.
    "coupled": dict(config="cogan", turns=("d+g",)),
    # The last phase: encoders of what is drawn for each sample.
    "encoders": dict(config="icgan:tiny", turns=("dg",)),
}
TINY = {"width": 4, "blocks": 1, "layers": 1, "local": 1, "style_layers": 2, "fmap_max": 4, "group": 2}


def configure(
    config: str,
    turns: tuple[str, ...],
    size: images.Size = SIZE,
    norm: str = "",
    ema_decay: float = 0.0,
    pool_size: int = 20,
    pool: str = "",
    optimizer: str = "",
) -> ConfigDict:
    """A tiny form of a shipped config; `norm` replaces the kind that it normalises by."""
    config = settings.load(config)
    config.data.image_size = size
    for side in (config.model.generator, config.model.discriminator):
        side.update({field: value for field, value in TINY.items() if field in side and side.net != "mlp_points"})
        side.update({"norm": norm} if norm else {})
    if config.get("growth"):
        config.growth.first = size
    config.train.turns = turns
    config.optimizer.gen.ema_decay = ema_decay
    config.optimizer.name = optimizer or config.optimizer.name
    if config.loss.get("feature_layers"):
        config.loss.feature_layers = (0, 1)
    if config.loss.get("nce_layers"):
        config.loss.update(nce_layers=(0, 2, 3), patches=16)
    if config.train.get("pool_size"):
        config.train.update(pool_size=pool_size, pool=pool)
    return config


def final_state(config: ConfigDict, shared_by):
    """The state after STEPS turns on these devices."""
    gan = gans.build(config, axis_name=devices.AXIS)
    optimizer = optimizers(config.optimizer, STEPS)
    state = create(gan, optimizer, seed=0)
    state = jax.tree.map(lambda x: x.astype(jnp.float64) if jnp.issubdtype(x.dtype, jnp.floating) else x, state)
    generator = np.random.default_rng(1)
    step = make_step(gan, optimizer, config.train.turns, devices.AXIS, gan.phases[-1], config.train.accumulate)
    step = devices.map_step(step, shared_by)
    shape = (1, BATCH, *images.sides(config.data.image_size), 3)
    for _ in range(STEPS):
        batch = {name: generator.uniform(size=shape) for name in ("x_A", "x_B", "x", "x_ref", "x_ref2")}
        if gan.labels:
            batch |= {name: generator.uniform(size=(1, BATCH, gan.labels.size)) for name in ("label", "target")}
        batch["index"] = np.arange(BATCH, dtype=np.int32)[None]
        state, _ = step(state, devices.shard(batch, shared_by))
    return jax.device_get(state)


def difference(one, other) -> float:
    """Largest difference of two trees, relative to each leaf's largest value.

    Adam's moments of a bias before an instance norm are rounding, some 1e-17 where the truth
    is 0, so what a leaf is measured by is at least 1e-6.
    """
    pairs = zip(jax.tree.leaves(one), jax.tree.leaves(other), strict=True)
    return max(float(np.max(np.abs(a - b)) / max(np.max(np.abs(a)), 1e-6)) for a, b in pairs if a.dtype == np.float64)


if __name__ == "__main__":
    jax.config.update("jax_enable_x64", True)
    devices.use_compilation_cache()
    result = {}
    for name in sys.argv[1:]:
        config = configure(**CASES[name])
        result[name] = difference(final_state(config, jax.devices()[:1]), final_state(config, jax.devices()))
        jax.clear_caches()  # memory maps of programs, see conftest
    print(json.dumps({"devices": jax.device_count(), **result}))
