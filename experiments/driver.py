"""What the drivers of the papers' experiments share: their flags, and training runs side by side."""

import argparse
import json
import os
import queue
import subprocess
import sys
import threading
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

import ml_collections
import numpy as np
from tqdm import tqdm

from experiments.common import configure
from gan_xla.errors import UserError
from gan_xla.run import changes, settings
from gan_xla.run.checkpoint import Checkpoints
from gan_xla.training.train import prepare

RESULTS = Path("experiments/results")


class Variant(NamedTuple):
    """What an experiment compares with others.

    Attributes:
      title: in tables.
      config: name of a shipped config.
      fields: its fields that make the difference.
    """

    title: str
    config: str
    fields: Mapping[str, object] = MappingProxyType({})


DISCOGAN = {
    "discogan": Variant("DiscoGAN", "discogan"),
    "gan_recon": Variant("GAN with reconstruction", "gan_recon"),
    "standard_gan": Variant("standard GAN", "standard_gan"),
}


class Scale(NamedTuple):
    """How large an experiment is.

    Attributes:
      suffix: of the configs' names, ":quick" or none.
      fields: of all configs.
    """

    suffix: str
    fields: Mapping[str, object]


PAPER = Scale("", {})
# What `discogan:quick` was before it showed chairs that turn into faces; pages that say so were made with it.
FORMER_QUICK = {
    "data.azimuths": (),
    "data.flip": True,
    "loss.augment": (),
    "optimizer.gen.ema_decay": 0.0,
    "optimizer.gen.ema_warmup": 0.0,
    "train.batch_size": 16,
}
UNSCORED = {"eval.score.every": 0}  # experiments measure for themselves
JUDGES = {"classifier": 1500, "regressor": 800}  # training steps of a judge of real images


class Run(NamedTuple):
    """A training run.

    Attributes:
      config: name of a shipped config, with its variant: "discogan:quick".
      fields: its fields that are replaced.
      workdir: the run's directory.
      flags: further ones of its command, such as "--init_from=runs/other".
    """

    config: str
    fields: Mapping[str, object]
    workdir: Path
    flags: tuple[str, ...] = ()

    def configured(self) -> ml_collections.ConfigDict:
        """The whole config; errors as `configure`."""
        return configure(self.config, self.fields)

    def resolved(self) -> ml_collections.ConfigDict:
        """The config that training freezes: with its steps, and what its data have made known; errors as that."""
        return prepare(settings.continued(self.configured(), self.workdir)).config

    def command(self) -> list[str]:
        """The command line that trains it."""
        fields = [f"--config.{name}={value}" for name, value in self.fields.items()]
        command = [sys.executable, "-m", "gan_xla.main", f"--config={self.config}", *fields]
        return [*command, f"--workdir={self.workdir}", *self.flags]


def parser(
    name: str, about: str, seeds: int, data: Path | None = None, judge: str | None = None
) -> argparse.ArgumentParser:
    """The flags of an experiment.

    Args:
      name: of the module in experiments.
      about: its docstring.
      seeds: default of --seeds.
      data: default of --data, of an experiment that makes its images.
      judge: a name in `JUDGES`, of an experiment that trains one.
    """
    found = argparse.ArgumentParser(
        prog=f"python -m experiments.{name}", description=about, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    found.add_argument("--scale", choices=("cpu", "gpu"), default="cpu", help="gpu: larger images or networks")
    found.add_argument("--seeds", type=_positive, default=seeds, help="runs of each kind (default %(default)s)")
    found.add_argument("--jobs", type=_positive, help="runs at once (default: one for each core, on a GPU one)")
    found.add_argument("--workdir", type=Path, default=Path("runs") / name, help="for the runs (default %(default)s)")
    found.add_argument("--output", type=Path, default=RESULTS / name, help="for the results (default %(default)s)")
    found.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="config.FIELD=VALUE",
        dest="fields",
        help="another field of all configs; may be repeated",
    )
    if data:
        found.add_argument("--data", type=Path, default=data, help="where images are made (default %(default)s)")
    if judge:
        steps, text = JUDGES[judge], f"training steps of a {judge} of real images (default %(default)s)"
        found.add_argument(f"--{judge}_steps", type=_positive, default=steps, help=text)
    return found


def grid(
    variants: Mapping[str, Variant], scale: Scale, fields: Mapping[str, object], options: argparse.Namespace, folder=""
) -> dict[str, list[Run]]:
    """Runs of every variant and of seeds 0, 1, ... in WORKDIR/FOLDER/VARIANT-seedN.

    Fields of the scale give way to `fields`, these to the variant's, and these to --set.

    Raises:
      UserError: as `fields_of`.
    """
    asked = fields_of(options)
    return {
        name: [
            Run(
                variant.config + scale.suffix,
                {**UNSCORED, **scale.fields, **fields, **variant.fields, **asked, "seed": seed},
                options.workdir / folder / f"{name}-seed{seed}",
            )
            for seed in range(options.seeds)
        ]
        for name, variant in variants.items()
    }


def by_seed(*grids: Mapping[str, Sequence[Run]]) -> list[Run]:
    """All runs of grids of as many seeds, those of seed 0 first: a stopped experiment has whole comparisons."""
    return [run for row in zip(*(runs for found in grids for runs in found.values())) for run in row]


def _positive(text: str) -> int:
    if not text.isdecimal() or not int(text):
        raise argparse.ArgumentTypeError(f"{text!r} must be 1 or more")
    return int(text)


def fields_of(options: argparse.Namespace) -> dict[str, str]:
    """The fields that --set gives.

    Raises:
      UserError: one is not written as config.FIELD=VALUE.
    """
    result = {}
    for field in options.fields:
        name, separator, value = field.removeprefix("--").partition("=")
        if not (separator and name.startswith("config.")):
            raise UserError(f"--set={field}: write it as config.FIELD=VALUE, such as config.train.steps=100")
        result[name.removeprefix("config.")] = value
    return result


def mean_and_spread(values: Sequence[float], form: str) -> str:
    """A cell: the mean over seeds and, where there are several, the standard deviation; `form`: the format of both."""
    spread = f" ± {np.std(values, ddof=1):{form}}" if len(values) > 1 else ""
    return f"{np.mean(values):z{form}}{spread}"


def cells(results: Sequence[Mapping[str, float]], measures: Mapping[str, tuple[str, str]]) -> list[str]:
    """The cells of a row, over seeds; `measures`: (title, format) by name."""
    return [mean_and_spread([one[name] for one in results], form) for name, (_, form) in measures.items()]


def logged(workdir: Path) -> list[dict[str, float]]:
    """The lines of a run's log."""
    return [json.loads(line) for line in (workdir / "metrics.jsonl").read_text().splitlines()]


def clock(workdir: Path, batch: int) -> tuple[np.ndarray, np.ndarray]:
    """Steps of the log, and the seconds that training had taken by then, without starts, pictures and checkpoints."""
    lines = logged(workdir)
    steps = np.array([line["step"] for line in lines], float)
    rates = np.array([line.get("images_per_s", np.nan) for line in lines])
    rates = np.where(np.isnan(rates), np.nanmedian(rates), rates)  # not yet known when a process has just begun
    return steps, np.cumsum(np.diff(steps, prepend=0) * batch / rates)


def _cores() -> list[int]:
    return sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else list(range(os.cpu_count() or 1))


def finished(run: Run) -> bool:
    """Whether a run has all its steps.

    Raises:
      UserError: another run is in its directory, or one that has gone further.
    """
    if not (run.workdir / "config.json").exists():
        return False
    config = run.resolved()
    steps = config.train.steps
    changes.check(changes.since(run.workdir, config), run.workdir, 0)
    with Checkpoints(run.workdir, read_only=True) as checkpoints:
        latest = checkpoints.latest() or 0
    if latest > steps:
        raise UserError(f"{run.workdir}: this run is at step {latest}, not {steps}; use another --workdir")
    return latest == steps


def launch(command: Sequence[str], log: Path) -> int:
    """Runs a training command with its output in a file; its exit code."""
    with log.open("ab") as output:
        return subprocess.run(command, stdout=output, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL).returncode


def _train(run: Run) -> None:
    log = run.workdir.with_name(f"{run.workdir.name}.log")
    log.parent.mkdir(parents=True, exist_ok=True)
    code = launch(run.command(), log)
    if code or not finished(run):
        last = (log.read_text(errors="replace").splitlines() or [""])[-1]
        raise UserError(f"{run.workdir}: not finished (exit code {code}); {log} ends: {last}; the same command resumes")


def train(runs: Iterable[Run], options: argparse.Namespace) -> None:
    """Trains what is missing of the runs, several at once, in processes of `python -m gan_xla.main`.

    On a CPU each process has a core of its own: small networks gain little from a second one (two
    at once on 2 cores do twice the steps of one on both).

    Raises:
      UserError: a run's config is wrong, or its training failed or was stopped; no other is begun then.
    """
    planned = list(runs)
    for run in planned:  # a wrong field fails before hours of training
        run.configured()
    missing = [run for run in planned if not finished(run)]
    cores = _cores()
    jobs = options.jobs or (len(cores) if options.scale == "cpu" else 1)
    free = queue.SimpleQueue()
    for number in range(jobs):
        free.put(cores[number % len(cores)])

    def pin() -> None:
        if options.scale == "cpu" and jobs > 1 and hasattr(os, "sched_setaffinity"):
            os.sched_setaffinity(0, {free.get()})  # of this thread, and of the processes that it starts

    failed = threading.Event()

    def attempt(run: Run) -> None:
        if failed.is_set():  # this thread is free before the others are cancelled
            return
        try:
            _train(run)
        except BaseException:
            failed.set()
            raise

    with ThreadPoolExecutor(jobs, initializer=pin) as pool:
        futures = {pool.submit(attempt, run): run for run in missing}
        try:
            progress = tqdm(as_completed(futures), total=len(planned), initial=len(planned) - len(missing), unit="run")
            for future in progress:
                future.result()
                progress.set_postfix_str(str(futures[future].workdir))
        except BaseException:
            failed.set()
            pool.shutdown(cancel_futures=True)
            raise
