"""Where a run's numbers and pictures can be watched: TensorBoard, Weights & Biases; to whoever writes, alike."""

import importlib.util
import os
import uuid
from collections.abc import Mapping
from typing import Protocol

import ml_collections
import numpy as np
from etils import epath

from gan_xla.errors import UserError


class Board(Protocol):
    """What the records of a run go to, besides its own files."""

    def scalars(self, step: int, values: Mapping[str, float]) -> None:
        """Numbers by name; NaN where one is not finite."""

    def picture(self, step: int, image: np.ndarray) -> None:
        """The sample picture, uint8 [h, w, 3]."""

    def close(self) -> None:
        """Writes what is left."""


def check(config: ml_collections.ConfigDict) -> None:
    """Raises UserError where a board that the config asks for is not installed; said before anything is written."""
    if config.train.wandb and importlib.util.find_spec("wandb") is None:
        raise UserError(f"train.wandb={config.train.wandb!r} needs wandb: pip install 'gan_xla[wandb]'")


def of(config: ml_collections.ConfigDict, workdir: epath.PathLike, step: int) -> list[Board]:
    """The boards of a run that goes on from `step`."""
    found: list[Board] = [TensorBoard(workdir, step)]
    return found + ([WeightsAndBiases(config, workdir)] if config.train.wandb else [])


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


class TensorBoard:
    """Event files in the work directory's tensorboard/."""

    def __init__(self, workdir: epath.PathLike, step: int):
        # TensorFlow is needed here alone and takes seconds to import.
        from gan_xla.tf import tf

        self._tf, directory = tf, epath.Path(workdir) / "tensorboard"
        _forget_events(tf, directory, step)
        self._summary = tf.summary.create_file_writer(str(directory))

    def scalars(self, step: int, values: Mapping[str, float]) -> None:
        with self._summary.as_default(step):
            for name, value in values.items():
                self._tf.summary.scalar(name, value)
        self._summary.flush()

    def picture(self, step: int, image: np.ndarray) -> None:
        with self._summary.as_default(step):
            self._tf.summary.image("samples", image[None])
        self._summary.flush()

    def close(self) -> None:
        self._summary.close()


class WeightsAndBiases:
    """A run of the project `train.wandb`, which goes on where this run does: its id is kept in wandb.id.

    Raises:
      UserError: nobody is logged in, or the server refuses.
    """

    def __init__(self, config: ml_collections.ConfigDict, workdir: epath.PathLike):
        import wandb

        path = epath.Path(workdir)
        known = path / "wandb.id"
        if not known.exists():
            known.write_text(uuid.uuid4().hex[:8])
        settings = wandb.Settings(console="off", silent=True)
        try:
            self._run = wandb.init(
                project=config.train.wandb, id=known.read_text().strip(), resume="allow", dir=os.fspath(path),
                name=path.absolute().name, config=config.to_dict(), settings=settings,
            )  # fmt: skip
        except wandb.Error as error:
            reason = str(error).partition("\n")[0]
            raise UserError(
                f"train.wandb={config.train.wandb!r}: {reason}; run `wandb login`, or set WANDB_MODE=offline"
            ) from error
        self._image = wandb.Image

    def scalars(self, step: int, values: Mapping[str, float]) -> None:
        self._run.log(dict(values), step=step)

    def picture(self, step: int, image: np.ndarray) -> None:
        self._run.log({"samples": self._image(image)}, step=step)

    def close(self) -> None:
        self._run.finish()
