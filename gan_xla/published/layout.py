"""Between the state_dict of a published PyTorch network and the variables of ours.

A published network is a sequence of layers, in the order in which they run, under the names that PyTorch gives
them. Ours number the layers of each kind in that order, Conv_0, Conv_1, Norm_0, so this sequence says it all.
"""

import os
import re
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import jax
import numpy as np

from gan_xla.contract import Net
from gan_xla.errors import UserError, some

CONV, UP, NORM, BLUR = "Conv", "ConvTranspose", "Norm", "Blur"
NAMES = {"kernel": "weight", "scale": "weight", "bias": "bias", "mean": "running_mean", "var": "running_var"}
START = {"mean": 0, "var": 1}  # of running averages
# What networks are, by the first letter of our names; F and E make the styles of a generator.
ROLES = {"G": "generator", "D": "discriminator", "F": "mapping", "E": "encoder"}


class Layer(NamedTuple):
    """A layer that has parameters, or may have.

    Attributes:
      name: its module's in PyTorch, such as "model.1".
      kind: CONV, UP, NORM, or BLUR, a fixed filter that ours has no parameters for.
      bgr: axis of our kernel [h, w, in, out] along which theirs has blue, green and red; None where it has not.
      tracks: whether theirs keeps running averages that its code never uses.
      filtered: of BLUR, its channels, and its taps each way.
    """

    name: str
    kind: str
    bgr: int | None = None
    tracks: bool = False
    filtered: tuple[int, tuple[int, ...]] = (0, ())

    def filter(self) -> np.ndarray:
        """The filter of BLUR [c, 1, k, k], whose sum is 1, or 4 where it doubles both sides."""
        channels, taps = self.filtered
        found = np.outer(taps, taps).astype(np.float32)
        found *= (1 if len(taps) % 2 else 4) / found.sum()
        return np.broadcast_to(found, (channels, 1, *found.shape)).copy()


class Network(NamedTuple):
    """What the keys and shapes of a state_dict tell.

    Attributes:
      role: of `ROLES`.
      fields: of the config's `model.<role>`; what a mapping or an encoder has is in the updates of the plan.
      channels: of what it takes.
      size: height and width of the images that it was made for, or None for any.
      labels: how many label planes a generator takes, or domains another network knows, or None.
      latent: length of the noise that it takes in the place of an image; 0 where it takes an image.
    """

    role: str
    fields: dict[str, Any]
    channels: int
    size: int | None = None
    labels: int | None = None
    latent: int = 0


class File(NamedTuple):
    """A state_dict, and what it is of.

    Attributes:
      path: of the file, with its place there where it holds several.
      state: arrays by PyTorch's names.
      network: what these are of.
      layers: in the order in which they run; None where the format knows them.
      rows: for the user, (a layer of the file, what it becomes).
    """

    path: Path
    state: dict[str, np.ndarray]
    network: Network
    layers: tuple[Layer, ...] | None = None
    rows: tuple[tuple[str, str], ...] = ()


class Plan(NamedTuple):
    """A run to be made of files.

    Attributes:
      config: the shipped config that trains such networks.
      networks: files by our name of the network; "G" and "D" where the method has one of each.
      updates: values of the config's fields.
      notes: what was assumed, for the user.
    """

    config: str
    networks: dict[str, File]
    updates: Mapping[str, Any] = MappingProxyType({})
    notes: tuple[str, ...] = ()


def check(state: Mapping[str, np.ndarray], path: Path, shown: Path | None = None) -> None:
    """Checks the arrays of a file; `shown`: its name in messages, where that is another.

    Raises:
      UserError: one is larger than the file (repeated numbers can be more than any memory), or is no finite fractions.
    """
    for name, value in state.items():
        if value.nbytes > 2 * os.path.getsize(path):  # 2: bfloat16
            raise UserError(f"{shown or path}: {name!r} is larger than the file, unlike weights")
        if not np.issubdtype(value.dtype, np.floating) or not np.isfinite(value).all():
            raise UserError(f"{shown or path}: {name!r} has numbers that are no finite fractions ({value.dtype})")


def from_torch(weight: np.ndarray, transposed: bool = False) -> np.ndarray:
    """A parameter in Flax's layout: OIHW -> HWIO, [out, in] -> [in, out], others as they are.

    The weights of a depthwise convolution [c, 1, h, w] become [h, w, 1, c] by the same rule; those of a
    transposed convolution are IOHW, and mirrored.
    """
    if transposed and weight.ndim == 4:
        return np.transpose(weight, (2, 3, 0, 1))[::-1, ::-1]
    return np.transpose(weight, {4: (2, 3, 1, 0), 2: (1, 0)}.get(weight.ndim, range(weight.ndim)))


def to_torch(kernel: np.ndarray, transposed: bool = False) -> np.ndarray:
    """The inverse of `from_torch`, for convolutions and vectors."""
    if transposed and kernel.ndim == 4:
        return np.transpose(kernel[::-1, ::-1], (2, 3, 0, 1))
    return np.transpose(kernel, (3, 2, 0, 1)) if kernel.ndim == 4 else kernel


def single(net: Any, letter: str) -> str:
    """`letter` where a side, with `params`, is one network, else ""; a side of several names them G, G_AB and so on."""
    return "" if any(name == letter or name.startswith(f"{letter}_") for name in net.params) else letter


def split(net: Net, single: str) -> dict[str, Net]:
    """The networks of a side by their names; `single` is the name where there is one alone, else ""."""
    return {single: net} if single else {name: Net(net.params[name], net.stats[name]) for name in net.params}


def join(nets: Mapping[str, Net], single: str) -> Net:
    """The inverse of `split`."""
    if single:
        return nets[single]
    return Net({name: net.params for name, net in nets.items()}, {name: net.stats for name, net in nets.items()})


def keyed(tree: Any, layers: Sequence[Layer]) -> Iterator[tuple[str, Layer, Any]]:
    """(PyTorch's key, layer, array) of the arrays of our parameters or statistics, in the order of their leaves."""
    counts, numbered = Counter(), {}
    for layer in layers:
        numbered[f"{layer.kind}_{counts[layer.kind]}"] = layer
        counts[layer.kind] += 1
    for (first, *_, last), array in jax.tree_util.tree_leaves_with_path(tree):
        layer = numbered[first.key]
        yield f"{layer.name}.{NAMES[last.key]}", layer, array


def write(net: Net, layers: Sequence[Layer]) -> dict[str, np.ndarray]:
    """Our variables as float32 arrays under PyTorch's names and in its order.

    Running averages that are never used are as at the start; PyTorch fills in `num_batches_tracked`.
    """
    found = {f"{layer.name}.filt": layer.filter() for layer in layers if layer.kind == BLUR}
    for tree in net:
        for key, layer, array in keyed(tree, layers):
            array = np.asarray(array, np.float32)
            if layer.bgr is not None and array.ndim == 4:
                array = np.flip(array, layer.bgr)
            found[key] = np.ascontiguousarray(to_torch(array, layer.kind == UP))
            if layer.tracks:
                found |= {f"{layer.name}.{NAMES[name]}": np.full_like(array, start) for name, start in START.items()}
    keys = (f"{layer.name}.{name}" for layer in layers for name in (*dict.fromkeys(NAMES.values()), "filt"))
    return {key: found[key] for key in keys if key in found}


def read(state: Mapping[str, np.ndarray], like: Net, layers: Sequence[Layer], source: Path) -> tuple[Net, list[str]]:
    """Variables like `like` of a state_dict, and the keys of running statistics that our network has no use for.

    Raises:
      UserError: keys are missing or left over, or an array has another shape.
    """
    state = {key: array for key, array in state.items() if not key.endswith(".filt")}  # fixed, as ours
    expected = {key for tree in like for key, _, _ in keyed(tree, layers)}
    stale = [f"{layer.name}.{name}" for layer in layers if layer.kind == NORM for name in map(NAMES.get, START)]
    stale = [key for key in stale if key in state and key not in expected]
    check_keys(state, sorted(expected), source, stale)

    def convert(key, layer, wanted):
        array = from_torch(state[key], layer.kind == UP)
        if array.shape != wanted.shape:
            shape = to_torch(np.empty(wanted.shape, bool), layer.kind == UP).shape
            raise UserError(other_shape(source, key, state[key].shape, shape))
        array = array.astype(np.float32)
        return np.flip(array, layer.bgr) if layer.bgr is not None and array.ndim == 4 else array

    trees = ([convert(*leaf) for leaf in keyed(tree, layers)] for tree in like)
    return Net(*(jax.tree.unflatten(jax.tree.structure(tree), new) for tree, new in zip(like, trees))), stale


def check_keys(
    state: Mapping[str, np.ndarray], expected: Sequence[str], source: Path, stale: Collection[str] = ()
) -> None:
    """Checks that a state_dict has the keys of a network and no others; `stale` may be there.

    Raises:
      UserError: keys are missing or left over.
    """
    if missing := [key for key in expected if key not in state]:
        raise UserError(f"{source}: lacks {_some(missing)}, which a network of its other keys has")
    if left := [key for key in state if key not in {*expected, *stale}]:
        raise UserError(f"{source}: {_some(left)} belongs to no layer of the network that its other keys make up")


def other_shape(source: Path, key: str, found: Sequence[int], expected: Sequence[int]) -> str:
    """A message."""
    return f"{source}: {key} is {list(found)}; in the network of its other keys it is {list(expected)}"


def _some(keys: Sequence[str]) -> str:
    return some([repr(key) for key in keys], 1)


def shape(state: Mapping[str, np.ndarray], key: str, source: Path) -> tuple[int, int, int, int]:
    """Of the weights of a convolution.

    Raises:
      UserError: there are none by this name.
    """
    found = state[key].shape if key in state else ()
    if len(found) != 4 or 0 in found:
        raise UserError(
            f"{source}: lacks {key!r}, the weights of a convolution: no network of this --format, or not all"
        )
    return found


def need(state: Mapping[str, np.ndarray], key: str, axes: int, source: Path) -> tuple[int, ...]:
    """The shape of an array that a network of the other keys has.

    Raises:
      UserError: it is not there, or has another number of axes.
    """
    found = state[key].shape if key in state else ()
    if len(found) != axes or 0 in found:
        what = f"is {list(found)}, not of {axes} axes" if key in state else "is not there"
        raise UserError(f"{source}: {key!r} {what}, which a network of its other keys has")
    return found


def count(state: Mapping[str, np.ndarray], pattern: str) -> int:
    """How many keys are of a pattern."""
    return sum(bool(re.fullmatch(pattern, key)) for key in state)


def norm_kind(state: Mapping[str, np.ndarray], name: str) -> str:
    """The kind of `blocks.Norm` that the layer `name` is; instance norm has parameters only where it is affine."""
    if f"{name}.weight" not in state:
        return "instance"
    return "batch" if f"{name}.{NAMES['var']}" in state else "instance_affine"


def same_channels(takes: int, gives: int, source: Path) -> int:
    """Channels of a generator's images.

    Raises:
      UserError: it gives others than it takes.
    """
    if takes != gives:
        raise UserError(f"{source}: a generator of {takes} channels to {gives}; here both domains have the same number")
    return takes


def by_name(files: Sequence[File], pattern: str, example: str) -> dict[str, File]:
    """The files by what `pattern` finds in their names; one without is "G" or "D", by what it holds.

    Args:
      files: at least one.
      pattern: a regular expression with one group.
      example: of a published name, for messages.
    Raises:
      UserError: two files are the same network, or a name belies what the file holds.
    """
    found: dict[str, File] = {}
    for file in files:
        letter = file.network.role[0].upper()
        match = re.search(pattern, file.path.stem)
        name = match[1] if match else letter
        if name[0].upper() != letter:
            raise UserError(f"{file.path}: holds a {file.network.role}, unlike its name; name it like {example}")
        if name in found:
            raise UserError(
                f"--input: {found[name].path} and {file.path} are both {name} by their names; name them like {example}"
            )
        found[name] = file
    return found
