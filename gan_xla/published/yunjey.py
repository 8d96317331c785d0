"""yunjey/stargan: StarGAN (model.py)."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from gan_xla.errors import UserError
from gan_xla.images import Size
from gan_xla.published.layout import CONV, NORM, UP, File, Layer, Network, Plan, by_name, shape

CLASSES = ("model.Generator", "model.Discriminator")
NETS = ("stargan",)


def recognise(state: Mapping[str, np.ndarray], source: Path) -> Network:
    """What network this is.

    Raises:
      UserError: none of these.
    """
    width, takes, _, _ = shape(state, "main.0.weight", source)
    if "conv1.weight" in state:
        _, _, kernel, _ = shape(state, "conv2.weight", source)
        count = sum(key.startswith("main.") and key.endswith(".weight") for key in state)
        fields = {"net": "stargan", "width": width, "layers": count}
        return Network("discriminator", fields, takes, size=kernel * 2**count)
    blocks = len({key.split(".")[1] for key in state if ".main." in key})
    channels, _, _, _ = shape(state, f"main.{blocks + 15}.weight", source)
    fields = {"net": "stargan", "width": width, "blocks": blocks, "upsample": "transpose", "output": "tanh"}
    return Network("generator", fields, channels, labels=takes - channels)


def layers(role: str, fields: Mapping[str, Any], size: Size) -> list[Layer]:
    """The layers of a network as they run."""
    if role == "discriminator":
        return [Layer(name, CONV) for name in (*(f"main.{2 * i}" for i in range(fields["layers"])), "conv1", "conv2")]

    def pairs(kind, *numbers, prefix="main"):
        return [
            layer
            for i in numbers
            for layer in (Layer(f"{prefix}.{i}", kind), Layer(f"{prefix}.{i + 1}", NORM, None, True))
        ]

    up = 9 + fields["blocks"]  # the first layer after them
    residual = [layer for i in range(9, up) for layer in pairs(CONV, 0, 3, prefix=f"main.{i}.main")]
    return [*pairs(CONV, 0, 3, 6), *residual, *pairs(UP, up, up + 3), Layer(f"main.{up + 6}", CONV)]


def plan(files: Sequence[File], labels: str | None = None) -> Plan:
    """The generator, and the discriminator if it is there.

    Args:
      files: one or two.
      labels: NAME,NAME,... of what the generator was trained on, in that order; None for the config's.
    Raises:
      UserError: no generator, or two of a kind.
    """
    found = by_name(files, r"(?:^|[_-])([GD])$", "200000-G.ckpt")
    if "G" not in found:
        raise UserError("--input: no generator among the files; add it, such as 200000-G.ckpt")
    return Plan("stargan", found, {"data.labels": tuple(labels.split(","))} if labels else {})


def file_name(model: Any, name: str) -> str:
    """200000-G.ckpt."""
    return f"{model.step}-{name}.ckpt"
