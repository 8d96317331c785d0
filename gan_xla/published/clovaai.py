"""clovaai/stargan-v2: StarGAN v2, the authors' code (core/model.py); for images of 2^14 / width pixels there.

The form for CelebA-HQ has a level more, and adds filtered maps of the input, which need a network that finds landmarks.
"""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from gan_xla.contract import Net, Tree
from gan_xla.errors import UserError
from gan_xla.images import Size, sides
from gan_xla.published import layout, leaves
from gan_xla.published.layout import File, Network, Plan, count, need, same_channels, shape
from gan_xla.published.leaves import KERNEL, MATRIX, POINT, VECTOR, Leaf, Turn

NETS = ("starganv2",)
OWN = re.compile(r"decode\.\d+\.norm1\.fc\.|unshared\.\d+\.|main\.\d+\.conv1\.")
NAMES = {"G": "generator", "F": "mapping_network", "E": "style_encoder", "D": "discriminator"}
LETTERS = {role: letter for letter, role in layout.ROLES.items()}
AVERAGE = re.compile(r"(?<![a-z])ema(?![a-z])")
PIXELS = 2**14  # times the width of a published network's first layer


def file(state: Mapping[str, np.ndarray], path: Path) -> File:
    """What is in a file: generator, mapping network, style encoder or discriminator.

    Raises:
      UserError: no such network, or one that ours cannot be.
    """
    if any(key.startswith("decode.") for key in state):
        return File(path, dict(state), _generator(state, path))
    if any(key.startswith("main.") for key in state):
        found, channels, size = _trunk(state, "main", path)
        domains, _, _, _ = shape(state, f"main.{size.bit_length() + 1}.weight", path)
        network = Network("discriminator", {"net": "starganv2", **found}, channels, size, domains)
        return File(path, dict(state), network)
    if any(key.startswith("shared.") and array.ndim == 4 for key, array in state.items()):
        found, channels, size = _trunk(state, "shared", path)
        joined, domains, style = _joined(state, path)
        return File(path, joined, Network("encoder", {**found, "style": style}, channels, size, domains))
    hidden, latent = need(state, "shared.0.weight", 2, path)
    style, _ = need(state, "unshared.0.6.weight", 2, path)
    domains = count(state, r"unshared\.\d+\.0\.weight")
    return File(path, dict(state), Network("mapping", {"hidden": hidden, "style": style}, latent, labels=domains))


def _generator(state: Mapping[str, np.ndarray], path: Path) -> Network:
    width, takes, _, _ = shape(state, "from_rgb.weight", path)
    gives, _, _, _ = shape(state, "to_rgb.2.weight", path)
    levels = count(state, r"encode\.\d+\.conv1\.weight") - 2
    most, _, _, _ = shape(state, f"encode.{levels - 1}.conv2.weight", path)
    _, style = need(state, "decode.0.norm1.fc.weight", 2, path)
    fields = {"net": "starganv2", "width": width, "most": most, "levels": levels, "style": style, "output": "linear"}
    return Network("generator", fields, same_channels(takes, gives, path))


def _trunk(state: Mapping[str, np.ndarray], name: str, path: Path) -> tuple[dict[str, int], int, int]:
    """(fields, channels, size) of the layers before the heads, which are called `name`."""
    width, channels, _, _ = shape(state, f"{name}.0.weight", path)
    halvings = count(state, rf"{name}\.\d+\.conv1\.weight")
    most, _, _, _ = shape(state, f"{name}.{halvings}.conv2.weight", path)
    return {"width": width, "most": most}, channels, 4 << halvings


def _joined(state: Mapping[str, np.ndarray], path: Path) -> tuple[dict[str, np.ndarray], int, int]:
    """(a style encoder with its heads as one layer, as ours, domains, numbers of a style).

    Raises:
      UserError: the heads are not alike.
    """
    found, domains = dict(state), count(state, r"unshared\.\d+\.weight")
    for leaf, axes in (("weight", 2), ("bias", 1)):
        keys = [f"unshared.{domain}.{leaf}" for domain in range(domains)]
        shapes = [need(state, key, axes, path) for key in keys]
        for key, own in zip(keys, shapes, strict=True):
            if own != shapes[0]:
                raise UserError(layout.other_shape(path, key, own, shapes[0]))
        found[f"unshared.{leaf}"] = np.concatenate([found.pop(key) for key in keys])
    return found, domains, shapes[0][0]


def plan(files: Sequence[File], direction: str | None = None, labels: str | None = None) -> Plan:
    """The generator with what makes its styles, and the discriminator if it is there.

    Args:
      files: of two of a kind the one of which "ema" in its name says that it is the average.
      direction: StarGAN v2 has none.
      labels: NAME,NAME,... of the domains, in the order of the training.
    Raises:
      UserError: no generator or nothing that makes its styles, networks that do not belong together, another number of
        labels, or the form for CelebA-HQ.
    """
    if direction:
        raise UserError(f"--direction={direction}: these networks have none; leave it out")
    found, notes = _chosen(files)
    if "G" not in found:
        raise UserError("--input: no generator among the networks; add its file")
    if not found.keys() & {"E", "F"}:
        raise UserError(
            f"{found['G'].path}: a generator without mapping_network and style_encoder, which make its styles; add them"
        )
    _check_alike(found)
    domains = next(found[name] for name in "FE" if name in found)
    names = tuple(labels.split(",")) if labels else ()
    if len(names) != domains.network.labels:
        raise UserError(
            f"{domains.path}: {domains.network.labels} domains; name them in the order of the training, "
            "--labels=NAME,NAME,... (the published code's is that of the folders' names)"
        )
    return _planned(found, names, notes)


def _chosen(files: Sequence[File]) -> tuple[dict[str, File], list[str]]:
    """Files by our name of the network, averages rather than what they are of; and notes.

    Raises:
      UserError: two of a kind.
    """
    found: dict[str, File] = {}
    notes = []
    for one in sorted(files, key=lambda file: not AVERAGE.search(file.path.name)):
        first = found.setdefault(LETTERS[one.network.role], one)
        if first is one:
            continue
        if AVERAGE.search(one.path.name) or not AVERAGE.search(first.path.name):
            raise UserError(f"--input: {first.path} and {one.path} are both a {one.network.role}; leave one out")
        notes.append(f"{one.path}: its moving average is taken")
    return found, notes


def _check_alike(found: Mapping[str, File]) -> None:
    """Checks that what several of the networks have is the same, and that G is no form for CelebA-HQ."""
    known: dict[str, tuple[Any, File]] = {}
    for name, file in found.items():
        own = ("style",) if name == "G" else ("style", "width", "most")
        shared = {field: file.network.fields.get(field) for field in own}
        for what, value in ({"domains": file.network.labels, "pixels": file.network.size} | shared).items():
            if value:
                first, other = known.setdefault(what, (value, file))
                if first != value:
                    raise UserError(f"{file.path}: {what}={value}, unlike {other.path}: {first}")
    fields = found["G"].network.fields
    size, _ = known.get("pixels", (PIXELS // fields["width"], None))
    if _filters(fields, size):
        raise UserError(
            f"{found['G'].path}: {fields['levels']} levels of {size} pixels: the form for CelebA-HQ, whose filter of "
            "the input's maps ours has not; that for animals has one level less"
        )


def _filters(fields: Mapping[str, Any], size: int) -> bool:
    """Whether a generator of these fields is the form for CelebA-HQ in the published code."""
    return fields["width"] * size == PIXELS and fields["levels"] == size.bit_length() - 4


def _planned(found: dict[str, File], names: tuple[str, ...], notes: Sequence[str]) -> Plan:
    updates: dict[str, Any] = {"data.labels": names, "data.exclusive": (names,)}
    if "F" in found:
        mapping = found["F"].network
        updates |= {"model.latent": mapping.channels, "model.mapping": mapping.fields["hidden"]}
    if sized := next((found[name].network for name in "ED" if name in found), None):
        updates |= {f"model.discriminator.{field}": sized.fields[field] for field in ("width", "most")}
        found["G"] = found["G"]._replace(network=found["G"].network._replace(size=sized.size))
    assumed = "assumed of these networks, since no array tells it: rectifiers of slope 0.2, and images from -1 to 1"
    return Plan("starganv2", found, updates, (assumed, *notes))


def _layer(theirs: str, *ours: str, turn: Turn = KERNEL) -> list[Leaf]:
    path = ("params", *ours)
    return [Leaf(f"{theirs}.weight", (*path, "kernel"), turn), Leaf(f"{theirs}.bias", (*path, "bias"), VECTOR)]


def _norm(theirs: str, *ours: str) -> list[Leaf]:
    path = ("params", *ours, "InstanceNorm_0")
    return [Leaf(f"{theirs}.weight", (*path, "scale"), VECTOR), Leaf(f"{theirs}.bias", (*path, "bias"), VECTOR)]


def _blocks(theirs: str, params: Tree, kind: str, *path: str, first: int = 0) -> list[Leaf]:
    """The blocks of this kind in `params`, which are at `path`; `theirs`: with {} for the number, from `first` on."""
    found, number = [], 0
    while (ours := f"{kind}_{number}") in params:
        own, name = params[ours], theirs.format(first + number)
        for i in range(2):
            found += _layer(f"{name}.conv{i + 1}", *path, ours, f"Conv_{i}")
            if f"Norm_{i}" in own:
                found += _norm(f"{name}.norm{i + 1}", *path, ours, f"Norm_{i}")
            if f"Dense_{i}" in own:
                found += _layer(f"{name}.norm{i + 1}.fc", *path, ours, f"Dense_{i}", turn=MATRIX)
        if "Conv_2" in own:
            found.append(Leaf(f"{name}.conv1x1.weight", ("params", *path, ours, "Conv_2", "kernel"), KERNEL))
        number += 1
    return found


def _trunk_leaves(name: str, params: Tree) -> tuple[list[Leaf], int]:
    """Of the layers before the heads, and the number of the layer after them."""
    halvings = sum(key.startswith("Block_") for key in params)
    found = _layer(f"{name}.0", "Trunk_0", "Conv_0") + _layer(f"{name}.{halvings + 2}", "Trunk_0", "Conv_1")
    return found + _blocks(f"{name}.{{}}", params, "Block", "Trunk_0", first=1), halvings + 4


def _leaves(role: str, params: Tree) -> list[Leaf]:
    """Of a network of ours with these parameters."""
    if role == "generator":
        found = _layer("from_rgb", "Conv_0") + _norm("to_rgb.0", "Norm_0") + _layer("to_rgb.2", "Conv_1")
        return found + _blocks("encode.{}", params, "Block") + _blocks("decode.{}", params, "StyledBlock")
    if role == "mapping":
        names = [f"shared.{2 * i}" for i in range(4)]
        names += [f"unshared.{domain}.{2 * i}" for domain in range(len(params) // 4 - 1) for i in range(4)]
        return [leaf for i, name in enumerate(names) for leaf in _layer(name, f"Dense_{i}", turn=MATRIX)]
    found, last = _trunk_leaves("shared" if role == "encoder" else "main", params["Trunk_0"])
    head = ("unshared", MATRIX) if role == "encoder" else (f"main.{last}", POINT)
    return found + _layer(head[0], "Dense_0", turn=head[1])


def read(file: File, like: Net, fields: Mapping[str, Any], size: Size) -> Net:
    """Variables like `like` of a file."""
    return leaves.read(file.state, like, _leaves(file.network.role, like.params), file.path)


def write(net: Net, role: str, fields: Mapping[str, Any], size: Size) -> dict[str, np.ndarray]:
    """The arrays of a network with these fields, of the generator for what makes its styles, and size.

    Raises:
      UserError: images that are no squares, where the network depends on their size, or a generator that the published
        code would take for the form for CelebA-HQ.
    """
    height, width = sides(size)
    if role == "generator" and _filters(fields, height):
        raise UserError(
            f"model.generator.levels={fields['levels']} of {height} pixels: the published code has a level less, and "
            "with as many the form for CelebA-HQ; use --format=stablehlo, onnx or savedmodel"
        )
    if role in ("encoder", "discriminator") and height != width:
        raise UserError(f"data.image_size={size}: the published {role} is of square images")
    found = leaves.write(net, _leaves(role, net.params))
    if role == "encoder":
        for leaf in ("weight", "bias"):
            heads = found.pop(f"unshared.{leaf}")
            for domain in range(len(heads) // fields["style"]):
                found[f"unshared.{domain}.{leaf}"] = heads[domain * fields["style"] :][: fields["style"]].copy()
    return found


def together(networks: Mapping[str, Mapping[str, np.ndarray]], model: Any) -> dict[str, dict[str, Any]]:
    """What 000100_nets_ema.ckpt holds of networks by our names, and the discriminator, which is in 000100_nets.ckpt."""
    return {f"{model.step:06d}_nets_ema.ckpt": {NAMES[name]: dict(arrays) for name, arrays in networks.items()}}


def file_name(model: Any, name: str) -> str:
    """generator.ckpt, mapping_network.ckpt and so on of the networks one by one."""
    return f"{NAMES[name]}.ckpt"
