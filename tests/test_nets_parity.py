"""CycleGAN's, pix2pix's and StarGAN's networks against independent PyTorch ones. Needs the extra `parity`.

`torch_keys.json` holds names and shapes of the state of the networks that the authors publish
(junyanz/pytorch-CycleGAN-and-pix2pix, yunjey/stargan).
"""

import json
import math
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gan_xla import images, nets
from gan_xla.nets import blocks, patchgan, resnet, stargan, unet_pix2pix

torch = pytest.importorskip("torch")
from torch import nn
from torch_networks import flax_variables, randomise

from experiments.benchmarks.torch_cyclegan import PatchGAN, ResNet
from experiments.benchmarks.torch_pix2pix import UNet
from experiments.benchmarks.torch_stargan import StarDiscriminator, StarGenerator

pytestmark = pytest.mark.slow

KEYS = json.loads(Path(__file__).with_name("torch_keys.json").read_text())


FULL = {
    "junyanz_resnet9_instance_nodrop": lambda: ResNet(64, 9, "instance", False),
    "junyanz_resnet6_instance_nodrop": lambda: ResNet(64, 6, "instance", False),
    "junyanz_resnet9_batch_drop": lambda: ResNet(64, 9, "batch", True),
    "junyanz_unet256_batch": lambda: UNet(64, 8),
    "junyanz_unet128_batch": lambda: UNet(64, 7),
    "junyanz_patchD_instance_3ch": lambda: PatchGAN(64, 3, "instance"),
    "junyanz_patchD_batch_6ch": lambda: PatchGAN(64, 3, "batch", 6),
    "stargan_G_c5": lambda: StarGenerator(64, 6, 5),
    "stargan_D_128_c5": lambda: StarDiscriminator(64, 6, 5, 128),
    "stargan_D_256_c5": lambda: StarDiscriminator(64, 6, 5, 256),
    "stargan_D_128_c8": lambda: StarDiscriminator(64, 6, 8, 128),
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
    "resnet, antialiased": (
        lambda: ResNet(4, 1, "instance", False, "blur", antialias=True),
        resnet.Generator(width=4, blocks=1, upsample="blur", antialias=True),
    ),
    "unet": (lambda: UNet(2, 6), unet_pix2pix.Generator(size=64, width=2)),
    "unet, wide": (lambda: UNet(2, 4), unet_pix2pix.Generator(size=(16, 48), width=2)),
    "patchgan": (lambda: PatchGAN(4, 3, "instance"), patchgan.Discriminator(width=4)),
    "patchgan, antialiased": (
        lambda: PatchGAN(4, 2, "instance", antialias=True),
        patchgan.Discriminator(size=(24, 37), width=4, layers=2, antialias=True),
    ),
    "patchgan, batch norm": (lambda: PatchGAN(4, 3, "batch"), patchgan.Discriminator(width=4, norm="batch")),
    "stargan's generator": (lambda: StarGenerator(4, 2, 0), stargan.Generator(width=4, blocks=2)),
    "stargan's discriminator": (
        lambda: StarDiscriminator(4, 3, 5, 32),
        stargan.Discriminator(labels=5, size=32, width=4, layers=3),
    ),
    "stargan's discriminator, wide": (
        lambda: StarDiscriminator(4, 2, 5, (16, 24)),
        stargan.Discriminator(labels=5, size=(16, 24), width=4, layers=2),
    ),
    "pixels": (lambda: PatchGAN(4, 0, "instance"), patchgan.Discriminator(width=4, layers=0)),
}


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
        (stargan.Generator(), 8, "stargan_G_c5", 8_430_528),
        (stargan.Discriminator(labels=5), 3, "stargan_D_128_c5", 44_762_048),
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
    size = module.size if name == "unet" or isinstance(module.size, tuple) else 32
    model = make().requires_grad_(False)
    randomise(model)
    variables, keys = flax_variables(model), jax.random.split(jax.random.key(1), 3)
    x = np.random.default_rng(0).uniform(-1, 1, (3, *images.sides(size), 3)).astype(np.float32)
    run = jax.jit(
        lambda v, x, train: nets.apply(module, v, x, "batch" if train else "running", keys if train else None)[0],
        static_argnums=2,
    )
    for train in (False, True) if variables[1] else (True,):
        y = run(variables, x, train)
        if train:
            _share_dropout(model, keys)
        expected = model.train(train)(torch.tensor(x).permute(0, 3, 1, 2))
        if isinstance(expected, tuple):  # StarGAN's two heads
            expected, labels = expected
            np.testing.assert_allclose(y[1], labels, rtol=0, atol=1e-5 * labels.abs().max().item())
        expected = expected.permute(0, 2, 3, 1).numpy()
        y = y[0] if isinstance(y, tuple) else y
        np.testing.assert_allclose(y, expected, rtol=0, atol=1e-5 * np.abs(expected).max())
