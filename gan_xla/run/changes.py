"""What of a run may change when it goes on, and the record of what did: a line of history.jsonl for each change.

A field that the result does not depend on just changes; one that the state of the run can follow does so with
`--allow_changes`; for the rest there is another run, `--init_from` this one.
"""

import json
from collections.abc import Sequence
from fnmatch import fnmatchcase
from typing import Any, NamedTuple

import ml_collections
from etils import epath

from gan_xla.data import Dataset
from gan_xla.errors import UserError, some
from gan_xla.run import settings

FILE = "history.jsonl"
DATA_FILE = "data.json"
NAMED = 5  # changes that a message lists
IMAGES = "other training images"  # the name of a change that no field tells of

# By patterns of full names. The result is the same, or (remat, steps_per_call) the same up to rounding; or the same as
# far as it goes (steps, patience).
FREE = (
    "data.path*", "data.joint.*.path*", "data.on_device", "data.max_unreadable", "train.remat", "train.steps_per_call",
    "train.steps", "train.patience", "train.nonfinite", "train.max_rollbacks", "train.wandb", "*_every",
    "eval.*.every", "eval.*.features_path",
)  # fmt: skip
# The state knows neither other networks nor other labels nor another number of seeds. Evaluators may come and go; the
# numbers of one are of one kind.
FIXED = (
    "gan", "model.*", "data.labels", "data.exclusive", "data.joint.*", "growth.*", "train.num_seeds", "train.best",
    "eval.*",
)  # fmt: skip
EXCEPT = ("model.*.dropout", "model.search_*")


class Change(NamedTuple):
    """A field with its value before and after; the values as JSON has them."""

    field: str
    old: Any
    new: Any

    def __str__(self) -> str:
        return IMAGES if self.field == IMAGES else f"{self.field}={self.old!r}, not {self.new!r}"

    @property
    def told(self) -> str:
        """What to say when it is made."""
        values = "" if self.field == IMAGES else f"={self.new!r}, until now {self.old!r}"
        return f"{self.field}{values}"

    @property
    def free(self) -> bool:
        """Whether the result does not depend on the field."""
        return _matches(self.field, FREE) or (self.field.startswith("eval.") and None in (self.old, self.new))

    @property
    def fixed(self) -> bool:
        """Whether the run's state cannot follow the field."""
        return _matches(self.field, FIXED) and not (_matches(self.field, EXCEPT) or self.free)


def _matches(field: str, patterns: Sequence[str]) -> bool:
    return any(fnmatchcase(field, pattern) for pattern in patterns)


def since(workdir: epath.PathLike, config: ml_collections.ConfigDict, dataset: Dataset | None = None) -> list[Change]:
    """What differs from the run in `workdir`: fields, and, where `dataset` is given, its training images.

    Images that lie elsewhere are the same where their names and sizes are. A run of a version that did not note these
    has the same images where `data.path` is the same.

    Raises:
      UserError: as `settings.read`.
    """
    old, now = (settings.flat(settings.plain(x)) for x in (settings.read(workdir), config))
    fields = sorted(old.keys() | now.keys())
    found = [Change(field, old.get(field), now.get(field)) for field in fields if old.get(field) != now.get(field)]
    if dataset is not None:
        before, after = _images(workdir), dataset.identity
        moved = any(_matches(change.field, ("data.path*", "data.joint.*.path*")) for change in found)
        if before != after if before is not None else moved:
            found.append(Change(IMAGES, before, after))
    return found


def check(found: Sequence[Change], workdir: epath.PathLike, step: int, allow: bool = False) -> None:
    """Refuses changes that a run, which is at `step`, cannot follow or, unless they are allowed, may not.

    Raises:
      UserError: such changes; they are named with both values.
    """
    if fixed := [change for change in found if change.fixed]:
        raise UserError(
            f"{workdir}: this run has {some(fixed, NAMED, '; ')}, which its state cannot follow. Begin another one "
            f"with --init_from={workdir} and another --workdir, or use the run's own values"
        )
    if (wanted := [change for change in found if not change.free]) and not allow:
        raise UserError(
            f"{workdir}: this run has {some(wanted, NAMED, '; ')}. Go on all the same with --allow_changes, or use "
            "another --workdir, or the run's own values"
        )
    call = next((change.new for change in found if change.field == "train.steps_per_call"), 1)
    if step % call:
        raise UserError(f"train.steps_per_call={call}: this run is at step {step}, which is no multiple of it")


def _images(workdir: epath.PathLike) -> list[list] | None:
    """What `note` wrote of the training images, or None."""
    path = epath.Path(workdir) / DATA_FILE
    try:
        return json.loads(path.read_text()) if path.exists() else None
    except ValueError as error:
        raise UserError(f"{path}: is damaged ({error}); remove it, if the training images are the same") from error


def note(workdir: epath.PathLike, step: int, found: Sequence[Change], dataset: Dataset) -> None:
    """Adds the changes, made at `step`, to history.jsonl; keeps what is known of the training images.

    To be called before `settings.freeze`: where a process dies between them, the next one finds the same changes again,
    and here that they are written down.
    """
    path = epath.Path(workdir)
    before = (path / FILE).read_text().splitlines() if step and (path / FILE).exists() else []  # what begins has none
    new = [json.dumps({"step": step, **change._asdict()}) for change in found]
    lines = before if new and before[-len(new) :] == new else before + new
    if lines:
        settings.write_whole(path / FILE, "".join(f"{line}\n" for line in lines))
    else:
        (path / FILE).unlink(missing_ok=True)
    settings.write_whole(path / DATA_FILE, json.dumps(dataset.identity) + "\n")
