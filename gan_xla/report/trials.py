"""The blind test: which of two pictures is more real, asked without saying where they are from, and what was answered.

As the studies with people of Isola et al. (CVPR 2017, section 4) and Zhu et al. (ICCV 2017, section 5.1).
"""

import base64
import hashlib
import itertools
import json
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

import gan_xla
from gan_xla import data, gans
from gan_xla.errors import UserError
from gan_xla.evaluation import cases
from gan_xla.report import page as pages
from gan_xla.report.pictures import uri
from gan_xla.report.run import Run, read_all

REAL = "real"
SAME = ("source", "name", "path", "path_a", "path_b", "domain_a", "domain_b", "labels", "image_size", "channels")
FORMAT = 1  # of an answers file
SIDES = ("left", "right")


class Test(NamedTuple):
    """What a page asks.

    Attributes:
      names: of the candidates.
      pairs: for each trial the numbers of the candidates (left, right).
      pictures: for each trial those of (left, right), uint8 [h, w, c].
    """

    names: list[str]
    pairs: list[tuple[int, int]]
    pictures: list[tuple[np.ndarray, np.ndarray]]

    @classmethod
    def of(cls, workdirs: Sequence[str], trials: int, only: str | None = None, seed: int = 0) -> "Test":
        """Trials between runs, and real images where "real" is among the `workdirs`; all as `report.blind`."""
        runs = read_all([workdir for workdir in workdirs if workdir != REAL], "blind")
        names = [run.name for run in runs] + [REAL] * (REAL in workdirs)
        if len(names) < 2 or not runs or len(set(names)) < len(names):
            raise UserError(f"--blind={','.join(workdirs)}: give two runs or more, or runs and real, each once")
        _check_alike(runs)
        made = [_made(run, trials, only, seed) for run in runs]
        if REAL in workdirs:
            made.append(_real(runs[0], trials, only, seed))
        count = min(map(len, made))
        draws = np.random.default_rng(seed)
        every = list(itertools.combinations(range(len(names)), 2))
        pairs = [every[place % len(every)] for place in range(count)]
        pairs = [tuple(int(x) for x in draws.permutation(pairs[place])) for place in draws.permutation(count)]
        rows = draws.permutation(count)
        return cls(names, pairs, [tuple(made[side][row] for side in pair) for pair, row in zip(pairs, rows)])


def _check_alike(runs: Sequence[Run]) -> None:
    """Raises UserError where runs are not made to do the same with the same test images."""
    first = runs[0]
    if not first.config.data.image_size:
        raise UserError(
            f"--blind: {first.name} is a run of points, which nobody can take for real; give runs of images"
        )
    for run in runs[1:]:
        for field in SAME:
            own, other = (x.config.data.get(field) or None for x in (run, first))
            if own != other:
                raise UserError(
                    f"--blind: {run.name} has data.{field}={own!r} and {first.name} {other!r}; "
                    "only pictures of the same test images can be set side by side"
                )


def _cases(run: Run, trials: int, only: str | None, seed: int) -> list[cases.Case]:
    gan = gans.build(run.config)
    found = cases.of(gan, run.config, data.load(run.config.data), num=trials, most=trials, seed=seed)
    if only and only not in [case.name for case in found]:
        raise UserError(f"--direction={only}: {run.name} has {', '.join(case.name for case in found)}")
    return [case for case in found if only in (None, case.name)]


def _turns(columns: Sequence[Sequence[np.ndarray]], most: int) -> list[np.ndarray]:
    """The pictures of cases in turn, `most` at most."""
    mixed = itertools.chain.from_iterable(itertools.zip_longest(*columns))
    return [x for x in mixed if x is not None][:most]


def _made(run: Run, trials: int, only: str | None, seed: int) -> list[np.ndarray]:
    model = gan_xla.load(run.path)
    found = _cases(run, trials, only, seed)
    return _turns([[x for batch in case.batches(model) for x in batch.fake] for case in found], trials)


def _real(run: Run, trials: int, only: str | None, seed: int) -> list[np.ndarray]:
    """Real images of what the cases make, drawn at random; none comes again before all have come."""
    draws, columns = np.random.default_rng([seed, 1]), []
    for case in _cases(run, trials, only, seed):
        real = list(itertools.chain.from_iterable(case.reals()))
        columns.append([real[place] for place in itertools.islice(_shuffles(len(real), draws), case.count)])
    return _turns(columns, trials)


def _shuffles(count: int, draws: np.random.Generator) -> Iterator[int]:
    while count:
        yield from draws.permutation(count)


def page(test: Test) -> str:
    """The page of a test; its trials and names stand in it in code, so that nobody reads them by chance."""
    secret = {"names": test.names, "trials": test.pairs}
    key = base64.b64encode(json.dumps(secret).encode()).decode()
    uris = [[uri(picture) for picture in pair] for pair in test.pictures]
    identity = hashlib.sha256(json.dumps([key, uris]).encode()).hexdigest()[:16]
    return pages.render(
        "blind", "blind", count=len(uris), test={"id": identity, "format": FORMAT, "key": key, "pictures": uris}
    )


class Rate(NamedTuple):
    """How often one candidate was picked, of so many times that it was shown, with its 95 % confidence interval."""

    name: str
    against: str
    picked: int
    shown: int
    low: float
    high: float


def rates(files: Sequence[str]) -> list[Rate]:
    """What the answers say, of all files together: each candidate against all others, and against each.

    The interval is Wilson's (J. Am. Stat. Assoc. 22, 1927).

    Args:
      files: that the page saved, of tests between the same candidates.
    Raises:
      UserError: a file cannot be read, or is none of these.
    """
    picks, names = [], None
    for file in files:
        found, answers = _answers(file)
        if names not in (None, found):
            raise UserError(f"{file}: is of {', '.join(found)}, the others of {', '.join(names)}; count them apart")
        names, picks = found, picks + answers
    results = []
    for name in names:
        others = [other for other in names if other != name]
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


def _answers(file: str) -> tuple[list[str], list[tuple[str, str]]]:
    """The candidates of an answers file, and (picked, not picked) of each answer."""
    try:
        with open(file, encoding="utf-8") as handle:
            content = json.load(handle)
        secret = json.loads(base64.b64decode(content["key"]))
        names, trials, picks = secret["names"], secret["trials"], []
        for answer in content["answers"]:
            pair = [names[place] for place in trials[answer["trial"] - 1]]
            side = SIDES.index(answer["pick"])
            picks.append((pair[side], pair[1 - side]))
        return [str(name) for name in names], picks
    except OSError as error:
        raise UserError(f"--answers={file}: cannot be read ({error.strerror})") from error
    except (ValueError, LookupError, TypeError) as error:
        raise UserError(f"--answers={file}: is no answers file of a blind test") from error


def table(results: Sequence[Rate]) -> str:
    """The rates in print, a line each."""
    cells = [["picked", "against", "rate", "95 % interval", "of"]]
    for rate in results:
        share = f"{rate.picked / rate.shown:.0%}" if rate.shown else "-"
        cells.append([rate.name, rate.against, share, f"{rate.low:.0%} to {rate.high:.0%}", str(rate.shown)])
    widths = [max(map(len, column)) for column in zip(*cells)]
    return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() for row in cells)
