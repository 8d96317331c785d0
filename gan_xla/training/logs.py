"""What a run tells: metrics.jsonl, pictures, its boards, the progress bar."""

import json
import math
import sys
from collections.abc import Mapping, Sequence

import numpy as np
from etils import epath
from tqdm import tqdm

from gan_xla import images
from gan_xla.training.boards import Board


def _keep_until(path: epath.Path, step: int) -> None:
    """Drops lines after `step`, which a resumed run will write again, and a torn last line."""
    if not path.exists():
        return
    lines = path.read_text().splitlines(keepends=True)
    keep = [line for line in lines if line.endswith("\n") and json.loads(line)["step"] <= step]
    if keep != lines:
        temporary = path.with_suffix(".tmp")  # a kill now must not lose the lines that stay
        temporary.write_text("".join(keep))
        temporary.replace(path)


class Writer:
    """Writes a run's records into its work directory and onto its boards; a context manager."""

    def __init__(self, workdir: epath.PathLike, step: int, boards: Sequence[Board] = ()):
        self._workdir, self._boards = epath.Path(workdir), boards
        (self._workdir / "samples").mkdir(parents=True, exist_ok=True)
        metrics = self._workdir / "metrics.jsonl"
        _keep_until(metrics, step)
        self._metrics = metrics.open("a")

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self._metrics.close()
        for board in self._boards:
            board.close()

    def scalars(self, step: int, values: Mapping[str, float]) -> None:
        """One line of metrics.jsonl, null where a value is not finite, and the same on the boards."""
        known = {name: value if math.isfinite(value) else None for name, value in values.items()}  # JSON has no NaN
        self._metrics.write(json.dumps({"step": step, **known}) + "\n")
        self._metrics.flush()
        for board in self._boards:
            board.scalars(step, values)

    def picture(self, step: int, image: np.ndarray) -> epath.Path:
        """Writes uint8 [h, w, 3] to samples/ and onto the boards; returns its path."""
        path = self._workdir / "samples" / f"{step:08d}.png"
        path.write_bytes(images.encode(image))
        for board in self._boards:
            board.picture(step, image)
        return path


class Progress(tqdm):
    """The progress bar: steps, time left, images per second, losses."""

    def __init__(self, step: int, steps: int):
        # A log file gets a line now and then instead of a thousand.
        interval = 0.5 if sys.stderr.isatty() else 10
        super().__init__(initial=step, total=steps, unit="step", mininterval=interval, dynamic_ncols=True, desc="train")

    def losses(self, values: Mapping[str, float]) -> None:
        """Shows the speed, the share of the time spent waiting for data, and the players' total losses."""
        shown = {name.removeprefix("loss/"): f"{values[name]:.3f}" for name in ("loss/D", "loss/G") if name in values}
        speed = {"images/s": f"{values['images_per_s']:.0f}", "wait": f"{values['input_wait']:.0%}"}
        self.set_postfix({**speed, **shown}, refresh=False)
