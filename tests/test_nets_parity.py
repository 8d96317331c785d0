"""CycleGAN's and pix2pix's networks against independent PyTorch ones. Needs the extra `parity`.

`torch_keys.json` holds names and shapes of the state of the networks that the authors publish
(junyanz/pytorch-CycleGAN-and-pix2pix); the modules here have that layout, written from the papers.
"""

import itertools
import json
import math
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gan_xla import nets
from gan_xla.nets import blocks, patchgan, resnet, unet_pix2pix

torch = pytest.importorskip("torch")
from torch import nn  # noqa: E402

NORMS = {"batch": nn.BatchNorm2d, "instance": nn.InstanceNorm2d}
KEYS = json.loads(Path(__file__).with_name("torch_keys.json").read_text())


class Residual(nn.Module):
    def __init__(self, width, norm, dropout):
        super().__init__()

        def half():
            return nn.ReflectionPad2d(1), nn.Conv2d(width, width, 3, bias=norm != "batch"), NORMS[norm](width)

        self.conv_block = nn.Sequential(*half(), nn.ReLU(), *[nn.Dropout(0.5)] * dropout, *half())

    def forward(self, x):
        return x + self.conv_block(x)


class ResNet(nn.Module):
    """ResNet generator, [n, 3, h, w] -> [n, 3, h, w]."""

    def __init__(self, width, blocks, norm, dropout, upsample="transpose"):
        super().__init__()
        bias = norm != "batch"
        layers = [nn.ReflectionPad2d(3), nn.Conv2d(3, width, 7, bias=bias), NORMS[norm](width), nn.ReLU()]
        for c in (width, 2 * width):
            layers += [nn.Conv2d(c, 2 * c, 3, 2, 1, bias=bias), NORMS[norm](2 * c), nn.ReLU()]
        layers += [Residual(4 * width, norm, dropout) for _ in range(blocks)]
        for c in (2 * width, width):
            if upsample == "transpose":
                layers += [nn.ConvTranspose2d(2 * c, c, 3, 2, 1, 1, bias=bias)]
            else:
                layers += [nn.Upsample(scale_factor=2), nn.ReflectionPad2d(1), nn.Conv2d(2 * c, c, 3, bias=bias)]
            layers += [NORMS[norm](c), nn.ReLU()]
        self.model = nn.Sequential(*layers, nn.ReflectionPad2d(3), nn.Conv2d(width, 3, 7), nn.Tanh())

    def forward(self, x):
        return self.model(x)


class Level(nn.Module):
    """Levels `i` to the innermost one of a U-Net, with the skip around them."""

    def __init__(self, widths, i):
        super().__init__()
        outer, inner, innermost = widths[i - 1], widths[i], i == len(widths) - 1
        layers = [nn.LeakyReLU(0.2), nn.Conv2d(outer, inner, 4, 2, 1, bias=False)]
        if not innermost:
            layers += [nn.BatchNorm2d(inner), Level(widths, i + 1)]
        up = nn.ConvTranspose2d(inner if innermost else 2 * inner, outer, 4, 2, 1, bias=False)
        layers += [nn.ReLU(), up, nn.BatchNorm2d(outer)]
        self.model = nn.Sequential(*layers, *[nn.Dropout(0.5)] * (outer == inner and not innermost))

    def forward(self, x):
        return torch.cat([x, self.model(x)], 1)


class UNet(nn.Module):
    """U-Net generator with batch norm, [n, 3, h, w] -> [n, 3, h, w]."""

    def __init__(self, width, levels):
        super().__init__()
        widths = [width * min(2**i, 8) for i in range(levels)]
        up = nn.ConvTranspose2d(2 * width, 3, 4, 2, 1)
        self.model = nn.Module()  # the outermost level, which has no skip
        self.model.model = nn.Sequential(
            nn.Conv2d(3, width, 4, 2, 1, bias=False), Level(widths, 1), nn.ReLU(), up, nn.Tanh()
        )

    def forward(self, x):
        return self.model.model(x)


class PatchGAN(nn.Module):
    """Discriminator of patches, [n, c, h, w] -> [n, 1, h', w']."""

    def __init__(self, width, layers, norm, channels=3):
        super().__init__()
        k, p = (4, 1) if layers else (1, 0)
        widths = [width * min(2**i, 8) for i in range(layers + 1 if layers else 2)]
        model = [nn.Conv2d(channels, width, k, 2 if layers else 1, p), nn.LeakyReLU(0.2)]
        for i, (a, b) in enumerate(itertools.pairwise(widths), 1):
            model += [nn.Conv2d(a, b, k, 2 if i < layers else 1, p, bias=norm != "batch"), NORMS[norm](b)]
            model += [nn.LeakyReLU(0.2)]
        self.model = nn.Sequential(*model, nn.Conv2d(widths[-1], 1, k, 1, p))

    def forward(self, x):
        return self.model(x)


FULL = {
    "junyanz_resnet9_instance_nodrop": lambda: ResNet(64, 9, "instance", False),
    "junyanz_resnet6_instance_nodrop": lambda: ResNet(64, 6, "instance", False),
    "junyanz_resnet9_batch_drop": lambda: ResNet(64, 9, "batch", True),
    "junyanz_unet256_batch": lambda: UNet(64, 8),
    "junyanz_unet128_batch": lambda: UNet(64, 7),
    "junyanz_patchD_instance_3ch": lambda: PatchGAN(64, 3, "instance"),
    "junyanz_patchD_batch_6ch": lambda: PatchGAN(64, 3, "batch", 6),
}
# Both at small width, PyTorch's and ours.
SMALL = {
    "resnet": (lambda: ResNet(4, 2, "instance", False), resnet.Generator(width=4, blocks=2)),
    "resnet, batch norm and dropout": (
        lambda: ResNet(4, 2, "batch", True),
        resnet.Generator(width=4, blocks=2, norm="batch", dropout=0.5),
    ),
    "resnet, resized": (
        lambda: ResNet(4, 1, "instance", False, "resize"),
        resnet.Generator(width=4, blocks=1, upsample="resize"),
    ),
    "unet": (lambda: UNet(2, 6), unet_pix2pix.Generator(size=64, width=2)),
    "patchgan": (lambda: PatchGAN(4, 3, "instance"), patchgan.Discriminator(width=4)),
    "patchgan, batch norm": (lambda: PatchGAN(4, 3, "batch"), patchgan.Discriminator(width=4, norm="batch")),
    "pixels": (lambda: PatchGAN(4, 0, "instance"), patchgan.Discriminator(width=4, layers=0)),
}


def _randomise(model):
    """Random parameters and statistics, so that scales of 1, biases and means of 0 hide nothing."""
    torch.manual_seed(0)
    for name, tensor in model.state_dict().items():
        if tensor.ndim == 4:
            tensor.normal_(0, tensor[0].numel() ** -0.5)
        elif name.endswith(("bias", "mean")):
            tensor.normal_(0, 0.3)
        elif tensor.ndim:
            tensor.uniform_(0.5, 1.5)


def _ours(model) -> tuple[dict, dict]:
    """PyTorch's parameters and statistics under the names that Flax gives to the same layers in the same order."""
    params, stats, counts = {}, {}, {}
    for layer in model.modules():
        kind = {nn.Conv2d: "Conv", nn.ConvTranspose2d: "ConvTranspose", nn.BatchNorm2d: "Norm"}.get(type(layer))
        if kind is None:
            continue
        name = f"{kind}_{counts.setdefault(kind, 0)}"
        counts[kind] += 1
        value = {name: jnp.array(tensor.numpy()) for name, tensor in layer.state_dict().items()}
        if kind == "Norm":
            params[name] = {"BatchNorm_0": {"scale": value["weight"], "bias": value["bias"]}}
            stats[name] = {"BatchNorm_0": {"mean": value["running_mean"], "var": value["running_var"]}}
            continue
        weight = value.pop("weight")
        kernel = weight.transpose(2, 3, 1, 0) if kind == "Conv" else weight.transpose(2, 3, 0, 1)[::-1, ::-1]
        params[name] = {"kernel": kernel, **value}
    return params, stats


def _share_dropout(model, keys):
    """Puts our masks in place of PyTorch's, which cannot be drawn alike."""
    for i, layer in enumerate(m for m in model.modules() if isinstance(m, nn.Dropout)):

        def forward(x, i=i):
            mask = blocks.dropout(jnp.ones(x.permute(0, 2, 3, 1).shape), keys, i, 0.5)
            return x * torch.tensor(np.asarray(mask)).permute(0, 3, 1, 2)

        layer.forward = forward


@pytest.mark.parametrize("name", FULL)
def test_the_pytorch_networks_have_the_published_layout(name):
    with torch.device("meta"):
        state = FULL[name]().state_dict()
    assert {key: list(tensor.shape) for key, tensor in state.items()} == KEYS[name]


@pytest.mark.parametrize(
    "module, channels, layout, count",
    [
        (resnet.Generator(), 3, "junyanz_resnet9_instance_nodrop", 11_378_179),
        (resnet.Generator(size=128), 3, "junyanz_resnet6_instance_nodrop", 7_837_699),
        (unet_pix2pix.Generator(), 3, "junyanz_unet256_batch", 54_413_955),
        (unet_pix2pix.Generator(size=128), 3, "junyanz_unet128_batch", 41_828_995),
        (patchgan.Discriminator(), 3, "junyanz_patchD_instance_3ch", 2_764_737),
        (patchgan.Discriminator(norm="batch"), 6, "junyanz_patchD_batch_6ch", 2_768_705),
    ],
)
def test_full_width_has_the_published_parameter_count(module, channels, layout, count):
    x = jnp.zeros((1, module.size, module.size, channels))
    params, _ = jax.eval_shape(lambda key: nets.init(module, key, x), jax.random.key(0))
    assert sum(math.prod(leaf.shape) for leaf in jax.tree.leaves(params)) == count
    published = {key: shape for key, shape in KEYS[layout].items() if key.split(".")[-1] in ("weight", "bias")}
    assert sum(map(math.prod, published.values())) == count


@pytest.mark.parametrize("name", SMALL)
def test_outputs_equal_pytorchs(name):
    """With batch statistics and dropout, as in training, and without (the same where there is no batch norm)."""
    make, module = SMALL[name]
    size = 64 if name == "unet" else 32
    model = make().requires_grad_(False)
    _randomise(model)
    variables, keys = _ours(model), jax.random.split(jax.random.key(1), 3)
    x = np.random.default_rng(0).uniform(-1, 1, (3, size, size, 3)).astype(np.float32)
    run = jax.jit(lambda v, x, train: nets.apply(module, v, x, train, keys if train else None)[0], static_argnums=2)
    for train in (False, True) if variables[1] else (True,):
        y = run(variables, x, train)
        if train:
            _share_dropout(model, keys)
        expected = model.train(train)(torch.tensor(x).permute(0, 3, 1, 2)).permute(0, 2, 3, 1).numpy()
        y = y[0] if isinstance(y, tuple) else y
        np.testing.assert_allclose(y, expected, rtol=0, atol=1e-5 * np.abs(expected).max())
