"""What people answered in blind tests: how often each candidate was picked, who paid attention, how far they agree."""

import base64
import itertools
import json
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from gan_xla.errors import UserError

SIDES = ("left", "right")
WHOLE, SPOILT = -1, -2  # in the places of candidates: the pictures of an attention check
ATTENTIVE = 0.75  # share of the checks that an answer counts from


class Answers(NamedTuple):
    """One person's.

    Attributes:
      file: where they stand.
      test: which trials these are, and in which order.
      rater: a random name of the person, or "" in files of pages without one.
      names: of the candidates.
      sides: "left" or "right" by the number of a trial, without attention checks.
      picks: (picked, not picked) of each of these.
      passed, checks: attention checks answered right, of so many.
    """

    file: str
    test: str
    rater: str
    names: list[str]
    sides: dict[int, str]
    picks: list[tuple[str, str]]
    passed: int
    checks: int

    @property
    def attentive(self) -> bool:
        """Whether enough of the checks were answered right."""
        return self.passed >= ATTENTIVE * self.checks


class Rate(NamedTuple):
    """How often one candidate was picked, of so many times that it was shown, with its 95 % confidence interval."""

    name: str
    against: str
    picked: int
    shown: int
    low: float
    high: float


class Agreement(NamedTuple):
    """How far several people gave the same answers.

    Attributes:
      trials: that two or more answered.
      share: of two answers to the same trial, how often they are the same.
      alpha: Krippendorff's (Computing Krippendorff's alpha-reliability, 2011), 1 where all agree, 0 as by chance; None
        where all answers are the same side.
    """

    trials: int
    share: float
    alpha: float | None


def read(file: str) -> Answers:
    """What a page saved.

    Raises:
      UserError: the file cannot be read, or is none of these.
    """
    try:
        with open(file, encoding="utf-8") as handle:
            content = json.load(handle)
        secret = json.loads(base64.b64decode(content["key"]))
        names, trials = [str(name) for name in secret["names"]], secret["trials"]
        sides, picks, checks = {}, [], []
        for answer in content["answers"]:
            pair, side = trials[answer["trial"] - 1], SIDES.index(answer["pick"])
            if min(pair) < 0:
                checks.append(pair[side] == WHOLE)
                continue
            sides[answer["trial"]] = SIDES[side]
            picks.append((names[pair[side]], names[pair[1 - side]]))
        test = str(content.get("test") or content["key"])
        return Answers(file, test, str(content.get("rater", "")), names, sides, picks, sum(checks), len(checks))
    except OSError as error:
        raise UserError(f"--answers={file}: cannot be read ({error.strerror})") from error
    except (ValueError, LookupError, TypeError) as error:
        raise UserError(f"--answers={file}: is no answers file of a blind test") from error


def read_all(files: Sequence[str]) -> list[Answers]:
    """What pages saved, of tests between the same candidates.

    Raises:
      UserError: as `read`; other candidates; or two files of one person and test.
    """
    found = [read(file) for file in files]
    for one, other in itertools.combinations(found, 2):
        if one.names != other.names:
            raise UserError(
                f"{other.file}: is of {', '.join(other.names)}, {one.file} of {', '.join(one.names)}; count them apart"
            )
        if one.rater and (one.test, one.rater) == (other.test, other.rater):
            raise UserError(f"{one.file} and {other.file} are answers of one person; give the later one alone")
    return found


def rates(answers: Sequence[Answers]) -> list[Rate]:
    """Each candidate against all others, and against each. The interval is Wilson's (J. Am. Stat. Assoc. 22, 1927)."""
    picks, results = [pick for one in answers for pick in one.picks], []
    for name in answers[0].names:
        others = [other for other in answers[0].names if other != name]
        for against in [others, *([other] for other in others if len(others) > 1)]:
            won = sum(winner == name and loser in against for winner, loser in picks)
            lost = sum(loser == name and winner in against for winner, loser in picks)
            results.append(_rate(name, ", ".join(against), won, won + lost))
    return results


def _rate(name: str, against: str, picked: int, shown: int) -> Rate:
    from scipy.stats import binomtest

    if not shown:
        return Rate(name, against, 0, 0, 0.0, 1.0)
    interval = binomtest(picked, shown).proportion_ci(method="wilson")
    return Rate(name, against, picked, shown, float(interval.low), float(interval.high))


def agreement(units: Sequence[Sequence[str]]) -> Agreement | None:
    """Of what each trial was answered; None where no trial has two answers."""
    counted = [Counter(values) for values in units if len(values) > 1]
    if not counted:
        return None
    pairs = same = 0.0
    apart, totals = 0.0, Counter()
    for counts in counted:
        many = counts.total()
        equal = sum(count * (count - 1) for count in counts.values())
        pairs, same = pairs + many * (many - 1), same + equal
        apart += (many * (many - 1) - equal) / (many - 1)
        totals.update(counts)
    n = totals.total()
    expected = (n * n - sum(count * count for count in totals.values())) / (n - 1)
    return Agreement(len(counted), same / pairs, 1 - apart / expected if expected else None)


def _units(answers: Sequence[Answers]) -> list[list[str]]:
    """The answers to each trial of each test."""
    found: dict[tuple[str, int], list[str]] = {}
    for one in answers:
        for trial, side in one.sides.items():
            found.setdefault((one.test, trial), []).append(side)
    return list(found.values())


def count(files: Sequence[str]) -> str:
    """What the answers of several people say, in print; those who paid no attention are left out, and named.

    Raises:
      UserError: as `read_all`, or nobody paid attention.
    """
    found = read_all(files)
    kept = [one for one in found if one.attentive]
    people = [_person(one) for one in found]
    if not kept:
        raise UserError(f"--answers={','.join(files)}: nobody passed the attention checks: {'; '.join(people)}")
    agreed = agreement(_units(kept))
    return "\n".join([_table(rates(kept)), "", *people, *([_agreed(agreed)] if agreed else [])])


def _person(one: Answers) -> str:
    checks = f", {one.passed} of {one.checks} attention checks right" if one.checks else ""
    return f"{one.file}: {len(one.picks)} answers{checks}{'' if one.attentive else ': left out'}"


def _agreed(found: Agreement) -> str:
    alpha = "not defined, all answers being one side" if found.alpha is None else f"{found.alpha:.2f}"
    return (
        f"agreement on {found.trials} pairs that two or more answered: {found.share:.0%}; Krippendorff's alpha {alpha} "
        "(1: all agree, 0: as by chance)"
    )


def _table(results: Sequence[Rate]) -> str:
    """A line for each rate."""
    cells = [["picked", "against", "rate", "95 % interval", "of"]]
    for rate in results:
        share = f"{rate.picked / rate.shown:.0%}" if rate.shown else "-"
        cells.append([rate.name, rate.against, share, f"{rate.low:.0%} to {rate.high:.0%}", str(rate.shown)])
    widths = [max(map(len, column)) for column in zip(*cells)]
    return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() for row in cells)
