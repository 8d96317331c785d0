"""Convolutions against plain lax in float64: values, derivatives to second order, vmap."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from gan_xla.nets import convolution_forms
from gan_xla.nets.convolution import Conv, ConvTranspose, conv, conv_transpose, plain
from gan_xla.nets.convolution_schemes import Geometry
from gan_xla.nets.doubling import doubled_conv

# Without LLVM's optimisation these programs compile ten times faster.
jit = partial(jax.jit, compiler_options={"xla_backend_optimization_level": 0})
LAYOUT = ("NHWC", "HWIO", "NHWC")


def lax_conv(x, kernel, stride, padding):
    return lax.conv_general_dilated(x, kernel, (stride, stride), [(padding, padding)] * 2, dimension_numbers=LAYOUT)


def lax_conv_transpose(x, kernel, stride, padding, output_padding=0):
    padding = [(k - 1 - padding, k - 1 - padding + output_padding) for k in kernel.shape[:2]]
    return lax.conv_transpose(x, kernel, (stride, stride), padding)


def lax_doubled(x, kernel, stride, padding):
    larger = jnp.repeat(jnp.repeat(x, 2, axis=1), 2, axis=2)
    around = ((0, 0), (padding, padding), (padding, padding), (0, 0))
    return lax_conv(jnp.pad(larger, around, "reflect"), kernel, stride, 0)


# Each CPU form is chosen by shape: 16 channels and more take patches (up to 256 rows, or
# stride 1 unpadded), 64 and more fewer products (4x4 of stride 2 or 1, over 256 rows; 3x3 of
# stride 1, from 4096 rows of 64 channels); up to 4 channels on one side take overlap-add; transposed ones of
# up to 64 rows go tap by tap; all others the plain form.
CASES = {
    "k4s2p1 from 3 channels": (conv, lax_conv, (2, 8, 8, 3), (4, 4, 3, 6), (2, 1)),
    "k4s2p1 nine products": (conv, lax_conv, (5, 16, 15, 64), (4, 4, 64, 65), (2, 1)),
    "k4s2p0 nine products, odd": (conv, lax_conv, (10, 13, 14, 64), (4, 4, 64, 64), (2, 0)),
    "k3s1p1 Winograd": (conv, lax_conv, (2, 10, 13, 256), (3, 3, 256, 257), (1, 1)),
    "k3s1p0 Winograd, odd": (conv, lax_conv, (1, 19, 19, 256), (3, 3, 256, 256), (1, 0)),
    "k3s1p3 Winograd, padded beyond the kernel": (conv, lax_conv, (2, 9, 8, 256), (3, 3, 256, 256), (1, 3)),
    "k4s1p1 Winograd": (conv, lax_conv, (2, 13, 14, 64), (4, 4, 64, 65), (1, 1)),
    "k4s2p1 patches": (conv, lax_conv, (2, 6, 9, 16), (4, 4, 16, 16), (2, 1)),
    "k4s1p0 to 1x1": (conv, lax_conv, (3, 4, 4, 16), (4, 4, 16, 1), (1, 0)),
    "k4s1p0 to 1x1, patches": (conv, lax_conv, (3, 4, 4, 16), (4, 4, 16, 16), (1, 0)),
    "k3s1p1": (conv, lax_conv, (2, 5, 6, 5), (3, 3, 5, 6), (1, 1)),
    "k3s1p0 patches of many rows": (conv, lax_conv, (3, 12, 12, 16), (3, 3, 16, 16), (1, 0)),
    "k7s1p0 from 3 channels": (conv, lax_conv, (2, 9, 8, 3), (7, 7, 3, 5), (1, 0)),
    "k7s1p0 to 3 channels": (conv, lax_conv, (2, 9, 8, 5), (7, 7, 5, 3), (1, 0)),
    "k3s1p1 to 3 channels, rectangular kernel": (conv, lax_conv, (2, 5, 6, 5), (3, 2, 5, 3), (1, 1)),
    "k2s3p1, stride above kernel": (conv, lax_conv, (2, 9, 7, 3), (2, 2, 3, 5), (3, 1)),
    "doubled k5s1p2": (doubled_conv, lax_doubled, (2, 4, 5, 3), (5, 5, 3, 2), (1, 2)),
    "doubled k5s1p2 of 2x3": (doubled_conv, lax_doubled, (1, 2, 3, 2), (5, 5, 2, 3), (1, 2)),
    "doubled k5s1p2 of 1x2": (doubled_conv, lax_doubled, (2, 1, 2, 3), (5, 5, 3, 2), (1, 2)),
    "doubled k5s1p2 Winograd": (doubled_conv, lax_doubled, (1, 8, 9, 256), (5, 5, 256, 64), (1, 2)),
    "transposed k4s2p1 nine products": (conv_transpose, lax_conv_transpose, (5, 8, 8, 64), (4, 4, 64, 64), (2, 1)),
    "transposed k3s1p1 Winograd": (conv_transpose, lax_conv_transpose, (1, 16, 17, 256), (3, 3, 256, 256), (1, 1)),
    "transposed k4s2p1 to 3 channels": (conv_transpose, lax_conv_transpose, (2, 6, 6, 6), (4, 4, 6, 3), (2, 1)),
    "transposed k4s2p1, plain": (conv_transpose, lax_conv_transpose, (2, 6, 6, 5), (4, 4, 5, 6), (2, 1)),
    "transposed k4s2p1 by taps": (conv_transpose, lax_conv_transpose, (2, 4, 5, 6), (4, 4, 6, 3), (2, 1)),
    "transposed k3s2p1 op1 by taps": (conv_transpose, lax_conv_transpose, (2, 4, 3, 5), (3, 3, 5, 6), (2, 1, 1)),
    "transposed k4s1p0 from 1x1, by taps": (conv_transpose, lax_conv_transpose, (2, 1, 1, 16), (4, 4, 16, 16), (1, 0)),
}


def derivatives(f):
    """Value, jvp, both gradients, and the gradients of a gradient penalty on both."""

    def loss(x, k):
        return jnp.sum(jnp.sin(f(x, k)))

    def penalty(x, k):
        dx, dk = jax.grad(loss, (0, 1))(x, k)
        return jnp.sum(dx**2) + jnp.sum(dx) * jnp.sum(dk**3)

    def everything(x, k, tx, tk):
        return jax.jvp(f, (x, k), (tx, tk)), jax.grad(loss, (0, 1))(x, k), jax.grad(penalty, (0, 1))(x, k)

    return everything


def assert_close(actual, expected, tolerance=1e-11):
    for a, b in zip(jax.tree.leaves(actual), jax.tree.leaves(expected), strict=True):
        assert a.shape == b.shape and a.dtype == b.dtype
        np.testing.assert_allclose(a, b, rtol=0, atol=tolerance * max(1, float(abs(b).max())))


def draw(*shapes):
    random = np.random.default_rng(0)
    return [jnp.asarray(random.normal(size=shape) / 4) for shape in shapes]


@pytest.mark.parametrize("case", CASES)
def test_equals_lax_in_value_jvp_gradients_and_second_derivatives(case):
    ours, theirs, x, k, integers = CASES[case]
    with jax.enable_x64(True):
        arguments = draw(x, k, x, k)
        f = derivatives(lambda x, k: ours(x, k, *integers))
        g = derivatives(lambda x, k: theirs(x, k, *integers))
        assert_close(jit(f)(*arguments), jit(g)(*arguments))


@pytest.mark.parametrize(
    "case, products", [("k3s1p1 Winograd", 16), ("k4s1p1 Winograd", 25), ("k4s2p1 nine products", 9)]
)
def test_fewer_products_are_taken_and_round_little_more_than_plain_forms(case, products):
    ours, theirs, x, k, integers = CASES[case]
    f, g = (partial(form, stride=integers[0], padding=integers[1]) for form in (ours, theirs))

    def gradients(f, x, k):
        return f(x, k), *jax.grad(lambda x, k: jnp.sum(f(x, k) ** 2), (0, 1))(x, k)

    x, k = draw(x, k)
    text = jax.export.export(jax.jit(f), platforms=["cpu"])(x, k).mlir_module()
    assert text.count("stablehlo.dot_general") == products
    with jax.enable_x64(True):
        exact = jit(partial(gradients, g))(*(np.asarray(v, np.float64) for v in (x, k)))
    plain_form, form = (jit(partial(gradients, h))(x, k) for h in (g, f))
    for a, b, c in zip(*(map(np.asarray, arrays) for arrays in (form, plain_form, exact)), strict=True):
        scale = np.sqrt(np.mean(c**2))
        error, usual = (np.sqrt(np.mean((v - c) ** 2)) / scale for v in (a, b))
        assert error < 4 * usual + 1e-7 and np.abs(a - c).max() < 1e-5 * np.abs(c).max()


@pytest.mark.parametrize("axes", [(1, None), (None, 3), (0, 4)], ids=["images", "kernels", "both"])
def test_vmap_of_value_and_all_derivatives_equals_lax(axes):
    # The derivatives of one operation go through all three primitives.
    ours, theirs, x, k, integers = CASES["transposed k3s2p1 op1 by taps"]
    with jax.enable_x64(True):
        arguments = draw(*(v if a is None else (*v[:a], 3, *v[a:]) for v, a in zip((x, k, x, k), axes * 2)))
        results = [
            jit(jax.vmap(derivatives(lambda x, k, f=f: f(x, k, *integers)), axes * 2))(*arguments)
            for f in (ours, theirs)
        ]
        assert_close(*results)


def test_works_under_scan_checkpoint_eval_shape_and_without_jit():
    x, k = draw((2, 5, 4, 3), (3, 3, 3, 3))

    def body(x, _):
        return jax.checkpoint(partial(conv, padding=1))(x, k), None

    def loss(x):
        return jnp.sum(lax.scan(body, x, length=2)[0])

    y = conv(conv(x, k, padding=1), k, padding=1)
    assert jax.eval_shape(conv, x, k) == jax.ShapeDtypeStruct((2, 3, 2, 3), x.dtype)
    expected = jax.grad(lambda x: jnp.sum(lax_conv(lax_conv(x, k, 1, 1), k, 1, 1)))(x)
    assert_close((loss(x), jax.grad(loss)(x)), (jnp.sum(y), expected), 1e-4)


@pytest.mark.parametrize("check_vma", [False, True])
def test_shard_map_sums_the_gradient_of_a_replicated_kernel(check_vma):
    mesh = jax.make_mesh((1,), ("batch",), axis_types=(jax.sharding.AxisType.Auto,))
    x, k = draw((2, 4, 4, 3), (4, 4, 3, 5))
    spec = jax.P("batch"), jax.P()

    def loss(x, k):
        return lax.psum(jnp.sum(jnp.sin(conv(x, k, 2, 1))), "batch")

    mapped = jax.shard_map(loss, mesh=mesh, in_specs=spec, out_specs=jax.P(), check_vma=check_vma)
    expected = jax.grad(lambda k: jnp.sum(jnp.sin(lax_conv(x, k, 2, 1))))(k)
    assert_close(jit(jax.grad(mapped, 1))(x, k), expected, 1e-5)


@pytest.mark.parametrize("mirrored", [False, True])
@pytest.mark.parametrize("image, kernel, stride, padding", [(8, 4, 2, 1), (2, 4, 2, 1), (4, 4, 1, 0), (4, 4, 1, 1)])
def test_forms_for_a_gpu_equal_plain_ones(image, kernel, stride, padding, mirrored):
    g = Geometry((image, image), (kernel, kernel), (stride, stride), (padding, padding), mirrored)
    with jax.enable_x64(True):
        shapes = (3, image, image, 2), (kernel, kernel, *((5, 2) if mirrored else (2, 5))), (3, *g.output, 5)
        x, k, y = (jax.random.normal(jax.random.key(i), shape, jnp.float64) for i, shape in enumerate(shapes))
        for name, operands in {"output": (x, k), "image": (y, k), "kernel": (x, y)}.items():
            form, plain_form = (getattr(convolution_forms, f"{kind}_{name}") for kind in ("gpu", "plain"))
            assert_close(form(*operands, g), plain_form(*operands, g), 1e-12)


@pytest.mark.parametrize("platform", ["cuda", "tpu"])
def test_accelerators_get_three_plain_convolutions(platform):
    x, k = (jnp.zeros(v, jnp.bfloat16) for v in ((9, 8, 8, 64), (4, 4, 64, 64)))

    def gradients(x, k):
        return jax.value_and_grad(lambda x, k: jnp.sum(conv_transpose(x, k, 2, 1) ** 2), (0, 1))(x, k)

    for target, plain_form in ((platform, True), ("cpu", False)):
        text = jax.export.export(jax.jit(gradients), platforms=[target])(x, k).mlir_module()
        assert text.count("stablehlo.convolution") == (3 if plain_form else 0)
        assert ("stablehlo.dot_general" in text) != plain_form


@pytest.mark.parametrize("case", ["k4s2p1 nine products", "transposed k3s2p1 op1 by taps"])
def test_plain_context_retraces_a_compiled_function_to_lax_operations(case):
    ours, _, x, k, integers = CASES[case]
    x, k = draw(x, k)
    f = jax.jit(lambda x, k: ours(x, k, *integers))
    outside = f(x, k)
    with plain():
        jaxpr = str(jax.make_jaxpr(f)(x, k))
        assert "conv_general_dilated" in jaxpr and "conv_image" not in jaxpr and "conv_output" not in jaxpr
        assert_close(f(x, k), outside, 1e-5)


@pytest.mark.parametrize("transposed", [False, True])
def test_layers_equal_pytorch_in_value_and_range_of_initialisation(transposed):
    torch = pytest.importorskip("torch")
    ours, theirs = (ConvTranspose, torch.nn.ConvTranspose2d) if transposed else (Conv, torch.nn.Conv2d)
    integers = dict(stride=2, padding=1) | (dict(output_padding=1) if transposed else {})
    x = np.random.default_rng(0).normal(size=(2, 7, 6, 5)).astype(np.float32)
    layer, reference = ours(40, 3, **integers), theirs(5, 40, 3, **integers)
    limit = (9 * (40 if transposed else 5)) ** -0.5
    for leaf in jax.tree.leaves(layer.init(jax.random.key(0), x)):
        assert 0.9 * limit < abs(leaf).max() <= limit

    weight, bias = reference.weight.detach().numpy(), reference.bias.detach().numpy()
    kernel = weight.transpose(2, 3, 0, 1)[::-1, ::-1] if transposed else weight.transpose(2, 3, 1, 0)
    y = layer.apply({"params": {"kernel": kernel, "bias": bias}}, x)
    expected = reference(torch.from_numpy(x.transpose(0, 3, 1, 2))).detach().numpy().transpose(0, 2, 3, 1)
    np.testing.assert_allclose(y, expected, atol=1e-5)


@pytest.mark.parametrize(
    "call, error, message",
    [
        (lambda x, k: conv(x[0], k), ValueError, "expected images"),
        (lambda x, k: conv(x[..., :2], k), ValueError, "expected images"),
        (lambda x, k: conv(x[:, :2], k), ValueError, "does not fit"),
        (lambda x, k: conv(x, k.astype(jnp.bfloat16)), TypeError, "bfloat16"),
        (lambda x, k: conv_transpose(x, k, 2, 1, 2), ValueError, "output_padding"),
        (lambda x, k: conv_transpose(x[:, :1], k, 1, 2), ValueError, "output of"),
    ],
)
def test_misuse_is_reported(call, error, message):
    with pytest.raises(error, match=message):
        call(jnp.zeros((1, 4, 4, 3)), jnp.zeros((3, 3, 3, 5)))


def test_a_convolution_of_enlarged_images_has_one_form():
    with pytest.raises(ValueError, match=r"kernel \(3, 3\), stride 1, padding 1: use \(5, 5\), 1, 2"):
        doubled_conv(jnp.zeros((1, 4, 4, 2)), jnp.zeros((3, 3, 2, 2)), 1, 1)
