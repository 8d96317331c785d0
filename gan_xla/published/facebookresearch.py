"""facebookresearch/pytorch_GAN_zoo: PGGAN (models/networks/progressive_conv_net.py).

Its He's constants multiply biases too; the first layer is linear, with a bias for every pixel; the discriminator sees
standard deviations of groups of 4 by n - 1. Older files lack the "module." in their names.
"""

import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from gan_xla.contract import Net
from gan_xla.errors import UserError
from gan_xla.published import growing, leaves
from gan_xla.published.layout import File, need
from gan_xla.published.leaves import KERNEL, VECTOR, Leaf, Turn

NETS = ("progressive",)
OWN = re.compile(r"(formatLayer|decisionLayer)\.")
GROUP = 4  # samples of a group
TO_RGB, FROM_RGB, FIRST = "toRGBLayers.{}.module.weight", "fromRGBLayers.{}.module.weight", "groupScaleZero.0.module"

plan = growing.plan


def file(state: Mapping[str, np.ndarray], path: Path) -> File:
    """What is in a file.

    Raises:
      UserError: no such network, or one that ours cannot be.
    """
    state = {re.sub(r"(?<!\.module)\.(weight|bias)$", r".module.\1", key): array for key, array in state.items()}
    if "formatLayer.module.weight" in state:
        return File(path, state, _generator(state, path))
    return File(path, state, _discriminator(state, path))


def _generator(state: Mapping[str, np.ndarray], path: Path):
    kernels = ["groupScale0.0.module.weight"]
    kernels += [f"scaleLayers.{i}.0.module.weight" for i in range(growing.indexed(state, TO_RGB) - 1)]
    widths = [need(state, key, 4, path)[0] for key in kernels]
    channels = need(state, TO_RGB.format(0), 4, path)[0]
    outputs, latent = need(state, "formatLayer.module.weight", 2, path)
    bias = need(state, "formatLayer.module.bias", 1, path)
    shared = outputs == 16 * widths[0] and bias == (outputs,)
    shared = shared and not np.ptp(state["formatLayer.module.bias"].reshape(-1, 16), axis=1).any()
    biases = "shared" if shared else "pixels"
    return growing.network("generator", widths, channels, path, latent=latent, first_norm=True, first_biases=biases)


def _discriminator(state: Mapping[str, np.ndarray], path: Path):
    shapes = [need(state, FROM_RGB.format(i), 4, path) for i in range(max(1, growing.indexed(state, FROM_RGB)))]
    scores, _ = need(state, "decisionLayer.module.weight", 2, path)
    if need(state, f"{FIRST}.weight", 4, path)[1] == shapes[0][0]:
        raise UserError(f"{path}: a discriminator without the standard deviation of a batch (miniBatchStdDev=False)")
    widths = [shape[0] for shape in shapes]
    return growing.network("discriminator", widths, shapes[0][1], path, labels=scores - 1, group=GROUP)


def _layer(ours: str, theirs: str, fans: int, turn: Turn = KERNEL, bias: Turn = VECTOR) -> list[Leaf]:
    """`fans`: numbers that one of the layer's outputs is made of."""
    return growing.layer(ours, f"{theirs}.module", turn, bias.times(math.sqrt(2 / fans)))


def _linear(height: int) -> Turn:
    """[out, c h h] of maps, which ours convolves."""

    def ours(x):
        return KERNEL.ours(x.reshape(len(x), -1, height, height))

    return Turn(ours, lambda y: KERNEL.theirs(y).reshape(y.shape[-1], -1))


# [16 c, latent] -> [4, 4, latent, c], mirrored, and the biases [16 c] -> [4, 4, c] or [c].
MAPS = Turn(
    lambda x: x.reshape(-1, 4, 4, x.shape[1]).transpose(1, 2, 3, 0)[::-1, ::-1],
    lambda y: y[::-1, ::-1].transpose(3, 0, 1, 2).reshape(-1, y.shape[2]),
)
BIASES = {
    "pixels": Turn(lambda x: x.reshape(-1, 4, 4).transpose(1, 2, 0), lambda y: y.transpose(2, 0, 1).ravel()),
    "shared": Turn(lambda x: x[::16], lambda y: np.repeat(y, 16)),
}


def _generator_leaves(fields: Mapping[str, Any], widths: Sequence[int], latent: int) -> list[Leaf]:
    found = _layer("4x4_up", "formatLayer", latent, MAPS.times(growing.FIRST), BIASES[fields["first_biases"]])
    found += _layer("4x4_conv", "groupScale0.0", 9 * widths[0])
    for i, width in enumerate(widths):
        r = 4 << i
        if i:
            found += _layer(f"{r}x{r}_up", f"scaleLayers.{i - 1}.0", 9 * widths[i - 1])
            found += _layer(f"{r}x{r}_conv", f"scaleLayers.{i - 1}.1", 9 * width)
        found += _layer(f"{r}x{r}_rgb", f"toRGBLayers.{i}", width, KERNEL.times(growing.LAST))
    return found


def _deviations() -> Turn:
    """Of the layer that sees standard deviations as its last channel: theirs of a group are larger than ours."""
    ratio = math.sqrt(GROUP / (GROUP - 1))

    def scaled(kernel: np.ndarray, factor: float) -> np.ndarray:
        kernel = np.array(kernel)
        kernel[:, :, -1] *= factor
        return kernel

    return Turn(lambda x: scaled(KERNEL.ours(x), ratio), lambda y: KERNEL.theirs(scaled(y, 1 / ratio)))


def _discriminator_leaves(widths: Sequence[int], channels: int) -> list[Leaf]:
    first = widths[0]
    found = _layer("4x4_conv", "groupScaleZero.0", 9 * (first + 1), _deviations())
    found += _layer("4x4_down", "groupScaleZero.1", 16 * first, _linear(4))
    found += _layer("out", "decisionLayer", first, _linear(1).times(growing.LAST))
    for i, width in enumerate(widths):
        r = 4 << i
        found += _layer(f"{r}x{r}_rgb", f"fromRGBLayers.{i}", channels)
        if i:
            found += _layer(f"{r}x{r}_conv", f"scaleLayers.{i - 1}.0", 9 * width)
            found += _layer(f"{r}x{r}_down", f"scaleLayers.{i - 1}.1", 9 * width)
    return found


def _leaves(role: str, fields: Mapping[str, Any], size: int, net: Net) -> list[Leaf]:
    widths = growing.channels_by_level(fields, size)
    if role == "generator":
        return _generator_leaves(fields, widths, net.params["4x4_up"]["kernel"].shape[2])
    return _discriminator_leaves(widths, net.params["4x4_rgb"]["kernel"].shape[2])


def read(file: File, like: Net, fields: Mapping[str, Any], size: int) -> Net:
    """Variables like `like` of a file of the network with these fields and size."""
    return leaves.read(file.state, like, _leaves(file.network.role, fields, size, like), file.path)


def write(net: Net, role: str, fields: Mapping[str, Any], size: int) -> dict[str, np.ndarray]:
    """The arrays of a network with these fields and size."""
    return leaves.write(net, _leaves(role, fields, size, net))


def file_name(model: Any, name: str) -> str:
    """netG.pth, netD.pth: what its code has under these names in one file, beside an object of its own."""
    return f"net{name}.pth"
