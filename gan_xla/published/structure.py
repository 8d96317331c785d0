"""Networks known by their layers' order, shapes and kinds, whatever these are called: `--format=auto`.

A guess says which of our networks a list of convolutions could be. It is right where every array of ours finds one of
equal shape, in the order in which layers run; biases alone may differ, where that changes nothing.
"""

import itertools
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from gan_xla import nets
from gan_xla.contract import Net
from gan_xla.errors import UserError
from gan_xla.published import layout
from gan_xla.published.guesses import Guess, guesses
from gan_xla.published.layout import CONV, NORM, UP, Layer, Network
from gan_xla.published.units import BLUR, LINEAR, SLOPE, Unit, units
from gan_xla.published.units import CONV as CONVOLUTION
from gan_xla.published.units import NORM as NORMED

# What no array tells, by the names of --assume: what is taken for granted, and the other choices.
CHOICES = {
    "norm": "batch, instance, instance_affine or none",
    "padding": "reflect or zeros",
    "output": "tanh, sigmoid or linear",
    "slope": "of LeakyReLU, such as 0.2",
    "order": "rgb or bgr",
}


def choices(text: str | None) -> dict[str, str]:
    """The values of --assume=NAME=VALUE,... by name.

    Raises:
      UserError: no such name.
    """
    found = dict(part.partition("=")[::2] for part in (text or "").split(",") if part)
    for name, value in found.items():
        if name not in CHOICES or not value:
            known = "; ".join(f"{name}={values}" for name, values in CHOICES.items())
            raise UserError(f"--assume={name}={value}: write NAME=VALUE,... of {known}")
    return found


def assumed(file: layout.File) -> str:
    """What was taken for granted of a network, for the user."""
    module, turned = _module(file.network), any(layer.bgr is not None for layer in file.layers or ())
    values = {name: getattr(module, name) for name in CHOICES if hasattr(module, name)}
    return ", ".join(f"{name}={value}" for name, value in (values | {"order": "bgr" if turned else "rgb"}).items())


class Fit(NamedTuple):
    """How a guess fits.

    Attributes:
      guess: which.
      layers: ours in the order in which they run, under the names of theirs.
      state: arrays by such names, as ours need them.
      rows: (their layer, ours) for the table.
      changed: how many biases were added or taken into a norm.
    """

    guess: Guess
    layers: list[Layer]
    state: dict[str, np.ndarray]
    rows: list[tuple[str, str]]
    changed: int


class Misfit(NamedTuple):
    """Where a guess ends: the number of layers that fitted, why, and (theirs, ours) from there on."""

    guess: Guess
    fitted: int
    reason: str
    rows: list[tuple[str, str]]


def recognise(state: Mapping[str, np.ndarray], source: Path, assumed: Mapping[str, str]) -> Fit:
    """The network of ours that a state_dict is of.

    Args:
      state: arrays by PyTorch's names.
      source: for messages.
      assumed: values by the names of `CHOICES`.
    Raises:
      UserError: none of ours, or several.
    """
    found = units(state, source)
    _check_alike(_of(found, NORMED), source)
    shapes, blurs = [unit.shape for unit in found if unit.kind in (CONVOLUTION, LINEAR)], _of(found, BLUR)
    results = [fit(guess, found) for guess in guesses(shapes, norm_of(found, assumed), bool(blurs))]
    fits = sorted((one for one in results if isinstance(one, Fit)), key=lambda one: one.changed)
    if not fits:
        raise _nearest(found, [one for one in results if isinstance(one, Misfit)], source)
    if len(fits) > 1 and fits[0].changed == fits[1].changed:
        titles = " or ".join(one.guess.title for one in fits if one.changed == fits[0].changed)
        raise UserError(f"{source}: could be {titles}; name its --format")
    return fits[0]


class NoFit(UserError):
    """No network of ours; `rows` are layers of the file and of the nearest one of ours, from where they differ."""

    def __init__(self, message: str, rows: Sequence[tuple[str, str]]):
        super().__init__(message)
        self.rows = rows


def _nearest(found: Sequence[Unit], misfits: Sequence[Misfit], source: Path) -> UserError:
    if not misfits:
        kinds = ", ".join(unit.describe() for unit in found[:3])
        return UserError(
            f"{source}: its {len(found)} layers ({kinds}, ...) begin or end like those of no network that is known here"
        )
    best = max(misfits, key=lambda one: one.fitted)
    return NoFit(f"{source}: {best.guess.title}, but for {best.reason}", best.rows)


def _of(found: Sequence[Unit], kind: str) -> list[Unit]:
    return [unit for unit in found if unit.kind == kind]


def _check_alike(norms: Sequence[Unit], source: Path) -> None:
    for unit in norms:
        if unit.arrays.keys() != norms[0].arrays.keys():
            one, other = (f"{norm.name!r} has {', '.join(norm.arrays)}" for norm in (norms[0], unit))
            raise UserError(f"{source}: norms of several kinds: {one}; {other}")


def norm_of(found: Sequence[Unit], assumed: Mapping[str, str]) -> str:
    """The kind of `blocks.Norm` that the norms of a list are."""
    if "norm" in assumed:
        return assumed["norm"]
    norms = _of(found, NORMED)
    if not norms:
        return "instance"
    if "running_var" in norms[0].arrays:
        return "batch" if "weight" in norms[0].arrays else "instance"
    return "instance_affine"


def fit(guess: Guess, found: Sequence[Unit]) -> Fit | Misfit:
    """Whether, and how, a list of layers is what a guess says."""
    convs, norms = _of(found, CONVOLUTION), _of(found, NORMED)
    expected = [kind for kind in guess.kinds if kind != NORM]
    if slopes := _of(found, SLOPE):
        return Misfit(guess, 0, f"{slopes[0].name!r}, a PReLU, which none of our networks has", [])
    if len(convs) != len(expected):
        reason = f"the number of its convolutions: {len(convs)}, where {len(expected)} are expected"
        shown = [f"{unit.name} {unit.describe()}" for unit in convs]
        return Misfit(guess, 0, reason, list(itertools.zip_longest(shown, expected, fillvalue="-")))
    if norms and len(norms) != guess.kinds.count(NORM):
        return Misfit(guess, 0, f"its norms: {len(norms)}, where {guess.kinds.count(NORM)} are expected", [])
    if (blurs := _of(found, BLUR)) and not guess.blurs:
        return Misfit(guess, 0, f"{blurs[0].name!r}, a filter against aliases", [])
    return _filled(guess, convs, norms)


def _filled(guess: Guess, convs: Sequence[Unit], norms: Sequence[Unit]) -> Fit | Misfit:
    waiting = {NORM: iter(norms), CONV: iter(convs)}
    mine: list[tuple[Layer, Unit | None]] = []
    for kind in guess.kinds:
        unit = next(waiting[NORM if kind == NORM else CONV], None)
        mine.append((Layer(unit.name if unit else f"{mine[-1][0].name} (norm)", kind), unit))
    layers = [layer for layer, _ in mine]
    wanted: dict[str, dict[str, tuple[int, ...]]] = {}
    names: dict[str, str] = {}
    for tree in like(guess.network):
        for (path, array), (key, layer, _) in zip(_paths(tree), layout.keyed(tree, layers), strict=True):
            shape = layout.to_torch(np.empty(array.shape, bool), layer.kind == UP).shape
            wanted.setdefault(layer.name, {})[key.rpartition(".")[2]] = shape
            names[layer.name] = path
    state, rows, changed = {}, [], 0
    for number, (layer, unit) in enumerate(mine):
        ours = wanted.get(layer.name, {})
        normed = number + 1 < len(mine) and layers[number + 1].kind == NORM
        arrays, count, reason = _adapted(layer, dict(unit.arrays) if unit else {}, ours, normed)
        if reason:
            return Misfit(guess, number, reason, _beside(mine[number:], wanted))
        state |= {f"{layer.name}.{leaf}": array for leaf, array in arrays.items()}
        changed += count
        rows.append((f"{unit.name} {unit.describe()}" if unit else "", names.get(layer.name, "")))
    if lacking := _lacking(mine, wanted):
        return Misfit(guess, len(mine), f"{lacking!r}, which lacks the bias that other layers have", [])
    return Fit(guess, layers, _shifted(state, mine, wanted), rows, changed)


def _lacking(mine: Sequence[tuple[Layer, Unit | None]], wanted: Mapping[str, Mapping]) -> str | None:
    """A convolution whose bias is missing, where others between the first and the last have theirs."""
    convs = [(layer, unit) for layer, unit in mine if unit and layer.kind != NORM and "bias" in wanted[layer.name]]
    without = [layer.name for layer, unit in convs if "bias" not in unit.arrays]
    inner = [layer.name for layer, unit in mine[1:-1] if unit and layer.kind != NORM and "bias" in unit.arrays]
    return without[0] if without and inner else None


def _adapted(
    layer: Layer, arrays: dict[str, np.ndarray], ours: Mapping[str, Sequence[int]], normed: bool
) -> tuple[dict[str, np.ndarray], int, str]:
    """(arrays as ours are, how many biases were changed, why that cannot be)."""
    found, changed = {}, 0
    for leaf, shape in ours.items():
        array = arrays.get(leaf)
        if array is None and (leaf == "bias" or (layer.kind == NORM and not arrays and leaf == "weight")):
            array = np.full(shape, 1.0 if leaf == "weight" else 0.0, np.float32)
            changed += 1
        if array is None:
            return {}, 0, f"{layer.name!r}, which lacks {leaf} {list(shape)}"
        if array.shape != tuple(shape):
            return {}, 0, f"{layer.name!r}, whose {leaf} is {list(array.shape)} where {list(shape)} is expected"
        found[leaf] = array
    for leaf in arrays.keys() - ours.keys():
        if leaf == "bias" and layer.kind != NORM and normed:
            changed += 1  # taken into the norm's mean, or of no effect
        elif not (layer.kind == NORM and leaf.startswith("running")):  # averages that instance norm does not use
            return {}, 0, f"{layer.name!r}, whose {leaf} {list(arrays[leaf].shape)} ours has not"
    return found, changed, ""


def _shifted(
    state: dict[str, np.ndarray], mine: Sequence[tuple[Layer, Unit | None]], wanted: Mapping[str, Mapping]
) -> dict[str, np.ndarray]:
    """The state with biases that ours has not before a batch norm taken off its mean."""
    for (layer, unit), (after, _) in itertools.pairwise(mine):
        mean = f"{after.name}.running_mean"
        if layer.kind != NORM and unit and "bias" in unit.arrays.keys() - wanted[layer.name].keys() and mean in state:
            state[mean] = state[mean] - unit.arrays["bias"]
    return state


def _beside(mine: Sequence[tuple[Layer, Unit | None]], wanted: Mapping[str, Mapping], count: int = 5):
    """Rows of (theirs, ours) of some layers."""
    rows = []
    for layer, unit in mine[:count]:
        ours = ", ".join(f"{leaf} {list(shape)}" for leaf, shape in wanted.get(layer.name, {}).items())
        rows.append((f"{unit.name} {unit.describe()}" if unit else "-", f"{layer.kind} {ours}"))
    return rows


def _paths(tree: Any) -> Iterator[tuple[str, Any]]:
    for (first, *_), array in jax.tree_util.tree_leaves_with_path(tree):
        yield first.key, array


def _size(network: Network) -> int:
    """Height and width of images that the network takes."""
    return network.size or 4 * 2 ** max(4, network.fields.get("layers", 4))


def _module(network: Network) -> nn.Module:
    labels = {"labels": network.labels} if network.role == "discriminator" and network.labels else {}
    more = {"channels": network.channels} if network.role == "generator" else labels
    common = {"size": _size(network), "axis_name": None, "dtype": "float32", "remat": False}
    return nets.build(network.fields, network.role.capitalize(), **more, **common)


def like(network: Network) -> Net:
    """Shapes of our network's parameters and statistics."""
    takes, size = network.channels + (network.labels or 0 if network.role == "generator" else 0), _size(network)
    x = jnp.zeros((1, network.latent) if network.latent else (1, size, size, takes))
    x = (x, jnp.zeros((1, 0))) if network.fields["net"] == "dcgan" else x
    return jax.eval_shape(partial(nets.init, _module(network)), jax.random.key(0), x)


def assume(found: Fit, assumed: Mapping[str, str]) -> Fit:
    """The fit with what is assumed of it, and no array tells; choices that are of other networks change nothing."""
    network, layers = found.guess.network, list(found.layers)
    known = _module(network).__dataclass_fields__
    fields = {name: float(value) if name == "slope" else value for name, value in assumed.items() if name in known}
    if assumed.get("order") == "bgr":
        layers[0] = layers[0]._replace(bgr=2)
        if network.role == "generator":
            layers[-1] = layers[-1]._replace(bgr=3)
    network = network._replace(fields={**network.fields, **fields})
    return found._replace(guess=found.guess._replace(network=network), layers=layers)
