"""What values the fields of a config may have, whatever the method; what only a method knows, it checks itself."""

from collections.abc import Callable, Mapping
from itertools import pairwise
from typing import Any, NamedTuple

from gan_xla.errors import UserError

FINITE = 3e38  # in float32
STEPS = 2**31 - 1  # in int32
TURNS = ("d", "g", "dg", "gd", "d+g")
DTYPES = ("float32", "bfloat16")
NONFINITE = ("stop", "skip", "rollback")  # of gan_xla.training.train


class Rule(NamedTuple):
    """What a field takes: `allows` says whether a value, `text` says which, after "must be"."""

    allows: Callable[[Any], bool]
    text: str


def _whole(low: int, high: int) -> Rule:
    return Rule(lambda x: low <= x <= high and x % 1 == 0, f"a whole number from {low} to {high}")


def _several(allows: Callable[[Any], bool], text: str) -> Rule:
    return Rule(lambda values: not isinstance(values, str) and all(map(allows, values)), text)


def _ascending(low: int, value: Rule) -> Callable[[Any], bool]:
    """Whether pairs are (`low`, value), (more than that, value), ..., with values that a rule allows."""
    return lambda pairs: (
        all(low <= key and value.allows(x) for key, x in pairs)
        and all(one < next for (one, _), (next, _) in pairwise(pairs))
    )


NUMBER = Rule(lambda x: 0 <= x <= FINITE, "0 or more, and finite")
WHOLE = _whole(0, STEPS)
COUNT = _whole(1, STEPS)
SIDE = _whole(0, 8192)
WIDTH = _whole(1, 65536)
WIDTH_OR_NONE = _whole(0, 65536)
DEPTH = _whole(0, 1000)
SHARE = Rule(lambda x: 0 <= x < 1, "0 or more, and below 1")
RATE = Rule(lambda x: 0 <= x <= 1, "0 to 1")

# By the last part of a field's name; other numbers follow WHOLE or NUMBER.
RULES = {
    "seed": _whole(0, 2**32 - 1),
    "image_size": SIDE,
    "load_size": SIDE,
    "channels": _whole(1, 4),
    "background": Rule(
        lambda rgb: len(rgb) == 3 and all(_whole(0, 255).allows(x) for x in rgb), "three whole numbers from 0 to 255"
    ),
    "exclusive": _several(
        lambda group: not isinstance(group, str) and all(isinstance(label, str) for label in group),
        "groups of labels, such as (('cat', 'dog'),)",
    ),
    "width": WIDTH,
    "latent": WIDTH,
    "fmap_base": WIDTH,
    "fmap_max": WIDTH,
    "bottleneck": WIDTH_OR_NONE,
    "embedding": WIDTH_OR_NONE,
    "hidden": Rule(
        lambda x: all(map(WIDTH.allows, x)) if isinstance(x, (tuple, list)) else WIDTH.allows(x),
        f"{WIDTH.text}, or several",
    ),
    "blocks": DEPTH,
    "layers": DEPTH,
    "levels": DEPTH,
    "group": COUNT,
    "batch_sizes": Rule(_ascending(1, COUNT), "pairs of size and batch, ascending, such as ((4, 16), (32, 8))"),
    "feature_layers": _several(DEPTH.allows, "numbers of layers from 0, such as (1, 2)"),
    "reconstruction_rate": Rule(
        lambda pairs: _ascending(0, RATE)(pairs) and (not pairs or pairs[0][0] == 0),
        "pairs of step and rate, ascending from step 0, such as ((0, 0.01), (10000, 0.5))",
    ),
    "dropout": SHARE,
    "b1": SHARE,
    "b2": SHARE,
    "turns": Rule(lambda turns: turns and set(turns) <= set(TURNS), f"one or more of {', '.join(TURNS)}"),
    "batch_size": COUNT,
    "log_every": COUNT,
    "sample_every": COUNT,
    "checkpoint_every": COUNT,
    "steps_per_call": COUNT,
    "num_seeds": COUNT,
    "accumulate": COUNT,
    "dtype": Rule(lambda name: name in DTYPES, f"one of {', '.join(DTYPES)}"),
    "max_rollbacks": COUNT,
    "nonfinite": Rule(lambda policy: policy in NONFINITE, f"one of {', '.join(NONFINITE)}"),
}


def check(fields: Mapping[str, Any]) -> None:
    """Checks the values of fields by their full names ("train.steps"); None is a field that is not set.

    Raises:
      UserError: an impossible value.
    """
    for field, value in fields.items():
        rule = RULES.get(field.rpartition(".")[-1], {int: WHOLE, float: NUMBER}.get(type(value)))
        if rule is None or value is None:
            continue
        try:
            allowed = rule.allows(value)
        except (TypeError, ValueError, LookupError):  # of another type, or with other parts
            allowed = False
        if not allowed:
            raise UserError(f"{field}={value!r} must be {rule.text}")
