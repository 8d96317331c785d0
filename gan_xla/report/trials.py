"""The blind test: which of two pictures is more real, asked without saying where they are from.

As the studies with people of Isola et al. (CVPR 2017, section 4) and Zhu et al. (ICCV 2017, section 5.1), whose answers
`answers` counts. Some pairs check attention: a real picture beside one whose parts were shuffled.
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
from gan_xla.report import beside
from gan_xla.report import page as pages
from gan_xla.report.answers import SPOILT, WHOLE
from gan_xla.report.pictures import uri
from gan_xla.report.run import Run, read_all

REAL = "real"
FORMAT = 2  # of an answers file
EVERY = 10  # pairs for which there is one that checks attention
TILES = 6  # on a side of a shuffled picture


class Test(NamedTuple):
    """What a page asks.

    Attributes:
      names: of the candidates.
      pairs: for each trial the numbers of the candidates (left, right), or WHOLE and SPOILT.
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
        asked = [(pair, tuple(made[side][row] for side in pair)) for pair, row in zip(pairs, rows)]
        for check in _checks(runs[0], -(-count // EVERY), only, seed) if count else ():
            asked.insert(int(draws.integers(1, len(asked) + 1)), check)  # never the first
        return cls(names, [pair for pair, _ in asked], [pictures for _, pictures in asked])


def _check_alike(runs: Sequence[Run]) -> None:
    """Raises UserError where runs are not made to do the same with the same test images."""
    first = runs[0]
    if not first.config.data.image_size:
        raise UserError(
            f"--blind: {first.name} is a run of points, which nobody can take for real; give runs of images"
        )
    for run in runs[1:]:
        if fields := beside.differs(first.config, run.config):
            raise UserError(
                f"--blind: {first.name} and {run.name} have {fields}; only pictures of the same test images can be "
                "set side by side"
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


def _checks(run: Run, count: int, only: str | None, seed: int) -> list[tuple[tuple[int, int], tuple]]:
    """Attention checks, as pairs of a test and their pictures."""
    draws, found = np.random.default_rng([seed, 2]), []
    for picture in _real(run, count, only, seed):
        both = [(WHOLE, picture), (SPOILT, spoilt(picture, draws))]
        found.append(tuple(zip(*(both[place] for place in draws.permutation(2)))))
    return found


def spoilt(picture: np.ndarray, draws: np.random.Generator) -> np.ndarray:
    """A picture [h, w, c] with its parts in another order, which nobody who looks takes for a real one."""
    side = max(1, min(picture.shape[:2]) // TILES)
    rows, columns = (length // side for length in picture.shape[:2])
    part = picture[: rows * side, : columns * side]
    tiles = part.reshape(rows, side, columns, side, -1).swapaxes(1, 2).reshape(rows * columns, side, side, -1)
    tiles = draws.permutation(tiles).reshape(rows, columns, side, side, -1)
    found = picture.copy()
    found[: rows * side, : columns * side] = tiles.swapaxes(1, 2).reshape(part.shape)
    return found


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
