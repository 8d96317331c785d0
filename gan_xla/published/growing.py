"""What the layouts of PGGAN's networks share: channels by level, the run to be made of them."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from gan_xla.errors import UserError
from gan_xla.nets import progressive
from gan_xla.published.layout import File, Network, Plan
from gan_xla.published.leaves import VECTOR, Leaf, Turn

# He's constant is sqrt(2 / fan-in) everywhere in their code; ours, as the authors', has no sqrt(2) where no rectifier
# follows, and counts the 16 pixels that the first layer makes.
LAST, FIRST = math.sqrt(2), 4.0


def network(role: str, widths: Sequence[int], channels: int, source: Path, **more: Any) -> Network:
    """A network of ours with so many channels at 4, 8, ... pixels.

    Args:
      role: "generator" or "discriminator".
      widths: by level.
      channels: of the images.
      source: for messages.
      more: `latent`, `labels` of `layout.Network`; what else there is are fields of the config.
    Raises:
      UserError: the channels do not follow from two numbers, as ours do.
    """
    size = 4 << (len(widths) - 1)
    fields = {"net": "progressive", "fmap_base": widths[-1] * (size // 2), "fmap_max": max(widths)}
    if size > 1024 or list(widths) != channels_by_level(fields, size):
        raise UserError(
            f"{source}: {', '.join(map(str, widths))} channels from 4 to {size} pixels: ours have fmap_max, and from "
            "some size up to 1024 half of them at each doubling"
        )
    known = {name: more.pop(name) for name in ("latent", "labels") if name in more}
    return Network(role, fields | more, channels, size=size, **known)


def channels_by_level(fields: Mapping[str, Any], size: int) -> list[int]:
    """Channels at 4, 8, ... `size` pixels of the networks with these fields."""
    module = progressive.Generator(size=size, fmap_base=fields["fmap_base"], fmap_max=fields["fmap_max"])
    return [module.width(r) for r in module.resolutions(None)]


def layer(ours: str, theirs: str, turn: Turn, bias: Turn = VECTOR) -> list[Leaf]:
    """The weights and biases of a layer called `ours`, as "16x16_up"."""
    return [
        Leaf(f"{theirs}.weight", ("params", ours, "kernel"), turn),
        Leaf(f"{theirs}.bias", ("params", ours, "bias"), bias),
    ]


def indexed(state: Mapping[str, np.ndarray], name: str) -> int:
    """How many arrays are called `name` with 0, 1, ... in the place of {}."""
    count = 0
    while name.format(count) in state:
        count += 1
    return count


def plan(files: Sequence[File], labels: str | None = None, direction: str | None = None) -> Plan:
    """A run at the last level of a generator, and the discriminator if it is there.

    Args:
      files: one or two.
      labels: NAME,NAME,... of networks that were trained with labels, in their order.
      direction: PGGAN has none.
    Raises:
      UserError: no generator, two of a kind, or another number of labels.
    """
    if direction:
        raise UserError(f"--direction={direction}: these networks have none; leave it out")
    found = {file.network.role[0].upper(): file for file in files}
    if len(found) < len(files):
        raise UserError(f"--input: {len(files)} networks where PGGAN has a generator and a discriminator")
    if "G" not in found:
        raise UserError("--input: no generator among the networks; add its file")
    size, latent = found["G"].network.size, found["G"].network.latent
    names = tuple(labels.split(",")) if labels else ()
    planes = (found["D"].network.labels or 0) if "D" in found else len(names)
    if planes and not names:
        raise UserError(f"{found['D'].path}: judges {planes} label planes; name them, --labels=NAME,NAME,...")
    if names and not planes:
        raise UserError(f"--labels={labels}: these networks take none; leave it out")
    if planes:
        found["G"] = found["G"]._replace(network=found["G"].network._replace(labels=planes))
    if "D" in found and found["D"].network.size != size:
        raise UserError(f"{found['D'].path}: {found['D'].network.size} pixels, unlike {found['G'].path}: {size}")
    updates = {
        "model.latent": latent - planes,
        "growth.first": size,
        **({"data.labels": names} if names else {}),
    }
    notes = (
        "assumed of PGGAN's networks, since no array tells it: an equalised learning rate in every layer, and that the "
        f"last level, {size} pixels, has faded in",
    )
    return Plan("pggan", found, updates, notes)
