"""SKTBrain/DiscoGAN: DiscoGAN (discogan/model.py), whose code reads images as blue, green, red in [0, 1]."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from gan_xla.errors import UserError
from gan_xla.images import Size
from gan_xla.nets.encoder_decoder import channels
from gan_xla.published.layout import CONV, NORM, UP, File, Layer, Network, Plan, by_name, shape

CLASSES = ("model.Generator", "model.Discriminator")
NETS = ("encoder_decoder",)
NAMES = {"gen_B": "G_AB", "gen_A": "G_BA", "dis_A": "D_A", "dis_B": "D_B"}  # that code's AB = generator_B(A)


def recognise(state: Mapping[str, np.ndarray], source: Path) -> Network:
    """What network this is.

    Raises:
      UserError: none of these.
    """
    if "conv1.weight" in state:
        width, takes, _, _ = shape(state, "conv1.weight", source)
        depth = sum(re.fullmatch(r"conv\d+\.weight", key) is not None for key in state) - 1
        fields = {"net": "encoder_decoder", "width": width, "spectral_norm": False}
        return Network("discriminator", fields, takes, size=2 ** (depth + 2))
    width, takes, _, _ = shape(state, "main.0.weight", source)
    depth = sum(key.endswith(".weight") and state[key].ndim == 4 for key in state) // 2
    # With and without a bottleneck the keys may be the same; the channels of the innermost layer tell.
    inner, _, _, _ = shape(state, f"main.{3 * depth - 4}.weight" if depth > 1 else "main.0.weight", source)
    bottleneck = 0
    if depth > 1 and inner != channels(2 ** (depth + 2), width)[-1]:
        bottleneck, depth = inner, depth - 1
    fields = {
        "net": "encoder_decoder",
        "width": width,
        "bottleneck": bottleneck,
        "upsample": "transpose",
        "output": "sigmoid",
    }
    return Network("generator", fields, takes, size=2 ** (depth + 2))


def layers(role: str, fields: Mapping[str, Any], size: Size) -> list[Layer]:
    """The layers of a network as they run."""
    depth = len(channels(size, fields["width"]))
    if role == "discriminator":
        pairs = [
            Layer(f"{name}{i}", kind) for i in range(2, depth + 1) for name, kind in (("conv", CONV), ("bn", NORM))
        ]
        return [Layer("conv1", CONV, bgr=2), *pairs, Layer(f"conv{depth + 1}", CONV)]
    deep = bool(fields["bottleneck"])
    kinds = [CONV] * (depth - 1 + deep) + [UP] * (depth - 1 + deep)
    pairs = [Layer(f"main.{3 * i + 2 + j}", one) for i, kind in enumerate(kinds) for j, one in enumerate((kind, NORM))]
    return [Layer("main.0", CONV, bgr=2), *pairs, Layer(f"main.{3 * len(kinds) + 2}", UP, bgr=3)]


def plan(files: Sequence[File]) -> Plan:
    """Two generators and two discriminators, or some of them, by their files' names.

    Raises:
      UserError: no generator, or names that do not tell which is which.
    """
    found = by_name(files, r"(?:^|[_-])((?:gen|dis)_[AB])(?:[_-]|$)", "model_gen_B-1.0.pth")
    if odd := found.keys() - NAMES.keys():
        path = found[min(odd)].path
        raise UserError(f"{path}: its name does not tell which network it is; name it like model_gen_B-1.0.pth")
    if not any(name.startswith("gen") for name in found):
        raise UserError("--input: no generator among the files; add one, such as model_gen_B-1.0.pth")
    note = "blue and red of the first and last layers changed places: the run's images are red, green, blue"
    return Plan("discogan_reference", {NAMES[name]: file for name, file in found.items()}, notes=(note,))


def file_name(model: Any, name: str) -> str:
    """model_gen_B-1000.pth for G_AB."""
    theirs = {ours: theirs for theirs, ours in NAMES.items()}
    return f"model_{theirs[name]}-{model.step}.pth"
