"""znxlwm/UGATIT-pytorch: U-GAT-IT, the authors' PyTorch code (networks.py).

Variances of its AdaLIN divide by n - 1. Its judges weight maps by their classifiers' weights before spectral norm, ours
after it: the convolution that follows makes up for that.
"""

import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from gan_xla.contract import Net
from gan_xla.errors import UserError
from gan_xla.images import Size, sides
from gan_xla.published import layout, leaves
from gan_xla.published.layout import File, Network, Plan, count, need, same_channels, shape
from gan_xla.published.leaves import KERNEL, MAPS, MATRIX, ROW, VECTOR, Leaf, Turn
from gan_xla.published.units import PARAMETRIZED

NETS = ("ugatit",)
OWN = re.compile(r"(gap_fc|gmp_fc)\.")
FILE = "params_latest.pt"  # all networks
POOLED = (("gap_fc", "mean"), ("gmp_fc", "max"))
JUDGES = ("disG", "disL")  # of large patches and of small ones; ours are one network
NAMES = {"G_AB": "genA2B", "G_BA": "genB2A"}
WAY = re.compile(r"(?<![a-z])(?:gen|net)?_?(?:G_)?([AB])(?:2|_?to_?)?([AB])(?![a-z])", re.IGNORECASE)


def file(state: Mapping[str, np.ndarray], path: Path) -> File:
    """What is in a file: a generator, or one of a domain's two judges.

    Raises:
      UserError: no such network, or one that ours cannot be.
    """
    found = {}
    for key, array in state.items():
        for pattern, name in PARAMETRIZED:
            key = re.sub(pattern, name, key)
        found[key] = array
    if "DownBlock.1.weight" in found or "gap_fc.weight" in found:
        return File(path, found, _generator(found, path))
    width, channels, _, _ = shape(found, "model.1.weight_orig", path)
    layers = count(found, r"model\.\d+\.weight_orig") - 1
    return File(path, found, Network("discriminator", {"net": "ugatit", "width": width, "layers": layers}, channels))


def _generator(state: Mapping[str, np.ndarray], path: Path) -> Network:
    width, takes, _, _ = shape(state, "DownBlock.1.weight", path)
    gives, _, _, _ = shape(state, "UpBlock2.11.weight", path)
    _, inputs = need(state, "FC.0.weight", 2, path)
    light, pixels = inputs == 4 * width, inputs // (4 * width)
    fields = {
        "net": "ugatit",
        "width": width,
        "blocks": count(state, r"UpBlock1_\d+\.conv1\.weight"),
        "light": light,
        "unbiased": True,
        "output": "tanh",
    }
    size = None if light else 4 * math.isqrt(pixels)
    if size and size * size * width != 4 * inputs:
        raise UserError(f"{path}: 'FC.0.weight' takes {inputs} numbers, which are no square of {4 * width} maps")
    return Network("generator", fields, same_channels(takes, gives, path), size)


def plan(files: Sequence[File], direction: str | None = None, labels: str | None = None) -> Plan:
    """The generators, and the discriminators if they are there.

    Args:
      files: named by the published code, or with AtoB, A2B and the like in a generator's name, disGA in a judge's.
      direction: AtoB or BtoA, of a single generator whose name does not tell; None for AtoB.
      labels: U-GAT-IT has none.
    Raises:
      UserError: no generator, names that do not tell which network is which, or half of a discriminator.
    """
    if labels:
        raise UserError(f"--labels={labels}: these networks take none; leave it out")
    found: dict[str, File] = {}
    notes = []
    for one in files:
        name = _name(one)
        if not name:
            name = "genB2A" if direction == "BtoA" else "genA2B"
            notes.append(f"{one.path}: its name tells no direction: {name[3]}to{name[5]} assumed (--direction)")
        if name in found:
            raise UserError(f"--input: {found[name].path} and {one.path} are both {name} by their names")
        found[name] = one
    networks = {ours: found[theirs] for ours, theirs in NAMES.items() if theirs in found}
    if not networks:
        raise UserError("--input: no generator among the networks; add its file")
    for domain in "AB":
        if judges := {judge: found[f"{judge}{domain}"] for judge in JUDGES if f"{judge}{domain}" in found}:
            networks[f"D_{domain}"] = _joined(judges, domain)
    return Plan("ugatit", networks, notes=tuple(notes))


def _name(file: File) -> str:
    """What the published code calls it, by its file's name and its place there; "" of a generator that is not told."""
    name = file.path.name
    if file.network.role == "generator":
        way = WAY.search(name)
        return f"gen{way[1]}2{way[2]}".replace("a", "A").replace("b", "B") if way and way[1] != way[2] else ""
    judge, domain = (re.search(rf"dis_?{rest}(?![a-z])", name) for rest in ("([GL])_?[AB]?", "[GL]?_?([AB])"))
    if not judge or not domain:
        raise UserError(f"{file.path}: its name does not tell which judge it is; name it disGA, disGB, disLA or disLB")
    return f"dis{judge[1]}{domain[1]}"


def _joined(judges: Mapping[str, File], domain: str) -> File:
    """Our discriminator of a domain of its two judges.

    Raises:
      UserError: there is one alone, or they do not belong together.
    """
    first = next(iter(judges.values()))
    if missing := [f"{judge}{domain}" for judge in JUDGES if judge not in judges]:
        raise UserError(f"{first.path}: {missing[0]} is not there, the other judge of domain {domain}")
    large, small = (judges[judge].network for judge in JUDGES)
    if (large.fields["width"], large.channels) != (small.fields["width"], small.channels):
        raise UserError(f"{first.path}: its judges of domain {domain} have {large.fields} and {small.fields}")
    fields = {**large.fields, "local": small.fields["layers"]}
    state = {f"{judge}.{key}": array for judge, one in judges.items() for key, array in one.state.items()}
    return first._replace(state=state, network=large._replace(fields=fields))


def _generator_leaves(fields: Mapping[str, Any], size: Size) -> list[Leaf]:
    blocks, resized = fields["blocks"], ("UpBlock2.2", "UpBlock2.7", "UpBlock2.11")
    convs = [f"DownBlock.{i}" for i in (1, 5, 9)]
    convs += [f"DownBlock.{12 + i}.conv_block.{j}" for i in range(blocks) for j in (1, 5)]
    convs += ["conv1x1", *(f"UpBlock1_{i + 1}.conv{j}" for i in range(blocks) for j in (1, 2)), *resized]
    found = [Leaf(f"{name}.weight", ("params", f"Conv_{i}", "kernel"), KERNEL) for i, name in enumerate(convs)]
    found.append(Leaf("conv1x1.bias", ("params", f"Conv_{convs.index('conv1x1')}", "bias"), VECTOR))
    found += [Leaf(f"{theirs}.weight", ("params", "Attention_0", ours), ROW) for theirs, ours in POOLED]
    first = MATRIX if fields["light"] else _flattened(size)
    for i, (name, turn) in enumerate((("FC.0", first), ("FC.2", MATRIX), ("gamma", MATRIX), ("beta", MATRIX))):
        found.append(Leaf(f"{name}.weight", ("params", f"Dense_{i}", "kernel"), turn))
    norms = [f"UpBlock1_{i + 1}.norm{j}" for i in range(blocks) for j in (1, 2)]
    for i, name in enumerate((*norms, "UpBlock2.3", "UpBlock2.8")):
        own = {"rho": "rho"} if name in norms else {"rho": "rho", "gamma": "scale", "beta": "bias"}
        found += [
            Leaf(f"{name}.{theirs}", ("params", f"LayerInstanceNorm_{i}", ours), MAPS) for theirs, ours in own.items()
        ]
    return found


def _flattened(size: Size) -> Turn:
    """[out, c h w] -> [h w c, out]."""
    height, width = (side // 4 for side in sides(size))

    def ours(x):
        return x.reshape(len(x), -1, height, width).transpose(2, 3, 1, 0).reshape(-1, len(x))

    return Turn(ours, lambda y: y.reshape(height, width, -1, y.shape[1]).transpose(3, 2, 0, 1).reshape(y.shape[1], -1))


def _judge_leaves(judge: str, number: int, layers: int) -> list[Leaf]:
    """`layers`: strided convolutions."""
    params, stats = ("params", f"_Judge_{number}"), ("stats", f"_Judge_{number}")
    found = []
    for i, name in enumerate((*(f"{judge}.model.{1 + 3 * i}" for i in range(layers + 1)), f"{judge}.conv")):
        ours = f"Conv_{i if i <= layers else i + 1}"
        found.append(Leaf(f"{name}.weight_orig", (*params, ours, "kernel"), KERNEL))
        found.append(Leaf(f"{name}.weight_u", (*stats, f"SpectralNorm_{i}", f"{ours}/kernel/u"), ROW_OF_ONE))
        if i <= layers:
            found.append(Leaf(f"{name}.bias", (*params, ours, "bias"), VECTOR))
    found += [Leaf(f"{judge}.{theirs}.weight_orig", (*params, "Attention_0", ours), ROW) for theirs, ours in POOLED]
    last = f"Conv_{layers + 1}"
    found.append(Leaf(f"{judge}.conv1x1.weight", (*params, last, "kernel"), KERNEL))
    found.append(Leaf(f"{judge}.conv1x1.bias", (*params, last, "bias"), VECTOR))
    return found


ROW_OF_ONE = Turn(ROW.theirs, ROW.ours)  # [c] -> [1, c]


def _leaves(role: str, fields: Mapping[str, Any], size: Size) -> list[Leaf]:
    if role == "generator":
        return _generator_leaves(fields, size)
    layers = fields["layers"], fields["local"]
    return [leaf for i, judge in enumerate(JUDGES) for leaf in _judge_leaves(judge, i, layers[i])]


def read(file: File, like: Net, fields: Mapping[str, Any], size: Size) -> Net:
    """Variables like `like` of a file of the network with these fields and size."""
    role, state = file.network.role, dict(file.state)
    if role == "discriminator":
        for key in [key for key in state if key.endswith("weight_orig")]:
            _drop_vectors(state, key, file.path)
        _weight(state, np.multiply)
    return leaves.read(state, like, _leaves(role, fields, size), file.path)


def _drop_vectors(state: dict[str, np.ndarray], key: str, source: Path) -> None:
    """Leaves out what of spectral norm's vectors follows from the rest: v, and the classifiers' u, one number.

    Raises:
      UserError: they are not there, or do not fit.
    """
    columns = math.prod(state[key].shape[1:])
    lengths = {"v": columns, **({"u": 1} if "_fc." in key else {})}
    for letter, length in lengths.items():
        vector = key.replace("weight_orig", f"weight_{letter}")
        if need(state, vector, 1, source) != (length,):
            raise UserError(layout.other_shape(source, vector, state[vector].shape, [length]))
        del state[vector]


def _weight(state: dict[str, np.ndarray], operation: np.ufunc) -> None:
    """Multiplies or divides the halves of conv1x1 by the lengths of the classifiers' weights, where all are there."""
    for judge in JUDGES:
        key, owns = f"{judge}.conv1x1.weight", [f"{judge}.{pooled}.weight_orig" for pooled, _ in POOLED]
        if not {key, *owns} <= state.keys() or state[key].ndim != 4 or state[key].shape[1] % 2:
            continue  # which the shapes tell of
        # Maps that see nothing weigh nothing.
        lengths = [np.linalg.norm(state[own].astype(np.float64)) or 1.0 for own in owns]
        halves = np.split(state[key].astype(np.float64), 2, axis=1)
        state[key] = np.concatenate([operation(*pair) for pair in zip(halves, lengths)], 1).astype(np.float32)


def write(net: Net, role: str, fields: Mapping[str, Any], size: Size) -> dict[str, np.ndarray]:
    """The arrays of a network with these fields and size; the judges' begin with disG and disL.

    Raises:
      UserError: images that are no squares, where the generator depends on their size.
    """
    height, width = sides(size)
    if role == "generator" and not fields["light"] and height != width:
        raise UserError(f"data.image_size={size}: the published generator is of square images, but for light=True")
    found = leaves.write(net, _leaves(role, fields, size))
    if role == "discriminator":
        _weight(found, np.divide)
        for key in [key for key in found if key.endswith("weight_orig")]:
            matrix = found[key].reshape(len(found[key]), -1)
            u = found.setdefault(key.replace("weight_orig", "weight_u"), np.ones(1, np.float32))
            v = matrix.T @ u
            found[key.replace("weight_orig", "weight_v")] = v / max(np.linalg.norm(v), 1e-12)
    return found


def together(networks: Mapping[str, Mapping[str, np.ndarray]], model: Any) -> dict[str, dict[str, Any]]:
    """What FILE holds of networks by our names."""
    found: dict[str, dict[str, np.ndarray]] = {}
    for name, arrays in networks.items():
        for key, array in arrays.items():
            judge, _, rest = key.partition(".")
            theirs, key = (NAMES[name], key) if name in NAMES else (f"{judge}{name[-1]}", rest)
            found.setdefault(theirs, {})[key] = array
    return {FILE: found}


def file_name(model: Any, name: str) -> str:
    """genA2B.pth and so on; of the discriminators disA.pth, which holds both judges."""
    return f"{NAMES.get(name, f'dis{name[-1]}')}.pth"
