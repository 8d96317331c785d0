"""Between a state_dict and our variables array by array, of networks whose arrays have other forms than ours.

An equalised learning rate, for one, may multiply what a layer of theirs keeps by a factor that ours has elsewhere.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from flax import traverse_util

from gan_xla.contract import Net
from gan_xla.errors import UserError
from gan_xla.published import layout


class Turn(NamedTuple):
    """How an array of theirs becomes ours, and one of ours theirs."""

    ours: Callable[[np.ndarray], np.ndarray]
    theirs: Callable[[np.ndarray], np.ndarray]

    def times(self, factor: float) -> "Turn":
        """The same, with ours `factor` times as large; rounded once, and not at all by a power of two."""
        return Turn(
            lambda x: self.ours(np.asarray(x, np.float64)) * factor,
            lambda y: self.theirs(np.asarray(y, np.float64) / factor),
        )


VECTOR = Turn(lambda x: x, lambda y: y)
KERNEL = Turn(layout.from_torch, layout.to_torch)
TRANSPOSED = Turn(lambda x: layout.from_torch(x, True), lambda y: layout.to_torch(y, True))
MATRIX = Turn(np.transpose, np.transpose)  # [out, in]
POINT = Turn(lambda x: x[:, :, 0, 0].T, lambda y: y.T[:, :, None, None])  # [out, in, 1, 1] of a linear layer of ours
ROW = Turn(lambda x: x[0], lambda y: y[None])  # [1, c]
MAPS = Turn(lambda x: x[0, :, 0, 0], lambda y: y[None, :, None, None])  # [1, c, 1, 1]


class Leaf(NamedTuple):
    """An array that both have.

    Attributes:
      key: PyTorch's.
      path: names of ours, from "params" or "stats" on.
      turn: of its form.
    """

    key: str
    path: tuple[str, ...]
    turn: Turn


def _flat(net: Net) -> dict[tuple[str, ...], np.ndarray]:
    return traverse_util.flatten_dict({"params": net.params, "stats": net.stats})


def write(net: Net, leaves: Sequence[Leaf]) -> dict[str, np.ndarray]:
    """Our variables as float32 arrays under PyTorch's names, in the order of `leaves`."""
    arrays = _flat(net)
    found = {leaf.key: leaf.turn.theirs(np.asarray(arrays[leaf.path])) for leaf in leaves}
    return {key: np.array(array, np.float32, order="C") for key, array in found.items()}


def read(state: Mapping[str, np.ndarray], like: Net, leaves: Sequence[Leaf], source: Path) -> Net:
    """Variables like `like` of a state_dict; statistics without a leaf begin at 0.

    Raises:
      UserError: keys are missing or left over, or an array has another shape.
    """
    shapes = {path: array.shape for path, array in _flat(like).items()}
    layout.check_keys(state, [leaf.key for leaf in leaves], source)
    found = {path: np.zeros(shape, np.float32) for path, shape in shapes.items() if path[0] == "stats"}
    for key, path, turn in leaves:
        shape = turn.theirs(np.zeros(shapes[path])).shape
        if state[key].shape != shape:
            raise UserError(layout.other_shape(source, key, state[key].shape, shape))
        found[path] = np.array(turn.ours(state[key]), np.float32, order="C")
    assert found.keys() == shapes.keys(), shapes.keys() - found.keys()
    tree = traverse_util.unflatten_dict(found)
    return Net(tree["params"], tree.get("stats", {}))
