"""akanimax/pro_gan_pytorch from version 3 on: PGGAN (pro_gan_pytorch/networks.py), to read alone.

What the first layer makes is not normalised there.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from gan_xla.contract import Net
from gan_xla.errors import UserError
from gan_xla.published import growing, leaves
from gan_xla.published.layout import File, need
from gan_xla.published.leaves import KERNEL, TRANSPOSED, Leaf

OWN = re.compile(r"(rgb_converters\.\d+|from_rgb\.\d+\.0)\.weight$")
TO_RGB, FROM_RGB = "rgb_converters.{}.weight", "from_rgb.{}.0.weight"

plan = growing.plan


def file(state: Mapping[str, np.ndarray], path: Path) -> File:
    """What is in a file.

    Raises:
      UserError: no such network, or one that ours cannot be.
    """
    if TO_RGB.format(0) in state:
        shapes = [need(state, TO_RGB.format(i), 4, path) for i in range(growing.indexed(state, TO_RGB))]
        latent = need(state, "layers.0.conv_1.weight", 4, path)[0]
        widths, channels = [shape[1] for shape in shapes], shapes[0][0]
        more = {"latent": latent, "first_norm": False, "first_biases": "shared"}
        return File(path, dict(state), growing.network("generator", widths, channels, path, **more))
    if embedding := [key for key in state if key.endswith("label_embedder.weight")]:
        raise UserError(f"{path}: {embedding[0]!r}: a discriminator by projection of labels, which ours has not")
    shapes = [need(state, FROM_RGB.format(i), 4, path) for i in range(growing.indexed(state, FROM_RGB))]
    if not shapes:
        raise UserError(f"{path}: lacks {FROM_RGB.format(0)!r}, which a network of its other keys has")
    widths, channels = [shape[0] for shape in reversed(shapes)], shapes[0][1]
    return File(path, dict(state), growing.network("discriminator", widths, channels, path, group=4))


def _leaves(role: str, levels: int) -> list[Leaf]:
    found = []
    for i in range(levels):
        r, last = 4 << i, levels - 1 - i
        if role == "generator":
            up = KERNEL if i else TRANSPOSED.times(growing.FIRST)
            found += growing.layer(f"{r}x{r}_up", f"layers.{i}.conv_1", up)
            found += growing.layer(f"{r}x{r}_conv", f"layers.{i}.conv_2", KERNEL)
            found += growing.layer(f"{r}x{r}_rgb", f"rgb_converters.{i}", KERNEL.times(growing.LAST))
        else:
            found += growing.layer(f"{r}x{r}_rgb", f"from_rgb.{last}.0", KERNEL)
            found += growing.layer(f"{r}x{r}_conv", f"layers.{last}.conv_1", KERNEL)
            found += growing.layer(f"{r}x{r}_down", f"layers.{last}.conv_2", KERNEL)
    if role == "discriminator":
        found += growing.layer("out", f"layers.{levels - 1}.conv_3", KERNEL.times(growing.LAST))
    return found


def read(file: File, like: Net, fields: Mapping[str, Any], size: int) -> Net:
    """Variables like `like` of a file of the network with these fields and size."""
    levels = len(growing.channels_by_level(fields, size))
    return leaves.read(file.state, like, _leaves(file.network.role, levels), file.path)
