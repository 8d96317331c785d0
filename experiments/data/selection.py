"""Which models a data set takes, and which of them are for testing."""

import json
from collections.abc import Iterable, Sequence
from importlib import resources

from experiments.data.furniture import Model
from gan_xla.data.sources import builtin
from gan_xla.errors import UserError

SHIPPED = ("chairs", "cars")  # in the package
GROUPS = {
    "trucks": ("Blend Swap CC-0#peterbilt", "Blend Swap CC-BY#dafTruck", "Scopia#truck"),
    "buses": ("Scopia#bus", "Scopia#cityBus"),
    # Those that stand.
    "people": (
        "Kator Legaz#female-01-casual-clothing",
        "Kator Legaz#male-01-suit",
        "Reallusion#boyStanding",
        "Reallusion#female01",
        "Reallusion#female02",
        "Reallusion#female03",
        "Reallusion#girlStanding",
        "Reallusion#holdingFemale01",
        "Reallusion#holdingFemale02",
        "Reallusion#holdingFemale03",
        "Reallusion#holdingMale01",
        "Reallusion#male01",
        "Reallusion#male02",
        "Reallusion#male03",
        "Scopia#mannequinBrunette",
        "Scopia#mannequinMale",
    ),
}
TEST_SHARE = 5


def shipped(models: Sequence[Model]) -> dict[str, dict[int, Model]]:
    """The models of the built-in chairs and cars by their numbers there, as far as the libraries are given."""
    text = resources.files("gan_xla.data").joinpath("objects/objects64.json").read_text("utf-8")
    keys = [(model.library.name, model.name, model.creator) for model in models]
    found = {}
    for category in SHIPPED:
        start, found[category] = 0, {}
        for number, record in enumerate(json.loads(text)[category]):
            key = (record["catalog"], record["name"], record["creator"])
            # Names repeat, but the order is the same: each stands behind the one before.
            if key in keys[start:]:
                start = keys.index(key, start) + 1
                found[category][number] = models[start - 1]
    return found


def groups(models: Sequence[Model]) -> dict[str, set[str]]:
    """The ids in every named group, as far as the libraries are given."""
    named = {name: {model.id for model in found.values()} for name, found in shipped(models).items()}
    every = {model.id for model in models}
    return named | {name: every.intersection(ids) for name, ids in GROUPS.items()}


def select(models: Sequence[Model], selections: Iterable[str]) -> list[Model]:
    """The models of any of the selections, in the libraries' order.

    Raises:
      UserError: a selection fits no model.
    """
    named = groups(models)
    chosen = set()
    for selection in selections:
        wanted = selection.lower()
        fits = named.get(wanted) or {model.id for model in models if wanted in _names(model)}
        if not fits:
            raise UserError(f"selection {selection!r} fits no model; --list shows what there is")
        chosen |= fits
    return [model for model in models if model.id in chosen]


def _names(model: Model) -> set[str]:
    return {name.lower() for name in (model.category, model.name, model.id, *model.tags)}


def held_out(chosen: Sequence[Model], models: Sequence[Model]) -> set[str]:
    """The ids of the test models among the chosen: those of the built-in data, and a fifth of the others.

    Raises:
      UserError: there are too few to have both.
    """
    known = {
        model.id: number in builtin.SPLITS[category].test
        for category, found in shipped(models).items()
        for number, model in found.items()
    }
    test = {model.id for model in chosen if known.get(model.id)}
    others = [model.id for model in chosen if model.id not in known]
    if others:
        count = max(len(others) // TEST_SHARE, 0 if test else 1)
        test |= {others[(2 * i + 1) * len(others) // (2 * count)] for i in range(count)}
    if not 0 < len(test) < len(chosen):
        names = ", ".join(sorted({model.name for model in chosen}))
        raise UserError(f"{len(chosen)} models ({names}) cannot be divided into training and test; select more")
    return test
