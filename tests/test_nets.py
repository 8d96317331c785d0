"""Networks: published parameter counts, shapes, normalisation, dropout."""

import math
import re

import compiled
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gan_xla import nets
from gan_xla.errors import UserError
from gan_xla.nets import blocks


def _shapes(module, size, channels=3):
    x = jnp.zeros((1, size, size, channels) if size else (1, channels))
    return jax.eval_shape(lambda key: nets.init(module, key, x), jax.random.key(0))


def _count(module, size):
    return sum(math.prod(leaf.shape) for leaf in jax.tree.leaves(_shapes(module, size).params))


@pytest.mark.parametrize(
    "role, fields, count",
    [
        ("Generator", {}, 5_513_856),
        ("Generator", {"bottleneck": 100}, 7_153_480),
        ("Discriminator", {}, 2_765_568),
    ],
)
def test_discogan_networks_have_the_published_parameter_counts(role, fields, count):
    module = nets.build({"net": "encoder_decoder", **fields}, role, size=64)
    assert _count(module, 64) == count


def test_a_batch_norm_of_one_value_is_refused_with_the_remedy():
    module = nets.build({"net": "encoder_decoder", "width": 4, "bottleneck": 8}, "Generator", size=16)
    net = _shapes(module, 16)

    def shape(n, statistics):
        x = jax.ShapeDtypeStruct((n, 16, 16, 3), jnp.float32)
        return jax.eval_shape(
            lambda net, x: nets.apply(module, net, x, statistics)[0], (net.params, net.stats), x
        ).shape

    assert shape(2, "batch") == (2, 16, 16, 3) and shape(1, "running") == (1, 16, 16, 3)
    for n, statistics in ((1, "batch"), (2, "image")):
        with pytest.raises(UserError, match="one value of each channel.*larger train.batch_size"):
            shape(n, statistics)


def test_discogans_discriminator_cannot_tell_a_batch_from_the_same_at_half_its_brightness():
    # No biases, and batch norm from the second layer on: why generators that need not go back leave backgrounds grey.
    module = nets.build({"net": "encoder_decoder", "width": 8}, "Discriminator", size=32)
    x = jax.random.uniform(jax.random.key(0), (4, 32, 32, 3))
    net = compiled.init(module, jax.random.key(1), x)
    (bright, _), _ = compiled.apply(module, net, x, "batch")
    (dark, _), _ = compiled.apply(module, net, x / 2, "batch")
    np.testing.assert_allclose(dark, bright, atol=0.02 * np.abs(bright).max())


@pytest.mark.parametrize("net", ["encoder_decoder", "unet_discogan"])
@pytest.mark.parametrize("size", [32, 64, 128])
def test_generators_keep_the_shape_of_their_images(net, size):
    module = nets.build({"net": net, "width": 8}, "Generator", size=size)
    net_shapes = _shapes(module, size)
    y, stats = jax.eval_shape(lambda n, x: nets.apply(module, n, x, "batch"), net_shapes, jnp.zeros((2, size, size, 3)))
    assert y.shape == (2, size, size, 3)
    assert jax.tree.structure(stats) == jax.tree.structure(net_shapes.stats)


@pytest.mark.parametrize("net, shape", [("encoder_decoder", (2, 1, 1, 1)), ("patch_discogan", (2, 4, 4, 1))])
def test_discriminators_judge_the_image_or_its_patches(net, shape):
    module = nets.build({"net": net, "width": 8}, "Discriminator", size=32)
    (logits, features), _ = jax.eval_shape(
        lambda n, x: nets.apply(module, n, x, "batch"), _shapes(module, 32), jnp.zeros((2, 32, 32, 3))
    )
    assert logits.shape == shape and len(features) == 3


def test_the_four_layer_form_takes_other_sizes_as_multiples_and_the_five_layer_form_does_not():
    assert nets.build({"net": "encoder_decoder"}, "Generator", size=64).size_multiple == 16
    assert nets.build({"net": "encoder_decoder", "bottleneck": 100}, "Generator", size=64).size_multiple is None


@pytest.mark.parametrize(
    "size,takes",
    [
        (0, "8 pixels or more"),
        (4, "8 pixels or more"),
        (50, "multiples of 8, such as powers of two"),
        ((48, 100), "multiples of 8"),
    ],
)
def test_a_size_that_the_network_cannot_take_is_an_error_that_names_the_field(size, takes):
    with pytest.raises(UserError, match=re.escape(f"data.image_size={size}: this network takes {takes}")):
        _shapes(nets.build({"net": "encoder_decoder"}, "Generator", size=size), 64)


@pytest.mark.parametrize(
    "role,fields,logits",
    [
        ("Generator", {"net": "encoder_decoder"}, None),
        ("Generator", {"net": "encoder_decoder", "bottleneck": 5}, None),
        ("Generator", {"net": "resnet", "blocks": 1}, None),
        ("Generator", {"net": "unet_discogan"}, None),
        ("Generator", {"net": "unet_pix2pix"}, None),
        ("Discriminator", {"net": "encoder_decoder"}, (1, 1)),
        ("Discriminator", {"net": "patchgan"}, (4, 10)),
        ("Discriminator", {"net": "patch_discogan"}, (6, 12)),
    ],
)
def test_networks_take_rectangles(role, fields, logits):
    module, x = nets.build({"width": 4, **fields}, role, size=(48, 96)), jnp.zeros((2, 48, 96, 3))
    net = jax.eval_shape(lambda: nets.init(module, jax.random.key(0), x))
    y, _ = jax.eval_shape(lambda n: nets.apply(module, n, x, "batch"), net)
    assert (y.shape == x.shape) if logits is None else (y[0].shape[1:3] == logits)


def test_networks_of_noise_and_of_labels_take_rectangles():
    x, z, label = jnp.zeros((2, 16, 32, 3)), jnp.zeros((2, 5)), jnp.zeros((2, 4))
    for net in ("dcgan", "mlp_images"):
        own = {"width": 4} if net == "dcgan" else {}
        for role, given in (("Generator", (z, label)), ("Discriminator", (x, label))):
            channels = {"channels": 3} if role == "Generator" else {}
            module = nets.build({"net": net, **own, **channels}, role, size=(16, 32))
            net_of = jax.eval_shape(lambda module=module, given=given: nets.init(module, jax.random.key(0), given))
            y, _ = jax.eval_shape(lambda n, m=module, g=given: nets.apply(m, n, g, "batch"), net_of)
            assert (y.shape == x.shape) if role == "Generator" else (y[0].size == 2)
    module = nets.build({"net": "stargan", "width": 4, "layers": 3}, "Discriminator", size=(16, 32), labels=4)
    (src, cls), _ = jax.eval_shape(lambda: module.init_with_output(jax.random.key(0), x, True))
    assert src.shape == (2, 2, 4, 1) and cls.shape == (2, 4)


def test_an_unknown_network_or_field_is_an_error_that_names_it():
    with pytest.raises(UserError, match="model.generator.net='resnext' is unknown; use one of .*resnet"):
        nets.build({"net": "resnext"}, "Generator")
    with pytest.raises(UserError, match="model.discriminator.depth is unknown.*width"):
        nets.build({"net": "patch_discogan", "depth": 3}, "Discriminator")


def test_batch_norm_keeps_pytorchs_running_averages():
    norm = blocks.Norm()
    x = np.random.default_rng(0).normal(2, 3, (4, 5, 6, 2)).astype(np.float32)
    variables = norm.init(jax.random.key(0), x, True)
    y, updated = norm.apply(variables, x, True, mutable=["batch_stats"])
    stats = updated["batch_stats"]["BatchNorm_0"]
    mean, var = x.mean((0, 1, 2)), x.var((0, 1, 2))
    np.testing.assert_allclose(stats["mean"], 0.1 * mean, rtol=1e-5)
    np.testing.assert_allclose(stats["var"], 0.9 + 0.1 * var, rtol=1e-5)
    np.testing.assert_allclose(y, (x - mean) / np.sqrt(var + 1e-5), atol=1e-5)


def test_dropout_depends_on_the_sample_and_the_layer_alone():
    keys = jax.random.split(jax.random.key(1), 4)
    x = jnp.ones((4, 1000))
    y = blocks.dropout(x, keys, 0, 0.5)
    np.testing.assert_array_equal(blocks.dropout(x[2:], keys[2:], 0, 0.5), y[2:])
    assert (blocks.dropout(x, keys, 1, 0.5) != y).any()
    assert set(np.unique(y)) == {0, 2} and abs(float(y.mean()) - 1) < 0.1
    assert blocks.dropout(x, None, 0, 0.5) is x
