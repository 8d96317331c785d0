"""Is anything lost when a run is killed, at whatever moment?

  python -m experiments.reliability.kills [--kills=100] [--interval=100] [--seed=0] [--output=DIR]

A run of the 2-D toy is killed with SIGKILL again and again, two times in five as soon as a checkpoint's temporary
directory is seen, else after a random time, and each time it goes on, with other values of two fields that may
change: `train.max_rollbacks` counts the lives, `data.on_device` alternates. At last the run ends a few steps after
its last checkpoint, and so does an undisturbed run of as many steps. Prints, and writes into kills.json: the kills;
how many of them were during a checkpoint's writing; newest checkpoints that could not be read; the most steps lost
to a kill, which may not be more than `--interval`, the steps between checkpoints; lines of metrics.jsonl that are
missing or double; changes that history.jsonl tells wrongly; and whether the parameters at the end are equal bit for
bit.
Exits with 1 unless all is well.
"""

import argparse
import json
import multiprocessing
import os
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path

import jax
import numpy as np

from experiments import common
from gan_xla.run import changes, settings
from gan_xla.run.checkpoint import Checkpoints, Damaged
from gan_xla.run.state import of_run

# Imported once and forked from, so that a life begins in less than a second.
PRELOAD = [
    "gan_xla.training.train",
    "gan_xla.data.pipeline",
    "gan_xla.data.sources.gmm",
    "gan_xla.gans.discogan",
    "flax.linen",
]
ENDLESS = 10**9
DURING = 0.4  # share of the kills that wait for a checkpoint being written


def command(workdir: Path, interval: int, steps: int) -> list[str]:
    """The training command of the toy: a small batch, every step logged."""
    train = dict(steps=steps, steps_per_call=1, batch_size=20, log_every=1, checkpoint_every=interval)
    fields = [f"--config.train.{k}={v}" for k, v in (train | dict(sample_every=ENDLESS)).items()]
    return ["main", "--config=toy_gmm", f"--workdir={workdir}", *fields]


def changed(life: int) -> list[str]:
    """Flags in which the number of a process's life shows: each begins with two fields changed."""
    return [f"--config.data.on_device={life % 2 == 1}", f"--config.train.max_rollbacks={life}"]


def _die_together() -> None:
    multiprocessing.parent_process().join()
    os._exit(1)


def live(argv: list[str], log: Path) -> None:
    """A process's life: the command, its output into a file; it ends with this script."""
    from gan_xla.main import main

    threading.Thread(target=_die_together, daemon=True).start()
    with log.open("a") as file:
        sys.stdout = sys.stderr = file
        raise SystemExit(main(argv))


def logged(workdir: Path) -> list[int]:
    """Steps in metrics.jsonl, without a torn last line."""
    path = workdir / "metrics.jsonl"
    lines = path.read_text().splitlines(keepends=True) if path.exists() else []
    return [json.loads(line)["step"] for line in lines if line.endswith("\n")]


def untold(workdir: Path) -> int:
    """Changes that history.jsonl tells wrongly: values of a field that do not follow each other, up to the present."""
    found, wrong = {}, 0
    for line in (workdir / changes.FILE).read_text().splitlines():
        row = json.loads(line)
        wrong += found.get(row["field"], row["old"]) != row["old"]
        found[row["field"]] = row["new"]
    now = settings.flat(settings.plain(settings.read(workdir)))
    return wrong + sum(now[field] != value for field, value in found.items())


def newest(workdir: Path):
    """(step, state) of the newest checkpoint, or (0, None) where there is none.

    Raises:
      Damaged: it cannot be read.
    """
    _, like = of_run(settings.read(workdir), workdir)
    with Checkpoints(workdir, read_only=True) as checkpoints:
        step = checkpoints.latest()
        return (step, checkpoints.restore(step, like)) if step else (0, None)


def _await(condition, process, seconds: float) -> bool:
    """Whether the condition came true before the time was over."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return True
        if not process.is_alive():
            raise SystemExit("a run ended by itself; see its log")
        time.sleep(0.001)
    return False


def kill_once(context, workdir: Path, interval: int, life: int, draws: np.random.Generator) -> dict:
    """One life and its end: what was lost, and whether a checkpoint was being written."""
    start, _ = newest(workdir) if (workdir / "config.json").exists() else (0, None)
    argv = [*command(workdir, interval, ENDLESS), *changed(life)]
    process = context.Process(target=live, args=(argv, workdir.with_suffix(".log")))
    process.start()
    writing = lambda: any((workdir / "checkpoints").glob("*tmp*"))
    _await(lambda: max(logged(workdir), default=0) > start, process, 120)
    if draws.random() < DURING:
        _await(writing, process, 60)
        time.sleep(draws.uniform(0, 0.02))
    else:
        _await(lambda: False, process, draws.uniform(0, 5))
    during = writing()
    process.kill()
    process.join()
    during = during and writing()
    reached = max(logged(workdir), default=0)
    try:
        kept, _ = newest(workdir)
    except Damaged:
        return {"during": during, "unreadable": 1, "lost": 0}
    return {"during": during, "unreadable": 0, "lost": reached - kept}


def play(kills: int, interval: int, seed: int, root: Path) -> dict:
    """Kills a run in `root`, lets it end, and compares it with an undisturbed one."""
    context, draws = multiprocessing.get_context("forkserver"), np.random.default_rng(seed)
    context.set_forkserver_preload(PRELOAD)
    run, straight, ends = root / "killed", root / "straight", []
    while len(ends) < kills:
        ends.append(kill_once(context, run, interval, 1 + len(ends), draws))
        print(f"\rkill {len(ends)} of {kills}, step {max(logged(run), default=0)}", end="", file=sys.stderr)
    print(file=sys.stderr)
    steps = newest(run)[0] + 10
    for workdir in (run, straight):
        argv = [*command(workdir, interval, steps), *changed(1 + len(ends) if workdir == run else 1)]
        process = context.Process(target=live, args=(argv, workdir.with_suffix(".log")))
        process.start()
        process.join()
    states = [jax.tree.leaves(newest(workdir)) for workdir in (run, straight)]
    lines = logged(run)
    return {
        "kills": len(ends),
        "during the writing of a checkpoint": sum(end["during"] for end in ends),
        "unreadable newest checkpoints": sum(end["unreadable"] for end in ends),
        "steps between checkpoints": interval,
        "most steps lost": max(end["lost"] for end in ends),
        "steps of the run": steps,
        "missing or double lines of metrics.jsonl": len(set(lines) ^ set(range(1, steps + 1)))
        + len(lines)
        - len(set(lines)),
        "changes told wrongly": untold(run),
        "arrays that differ from the undisturbed run's": sum(
            not np.array_equal(a, b) for a, b in zip(*states, strict=True)
        ),
    }


def main(argv: Sequence[str] | None = None) -> None:
    """Plays, prints the table, writes kills.json."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=100, help="default %(default)s")
    parser.add_argument("--interval", type=int, default=100, help="steps between checkpoints (default %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="of the moments (default %(default)s)")
    parser.add_argument("--output", type=Path, help="directory for kills.json")
    options = parser.parse_args(argv)
    with tempfile.TemporaryDirectory() as root:
        result = play(options.kills, options.interval, options.seed, Path(root))
    print(common.table(["", "count"], [[name, str(value)] for name, value in result.items()]))
    if options.output:
        options.output.mkdir(parents=True, exist_ok=True)
        (options.output / "kills.json").write_text(json.dumps(result, indent=1) + "\n")
    wrong = ("unreadable newest checkpoints", "missing or double lines of metrics.jsonl", "changes told wrongly")
    lost = result["most steps lost"] > result["steps between checkpoints"]
    if lost or any(result[name] for name in (*wrong, "arrays that differ from the undisturbed run's")):
        raise SystemExit(1)


if __name__ == "__main__":
    raise SystemExit(common.run(main))
