"""What a run tells: metrics.jsonl, TensorBoard, pictures, the progress bar."""

import json
import math
import sys
from collections.abc import Mapping

import numpy as np
from etils import epath
from tqdm import tqdm

from gan_xla import images


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


def _forget_events(tf, directory: epath.Path, step: int) -> None:
    """Drops TensorBoard's events after `step`, which a resumed run will write again, and a torn last one."""
    from tensorboard.compat.proto.event_pb2 import Event

    for path in directory.glob("events.out.tfevents.*"):
        keep, whole = [], True
        try:
            for record in tf.data.TFRecordDataset(str(path)).as_numpy_iterator():
                if Event.FromString(record).step <= step:
                    keep.append(record)
                else:
                    whole = False
        except tf.errors.DataLossError:
            whole = False
        if not whole:
            temporary = path.with_name(f".{path.name}")
            with tf.io.TFRecordWriter(str(temporary)) as writer:
                for record in keep:
                    writer.write(record)
            temporary.replace(path)


class Writer:
    """Writes a run's records into its work directory; a context manager."""

    def __init__(self, workdir: epath.PathLike, step: int):
        # TensorFlow is needed here alone and takes seconds to import.
        from gan_xla.tf import tf

        self._tf = tf
        self._workdir = epath.Path(workdir)
        (self._workdir / "samples").mkdir(parents=True, exist_ok=True)
        metrics = self._workdir / "metrics.jsonl"
        _keep_until(metrics, step)
        self._metrics = metrics.open("a")
        _forget_events(tf, self._workdir / "tensorboard", step)
        self._summary = tf.summary.create_file_writer(str(self._workdir / "tensorboard"))

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self._metrics.close()
        self._summary.close()

    def scalars(self, step: int, values: Mapping[str, float]) -> None:
        """One line of metrics.jsonl, null where a value is not finite, and the same in TensorBoard."""
        known = {name: value if math.isfinite(value) else None for name, value in values.items()}  # JSON has no NaN
        self._metrics.write(json.dumps({"step": step, **known}) + "\n")
        self._metrics.flush()
        with self._summary.as_default(step):
            for name, value in values.items():
                self._tf.summary.scalar(name, value)
        self._summary.flush()

    def picture(self, step: int, image: np.ndarray) -> epath.Path:
        """Writes uint8 [h, w, 3] to samples/ and to TensorBoard; returns its path."""
        path = self._workdir / "samples" / f"{step:08d}.png"
        path.write_bytes(images.encode(image))
        with self._summary.as_default(step):
            self._tf.summary.image("samples", image[None])
        self._summary.flush()
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
