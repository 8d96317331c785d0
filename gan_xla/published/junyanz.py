"""junyanz/pytorch-CycleGAN-and-pix2pix: ResNet and U-Net generators, PatchGANs (models/networks.py).

And taesungp/contrastive-unpaired-translation's of them, which blur where they resample.
"""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from gan_xla.errors import UserError
from gan_xla.images import Size, sides
from gan_xla.nets.unet_pix2pix import depth
from gan_xla.published.layout import (
    BLUR,
    CONV,
    NORM,
    UP,
    File,
    Layer,
    Network,
    Plan,
    by_name,
    norm_kind,
    same_channels,
    shape,
)

CLASSES = tuple(
    f"models.networks.{name}"
    for name in ("ResnetGenerator", "UnetGenerator", "NLayerDiscriminator", "PixelDiscriminator")
)
NETS = ("resnet", "unet_pix2pix", "patchgan")
UNET = "model.model.0.weight"
HALVE, DOUBLE = (1, 2, 1), (1, 3, 3, 1)  # taps of the blurs
# D_A judges what G_A makes, images of B.
CYCLEGAN = {"G_A": "G_AB", "G_B": "G_BA", "D_A": "D_B", "D_B": "D_A"}


def recognise(state: Mapping[str, np.ndarray], source: Path) -> Network:
    """What network this is. Of a U-Net the keys do not tell the dropout, which is left out.

    Raises:
      UserError: none of these.
    """
    if UNET in state:
        return _unet(state, source)
    if any(".conv_block." in key for key in state):
        return _resnet(state, source)
    return _patchgan(state, source)


def _resnet(state: Mapping[str, np.ndarray], source: Path) -> Network:
    width, takes, _, _ = shape(state, "model.1.weight", source)
    blocks = len({key.split(".")[1] for key in state if ".conv_block." in key})
    taps = [array.shape[-1] for key, array in state.items() if key.endswith(".filt")]
    down, up = 3 in taps, 4 in taps
    gives, _, _, _ = shape(state, f"model.{17 + blocks + 2 * down + 2 * up}.weight", source)
    fields = {
        "net": "resnet",
        "width": width,
        "blocks": blocks,
        "dropout": 0.5 if any(".conv_block.6." in key for key in state) else 0.0,
        "norm": norm_kind(state, "model.2"),
        "upsample": "blur" if up else "transpose",
        "antialias": down,
        "output": "tanh",
    }
    return Network("generator", fields, same_channels(takes, gives, source))


def _unet(state: Mapping[str, np.ndarray], source: Path) -> Network:
    width, takes, _, _ = shape(state, UNET, source)
    _, gives, _, _ = shape(state, "model.model.3.weight", source)
    levels = 1
    while f"{_level(levels)}.1.weight" in state:
        levels += 1
    norm = norm_kind(state, f"{_level(1)}.6")
    fields = {"net": "unet_pix2pix", "width": width, "norm": norm, "upsample": "transpose", "output": "tanh"}
    return Network("generator", fields, same_channels(takes, gives, source), size=2**levels)


def _patchgan(state: Mapping[str, np.ndarray], source: Path) -> Network:
    pixels = "net.0.weight" in state
    width, channels, _, _ = shape(state, "net.0.weight" if pixels else "model.0.weight", source)
    numbers = [int(key.split(".")[1]) for key in state if re.fullmatch(r"model\.\d{1,4}\.weight", key)]
    blurs = sum(key.endswith(".filt") for key in state)
    fields = {
        "net": "patchgan",
        "width": width,
        "layers": 0 if pixels else (max(numbers) - 2 - blurs) // 3,
        "norm": norm_kind(state, "net.3" if pixels else f"model.{3 + bool(blurs)}"),
        "spectral_norm": False,
        "judges": "patches",
        "antialias": blurs > 0,
    }
    return Network("discriminator", fields, channels)


def layers(role: str, fields: Mapping[str, Any], size: Size) -> list[Layer]:
    """The layers of a network as they run."""
    if fields["net"] == "resnet":
        blocks = fields["blocks"] if fields["blocks"] is not None else 9 if min(sides(size)) >= 256 else 6
        return _resnet_layers(fields, blocks)
    if fields["net"] == "unet_pix2pix":
        return _unet_layers(fields.get("levels") or depth(size))
    return _patchgan_layers(fields)


def _pairs(kind: str, numbers: Sequence[int], prefix: str = "model") -> list[Layer]:
    """Convolutions of a Sequential, each followed by its norm."""
    return [Layer(f"{prefix}.{i + j}", one) for i in numbers for j, one in enumerate((kind, NORM))]


class _Sequential:
    """Layers by their numbers in a Sequential, with what has no arrays between them."""

    def __init__(self):
        self.layers: list[Layer] = []
        self.next = 0

    def add(self, *kinds: str | None, filtered: tuple[int, tuple[int, ...]] = (0, ())) -> None:
        """None is of no kind: padding, a rectifier."""
        for kind in kinds:
            if kind:
                self.layers.append(Layer(f"model.{self.next}", kind, filtered=filtered if kind == BLUR else (0, ())))
            self.next += 1


def _resnet_layers(fields: Mapping[str, Any], blocks: int) -> list[Layer]:
    found, width, blurred = _Sequential(), fields["width"], fields.get("upsample") == "blur"
    found.add(None, CONV, NORM, None)
    for channels in (2 * width, 4 * width):
        found.add(CONV, NORM, None)
        if fields.get("antialias"):
            found.add(BLUR, filtered=(channels, HALVE))
    inside = (1, 6 if fields["dropout"] else 5)
    for _ in range(blocks):
        found.layers += _pairs(CONV, inside, f"model.{found.next}.conv_block")
        found.add(None)
    for channels in (4 * width, 2 * width):
        if blurred:
            found.add(BLUR, filtered=(channels, DOUBLE))
        found.add(CONV if blurred else UP, NORM, None)
    found.add(None, CONV)
    return found.layers


def _level(i: int) -> str:
    """The Sequential of level i of a U-Net, from 0; each holds the next."""
    return "model.model" + (".1.model" + ".3.model" * (i - 1) if i else "")


def _unet_layers(levels: int) -> list[Layer]:
    middle, last = range(1, levels - 1), _level(levels - 1)
    down = [layer for i in middle for layer in _pairs(CONV, (1,), _level(i))]
    up = [layer for i in reversed(middle) for layer in _pairs(UP, (5,), _level(i))]
    innermost = [Layer(f"{last}.1", CONV), *_pairs(UP, (3,), last)]
    return [Layer(f"{_level(0)}.0", CONV), *down, *innermost, *up, Layer(f"{_level(0)}.3", UP)]


def _patchgan_layers(fields: Mapping[str, Any]) -> list[Layer]:
    count, found = fields["layers"], _Sequential()
    if not count:
        return [Layer("net.0", CONV), *_pairs(CONV, (2,), "net"), Layer("net.5", CONV)]
    for i in range(count + 1):
        found.add(CONV, *((NORM,) if i else ()), None)
        if fields.get("antialias") and i < count:
            found.add(BLUR, filtered=(fields["width"] * min(2**i, 8), HALVE))
    found.add(CONV)
    return found.layers


def plan(files: Sequence[File], direction: str | None = None) -> Plan:
    """A CycleGAN's four networks or a pix2pix's two, or some of them, by their files' names.

    A generator alone is pix2pix's where it has batch norm, that code's default there, and one of CycleGAN's
    two where it has instance norm.

    Args:
      files: named as published, latest_net_G_A.pth and so on.
      direction: AtoB or BtoA, of a generator whose file's name does not tell.
    Raises:
      UserError: no generator, or files that do not belong together.
    """
    found = by_name(files, r"(?:^|[_-])([GD](?:_[AB])?)$", "latest_net_G_A.pth")
    if found.keys() & CYCLEGAN.keys():
        if direction or not found.keys() <= CYCLEGAN.keys():
            odd = f"--direction={direction}" if direction else f"--input: {min(found.keys() - CYCLEGAN.keys())}"
            raise UserError(f"{odd} beside CycleGAN's {min(found.keys() & CYCLEGAN.keys())}; leave it out")
        return _checked(Plan("cyclegan", {CYCLEGAN[name]: file for name, file in found.items()}))
    direction = direction or "AtoB"
    if direction not in ("AtoB", "BtoA"):
        raise UserError(f"--direction={direction}: use AtoB or BtoA")
    ours = {"G": f"G_{direction[0]}{direction[-1]}", "D": f"D_{direction[-1]}"}
    networks = {ours[name]: file for name, file in found.items()}
    if "G" in found and found["G"].network.fields.get("antialias"):
        note = "one generator that blurs where it resamples: taken for CUT's"
        return _checked(Plan("cut", networks, {"model.direction": direction}, (note,)))
    if "G" in found and "D" not in found and found["G"].network.fields["norm"] != "batch":
        note = f"one generator with instance norm: taken for CycleGAN's {ours['G']}"
        return _checked(Plan("cyclegan", networks, notes=(note,)))
    return _checked(Plan("pix2pix", networks, {"model.direction": direction}))


def _checked(plan: Plan) -> Plan:
    """The plan, with what the keys do not tell.

    Raises:
      UserError: it has no generator.
    """
    generators = [file for file in plan.networks.values() if file.network.role == "generator"]
    if not generators:
        raise UserError("--input: no generator among the files; add one, such as latest_net_G_A.pth")
    for file in plan.networks.values():
        if (
            file.network.fields["norm"] == "batch" and "net.5.weight" in file.state
        ):  # the pixels' last layer has no bias beside batch norm; ours has
            file.state.setdefault("net.5.bias", np.zeros(1, np.float32))
    if generators[0].network.fields["net"] != "unet_pix2pix":
        return plan
    rate = 0.5 if plan.config == "pix2pix" else 0.0
    note = f"a U-Net's file does not tell its dropout: {rate} assumed, the default of the published {plan.config}"
    updates = {**plan.updates, "model.generator.dropout": rate}
    return plan._replace(updates=updates, notes=(*plan.notes, note))


def file_name(model: Any, name: str) -> str:
    """latest_net_G_A.pth for G_AB; latest_net_G.pth where there is one way alone."""
    theirs = {ours: theirs for theirs, ours in CYCLEGAN.items()}
    return f"latest_net_{theirs[name] if len(model.directions) > 1 else name[0]}.pth"
