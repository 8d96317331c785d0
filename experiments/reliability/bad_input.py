"""Damaged images and broken configs by the hundred: each is read, or refused in one clear line.

  python -m experiments.reliability.bad_input [--images=1000] [--configs=300] [--seed=0]

Images: a built-in one in all formats, many modes and types, then damaged; read one by one, and all together by
the folder source. Needs the extra `medical`. Configs: mutations of the shipped ones, and of a run's config.json,
given to the command line; every one is a mistake, so that nothing trains. A refusal is clear where it is one line
that names the file or field. Prints a table; exit code 1 after a traceback, a leaked warning, an unclear refusal, or a
file that was changed, deleted or added.
"""

import argparse
import collections
import contextlib
import hashlib
import io
import logging
import os
import random
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from unittest import mock

import ml_collections
import numpy as np
from PIL import Image

from experiments import common
from experiments.reliability import damage, mistakes
from gan_xla import data, devices, images
from gan_xla.data.sources import builtin
from gan_xla.errors import UserError
from gan_xla.main import main as command

CLEAR, READ, TRACEBACK, LOST = "refused clearly", "read", "tracebacks", "files lost"


class Tally:
    """How often what happened to each kind of input."""

    def __init__(self):
        self._counts: dict[str, collections.Counter] = {}

    def add(self, kind: str, outcome: str, count: int = 1) -> None:
        self._counts.setdefault(kind, collections.Counter())[outcome] += count

    def failures(self) -> int:
        """Tracebacks and lost files."""
        return sum(counts[TRACEBACK] + counts[LOST] for counts in self._counts.values())

    def table(self) -> str:
        """Markdown, with a last line of sums."""
        rows = [[kind, *self._row(counts)] for kind, counts in self._counts.items()]
        rows.append(["all", *self._row(sum(self._counts.values(), collections.Counter()))])
        return common.table(["kind", "tried", CLEAR, READ, TRACEBACK, LOST], rows)

    @staticmethod
    def _row(counts: Mapping[str, int]) -> list[str]:
        tried = sum(counts[outcome] for outcome in (CLEAR, READ, TRACEBACK))
        return [str(tried), *(str(counts[outcome]) for outcome in (CLEAR, READ, TRACEBACK, LOST))]


def _digests(directory: Path) -> dict[str, str]:
    """What every file below a directory holds, by its path; but not what Python keeps of a compiled config file."""
    return {
        os.path.join(folder, name): hashlib.sha256(Path(folder, name).read_bytes()).hexdigest()
        for folder, _, names in os.walk(directory)
        if Path(folder).name != "__pycache__"
        for name in names
    }


def _lost(before: Mapping[str, str], directory: Path) -> list[str]:
    """The files of a directory that are not as they were before, or were not there."""
    after = _digests(directory)
    return [path for path in before.keys() | after.keys() if before.get(path) != after.get(path)]


def _read(path: str, read: Callable[[str], object]) -> str:
    """What becomes of reading images."""
    with warnings.catch_warnings(record=True) as leaked:
        warnings.simplefilter("always")
        try:
            read(path)
            outcome = READ
        except UserError as error:
            outcome = CLEAR if "\n" not in str(error) and str(UserError(path)) in str(error) else TRACEBACK
        except Exception as error:  # the very thing that is looked for
            print(f"{path!r}: {type(error).__name__}: {error}", file=sys.stderr)
            outcome = TRACEBACK
    for warning in leaked:
        print(f"{path!r}: {warning.message}", file=sys.stderr)
    return TRACEBACK if leaked else outcome


def _first(path: str, **form) -> None:
    """Reads an image, or the first slice of a volume."""
    images.read(images.slices_of(path)[0], **form)


def _read_all(directory: str) -> None:
    """Reads a directory as training does."""
    fields = dict(source="folder", path=directory, unlabelled=True, image_size=8, max_unreadable=sys.maxsize)
    dataset = data.load(ml_collections.ConfigDict(fields))
    for source in dataset.train + dataset.test:
        source.read(np.arange(len(source)))


def try_images(count: int, rng: random.Random, tally: Tally) -> None:
    """Makes `count` damaged images in a directory of their own, and reads them one by one and all together."""
    view = Image.fromarray(builtin.views("chairs2cars", "test", 48, channels=4)["x_B"][0])
    originals = damage.originals(view)
    with tempfile.TemporaryDirectory() as folder:
        kinds = {}
        for number in range(count):
            kind, name, content = damage.image(rng, number, originals)
            path = Path(folder, name)
            path.write_bytes(content)
            kinds[str(path)] = f"image, {kind}"
        before = _digests(Path(folder))
        for path, kind in kinds.items():
            form = {"channels": rng.choice((1, 3, 4, 6, None)), "dtype": rng.choice(("uint8", "float32", None))}
            tally.add(kind, _read(path, partial(_first, **form)))
        tally.add("images, as a data set", _read(folder, _read_all))
        for path in _lost(before, Path(folder)):
            tally.add(kinds.get(path, "new files"), LOST)


def _run(argv: Sequence[str], names: str) -> str:
    """What becomes of a command that is a mistake; `names` is what a clear refusal holds."""
    errors = io.StringIO()
    with contextlib.redirect_stderr(errors), contextlib.redirect_stdout(io.StringIO()):
        try:
            code = command(["main", *argv])
        except BaseException as error:  # an exit too is no refusal
            code = f"{type(error).__name__}: {error}"
    lines = [line for line in errors.getvalue().splitlines() if line.startswith("error: ")]
    if code == 2 and len(lines) == 1 and names in lines[0] and "Traceback" not in errors.getvalue():
        return CLEAR
    print(f"{argv}: {code}, {errors.getvalue()!r}", file=sys.stderr)
    return READ if code == 0 else TRACEBACK


def try_configs(count: int, rng: random.Random, tally: Tally) -> None:
    """Gives `count` mistakes to the command line, each in a directory whose files must stay as they are."""
    trains = RuntimeError("no mistake: this would train")
    with tempfile.TemporaryDirectory() as folder, mock.patch.object(devices, "map_step", side_effect=trains):
        for number in range(count):
            case = Path(folder, str(number))
            case.mkdir()
            kind, argv, names = mistakes.mistake(rng, number, case)
            before = _digests(case)
            tally.add(kind, _run(argv, names))
            tally.add(kind, LOST, len(_lost(before, case)))


@contextlib.contextmanager
def _no_warnings() -> Iterator[None]:
    """The log of the images that training skips would be as long as their number."""
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(logging.NOTSET)


def main(argv: Sequence[str] | None = None) -> int:
    """Tries images and configs; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=1000, help="damaged images (default %(default)s)")
    parser.add_argument("--configs", type=int, default=300, help="broken configs (default %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="of the damage (default %(default)s)")
    options = parser.parse_args(argv)
    tally, rng = Tally(), random.Random(options.seed)
    with _no_warnings():
        try_images(options.images, rng, tally)
        try_configs(options.configs, rng, tally)
    print(tally.table())
    return 1 if tally.failures() else 0


if __name__ == "__main__":
    raise SystemExit(main())
