"""The PatchGAN family's receptive fields; shapes and first weights of the networks played with it."""

import compiled
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gan_xla import nets
from gan_xla.errors import UserError
from gan_xla.nets import encoder_decoder, patchgan, resnet, unet_pix2pix


def _shape(module, *shape):
    """Shape of the output (of a discriminator's logits and activations) for images of this shape."""
    x = jnp.zeros(shape)
    net = jax.eval_shape(lambda key: nets.init(module, key, x), jax.random.key(0))
    return jax.tree.map(lambda y: y.shape, jax.eval_shape(lambda n: nets.apply(module, n, x, "batch")[0], net))


@pytest.mark.parametrize(
    "layers, field, antialias",
    [(0, 1, False), (1, 16, False), (3, 70, False), (5, 286, False), (1, 18, True), (3, 84, True)],
)
def test_a_logit_judges_exactly_its_receptive_field(layers, field, antialias):
    # Without normalisation, which would let every pixel act on every logit. In an image that is wider than the
    # field, the middle logit judges a square inside.
    module = patchgan.Discriminator(width=1, layers=layers, norm="none", antialias=antialias)
    assert patchgan.receptive_field(layers, antialias) == module.receptive_field == field
    side = field + (2 ** (layers + 1) if antialias else 2)
    x = jax.random.normal(jax.random.key(0), (1, side, side, 1))
    shapes = jax.eval_shape(lambda key: nets.init(module, key, x), jax.random.key(1))
    net = jax.tree.map(lambda leaf: np.random.default_rng(1).normal(size=leaf.shape).astype(np.float32), shapes)

    def logit(x):
        logits = nets.apply(module, net, x, "batch")[0][0]
        return logits[0, logits.shape[1] // 2, logits.shape[2] // 2, 0]

    seen = np.asarray(jax.jit(jax.grad(logit))(x)[0, :, :, 0] != 0)
    lines = np.flatnonzero(seen.any(0))
    assert len(lines) == field and lines[0] > 0 and lines[-1] == lines[0] + field - 1 < side - 1
    np.testing.assert_array_equal(seen, np.outer(seen.any(1), seen.any(0)))
    np.testing.assert_array_equal(seen, seen.T)


@pytest.mark.parametrize(
    "layers, channels, logits, widths",
    [
        (0, 3, (2, 96, 160, 1), [4, 8]),
        (1, 1, (2, 46, 78, 1), [4, 8]),
        (3, 6, (2, 10, 18, 1), [4, 8, 16, 32]),
        (5, 4, (2, 1, 3, 1), [4, 8, 16, 32, 32, 32]),
    ],
)
def test_patchgan_gives_logits_by_patch_and_the_activations_before_them(layers, channels, logits, widths):
    shape, features = _shape(patchgan.Discriminator(width=4, layers=layers), 2, 96, 160, channels)
    assert shape == logits and [feature[-1] for feature in features] == widths


@pytest.mark.parametrize("norm, biased", [("batch", [True, False, False, True]), ("none", [True] * 4)])
def test_patchgan_has_biases_where_no_batch_norm_follows(norm, biased):
    module = patchgan.Discriminator(width=4, layers=2, norm=norm)
    params = jax.eval_shape(lambda key: nets.init(module, key, jnp.zeros((1, 16, 16, 3))), jax.random.key(0)).params
    assert ["bias" in params[f"Conv_{i}"] for i in range(4)] == biased


def test_one_logit_an_image_is_the_mean_of_the_patches_or_a_convolution_over_them():
    x = jax.random.normal(jax.random.key(0), (2, 16, 16, 3))
    patches = patchgan.Discriminator(width=4, layers=1, norm="none")
    net = compiled.init(patches, jax.random.key(1), x)
    (logits, _), _ = compiled.apply(patches, net, x, "batch")
    (mean, _), _ = compiled.apply(patches.clone(judges="mean"), net, x, "batch")
    np.testing.assert_allclose(mean, logits.mean((1, 2), keepdims=True), rtol=1e-5)
    assert _shape(patches.clone(judges="image"), 2, 16, 16, 3)[0] == (2, 1, 1, 1)


@pytest.mark.parametrize(
    "module",
    [patchgan.Discriminator(width=4, layers=1), encoder_decoder.Discriminator(size=16, width=4)],
)
def test_spectral_norm_divides_kernels_by_their_largest_singular_value(module):
    x = jax.random.normal(jax.random.key(0), (2, 16, 16, 3))
    normed = module.clone(spectral_norm=True)
    params, stats = compiled.init(normed, jax.random.key(1), x)
    update = jax.jit(lambda stats: nets.apply(normed, (params, stats), x, "batch"))
    for _ in range(60):  # one power iteration each
        (logits, _), stats = update(stats)

    def divide(path, kernel):
        matrix = kernel.reshape(-1, kernel.shape[-1])
        return kernel / np.linalg.norm(matrix, 2) if path[-1].key == "kernel" else kernel

    divided = jax.tree_util.tree_map_with_path(divide, params)
    (expected, _), _ = compiled.apply(module, (divided, compiled.init(module, jax.random.key(1), x).stats), x, "batch")
    np.testing.assert_allclose(logits, expected, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize(
    "module, height, width",
    [
        (resnet.Generator(width=4, blocks=1, norm="batch"), 8, 20),
        (resnet.Generator(width=4, blocks=1, upsample="resize"), 12, 8),
        (resnet.Generator(width=4, blocks=1, upsample="blur", antialias=True), 12, 8),
        (unet_pix2pix.Generator(size=32, width=4), 32, 64),
        (unet_pix2pix.Generator(size=16, width=4, upsample="resize"), 16, 32),
        (encoder_decoder.Generator(size=16, width=4, upsample="resize"), 8, 16),
        (unet_pix2pix.Generator(size=48, levels=3, width=4, norm="instance"), 24, 8),
        (unet_pix2pix.Generator(size=16, width=4, skips=False), 16, 32),
    ],
)
def test_generators_keep_rectangles_that_are_multiples(module, height, width, channels):
    assert height % module.size_multiple == 0 and width % module.size_multiple == 0
    assert _shape(module.clone(channels=channels), 2, height, width, 3) == (2, height, width, channels)
    assert _shape(module, 2, height, width, channels) == (2, height, width, 3)


@pytest.mark.parametrize("size, blocks", [(128, 6), (256, 9)])
def test_the_number_of_residual_blocks_follows_the_size(size, blocks):
    module = resnet.Generator(size=size, width=2)
    params = jax.eval_shape(lambda key: nets.init(module, key, jnp.zeros((1, 8, 8, 3))), jax.random.key(0)).params
    assert len([name for name in params if name.startswith("Conv_")]) == 4 + 2 * blocks


def test_a_u_net_without_skips_knows_only_what_its_innermost_layer_says():
    x = jax.random.normal(jax.random.key(0), (1, 16, 16, 3))
    for skips in (True, False):
        module = unet_pix2pix.Generator(size=16, width=4, norm="none", dropout=0.0, skips=skips)
        net = compiled.init(module, jax.random.key(1), x)
        cut = {**net.params, "Conv_3": jax.tree.map(jnp.zeros_like, net.params["Conv_3"])}
        y, z = (compiled.apply(module, (cut, net.stats), x, "batch")[0] for x in (x, -x))
        assert np.allclose(y, z) != skips


def test_weights_begin_as_in_dcgan():
    module = unet_pix2pix.Generator(size=8, width=16)
    params = jax.jit(lambda key: nets.init(module, key, jnp.zeros((1, 8, 8, 3))))(jax.random.key(0)).params
    kernel, scale = params["Conv_2"]["kernel"], params["Norm_1"]["BatchNorm_0"]["scale"]
    assert abs(kernel.mean()) < 1e-3 and abs(kernel.std() - 0.02) < 1e-3
    assert abs(scale.mean() - 1) < 0.02 and 0.01 < scale.std() < 0.03
    assert not params["ConvTranspose_2"]["bias"].any() and not params["Norm_1"]["BatchNorm_0"]["bias"].any()


@pytest.mark.parametrize(
    "module", [resnet.Generator(width=16, initial="xavier"), patchgan.Discriminator(width=16, initial="xavier")]
)
def test_weights_may_begin_as_xaviers_times_a_fiftieth(module):
    params = jax.jit(lambda key: nets.init(module, key, jnp.zeros((1, 32, 32, 3))))(jax.random.key(0)).params
    for layer in params.values():
        height, width, takes, gives = layer["kernel"].shape
        expected = 0.02 * (2 / (height * width * (takes + gives))) ** 0.5
        assert abs(layer["kernel"].std() / expected - 1) < 4 * layer["kernel"].size ** -0.5 and not layer["bias"].any()


@pytest.mark.parametrize(
    "module, size, message",
    [
        (patchgan.Discriminator(layers=5), 64, "model.discriminator.layers=5 takes images from 96 pixels on"),
        (patchgan.Discriminator(layers=-1), 64, "model.discriminator.layers=-1"),
        (patchgan.Discriminator(judges="all"), 64, "model.discriminator.judges='all'.*patches, mean, image"),
        (resnet.Generator(size=30), 30, "data.image_size=30.*multiples of 4"),
        (resnet.Generator(upsample="bilinear"), 32, "model.generator.upsample='bilinear'.*transpose, resize, blur"),
        (unet_pix2pix.Generator(size=48), 48, "data.image_size=48.*powers of two unless levels is set"),
        (unet_pix2pix.Generator(size=48, levels=5), 48, "data.image_size=48.*multiples of 32"),
        (unet_pix2pix.Generator(size=48, levels=1), 48, "model.generator.levels=1"),
    ],
)
def test_what_a_network_cannot_take_is_an_error_that_names_the_field(module, size, message):
    with pytest.raises(UserError, match=message):
        _shape(module, 1, size, size, 3)
