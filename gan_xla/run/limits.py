"""What values the fields of a config may have, whatever the method; what only a method knows, it checks itself."""

import re
from collections.abc import Callable, Mapping
from fnmatch import fnmatchcase
from itertools import pairwise
from typing import Any, NamedTuple

from gan_xla.errors import UserError
from gan_xla.images.arrays import TYPES

FINITE = 3e38  # in float32
STEPS = 2**31 - 1  # in int32
TURNS = ("d", "g", "dg", "gd", "d+g")
DTYPES = ("float32", "bfloat16")
POOLS = ("stepwise", "sequential")
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
POSITIVE = Rule(lambda x: 0 < x <= FINITE, "more than 0, and finite")
WHOLE = _whole(0, STEPS)
COUNT = _whole(1, STEPS)
SIDE = _whole(0, 8192)
SIZE = Rule(
    lambda x: len(x) == 2 and all(map(_whole(1, 8192).allows, x)) if isinstance(x, (tuple, list)) else SIDE.allows(x),
    f"{SIDE.text}, or two from 1: (height, width)",
)
WIDTH = _whole(1, 65536)
WIDTH_OR_NONE = _whole(0, 65536)
DEPTH = _whole(0, 1000)
SHARE = Rule(lambda x: 0 <= x < 1, "0 or more, and below 1")
RATE = Rule(lambda x: 0 <= x <= 1, "0 to 1")

# By a field's full name, where * stands for any text; other numbers follow WHOLE or NUMBER.
RULES = {
    "seed": _whole(0, 2**32 - 1),
    "data.image_size": SIZE,
    "data.load_size": SIZE,
    "data.channels*": _whole(1, 4096),
    "data.dtype*": Rule(lambda x: x in ("", *TYPES), f"one of {', '.join(TYPES)}, or '' for the first file's"),
    "data.kind_?": Rule(lambda x: x in ("images", "labels"), "images or labels"),
    "data.palette_?": _several(
        lambda colour: len(colour) == 3 and all(_whole(0, 255).allows(x) for x in colour),
        "colours, such as ((0, 0, 0), (255, 128, 0))",
    ),
    "data.range*": Rule(
        lambda x: not len(x) or (len(x) == 2 and -FINITE <= x[0] < x[1] <= FINITE),
        "(low, high), two numbers, or () for those of the images",
    ),
    "data.path_?": Rule(
        lambda x: isinstance(x, str) or (isinstance(x, (tuple, list)) and x and all(isinstance(y, str) for y in x)),
        "a directory, or several: ('t1', 't2')",
    ),
    "data.background": Rule(
        lambda rgb: len(rgb) == 3 and all(_whole(0, 255).allows(x) for x in rgb), "three whole numbers from 0 to 255"
    ),
    "data.rotate": Rule(lambda x: 0 <= x <= 180, "0 to 180 degrees"),
    "data.scale": SHARE,
    "data.color": RATE,
    "data.max_pixels": _whole(1, 10**12),
    "data.validation": SHARE,
    "data.paired_share": RATE,
    "data.spread": POSITIVE,
    "data.exclusive": _several(
        lambda group: not isinstance(group, str) and all(isinstance(label, str) for label in group),
        "groups of labels, such as (('cat', 'dog'),)",
    ),
    "model.latent": WIDTH,
    "model.projection": WIDTH,
    "model.search_starts": COUNT,
    "model.*.width": WIDTH,
    "model.*.most": WIDTH,
    "model.mapping": WIDTH,
    "model.*.fmap_base": WIDTH,
    "model.*.fmap_max": WIDTH,
    "model.*.bottleneck": WIDTH_OR_NONE,
    "model.*.embedding": WIDTH_OR_NONE,
    "model.*.hidden": Rule(
        lambda x: all(map(WIDTH.allows, x)) if isinstance(x, (tuple, list)) else WIDTH.allows(x),
        f"{WIDTH.text}, or several",
    ),
    "model.*.blocks": DEPTH,
    "model.*.style": WIDTH_OR_NONE,
    "model.*.style_layers": DEPTH,
    "model.*.scales": _whole(1, 10),
    "model.*.layers": DEPTH,
    "model.*.levels": DEPTH,
    "model.*.group": COUNT,
    "model.*.dropout": SHARE,
    "growth.batch_sizes": Rule(_ascending(1, COUNT), "pairs of size and batch, ascending, such as ((4, 16), (32, 8))"),
    "loss.patches": COUNT,
    "loss.temperature": POSITIVE,
    "loss.*_layers": _several(DEPTH.allows, "numbers of layers from 0, such as (1, 2)"),
    "loss.reconstruction_rate": Rule(
        lambda pairs: _ascending(0, RATE)(pairs) and (not pairs or pairs[0][0] == 0),
        "pairs of step and rate, ascending from step 0, such as ((0, 0.01), (10000, 0.5))",
    ),
    "optimizer.ema_warmup": RATE,
    "optimizer.decay_start": SHARE,
    "optimizer.b1": SHARE,
    "optimizer.b2": SHARE,
    "train.turns": Rule(lambda turns: turns and set(turns) <= set(TURNS), f"one or more of {', '.join(TURNS)}"),
    "train.batch_size": COUNT,
    "train.encoders_after": Rule(lambda x: 0 < x < 1, "more than 0, and below 1"),
    "train.log_every": COUNT,
    "train.sample_every": COUNT,
    "train.checkpoint_every": COUNT,
    "train.steps_per_call": COUNT,
    "train.num_seeds": COUNT,
    "train.accumulate": COUNT,
    "train.pool": Rule(lambda form: form in ("", *POOLS), f"one of {', '.join(POOLS)}, or '' for the run's own"),
    "train.dtype": Rule(lambda name: name in DTYPES, f"one of {', '.join(DTYPES)}"),
    "train.max_rollbacks": COUNT,
    "eval.*.split": Rule(lambda x: x in ("val", "test"), "val or test"),
    "eval.*.better": Rule(lambda x: x in ("", "lower", "higher"), "lower or higher, or '' as is known of the type"),
    "eval.*.images": COUNT,
    "train.nonfinite": Rule(lambda policy: policy in NONFINITE, f"one of {', '.join(NONFINITE)}"),
}
# data.joint.NAME.FIELD follows data.FIELD, and a player's own optimizer.gen.FIELD follows optimizer.FIELD.
_LIKE = re.compile(r"^(data)\.joint\.[^.]+|^(optimizer)\.(?:gen|disc)")


def _rule(field: str, value: Any) -> Rule | None:
    name = _LIKE.sub(lambda found: found[1] or found[2], field)
    found = (rule for pattern, rule in RULES.items() if fnmatchcase(name, pattern))
    return next(found, {int: WHOLE, float: NUMBER}.get(type(value)))


def check(fields: Mapping[str, Any]) -> None:
    """Checks the values of fields by their full names ("train.steps"); None is a field that is not set.

    Raises:
      UserError: an impossible value.
    """
    for field, value in fields.items():
        rule = _rule(field, value)
        if rule is None or value is None:
            continue
        try:
            allowed = rule.allows(value)
        except (TypeError, ValueError, LookupError):  # of another type, or with other parts
            allowed = False
        if not allowed:
            raise UserError(f"{field}={value!r} must be {rule.text}")
