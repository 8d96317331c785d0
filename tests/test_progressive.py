"""The networks that grow: against numpy, finite differences and an independent PyTorch form of them."""

import functools
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gan_xla import losses
from gan_xla.errors import UserError
from gan_xla.nets import blocks, progressive
from gan_xla.nets.convolution import conv
from gan_xla.nets.progressive import EqualConv

pytestmark = pytest.mark.slow

SIZE, LATENT, LABELS, TOP = 16, 6, 2, 2
SMALL = dict(size=SIZE, fmap_base=64, fmap_max=8, labels=LABELS)
G = progressive.Generator(latent=LATENT, **SMALL)
D = progressive.Discriminator(**SMALL)


def _inputs(level, n=8):
    generator = np.random.default_rng(level)
    r = 4 << level
    return generator.normal(size=(n, LATENT + LABELS)), generator.normal(size=(n, r, r, 3))


@functools.cache
def _params(module):
    """Parameters as numpy float64, with biases that are not 0."""
    x = jnp.zeros((1, LATENT + LABELS) if module is G else (1, SIZE, SIZE, 3))
    shapes = jax.eval_shape(module.init, jax.random.key(0), x)["params"]
    generator = np.random.default_rng(0)
    return jax.tree.map(lambda leaf: generator.normal(size=leaf.shape) * (0.1 if leaf.ndim == 1 else 1), shapes)


@functools.partial(jax.jit, static_argnums=(0, 3))
def _apply(module, params, x, level, alpha):
    return module.apply({"params": params}, x, level, alpha)


def _count(tree):
    return sum(math.prod(leaf.shape) for leaf in jax.tree.leaves(tree))


def test_the_full_networks_have_the_papers_parameters_and_trace_at_every_level():
    generator, discriminator = progressive.Generator(), progressive.Discriminator()
    assert progressive.levels(1024) == 9 and progressive.levels(4) == 1
    g = jax.eval_shape(generator.init, jax.random.key(0), jnp.zeros((1, 512)))
    d = jax.eval_shape(discriminator.init, jax.random.key(0), jax.ShapeDtypeStruct((1, 1024, 1024, 3), jnp.float32))
    assert _count(g) == 23_079_115 and _count(d) == 23_087_249
    for level in range(9):
        z = jax.ShapeDtypeStruct((8, 512), jnp.float32)
        x = jax.eval_shape(lambda g, z, level=level: generator.apply(g, z, level, 0.5), g, z)
        assert x.shape == (8, 4 << level, 4 << level, 3)
        score, labels = jax.eval_shape(lambda d, x, level=level: discriminator.apply(d, x, level, 0.5), d, x)
        assert score.shape == (8, 1) and labels.shape == (8, 0)


@pytest.mark.parametrize("level", range(TOP + 1))
def test_one_tree_of_parameters_serves_every_level(level):
    z, x = _inputs(level)
    assert _apply(G, _params(G), z, level, 0.3).shape == x.shape
    score, labels = _apply(D, _params(D), x, level, 0.3)
    assert score.shape == (8, 1) and labels.shape == (8, LABELS)


def test_weights_begin_as_standard_normal_and_biases_as_zero():
    module = progressive.Generator(size=8, fmap_base=256, fmap_max=64, latent=64)
    params = jax.jit(module.init)(jax.random.key(0), jnp.zeros((1, 64)))["params"]
    assert all(abs(layer["kernel"].std() - 1) < 0.1 and not layer["bias"].any() for layer in params.values())


def test_layers_are_scaled_as_they_run_to_keep_the_size_of_activations():
    x = np.random.default_rng(0).normal(size=(2, 8, 8, 128)).astype(np.float32)
    layer = EqualConv(256)
    variables = layer.init(jax.random.key(0), x)
    y, kernel = layer.apply(variables, x), variables["params"]["kernel"]
    np.testing.assert_allclose(y, conv(x, kernel * math.sqrt(2 / (9 * 128)), padding=1), rtol=1e-4, atol=1e-4)
    active = np.where(y > 0, y, 0.2 * y)[:, 1:-1, 1:-1]
    assert abs(np.sqrt((active**2).mean()) - 1) < 0.05


def test_the_generators_first_layer_is_a_dense_one_with_the_authors_gain():
    z = np.random.default_rng(0).normal(size=(3, 512)).astype(np.float32)
    layer = EqualConv(8, 4, 0, operation=progressive.conv_transpose)
    variables = layer.init(jax.random.key(0), z[:, None, None])
    weight = np.asarray(variables["params"]["kernel"])[::-1, ::-1]
    expected = np.einsum("nc,hwcd->nhwd", z, weight * (math.sqrt(2) / 4 / math.sqrt(512)))
    np.testing.assert_allclose(layer.apply(variables, z[:, None, None]), expected, rtol=1e-4, atol=1e-4)


def test_a_new_generator_level_fades_in_over_the_doubled_old_image():
    z, _ = _inputs(TOP)
    old = blocks.double(_apply(G, _params(G), z, TOP - 1, 1.0))
    first, middle, last = (_apply(G, _params(G), z, TOP, alpha) for alpha in (0.0, 0.25, 1.0))
    np.testing.assert_array_equal(first, old)
    np.testing.assert_allclose(middle, 0.75 * old + 0.25 * last, rtol=1e-5, atol=1e-5)
    others = {**_params(G), "8x8_rgb": jax.tree.map(np.zeros_like, _params(G)["8x8_rgb"])}
    np.testing.assert_array_equal(last, _apply(G, others, z, TOP, 1.0))
    assert abs(last - old).max() > 0.1
    np.testing.assert_array_equal(_apply(G, _params(G), z, 0, 0.0), _apply(G, _params(G), z, 0, 1.0))


def test_a_new_discriminator_level_fades_in_over_the_halved_image():
    _, x = _inputs(TOP)
    first, last = (_apply(D, _params(D), x, TOP, alpha)[0] for alpha in (0.0, 1.0))
    old = _apply(D, _params(D), progressive.box_resize(x, SIZE // 2), TOP - 1, 1.0)[0]
    np.testing.assert_allclose(first, old, rtol=1e-5)
    others = {**_params(D), "8x8_rgb": jax.tree.map(np.zeros_like, _params(D)["8x8_rgb"])}
    np.testing.assert_array_equal(last, _apply(D, others, x, TOP, 1.0)[0])
    assert abs(last - old).max() > 1e-3


@pytest.mark.parametrize("module, input", [(G, 0), (D, 1)])
def test_gradients_of_unused_levels_are_exactly_zero(module, input):
    def loss(params, alpha):
        return jnp.sum(jax.tree.leaves(module.apply({"params": params}, _inputs(1)[input], 1, alpha))[0] ** 2)

    gradient = jax.jit(jax.grad(loss))
    for alpha, unused in ((0.5, ("16x16",)), (1.0, ("16x16", "4x4_rgb"))):
        for name, layer in gradient(_params(module), alpha).items():
            zero = not any(leaf.any() for leaf in layer.values())
            assert zero == name.startswith(unused), name


def test_pixel_norm_and_blocks_of_pixels_equal_numpys():
    x = np.random.default_rng(0).normal(size=(2, 12, 12, 5)).astype(np.float32)
    expected = x / np.sqrt((x**2).mean(-1, keepdims=True) + 1e-8)
    np.testing.assert_allclose(progressive.pixel_norm(x), expected, rtol=1e-5)
    expected = [[x[:, i : i + 4, j : j + 4].mean((1, 2)) for j in (0, 4, 8)] for i in (0, 4, 8)]
    np.testing.assert_allclose(progressive.box_resize(x, 3), np.moveaxis(expected, 2, 0), rtol=1e-4, atol=1e-6)
    np.testing.assert_array_equal(progressive.box_resize(x, 12), x)
    with pytest.raises(ValueError, match="12x12"):
        progressive.box_resize(x, 8)


@pytest.mark.parametrize("n, group", [(8, 4), (6, 2), (3, 4)])
def test_minibatch_stddev_tells_the_variation_of_consecutive_samples(n, group):
    x = np.random.default_rng(0).normal(size=(n, 4, 4, 5)).astype(np.float32)
    y = progressive.minibatch_stddev(x, group)
    np.testing.assert_array_equal(y[..., :5], x)
    for i in range(n):
        start = i - i % group
        expected = x[start : start + group].std(0).mean()
        np.testing.assert_allclose(y[i, ..., 5], np.full((4, 4), expected), rtol=1e-5)


def test_devices_with_whole_groups_compute_what_one_does():
    _, x = _inputs(1, 16)
    whole = _apply(D, _params(D), x, 1, 0.5)[0]
    shares = [_apply(D, _params(D), share, 1, 0.5)[0] for share in np.split(x, 4)]
    np.testing.assert_allclose(np.concatenate(shares), whole, rtol=1e-5, atol=1e-5)


def test_the_gradient_penalty_has_the_derivative_of_finite_differences():
    """Through the fade and the minibatch deviation, and for several sets of parameters at once."""
    keys = jax.random.split(jax.random.key(0), 4)
    _, x = _inputs(1)

    def penalty(params):
        critic = lambda x: D.apply({"params": params}, x, 1, 0.3)[0]
        return losses.gradient_penalty(critic, x[:4], x[4:], keys)

    generator = np.random.default_rng(1)
    direction = jax.tree.map(lambda leaf: generator.normal(size=leaf.shape), _params(D))
    moved = lambda h: jax.tree.map(lambda p, d: p + h * d, _params(D), direction)
    with jax.enable_x64(True):
        stacked = jax.tree.map(lambda *leaves: jnp.stack(leaves), *[moved(h) for h in (-1e-6, 0.0, 1e-6)])
        values, gradients = jax.jit(jax.vmap(jax.value_and_grad(penalty)))(stacked)
        slope = sum(jnp.sum(g[1] * d) for g, d in zip(jax.tree.leaves(gradients), jax.tree.leaves(direction)))
        np.testing.assert_allclose(slope, (values[2] - values[0]) / 2e-6, rtol=1e-6)


def test_outputs_equal_pytorchs():
    torch = pytest.importorskip("torch")
    from torch_networks import progressive_variables

    from experiments.benchmarks import torch_pggan

    torch.manual_seed(0)
    z, _ = _inputs(TOP)
    networks = torch_pggan.Generator(LATENT + LABELS, SIZE, 64, 8), torch_pggan.Discriminator(SIZE, 64, 8, group=4)
    for network in networks:
        network.double()
        for tensor in network.parameters():
            torch.nn.init.normal_(tensor, 0, 0.1 if tensor.ndim == 1 else 1)
    theirs = lambda x: x.detach().permute(0, 2, 3, 1).numpy()
    with jax.enable_x64(True):
        for level, alpha in ((0, None), (TOP, 0.3)):
            weight = alpha and torch.tensor(alpha, dtype=torch.float64)
            g, d = map(progressive_variables, networks)
            image = networks[0](torch.tensor(z), 4 << level, weight)
            np.testing.assert_allclose(_apply(G, g, z, level, alpha or 1.0), theirs(image), rtol=1e-9, atol=1e-12)
            expected = networks[1](image, weight).detach().numpy()
            ours = _apply(D.clone(labels=0), d, theirs(image), level, alpha or 1.0)[0]
            np.testing.assert_allclose(ours, expected, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize(
    "call, error, message",
    [
        (lambda: progressive.levels(48), UserError, "data.image_size=48.*powers of two from 4 to 1024"),
        (lambda: progressive.levels(2048), UserError, "data.image_size=2048"),
        (lambda: G.clone(fmap_base=4).width(16), UserError, "model.generator.fmap_base=4.*16x16.*8 and more"),
        (lambda: progressive.minibatch_stddev(np.zeros((6, 4, 4, 1)), 4), UserError, "model.discriminator.group=4"),
        (lambda: progressive.minibatch_stddev(np.zeros((6, 4, 4, 1)), 0), UserError, "model.discriminator.group=0"),
        (lambda: G.apply({}, np.zeros((1, 6))), ValueError, r"z is \(1, 6\), not \[n, 6 \+ 2\]"),
        (lambda: D.apply({}, np.zeros((1, 16, 16, 3)), 1), ValueError, r"\(1, 16, 16, 3\), not \[n, 8, 8, 3\]"),
        (lambda: D.apply({}, np.zeros((1, 4, 4, 3)), 3), ValueError, "level 3 is none of 0 to 2"),
    ],
)
def test_what_the_networks_cannot_take_is_an_error_that_says_so(call, error, message):
    with pytest.raises(error, match=message):
        call()
