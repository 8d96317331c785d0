"""Checkpoints: Orbax behind save and restore, and a checksum of every array so that damage is seen."""

import json
import logging
import math
import os
import shutil
import zlib
from collections.abc import Iterable, Mapping
from typing import Any

import jax
import numpy as np
import orbax.checkpoint as ocp
from etils import epath

import gan_xla
from gan_xla import devices
from gan_xla.errors import UserError

KEEP = 3
MB = 2**20
FORMAT = 1  # of what a checkpoint holds; older programs refuse newer ones

_log = logging.getLogger(__name__)


class Misfit(UserError):
    """A checkpoint holds another state than the config's."""


class Damaged(Exception):
    """A checkpoint is incomplete, or not what was saved."""


def _inventory(tree: Any) -> dict[str, list]:
    """[dtype, shape] of every array by its name in the tree, such as ".gen.params['head']['kernel']"."""
    leaves = jax.tree_util.tree_leaves_with_path(tree)
    return {jax.tree_util.keystr(path): [np.dtype(x.dtype).name, list(x.shape)] for path, x in leaves}


def _checksums(tree: Any) -> dict[str, int]:
    leaves = jax.tree_util.tree_leaves_with_path(tree)
    return {jax.tree_util.keystr(path): zlib.crc32(np.ascontiguousarray(x)) for path, x in leaves}


def _seal(about: Mapping) -> int:
    return zlib.crc32(json.dumps(about, sort_keys=True).encode())


def _misfit(saved: dict[str, list], like: dict[str, list]) -> str:
    """Where two inventories differ first, or ""."""
    for name in [*like, *saved]:
        if saved.get(name) != like.get(name):
            return f"{name} is {saved.get(name, 'missing')} there and {like.get(name, 'missing')} in the config"
    return ""


def _leader(scores: Mapping[int, float], steps: Iterable[int]) -> int | None:
    """Of ascending steps the one of the lowest score, the earliest of several, or None where none has one."""
    return min((step for step in steps if step in scores), key=scores.get, default=None)


class _Best(ocp.checkpoint_managers.PreservationPolicy):
    """Keeps the step of the lowest of `scores`, which grow with the run."""

    def __init__(self, scores: Mapping[int, float]):
        self._scores = scores

    def should_preserve(self, checkpoints, *, context) -> list[bool]:
        best = _leader(self._scores, sorted(checkpoint.step for checkpoint in checkpoints))
        return [checkpoint.step == best for checkpoint in checkpoints]


class Checkpoints:
    """The checkpoints of one run, a context manager.

    The newest `KEEP` stay, those of steps that are multiples of `keep_every`, and the one of the lowest
    score. A checkpoint is written aside and renamed, so that a killed process leaves none that is half.
    """

    def __init__(self, workdir: epath.PathLike, read_only: bool = False, keep_every: int = 0):
        policies = ocp.checkpoint_managers
        self._scores: dict[int, float] = {}
        keep = [policies.LatestN(KEEP), _Best(self._scores)]
        keep += [policies.EveryNSteps(keep_every)] if keep_every else []
        self.directory = epath.Path(workdir).absolute() / "checkpoints"
        self._read_only = read_only
        self._manager = ocp.CheckpointManager(
            self.directory,
            options=ocp.CheckpointManagerOptions(
                preservation_policy=policies.AnyPreservationPolicy(keep),
                create=not read_only,
                save_root_metadata=not read_only,
                cleanup_tmp_directories=not read_only,
            ),
        )

        for step in self.steps():
            try:
                self._note(step, self._about(step)["score"])
            except Damaged:
                continue  # whoever reads it is told

    def __enter__(self):
        return self

    def _note(self, step: int, score: float | None) -> None:
        if score is not None:
            self._scores[step] = score

    def _about(self, step: int) -> dict:
        """What a checkpoint says of itself.

        Raises:
          Damaged: it cannot be read.
        """
        # Files that are cut, missing or altered make Orbax raise nearly anything.
        try:
            about = self._manager.restore(step, args=ocp.args.Composite(about=ocp.args.JsonRestore()))["about"]
            seal = about.pop("checksum")
        except Exception as error:
            raise Damaged(f"{self.directory / str(step)}: {_reason(error)}") from error
        if seal != _seal(about):
            raise Damaged(f"{self.directory / str(step)}: the checksum of what it says of itself is wrong")
        return about

    def __exit__(self, *exc):
        self._manager.close()

    def _unwritable(self, size: int) -> str:
        """Why a disk cannot take `size` bytes, or "": said before Orbax's threads print their own tracebacks."""
        if "://" in str(self.directory):
            return ""
        if not os.access(self.directory, os.W_OK):
            return "the directory or its disk is read-only"
        needed, free = size + MB, shutil.disk_usage(self.directory).free
        return f"it needs {needed / MB:.1f} MB, {free / MB:.1f} MB are free" if free < needed else ""

    def _unwritten(self, reason: str) -> UserError:
        last = self.latest()
        good = f"the last good one is of step {last}" if last else "there is none yet"
        return UserError(
            f"{self.directory}: a checkpoint could not be written ({reason}); {good}; free the disk or make it "
            "writable, then the same command goes on from there"
        )

    def steps(self) -> list[int]:
        """The steps that are kept, ascending."""
        return sorted(self._manager.all_steps())

    def latest(self) -> int | None:
        """The newest step that was saved, or None."""
        return max(self.steps(), default=None)

    def best(self) -> int | None:
        """The step of the lowest score, or None where none was scored."""
        return _leader(self._scores, self.steps())

    def save(self, step: int, state: Any, score: float | None = None) -> None:
        """Saves a tree of arrays; returns when it is on disk.

        Training waits for it: steps taken meanwhile would be lost to a kill on top of the interval.

        Args:
          step: of the state.
          state: the tree.
          score: how good it is; lower is better; None, or a number that is not finite: not known.
        Raises:
          UserError: it cannot be written.
          jax.errors.JaxRuntimeError: another process is gone.
        """
        if step == self.latest():
            return
        score = score if score is not None and math.isfinite(score) else None
        host = jax.tree.map(np.asarray, state)
        if not_now := self._unwritable(sum(x.nbytes for x in jax.tree.leaves(host))):
            raise self._unwritten(not_now)
        about = {"format": FORMAT, "gan_xla": gan_xla.__version__}
        about |= {"arrays": _inventory(host), "checksums": _checksums(host), "score": score}
        about["checksum"] = _seal(about)
        self._note(step, score)
        try:
            self._manager.save(
                step, args=ocp.args.Composite(state=ocp.args.StandardSave(host), about=ocp.args.JsonSave(about))
            )
            self._manager.wait_until_finished()
        except Exception as error:  # Orbax passes on whatever its writing thread met
            if lost := devices.lost(error):
                raise lost from error
            raise self._unwritten(_reason(error)) from error

    def restore(self, step: int, like: Any) -> Any:
        """The state saved at `step`, as numpy arrays.

        Args:
          step: one of the steps that were saved.
          like: a tree of arrays or `jax.ShapeDtypeStruct` of the same structure.
        Raises:
          Damaged: it cannot be read, or is not what was saved.
          UserError: it holds another tree than `like`, or was made by a newer program.
        """
        path, about = self.directory / str(step), self._about(step)
        made, saved, checksums = about["format"], about["arrays"], about["checksums"]
        if made > FORMAT:
            raise UserError(
                f"{path}: made by gan_xla {about.get('gan_xla')}, whose checkpoints (format {made}) this version, "
                f"{gan_xla.__version__} (format {FORMAT}), cannot read; upgrade gan_xla"
            )
        if misfit := _misfit(saved, _inventory(like)):
            raise Misfit(f"{path} does not fit the run's config: {misfit}")
        like = jax.tree.map(lambda x: np.empty(x.shape, x.dtype), like)
        try:
            found = self._manager.restore(step, args=ocp.args.Composite(state=ocp.args.StandardRestore(like)))
        except Exception as error:
            raise Damaged(f"{path}: {_reason(error)}") from error
        wrong = [name for name, value in _checksums(found["state"]).items() if value != checksums.get(name)]
        if wrong:
            raise Damaged(f"{path}: the checksum of {wrong[0]} is wrong")
        return found["state"]

    def newest(self, like: Any) -> tuple[int, Any] | None:
        """The newest (step, state) that can be read, or None where nothing was saved.

        Damaged ones are warned of and, unless read-only, moved to "damaged-checkpoints", lest the run
        that comes by their step again overwrites them.

        Raises:
          UserError: as `restore`, or all are damaged.
        """
        damaged = []
        for step in reversed(self.steps()):
            try:
                return step, self.restore(step, like)
            except Damaged as error:
                _log.warning("damaged checkpoint, using the one before: %s", error)
                damaged.append(step)
                self._put_aside(step)
        if damaged:
            raise UserError(
                f"{self.directory}: all checkpoints are damaged ({', '.join(map(str, damaged))}); use another --workdir"
            )
        return None

    def _put_aside(self, step: int) -> None:
        if self._read_only:
            return
        devices.barrier(f"damaged checkpoint {step}")  # all have seen it
        if devices.is_first():
            aside = self.directory.parent / "damaged-checkpoints"
            aside.mkdir(exist_ok=True)
            taken = len(list(aside.glob(f"{step}.*")))
            (self.directory / str(step)).rename(aside / f"{step}.{taken}")
        devices.barrier(f"moved checkpoint {step}")
        self._manager.reload()

    def load(self, which: str, like: Any) -> tuple[int, Any]:
        """The (step, state) meant by "last", "best" or a number.

        Raises:
          UserError: there is none, or not that one, or it is damaged.
        """
        steps = self.steps()
        if not steps:
            raise UserError(f"{self.directory}: no checkpoint yet; train first with --workdir={self.directory.parent}")
        if which == "last":
            return self.newest(like)
        if which == "best":
            best = self.best()
            if best is None:
                raise UserError(
                    "--checkpoint=best: no checkpoint of this run has a score; train with "
                    "--config.eval.score.every, or use last"
                )
            which = str(best)
        if not which.isdecimal() or int(which) not in steps:
            raise UserError(f"--checkpoint={which}: use last, best or one of {', '.join(map(str, steps))}")
        try:
            return int(which), self.restore(int(which), like)
        except Damaged as error:
            others = ", ".join(str(step) for step in steps if step != int(which)) or "none is left"
            raise UserError(f"damaged checkpoint: {error}; others: {others}") from error


def _reason(error: Exception) -> str:
    return f"{type(error).__name__}: {str(error).strip().splitlines()[0] if str(error).strip() else 'no details'}"
