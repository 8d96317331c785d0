"""A state_dict as a list of layers, whatever their names: what its order, shapes and kinds tell."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np

from gan_xla.errors import UserError

CONV, LINEAR, NORM, SLOPE, BLUR = "convolution", "linear layer", "norm", "PReLU", "blur"
# Names that stand for PyTorch's own.
SAME = {"gamma": "weight", "beta": "bias", "moving_mean": "running_mean", "moving_var": "running_var"}
SPECTRAL, WEIGHT_NORM = ("weight_orig", "weight_u", "weight_v"), ("weight_g", "weight_v")
# torch.nn.utils.parametrizations' names of the same.
PARAMETRIZED = (
    (r"\.parametrizations\.weight\.original$", ".weight_orig"),
    (r"\.parametrizations\.weight\.0\._([uv])$", r".weight_\1"),
    (r"\.parametrizations\.weight\.original0$", ".weight_g"),
    (r"\.parametrizations\.weight\.original1$", ".weight_v"),
)
FILTERS = ("filt", "blur_kernel", "kernel")  # buffers of resampling layers, not learned


class Unit(NamedTuple):
    """A layer of a state_dict.

    Attributes:
      name: of its module.
      kind: CONV (transposed or not), LINEAR, NORM, SLOPE or BLUR.
      arrays: by PyTorch's names: weight, bias, running_mean, running_var.
    """

    name: str
    kind: str
    arrays: dict[str, np.ndarray]

    @property
    def shape(self) -> tuple[int, ...]:
        """Of its weights, or of what it has in their place."""
        return next(iter(self.arrays.values())).shape

    def describe(self) -> str:
        """Kind and shape in a few words."""
        more = [name for name in ("bias", "running_mean") if name in self.arrays and self.shape != ()]
        parts = ["", " without bias"][self.kind == CONV and "bias" not in more]
        return f"{self.kind} {list(self.shape)}{parts}"


def units(state: Mapping[str, np.ndarray], source: Path) -> list[Unit]:
    """The layers in the order of the file; spectral and weight norm are applied, as in evaluation.

    Raises:
      UserError: an array that belongs to no layer that is known here.
    """
    grouped: dict[str, dict[str, np.ndarray]] = {}
    for key, array in state.items():
        for pattern, name in PARAMETRIZED:
            key = re.sub(pattern, name, key)
        module, _, leaf = key.rpartition(".")
        grouped.setdefault(module, {})[SAME.get(leaf, leaf)] = array
    return [Unit(name, *_known(name, arrays, source)) for name, arrays in grouped.items()]


def _known(name: str, arrays: dict[str, np.ndarray], source: Path) -> tuple[str, dict[str, np.ndarray]]:
    if filters := [array for leaf, array in arrays.items() if leaf in FILTERS and array.ndim >= 2]:
        return BLUR, {"weight": filters[0]}
    arrays = _plain(name, arrays, source)
    odd = arrays.keys() - {"weight", "bias", "running_mean", "running_var"}
    weight = arrays.get("weight", arrays.get("running_mean"))
    lengths = {array.shape[0] if array.ndim else 0 for array in arrays.values()}
    uneven = weight is not None and weight.ndim == 1 and len(lengths) > 1
    if odd or uneven or weight is None or weight.ndim not in (1, 2, 4) or 0 in weight.shape:
        shown = ", ".join(f"{leaf} {list(array.shape)}" for leaf, array in arrays.items())
        raise UserError(f"{source}: {name!r} has {shown}: no layer that is known here")
    ordered = {leaf: arrays[leaf] for leaf in ("weight", "bias", "running_mean", "running_var") if leaf in arrays}
    if weight.ndim == 1:
        return (SLOPE if arrays.keys() == {"weight"} else NORM), ordered
    return (CONV if weight.ndim == 4 else LINEAR), ordered


def _plain(name: str, arrays: dict[str, np.ndarray], source: Path) -> dict[str, np.ndarray]:
    """The arrays with one weight in the place of those that a norm of weights keeps."""
    for leaves, norm in ((SPECTRAL, _spectral), (WEIGHT_NORM, _directed)):
        parts = {leaf.removeprefix("weight_"): arrays[leaf] for leaf in leaves if leaf in arrays}
        if leaves[0] not in arrays:
            continue
        rest = {leaf: array for leaf, array in arrays.items() if leaf not in leaves}
        try:
            return {"weight": norm(**parts), **rest}
        except (TypeError, ValueError) as error:
            shown = ", ".join(f"{leaf} {list(arrays[leaf].shape)}" for leaf in leaves if leaf in arrays)
            raise UserError(f"{source}: {name!r} has {shown}, which make up no weight") from error
    return arrays


def _directed(g: np.ndarray, v: np.ndarray) -> np.ndarray:
    """Weights of length g along v (Salimans and Kingma 2016)."""
    axes = tuple(axis for axis, length in enumerate(g.shape) if length == 1)
    return v * (g / np.sqrt(np.sum(np.square(v), axis=axes, keepdims=True)))


def _spectral(orig: np.ndarray, u: np.ndarray, v: np.ndarray | None = None) -> np.ndarray:
    """Weights divided by the largest singular value, as PyTorch estimates it (Miyato et al. 2018)."""
    axis = 0 if len(u) == orig.shape[0] else 1  # 1: of a transposed convolution
    matrix = np.moveaxis(orig, axis, 0).reshape(orig.shape[axis], -1)
    if v is None:  # before PyTorch 1.2
        v = matrix.T @ u / np.linalg.norm(matrix.T @ u)
    return orig / (u @ matrix @ v)
