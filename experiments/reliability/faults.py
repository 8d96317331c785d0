"""What a full disk, damaged checkpoints and numbers that are not finite do to a run.

  python -m experiments.reliability.faults [--damaged=100] [--output=DIR]

A run of the 2-D toy, in-process: on a file system of 8 MB that it fills, where this process may mount one
(Linux, root); with one not-a-number among its training points, under each `train.nonfinite`; and with its newest
checkpoint damaged `--damaged` times at a random place of a random file. Prints what happened and writes
faults.json; exits with 1 unless the last good checkpoint could be read every time and no parameter was spoilt.
"""

import argparse
import contextlib
import io
import json
import logging
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from unittest import mock

import jax
import numpy as np

import gan_xla
from experiments import common
from experiments.reliability.kills import command, newest
from gan_xla.data import order
from gan_xla.data.sources import gmm
from gan_xla.main import main as gan_xla_main

SIZE_MB = 8
BATCH = 20  # of `command`
STEPS = 6


def _told(*argv: str) -> tuple[int, str]:
    """Exit code of a command, and the last line that it printed to stderr."""
    errors = io.StringIO()
    with contextlib.redirect_stderr(errors), contextlib.redirect_stdout(io.StringIO()):
        code = gan_xla_main(list(argv))
    return code, errors.getvalue().strip().splitlines()[-1]


def _same(one: Path, other: Path) -> bool:
    states = (jax.tree.leaves(newest(workdir)) for workdir in (one, other))
    return all(np.array_equal(a, b) for a, b in zip(*states, strict=True))


def _finite(workdir: Path) -> bool:
    return all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(newest(workdir)))


def full_disk(root: Path, straight: Path) -> list[dict]:
    """Fills a small file system, makes it larger, goes on."""
    disk = root / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={SIZE_MB}m", "tmpfs", str(disk)]
    if subprocess.run(mount, capture_output=True).returncode:
        return [{"fault": "full disk", "outcome": "not tried: this process may not mount a file system", "well": True}]
    try:
        keep = "--config.train.keep_every=1"
        code, line = _told(*command(disk / "run", 1, 100), keep)
        step, _ = newest(disk / "run")
        well = code == 2 and line.startswith("error: ") and step > 0
        rows = [{"fault": f"disk of {SIZE_MB} MB full at step {step}", "outcome": line, "well": well}]
        subprocess.run(["mount", "-o", "remount,size=1g", str(disk)], check=True)
        for workdir in (disk / "run", straight):
            _told(*command(workdir, 1, step + 5), keep)
        same = _same(disk / "run", straight)
        rows.append(
            {"fault": "disk made larger, same command", "outcome": f"equal to a run without: {same}", "well": same}
        )
        return rows
    finally:
        subprocess.run(["umount", str(disk)], check=True)


@contextlib.contextmanager
def poison(batch_size: int) -> Iterator[None]:
    """One of the toy's training points that the third step shows is not a number."""
    shown, points = order.permutation(gmm.TRAIN, order.SHUFFLE, 0, 0, 0)[2 * batch_size], gmm.points

    def poisoned(domain: str, split: str, sigma: float) -> np.ndarray:
        x = points(domain, split, sigma)
        if (domain, split) == ("A", "train"):
            x[shown] = np.nan
        return x

    with mock.patch.object(gmm, "points", poisoned):
        yield


def nonfinite(root: Path) -> list[dict]:
    """A run whose third step shows what is not a number, under each policy."""
    rows = []
    for policy in ("stop", "skip", "rollback"):
        workdir = root / policy
        with poison(BATCH):
            code, line = _told(*command(workdir, 1, STEPS), f"--config.train.nonfinite={policy}")
        step, state = newest(workdir)
        outcome = (
            f"exit code {code}, step {step}, {int(state.skipped)} updates skipped, {int(state.rollbacks)} rollbacks"
        )
        well = _finite(workdir) and (code, step) == ((2, 2) if policy == "stop" else (0, STEPS))
        outcome += f"; {line}" if code else ""
        rows.append({"fault": f"not a number in step 3, {policy}", "outcome": outcome, "well": well})
    return rows


def damaged(root: Path, times: int) -> list[dict]:
    """A bit, or all after a place, of a file of the newest of two checkpoints is altered; which one is used?"""
    workdir, draws, used = root / "damaged", np.random.default_rng(0), {1: 0, 2: 0}
    _told(*command(workdir, 1, 2))
    states = {2: newest(workdir)[1], 1: _at(workdir, 1)}
    files = sorted(
        path for path in (workdir / "checkpoints" / "2").rglob("*") if path.is_file() and path.stat().st_size
    )
    for _ in range(times):
        path = files[draws.integers(len(files))]
        content = path.read_bytes()
        place = draws.integers(len(content))
        cut = bool(draws.integers(2))
        altered = bytes([content[place] ^ (1 << draws.integers(8))])
        path.write_bytes(content[:place] + (b"" if cut else altered + content[place + 1 :]))
        model = gan_xla.load(workdir)
        leaves = jax.tree.leaves(model.variables["gen"][0]), jax.tree.leaves(states[model.step].gen.params)
        used[model.step] += all(np.array_equal(a, b) for a, b in zip(*leaves, strict=True))
        path.write_bytes(content)
    outcome = f"{used[1]} times the one before was used, {used[2]} times it was harmless, right parameters each time"
    return [
        {"fault": f"newest checkpoint damaged {times} times", "outcome": outcome, "well": sum(used.values()) == times}
    ]


def _at(workdir: Path, step: int):
    """The state of an older checkpoint, read where the newest is hidden."""
    hidden = workdir / "hidden"
    (workdir / "checkpoints" / str(step + 1)).rename(hidden)
    try:
        return newest(workdir)[1]
    finally:
        hidden.rename(workdir / "checkpoints" / str(step + 1))


def main(argv: Sequence[str] | None = None) -> None:
    """Plays, prints the table, writes faults.json."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--damaged", type=int, default=100, help="damages of a checkpoint (default %(default)s)")
    parser.add_argument("--output", type=Path, help="directory for faults.json")
    options = parser.parse_args(argv)
    logging.disable(logging.ERROR)  # a warning for each damaged checkpoint
    try:
        with tempfile.TemporaryDirectory() as directory:
            root = Path(directory)
            rows = [*full_disk(root, root / "straight"), *nonfinite(root), *damaged(root, options.damaged)]
            rows = [{**row, "outcome": row["outcome"].replace(directory, "")} for row in rows]
    finally:
        logging.disable(logging.NOTSET)
    print(common.table(["fault", "outcome"], [[row["fault"], row["outcome"]] for row in rows]))
    if options.output:
        options.output.mkdir(parents=True, exist_ok=True)
        (options.output / "faults.json").write_text(json.dumps(rows, indent=1) + "\n")
    if not all(row["well"] for row in rows):
        raise SystemExit(1)


if __name__ == "__main__":
    raise SystemExit(common.run(main))
