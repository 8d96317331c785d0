"""`--mode=evaluate --compare=ONE,OTHER`: is the difference between two runs, or between two kinds, more than noise?

Of two runs, the same test images tell: noise that they share drops out, image by image. That says whether these two
runs differ, not whether the next seed would: for that, either side is several runs, or a run of several seeds, and the
spread over these tells. Images that are alike, such as views of one object, count as if they were different ones.
"""

import hashlib
import json
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from etils import epath

import gan_xla
from gan_xla import data
from gan_xla.data.dataset import Dataset
from gan_xla.errors import UserError
from gan_xla.evaluation import better
from gan_xla.evaluation.cases import spread
from gan_xla.evaluation.metrics import confidence
from gan_xla.evaluation.metrics.confidence import Difference, Estimate
from gan_xla.evaluation.numbers import Found, Number, columns, printed
from gan_xla.evaluation.suite import Suite
from gan_xla.run import settings

SEEN = 64  # images of a source that tell whether two data sets are one
GIVEN = ("_input", "_real", "_chance")  # ends of numbers that do not depend on the run


class Row(NamedTuple):
    """One number of both sides.

    Attributes:
      case: direction, domain or "samples".
      number: its short name; `name` in print.
      sides: value and standard error of either; of several runs the mean, and the error over them.
      difference: the first less the second; None with a `reason`.
    """

    case: str
    number: str
    name: str
    sides: tuple[tuple[float, float], ...]
    difference: Difference | None
    reason: str = ""

    @property
    def verdict(self) -> str:
        """In words."""
        if self.difference is None:
            return self.reason
        if not self.difference.told:
            return "noise"
        way = better(self.number)
        if not way:
            return "differs"
        return f"{('first', 'second')[(self.difference.value > 0) == (way == 'lower')]} is better"


class Side(NamedTuple):
    """One run or several of one kind: what the user called it, and (directory, number of the seed) of each."""

    name: str
    members: tuple[tuple[str, int], ...]

    @classmethod
    def of(cls, pattern: str) -> "Side":
        """The run of that directory, or those that match a pattern with *; a run of several seeds is several.

        Raises:
          UserError: there is no run.
        """
        runs = settings.matching(pattern, "--compare: ")
        seeds = [(path, number) for path in runs for number in range(settings.read(path).train.num_seeds)]
        return cls(f"{pattern} ({len(seeds)} runs)" if len(seeds) > 1 else pattern, tuple(seeds))


def compare(
    patterns: Sequence[str],
    checkpoint: str | int = "last",
    metrics: Sequence[str] | None = None,
    output: epath.PathLike | None = None,
    *,
    num: int | None = None,
    features: str = "efficientnet",
    features_path: str | None = None,
    seed: int = 0,
) -> list[Row]:
    """Measures both sides on the same test images, prints what differs, and by how much; the runs stay as they are.

    Args:
      patterns: two directories of runs, or patterns such as "runs/discogan-seed*".
      output: a JSON file for the rows, or None.
      checkpoint, metrics, num, features, features_path, seed: as `gan_xla.evaluation.evaluate.evaluate`.
    Raises:
      UserError: as that; or the runs were not tested on the same images, or have no direction or domain in common; or
        one side is one run and the other several.
    """
    if len(patterns) != 2 or not all(patterns):
        raise UserError(f"--compare={','.join(patterns)}: give two runs, or two patterns such as 'runs/a-seed*'")
    sides = [Side.of(pattern) for pattern in patterns]
    several = {len(side.members) > 1 for side in sides}
    if len(several) > 1:
        raise UserError("--compare: one run and several: give one of each, or several of each for a test over seeds")
    options = {"metrics": metrics, "network": features, "path": features_path, "num": num, "seed": seed}
    found = _measured(sides, checkpoint, options)
    rows = _rows(found, over_seeds=several == {True}, seed=seed)
    print(_text(sides, rows))
    if output:
        _save(output, sides, rows)
    return rows


def _measured(sides: Sequence[Side], checkpoint: str | int, options: dict) -> list[list[Found]]:
    """What each run of both sides gives, by judges and features that all of them share."""
    suite, known, found = None, None, []
    for side in sides:
        found.append([])
        for workdir, number in side.members:
            config = settings.read(workdir)
            dataset = data.load(config.data)
            if known not in (None, digest := _digest(dataset)):
                raise UserError(f"--compare: {workdir} was not tested on the images of {sides[0].members[0][0]}")
            known = digest
            suite = Suite(config, dataset, like=suite, **options)
            found[-1].append(suite.measure(gan_xla.load(workdir, checkpoint, number=number)))
    return found


def _digest(dataset: Dataset) -> str:
    """Of the test images, from some of each source."""
    found = hashlib.blake2b()
    for source in (source for part in (dataset, *dataset.others) for source in part.test):
        found.update(f"{sorted(source.spec)} {len(source)}".encode())
        for _, array in sorted(source.read(spread(len(source), SEEN)).items()):
            found.update(f"{array.shape}".encode() + np.ascontiguousarray(array).tobytes())
    return found.hexdigest()


def _rows(found: Sequence[Sequence[Found]], over_seeds: bool, seed: int) -> list[Row]:
    firsts, seconds = found
    shared = [case for case in firsts[0] if all(case in run for run in (*firsts, *seconds))]
    if not shared:
        names = (", ".join(side[0]) for side in found)
        raise UserError("--compare: nothing to compare: one has {}, the other {}".format(*names))
    rows = []
    for case in shared:
        sides = [[{x.metric: x for x in run[case]} for run in side] for side in found]
        for metric in (name for name in sides[0][0] if not name.endswith(GIVEN)):
            each = [[run[metric] for run in side if metric in run] for side in sides]
            if all(each):
                rows.append(_row(case, each, over_seeds, seed))
    return rows


def _row(case: str, each: Sequence[Sequence[Number]], over_seeds: bool, seed: int) -> Row:
    """Of the numbers of one measure, of each run of both sides."""
    first = each[0][0]
    if missing := next((x for side in each for x in side if x.value is None), None):
        return Row(case, first.metric, first.name, (), None, f"not measured: {missing.reason}")
    try:
        if over_seeds:
            values = [np.array([x.value for x in side]) for side in each]
            means = tuple(confidence.of_parts(x)[:2] for x in values)
            return Row(case, first.metric, first.name, means, confidence.over_seeds(*values))
        estimates: list[Estimate] = [side[0].estimate for side in each]
        pair = tuple(x[:2] for x in estimates)
        return Row(case, first.metric, first.name, pair, confidence.paired(*estimates, seed=seed))
    except UserError as error:
        return Row(case, first.metric, first.name, (), None, f"no test: {error}")


def _text(sides: Sequence[Side], rows: Sequence[Row]) -> str:
    lines = [f"{place}: {side.name}" for place, side in zip(("first", "second"), sides, strict=True)]
    for case in dict.fromkeys(row.case for row in rows):
        cells = [["", "first", "second", "difference", "p", "", ""]]
        for row in (row for row in rows if row.case == case):
            numbers = [printed(*x) for x in row.sides] or ["-", "-"]
            told = ["-", "-", row.verdict, ""]
            if row.difference:
                value, error, p, test = row.difference
                told = [printed(value, error), f"{p:.2g}", row.verdict, f"({test})"]
            cells.append([row.name, *numbers, *told])
        lines += ["", case, *columns(cells)]
    tested = sum(row.difference is not None for row in rows)
    by_chance = tested * confidence.LEVEL
    lines += ["", "±: standard error; noise: p is 0.05 or more. p is of each number by itself: were all runs alike,"]
    lines += [f"about {by_chance:.1f} of these {tested} would still be below it."]
    return "\n".join(lines)


def _save(output: epath.PathLike, sides: Sequence[Side], rows: Sequence[Row]) -> None:
    found = [
        {**row._asdict(), "difference": row.difference and row.difference._asdict(), "verdict": row.verdict}
        for row in rows
    ]
    text = json.dumps({"sides": [side._asdict() for side in sides], "rows": found}, indent=1)
    try:
        settings.write_whole(epath.Path(output), text + "\n")
    except OSError as error:
        raise UserError(f"{output}: cannot be written ({error.strerror}); use another --output, a file") from error
