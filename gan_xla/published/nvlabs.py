"""NVlabs/MUNIT: UNIT and MUNIT, the authors' code (networks.py, trainer.py); either domain has an autoencoder.

Its layer norm is what `model.generator.unbiased` makes ours; runs without are exported too, and their images are the
same to 1e-5 where deviations are about 1. Running averages of instance norm are in some files; AdaIN's are in all, and
never used.
"""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from gan_xla.contract import Net
from gan_xla.errors import UserError
from gan_xla.images import Size
from gan_xla.published import layout, leaves
from gan_xla.published.layout import File, Network, Plan, count, need, same_channels, shape
from gan_xla.published.leaves import KERNEL, MATRIX, POINT, VECTOR, Leaf, Turn

NETS = ("munit", "multiscale")
OWN = re.compile(r"enc(_content|_style)?\.model\.\d+\.conv\.|mlp\.model\.\d+\.fc\.|cnns\.\d+\.\d+\.")
# Convolutions before instance norms: AdaIN's in MUNIT's decoder.
NORMED = re.compile(r"((enc|enc_content)\.model|dec\.model\.0)\..*conv\.weight")
AVERAGE = re.compile(r"\.norm\.running_(mean|var)$")
SIDES = {"G": "gen", "D": "dis"}


def file(state: Mapping[str, np.ndarray], path: Path) -> File:
    """What is in a file: the autoencoder of a domain, or its discriminator.

    Raises:
      UserError: no such network, or one that ours cannot be.
    """
    if any(key.startswith("cnns.") for key in state):
        return File(path, dict(state), _discriminator(state, path))
    network = _generator(state, path)
    _check_averages(state, path)
    return File(path, dict(state), network)


def _generator(state: Mapping[str, np.ndarray], path: Path) -> Network:
    styled = not any(key.startswith("enc.") for key in state)
    content = "enc_content" if styled else "enc"
    width, takes, _, _ = shape(state, f"{content}.model.0.conv.weight", path)
    layers = count(state, rf"{content}\.model\.\d+\.conv\.weight") - 1
    gives, _, _, _ = shape(state, f"dec.model.{2 * layers + 1}.conv.weight", path)
    fields = {
        "net": "munit",
        "width": width,
        "layers": layers,
        "blocks": count(state, rf"{content}\.model\.{layers + 1}\.model\.\d+\.model\.0\.conv\.weight"),
        "style": 0,
        "unbiased": True,
        "output": "tanh",
    }
    if styled:
        hidden, style = need(state, "mlp.model.0.fc.weight", 2, path)
        convs = count(state, r"enc_style\.model\.\d+\.conv\.weight")
        fields |= {"style": style, "style_layers": convs - 1, "hidden": hidden}
    return Network("generator", fields, same_channels(takes, gives, path))


def _discriminator(state: Mapping[str, np.ndarray], path: Path) -> Network:
    width, channels, _, _ = shape(state, "cnns.0.0.conv.weight", path)
    layers, scales = count(state, r"cnns\.0\.\d+\.conv\.weight"), count(state, r"cnns\.\d+\.0\.conv\.weight")
    return Network("discriminator", {"net": "multiscale", "width": width, "layers": layers, "scales": scales}, channels)


def _check_averages(state: Mapping[str, np.ndarray], source: Path) -> None:
    """Checks the running averages of the encoder, and of the decoder, where there are any.

    Raises:
      UserError: some are missing, or do not fit.
    """
    convs = [key.removesuffix(".conv.weight") for key in state if NORMED.fullmatch(key)]
    for part in ("enc", "dec"):
        lengths = {
            f"{name}.norm.running_{which}": len(state[f"{name}.conv.weight"])
            for name in convs
            if name.startswith(part)
            for which in ("mean", "var")
        }
        for key, length in lengths.items() if lengths.keys() & state.keys() else ():
            if need(state, key, 1, source) != (length,):
                raise UserError(layout.other_shape(source, key, state[key].shape, [length]))


def plan(files: Sequence[File], direction: str | None = None, labels: str | None = None) -> Plan:
    """Both autoencoders, and the discriminators if they are there.

    Args:
      files: whose names, or places in a file, end with the domain: a, gen_a, G_A.
      direction, labels: these networks have none.
    Raises:
      UserError: an autoencoder is missing, or names that do not tell which network is which.
    """
    for option, value in (("direction", direction), ("labels", labels)):
        if value:
            raise UserError(f"--{option}={value}: these networks have no such choice; leave it out")
    found: dict[str, File] = {}
    for one in files:
        letter = one.network.role[0].upper()
        place = re.search(r"\((.*)\)$", one.path.name)
        own = re.search(r"(?<![a-zA-Z])([abAB])$", place[1] if place else one.path.stem)
        if not own:
            raise UserError(f"{one.path}: its name does not tell its domain; name it like {SIDES[letter]}_a")
        name = f"{letter}_{own[1].upper()}"
        if name in found:
            raise UserError(f"--input: {found[name].path} and {one.path} are both of domain {name[-1]} by their names")
        found[name] = one
    if missing := [domain for domain in "AB" if f"G_{domain}" not in found]:
        raise UserError(
            f"--input: no autoencoder of domain {missing[0]} among the networks, and a translation needs those of "
            "both; add its file"
        )
    styled = found["G_A"].network.fields["style"]
    return Plan("munit" if styled else "unit", found, notes=tuple(_notes(found)))


def _notes(networks: Mapping[str, File]) -> list[str]:
    notes = [
        "assumed of these networks, since no array tells it: padding by reflection, rectifiers, of slope 0.2 in the "
        "discriminators, and images from -1 to 1",
    ]
    if any(key.startswith("enc") and AVERAGE.search(key) for file in networks.values() for key in file.state):
        notes.append("running averages of instance norm left out: every image is normalised by its own statistics")
    return notes


def _numbered(part: str, names: Sequence[str], kind: str = "Conv", turn: Turn = KERNEL) -> list[Leaf]:
    """The layers `kind`_0, _1, ... of a part of our network, "" for all of it; `names` of theirs."""
    path = ("params", part) if part else ("params",)
    found = []
    for i, name in enumerate(names):
        found.append(Leaf(f"{name}.weight", (*path, f"{kind}_{i}", "kernel"), turn))
        found.append(Leaf(f"{name}.bias", (*path, f"{kind}_{i}", "bias"), VECTOR))
    return found


def _residual(name: str, blocks: int) -> list[str]:
    return [f"{name}.model.{i}.model.{j}" for i in range(blocks) for j in range(2)]


def _generator_leaves(fields: Mapping[str, Any]) -> list[Leaf]:
    layers, blocks, content = fields["layers"], fields["blocks"], "enc_content" if fields["style"] else "enc"
    names = [f"{content}.model.{i}" for i in range(layers + 1)] + _residual(f"{content}.model.{layers + 1}", blocks)
    found = _numbered("content_encoder", [f"{name}.conv" for name in names])
    enlarged = [f"dec.model.{2 * i + 2}" for i in range(layers)]
    names = [*_residual("dec.model.0", blocks), *enlarged, f"dec.model.{2 * layers + 1}"]
    found += _numbered("decoder", [f"{name}.conv" for name in names])
    for i, name in enumerate(enlarged):
        for theirs, ours in (("gamma", "scale"), ("beta", "bias")):
            found.append(Leaf(f"{name}.norm.{theirs}", ("params", "decoder", f"LayerNorm_{i}", ours), VECTOR))
    if fields["style"]:
        last = fields["style_layers"] + 2  # after the mean over places
        found += _numbered("style_encoder", [f"enc_style.model.{i}.conv" for i in range(last - 1)])
        found += _numbered("style_encoder", [f"enc_style.model.{last}"], "Dense", POINT)
        found += _numbered("decoder", [f"mlp.model.{i}.fc" for i in range(3)], "Dense", MATRIX)
    return found


def _leaves(role: str, fields: Mapping[str, Any]) -> list[Leaf]:
    if role == "generator":
        return _generator_leaves(fields)
    layers, scales = fields["layers"], fields["scales"]
    names = [f"cnns.{scale}.{i}{'.conv' * (i < layers)}" for scale in range(scales) for i in range(layers + 1)]
    return _numbered("", names)


def read(file: File, like: Net, fields: Mapping[str, Any], size: Size) -> Net:
    """Variables like `like` of a file of the network with these fields."""
    state = {key: array for key, array in file.state.items() if not AVERAGE.search(key)}
    return leaves.read(state, like, _leaves(file.network.role, fields), file.path)


def write(net: Net, role: str, fields: Mapping[str, Any], size: Size) -> dict[str, np.ndarray]:
    """The arrays of a network with these fields; AdaIN's averages as at the start."""
    found = leaves.write(net, _leaves(role, fields))
    if role == "generator" and fields["style"]:
        for name in _residual("dec.model.0", fields["blocks"]):
            length = len(found[f"{name}.conv.weight"])
            found[f"{name}.norm.running_mean"] = np.zeros(length, np.float32)
            found[f"{name}.norm.running_var"] = np.ones(length, np.float32)
    return found


def together(networks: Mapping[str, Mapping[str, np.ndarray]], model: Any) -> dict[str, dict[str, Any]]:
    """What gen_00000100.pt and dis_00000100.pt hold of networks by our names."""
    found: dict[str, dict[str, Any]] = {}
    for name, arrays in networks.items():
        found.setdefault(f"{SIDES[name[0]]}_{model.step:08d}.pt", {})[name[-1].lower()] = dict(arrays)
    return found


def file_name(model: Any, name: str) -> str:
    """gen_a.pt, dis_a.pt of the networks one by one."""
    return f"{SIDES[name[0]]}_{name[-1].lower()}.pt"
