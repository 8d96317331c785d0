"""The runs of a demo: their names, and the models of those that are in use."""

import collections
import os
import threading
from collections.abc import Sequence
from pathlib import Path

import gan_xla
from gan_xla.errors import UserError
from gan_xla.inference.model import Model
from gan_xla.run import settings

KEEP = 3  # models in memory


class Runs:
    """Models by the names of runs, loaded when they are first asked for; the `keep` that were used last stay.

    Args:
      workdirs: directories of runs, or patterns such as "runs/*".
      keep: how many models stay in memory.
    Raises:
      UserError: there is no run, or two cannot be told apart by their last two names.
    """

    def __init__(self, workdirs: Sequence[str], keep: int = KEEP):
        found = [path for pattern in workdirs for path in settings.matching(pattern, "--workdir=")]
        self._paths = _named(list(dict.fromkeys(map(os.path.normpath, found))))
        self._keep = keep
        self._models: collections.OrderedDict[tuple, Model] = collections.OrderedDict()
        self._lock = threading.Lock()

    @property
    def names(self) -> list[str]:
        """Of the runs, in the order in which they were given."""
        return list(self._paths)

    def steps(self, name: str) -> list[int]:
        """The steps of a run's checkpoints, ascending, of which there may be none."""
        directory = self._path(name) / "checkpoints"
        return sorted(int(path.name) for path in directory.glob("*") if path.name.isdecimal())

    def model(self, name: str, checkpoint: str = "last") -> Model:
        """The model of a run, of its newest checkpoint or of a step's.

        Raises:
          UserError: no such run or checkpoint; what a message says of the run's place is its name alone.
        """
        path, newest = self._path(name), self.steps(name)[-1:]
        if len(str(checkpoint)) > 20:
            raise UserError("checkpoint: use last, best or a step")
        key = (name, str(checkpoint), *newest)
        with self._lock:
            if key not in self._models:
                while len(self._models) >= self._keep:  # before the next one is there, lest both need room
                    self._models.popitem(last=False)
                try:
                    self._models[key] = gan_xla.load(path, checkpoint)
                except UserError as error:
                    raise UserError(str(error).replace(str(path.absolute()), name).replace(str(path), name)) from error
            self._models.move_to_end(key)
            return self._models[key]

    def _path(self, name: str) -> Path:
        if not isinstance(name, str) or name not in self._paths:
            raise UserError(f"run: use one of {', '.join(self._paths)}")
        return self._paths[name]


def _named(paths: Sequence[str]) -> dict[str, Path]:
    """Paths by their last name; where some have the same, by their last two."""
    for parts in (1, 2):
        named = {"/".join(Path(path).absolute().parts[-parts:]): Path(path) for path in paths}
        if len(named) == len(paths):
            return named
    raise UserError(f"--workdir: of {', '.join(paths)} some have the same last two names; rename one of them")
