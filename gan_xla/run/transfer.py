"""`--init_from`: a new run begins with the networks of another, as far as they fit by name and shape.

Of an axis that counts the images' channels or the labels, what both runs have is taken: channels by their number,
labels by their name. Which axes these are shows in what the method builds with one more of either.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import jax
import ml_collections
import numpy as np
from etils import epath

from gan_xla import gans
from gan_xla.contract import Net, Pair
from gan_xla.errors import UserError, some
from gan_xla.labels import LabelSpace
from gan_xla.run import settings
from gan_xla.run.checkpoint import Checkpoints
from gan_xla.run.state import Player, TrainState, of_run

PARTS = {"all": ("gen", "disc"), "gen": ("gen",), "disc": ("disc",)}
NAMED = 8  # arrays of a network that are told of


class Origin(NamedTuple):
    """Where a new run begins.

    Attributes:
      run: directory of the other run.
      checkpoint: "last", "best" or a step.
      parts: of `PARTS`.
      optimizer: whether its optimisers' memory is taken too.
    """

    run: str
    checkpoint: str = "last"
    parts: str = "all"
    optimizer: bool = False

    @classmethod
    def parse(cls, text: str, parts: str = "all", optimizer: bool = False) -> "Origin":
        """Of "RUN" or "RUN@STEP"."""
        run, at, checkpoint = text.rpartition("@")
        whole = not at or epath.Path(text).exists()
        return cls(text, "last", parts, optimizer) if whole else cls(run, checkpoint, parts, optimizer)


class Axis(NamedTuple):
    """What the columns of an axis of an array stand for, in this order.

    Attributes:
      channels: of each of `groups`, or the length of what else there is.
      groups: images, or pixels of them, whose channels follow one another; 0 where the axis does not count channels.
      labels: names of the label columns at its end.
    """

    channels: int
    groups: int
    labels: tuple[str, ...]


Shapes = dict[str, tuple[int, ...]]


def _shapes(config: ml_collections.ConfigDict) -> dict[str, Shapes]:
    """The shapes of each player's arrays, by their names."""
    nets = jax.eval_shape(gans.build(config).init, jax.random.key(0))
    return {side: _shapes_of(getattr(nets, side)) for side in Pair._fields}


def _shapes_of(tree: Any) -> Shapes:
    return {name: x.shape for name, x in _named(tree).items()}


def _named(tree: Any) -> dict[str, Any]:
    """Leaves by readable names, such as "params/G_AB/head/kernel"."""
    leaves = jax.tree_util.tree_leaves_with_path(tree)
    return {"/".join(str(getattr(key, "key", getattr(key, "name", key))) for key in path): x for path, x in leaves}


def _changed(config: ml_collections.ConfigDict, **fields: Any) -> ml_collections.ConfigDict:
    config = config.copy_and_resolve_references()
    with config.unlocked(), config.ignore_type():
        config.data.update(fields)
    return config


def _columns(config: ml_collections.ConfigDict) -> tuple[str, ...]:
    """Names of the columns of label vectors, those of the mask over data sets among them."""
    if not config.data.get("labels"):
        return ()
    space = LabelSpace.of(config.data)
    return space.domains + tuple(f"mask of {part.name}" for part in space.sets)[: space.size - space.count]


def _axes(config: ml_collections.ConfigDict) -> dict[str, dict[str, list[Axis]]]:
    """What the axes of each player's arrays count, by their names."""
    data, labels = config.data, _columns(config)
    more = {name: data[name] + 1 for name in ("channels", "channels_a", "channels_b") if data.get(name)}
    shapes, wider = _shapes(config), _shapes(_changed(config, **more))
    uneven = data.get("channels_a") != data.get("channels_b")
    named = _shapes(_changed(config, labels=(*data.labels, "one more"))) if labels else shapes

    def axis(side: str, name: str, number: int) -> Axis:
        shape = shapes[side][name]
        length = shape[number]
        groups = wider[side].get(name, shape)[number] - length
        own = labels if named[side].get(name, shape)[number] > length else ()
        rest = length - len(own)
        groups = min(groups, 1) if uneven or (groups and rest % groups) else groups
        return Axis(rest // max(1, groups), groups, own)

    return {
        side: {name: [axis(side, name, number) for number in range(len(shape))] for name, shape in arrays.items()}
        for side, arrays in shapes.items()
    }


def _matched(new: Axis, old: Axis) -> tuple[list[int], list[int]] | None:
    """Places of `new` and the places of `old` that belong there; None where the axes differ in what they count."""
    alike = new.groups == old.groups and bool(new.labels) == bool(old.labels)
    if not alike or (new.channels != old.channels and not new.groups):
        return None
    both, groups = min(new.channels, old.channels), max(1, new.groups)
    places = [[group * axis.channels + i for group in range(groups) for i in range(both)] for axis in (new, old)]
    for label in (label for label in new.labels if label in old.labels):
        for axis, found in zip((new, old), places, strict=True):
            found.append(groups * axis.channels + axis.labels.index(label))
    return places[0], places[1]


class Fit(NamedTuple):
    """How many of an array's numbers were taken."""

    taken: int
    of: int


def _fill(
    fresh: np.ndarray, found: np.ndarray | None, new: Sequence[Axis], old: Sequence[Axis] | None
) -> tuple[np.ndarray, Fit]:
    """`fresh` [...] or [seeds, ...] with what fits of `found`."""
    whole = math.prod(fresh.shape[fresh.ndim - len(new) :])
    if found is None or old is None or len(new) != len(old):
        return fresh, Fit(0, whole)
    matches = [_matched(*axes) for axes in zip(new, old, strict=True)]
    if None in matches:
        return fresh, Fit(0, whole)
    result = np.array(fresh)
    to, of = (np.ix_(*(match[k] for match in matches)) for k in (0, 1))
    result[(..., *to) if to else ...] = found[of] if of else found
    return result, Fit(math.prod(len(match[0]) for match in matches), whole)


def _player(
    fresh: Player, found: Player, new: Mapping[str, list[Axis]], old: Mapping[str, list[Axis]]
) -> tuple[Player, dict[str, Fit]]:
    fits: dict[str, Fit] = {}

    def filled(net: Net, source: Net) -> Net:
        known = _named(source)
        leaves, tree = jax.tree_util.tree_flatten(net)
        made = [
            _fill(np.asarray(x), known.get(name), new[name], old.get(name))
            for name, x in zip(_named(net), leaves, strict=True)
        ]
        fits.update(zip(_named(net), (fit for _, fit in made), strict=True))
        return jax.tree_util.tree_unflatten(tree, [x for x, _ in made])

    ema = fresh.ema and filled(fresh.ema, found.best())
    params, stats = filled(Net(fresh.params, fresh.stats), Net(found.params, found.stats))
    return fresh.replace(params=params, stats=stats, ema=ema), fits


def _read(origin: Origin) -> tuple[ml_collections.ConfigDict, int, TrainState]:
    config = settings.read(origin.run)
    if config.train.num_seeds > 1:
        raise UserError(f"--init_from={origin.run}: a run of {config.train.num_seeds} seeds; name a run of one")
    _, like = of_run(config, origin.run)
    with Checkpoints(origin.run, read_only=True) as checkpoints:
        step, state = checkpoints.load(origin.checkpoint, like)
    return config, step, state


def begin(state: TrainState, config: ml_collections.ConfigDict, origin: Origin) -> tuple[TrainState, list[str]]:
    """The first state of a run with what fits of another run's networks in it.

    Args:
      state: as `create` makes it, also of several seeds.
      config: resolved.
      origin: the other run.

    Returns:
      The state, and lines that say what was taken and what is new.
    Raises:
      UserError: no such run, nothing of it fits, or optimisers that do not.
    """
    other, step, found = _read(origin)
    told, players = [f"begun with {origin.run}, step {step} ({other.gan})"], {}
    new, old = _axes(config), _axes(other)
    for side in PARTS[origin.parts]:
        fresh, source = getattr(state, side), getattr(found, side)
        player, fits = _player(fresh, source, new[side], old[side])
        if origin.optimizer:
            if new[side] != old[side] or _shapes_of(fresh.opt_state) != _shapes_of(source.opt_state):
                raise UserError(
                    f"--init_optimizer: the networks or optimisers of {side} differ from those of {origin.run}; leave "
                    "it out"
                )
            player = player.replace(opt_state=source.opt_state)
        players[side] = player
        told += _told(side, fits)
        if not any(fit.taken for fit in fits.values()):
            names = ", ".join(sorted({_network(side, name) for name in _named(Net(source.params, source.stats))}))
            raise UserError(
                f"--init_from={origin.run}: nothing of its {side} ({names}) fits this run's by name and shape; see "
                "--init_parts"
            )
    return state.replace(**players), told


def _network(side: str, name: str) -> str:
    """Of which network an array is: "G_AB", or "G" of a method that has one generator."""
    letter, first = side[0].upper(), name.split("/")[1]
    return first if first.startswith(f"{letter}_") else letter


def _told(side: str, fits: Mapping[str, Fit]) -> list[str]:
    """A line for each network: how much of it was taken, and which arrays are new, wholly or in part."""
    networks: dict[str, dict[str, Fit]] = {}
    for name, fit in fits.items():
        networks.setdefault(_network(side, name), {})[name] = fit
    return [_line(network, own) for network, own in networks.items()]


def _line(network: str, fits: Mapping[str, Fit]) -> str:
    whole = sum(fit.taken == fit.of for fit in fits.values())
    new = [
        name.partition("/")[2].removeprefix(f"{network}/")
        + (f" ({fit.taken} of {fit.of} numbers taken)" if fit.taken else "")
        for name, fit in fits.items()
        if fit.taken < fit.of
    ]
    fresh = f"; new: {some(new, NAMED)}" if new else ""
    return f"  {network}: {whole} of {len(fits)} arrays taken{fresh}"
