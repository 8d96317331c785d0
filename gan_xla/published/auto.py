"""Files of weights whose layout nobody named: a known one by its keys, else by structure (`--format=auto`)."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

import numpy as np

from gan_xla.errors import UserError
from gan_xla.published import (
    akanimax,
    clovaai,
    containers,
    facebookresearch,
    junyanz,
    layout,
    nvlabs,
    sktbrain,
    structure,
    yunjey,
    znxlwm,
)
from gan_xla.published.layout import File, Layer, Plan

FORMS = (junyanz, sktbrain, yunjey)
NAMED = (znxlwm, facebookresearch, akanimax, nvlabs, clovaai)  # known by their names alone
# Networks that look like ours, and are not.
OTHERS = {
    r"progression(_\d+)?\.": "a growing network that normalises before its rectifiers, and with layers whose learning "
    "rate is not equalised; ours normalise after them",
}
# Parts of one network, which are none by themselves.
PARTS = re.compile(r"\d+|model|main|net|layers?|conv\w*|blocks?|encoder|decoder|(up|down)\w*|res\w*")
AVERAGE = re.compile(r"(^|[._-])(?:ema|shadow|avg(?=G))([._-]|$|(?<=avg))", re.IGNORECASE)
WAYS = (("AB", r"(?:a2b|atob|a_to_b|ab|x2y|xtoy)"), ("BA", r"(?:b2a|btoa|b_to_a|ba|y2x|ytox)"))


class Unlike(UserError):
    """A network that is known by its names, and is none of ours."""


class Found(NamedTuple):
    """A network in a file.

    Attributes:
      label: where it stands, or the file's name.
      file: what it is.
      form: the known layout that it has, or None.
    """

    label: str
    file: File
    form: ModuleType | None


def read(paths: Sequence[Path], assumed: Mapping[str, str], left: list[UserError] | None = None) -> list[Found]:
    """The networks of files; of a generator and its moving average the latter.

    Args:
      paths: of files.
      assumed: values by the names of `structure.CHOICES`.
      left: is told what was left out of files that hold other networks, and why.
    Raises:
      UserError: a file cannot be read, or holds none of our networks.
    """
    found, left = [], [] if left is None else left
    for path in paths:
        here, first = [], None
        for label, state in containers.states(containers.read(path)):
            try:
                here += _networks(path, label, state, assumed, left)
            except UserError as error:
                first = first or error
                left.append(error)
        if not here:
            raise first or UserError(f"{path}: holds no arrays by name; save the state_dict of a network")
        kept = _averages(here)
        labels = {one.label for one in kept}
        averaged = [one.file.path for one in here if one.label not in labels]
        left += [UserError(f"{path}: its moving average is taken") for path in averaged]
        found += kept
    unlike = next((error for error in left if isinstance(error, Unlike)), None)
    if unlike and all(one.file.network.role != "generator" for one in found):
        raise unlike
    return found


def _averages(found: Sequence[Found]) -> list[Found]:
    averaged = {AVERAGE.sub(r"\1", one.label).strip("._-") for one in found if AVERAGE.search(one.label)}
    return [
        one
        for one in found
        if AVERAGE.search(one.label) or averaged.isdisjoint((one.label, one.label.removeprefix("net")))
    ]


def _networks(
    path: Path, label: str, state: Mapping[str, np.ndarray], assumed: Mapping[str, str], left: list[UserError]
) -> list[Found]:
    """Those of a state_dict: itself, or parts of it by the first words of its names."""
    try:
        return [_network(path, label, state, assumed)]
    except Unlike:
        raise
    except UserError as error:
        parts: dict[str, dict[str, np.ndarray]] = {}
        for key, array in state.items():
            first, dot, rest = key.partition(".")
            parts.setdefault(first if dot else "", {})[rest] = array
        parts.pop("", None)
        if len(parts) > 1:
            parts = {name: part for name, part in parts.items() if not PARTS.fullmatch(name)}
        found, odd = [], []
        for name, part in parts.items():
            inner = name if not PARTS.fullmatch(name) and name != "module" else ""
            try:
                found += _networks(path, ".".join(filter(None, (label, inner))), part, assumed, odd)
            except UserError as other:
                odd.append(other)
        if not found:
            raise next((other for other in odd if isinstance(other, Unlike)), error) from None
        left += odd
        return found


def _network(path: Path, label: str, state: Mapping[str, np.ndarray], assumed: Mapping[str, str]) -> Found:
    shown = Path(f"{path} ({label})") if label else path
    layout.check(state, path, shown)
    for form in NAMED:
        if any(form.OWN.match(key) for key in state):
            if assumed:
                raise UserError(f"--assume: {shown} is known by its names, and nothing is assumed of it; leave it out")
            try:
                return Found(label or path.stem, form.file(state, shown), form)
            except UserError as error:
                raise Unlike(str(error)) from error
    for pattern, what in OTHERS.items():
        if any(re.match(pattern, key) for key in state):
            raise Unlike(f"{shown}: {what}")
    if not assumed and (known := _known(shown, state)):
        return Found(label or path.stem, *known)
    fit = structure.assume(structure.recognise(state, shown, assumed), assumed)
    file = File(shown, fit.state, fit.guess.network, tuple(fit.layers), tuple(fit.rows))
    return Found(label or path.stem, file, None)


def _known(path: Path, state: Mapping[str, np.ndarray]) -> tuple[File, ModuleType] | None:
    """The file in the known layout all of whose layers are there, and no others."""
    modules = {key.rpartition(".")[0] for key in state}
    for form in FORMS:
        try:
            network = form.recognise(state, path)
            layers: list[Layer] = form.layers(network.role, network.fields, network.size or 256)
        except (UserError, IndexError):
            continue
        needed = {layer.name for layer in layers if layer.kind != layout.NORM}
        if needed <= modules <= {layer.name for layer in layers}:
            return File(path, dict(state), network, tuple(layers)), form
    return None


def plan(found: Sequence[Found], direction: str | None, labels: str | None) -> tuple[Plan, ModuleType | None]:
    """The run to be made of networks, and their layout where it is a known one.

    Args:
      found: as `read` gives them.
      direction: AtoB or BtoA, of a single generator whose name does not tell; None for AtoB.
      labels: NAME,NAME,... of StarGAN's; None for the config's.
    Raises:
      UserError: no generator, or networks that do not belong together.
    """
    if direction not in (None, "AtoB", "BtoA"):
        raise UserError(f"--direction={direction}: use AtoB or BtoA")
    files = [one.file for one in found]
    forms = {one.form for one in found}
    if named := [form for form in NAMED if form in forms]:
        if len(forms) > 1:
            raise UserError(f"--input: {files[0].path} and {files[-1].path} are of methods that do not go together")
        return named[0].plan(files, direction=direction, labels=labels), named[0]
    if (
        len(forms) == 1
        and None not in forms
        and len({file.path.name.partition(" (")[0] for file in files}) == len(files)
    ):
        form, options = forms.pop(), {"direction": direction, "labels": labels}
        known = {junyanz: "direction", yunjey: "labels"}.get(form)
        if odd := [name for name, value in options.items() if value and name != known]:
            raise UserError(f"--{odd[0]}={options[odd[0]]}: these networks have no such choice; leave it out")
        return form.plan(files, **({known: options[known]} if known else {})), form
    generators = [one for one in found if one.file.network.role == "generator"]
    if not generators:
        raise UserError("--input: no generator among the networks; add its file")
    method = generators[0].file.network.fields["net"]
    if labels and method != "stargan":
        raise UserError(f"--labels={labels}: these networks take none; leave it out")
    if method not in ("stargan", "dcgan"):
        return _ways(found, generators, direction), None
    if direction:
        raise UserError(f"--direction={direction}: these networks have none; leave it out")
    networks = {one.file.network.role[0].upper(): one.file for one in found}
    if len(networks) < len(found):
        raise UserError(f"--input: {len(found)} networks where {method} has a generator and a discriminator")
    if method == "dcgan":
        networks = {name: _in_place_of(file, "encoder_decoder", "dcgan") for name, file in networks.items()}
        return Plan("dcgan", networks, {"model.latent": networks["G"].network.latent}), None
    return Plan("stargan", networks, {"data.labels": tuple(labels.split(","))} if labels else {}), None


def _in_place_of(file: File, other: str, net: str) -> File:
    """The file with its network taken for another of equal arrays."""
    if file.network.fields["net"] != other:
        return file
    return file._replace(network=file.network._replace(fields={**file.network.fields, "net": net}))


def _ways(found: Sequence[Found], generators: Sequence[Found], direction: str | None) -> Plan:
    """A plan of networks that translate between two domains, by the labels of these."""
    ways, notes = {}, []
    for one in generators:
        way = _way(one.label) or (f"{direction[0]}{direction[-1]}" if direction else "AB")
        if not _way(one.label):
            notes.append(f"{one.file.path}: its name tells no direction: {way[0]}to{way[1]} assumed (--direction)")
        if way in ways:
            raise UserError(
                f"--input: {ways[way].file.path} and {one.file.path} are both {way[0]}to{way[1]} by their names; name "
                "them like G_A2B.pth and G_B2A.pth"
            )
        ways[way] = one
    networks = {f"G_{way}": one.file for way, one in ways.items()}
    plain = any(re.search("|".join(form for _, form in WAYS), one.label, re.IGNORECASE) for one in generators)
    for one in found:
        if one.file.network.role == "discriminator":
            domain = _domain(one.label, plain) or (next(iter(ways))[1] if len(ways) == 1 else "")
            name = f"D_{domain}"
            if not domain or name in networks:
                raise UserError(f"{one.file.path}: its name tells no domain of its own; name it like D_A.pth")
            networks[name] = one.file
            notes.append(f"{one.file.path}: taken for the judge of domain {domain}")
    return _method(networks, generators, notes)


def _method(networks: dict[str, File], generators: Sequence[Found], notes: list[str]) -> Plan:
    first = generators[0].file.network
    judges = [file.network for name, file in networks.items() if name[0] == "D"]
    single, paired = len(generators) == 1, any(judge.channels == 2 * first.channels for judge in judges)
    if first.fields["net"] == "encoder_decoder":
        return Plan("discogan", networks, notes=tuple(notes))
    if first.fields["net"] == "unet_discogan":
        return Plan("discogan_unet", {name: _tutorial(file) for name, file in networks.items()}, notes=tuple(notes))
    if paired or (single and first.fields["norm"] == "batch"):
        (name,) = (name for name in networks if name[0] == "G")
        return Plan("pix2pix", networks, {"model.direction": f"{name[2]}to{name[3]}"}, tuple(notes))
    return Plan("cut" if single and first.fields.get("antialias") else "cyclegan", networks, notes=tuple(notes))


def _tutorial(file: File) -> File:
    """A PatchGAN of two layers as the judge beside that U-Net, whose arrays are alike."""
    if file.network.fields["net"] != "patchgan" or file.network.fields["layers"] != 2:
        return file
    kept = {name: file.network.fields[name] for name in ("width", "norm", "spectral_norm")}
    return file._replace(network=file.network._replace(fields={"net": "patch_discogan", **kept}))


def _way(label: str) -> str | None:
    """ "AB" or "BA" by a network's name."""
    for way, form in WAYS:
        if re.search(rf"(?<![a-zA-Z])(?:net|gen|g)?_?{form}(?![a-zA-Z])", label, re.IGNORECASE):
            return way
    if letter := re.search(r"(?<![a-zA-Z])(?:net)?_?(?:gen|g)_?([abxy])(?![a-zA-Z])", label, re.IGNORECASE):
        return "AB" if letter[1].upper() in "AX" else "BA"
    return "BA" if re.search(r"(?<![a-zA-Z])F(?![a-zA-Z])", label) else None


def _domain(label: str, plain: bool) -> str | None:
    """The domain that a discriminator judges by its name; not `plain`: as pytorch-CycleGAN-and-pix2pix has it."""
    found = re.search(r"(?<![a-zA-Z])(?:net)?_?(?:dis|disc|d)_?([abxy])(?![a-zA-Z])", label, re.IGNORECASE)
    if not found:
        return None
    return "AB"[(found[1].upper() in "AX") != plain]
