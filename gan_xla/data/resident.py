"""Training images that stay on the devices, from which each batch is gathered there (`data.on_device`).

The host sends what `gan_xla.data.pipeline` draws, sixteen bytes an image; so the batches are those that the host would
have made, bit for bit. For data that fit the device's memory beside the training.
"""

from collections.abc import Callable, Iterator, Sequence
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from gan_xla import devices
from gan_xla.contract import Array, Tree
from gan_xla.data.augmentation import Augment
from gan_xla.data.dataset import Dataset, Source
from gan_xla.errors import UserError
from gan_xla.images import Size, sides

SHARE = 0.5  # of a device's memory; the rest is for the training


class Resident:
    """All training rows of a data set, as they are read, on each of this process's devices.

    Args:
      dataset: what to train on; unreadable images are met here, not in training.
      image_size, augment: as `gan_xla.data.pipeline.batches`.
    Raises:
      UserError: the rows take more than half of a device's memory, where that is known.
    """

    def __init__(self, dataset: Dataset, image_size: Size, augment: Augment):
        groups = [part.train for part in (dataset, *dataset.others)]
        _check_room(groups)
        self._rows = devices.replicate([_joined(sources) for sources in zip(*groups)])
        # A data set's rows come after those of the sets before it.
        lengths = np.asarray([[len(source) for source in group] for group in groups])
        self._before = np.cumsum(lengths, axis=0) - lengths
        self._image_size, self._augment = image_size, augment

    def batches(self, draws: Iterator[Tree], first: int, resolution: int | None) -> Iterator[Tree]:
        """What the pipeline would have given, [local devices, k, n, ...], on the devices.

        Args:
          draws: what it drew, [k, n, ...] as `parallel.shard` makes of it.
          first: the step of the first of them; data sets take turns with the steps.
          resolution: as the pipeline's.
        """
        gather = devices.map_rows(
            partial(_gather, image_size=self._image_size, augment=self._augment, resolution=resolution)
        )
        for batch in draws:
            steps = batch["index"].shape[1]
            turn = np.arange(first, first + steps) % len(self._before)
            first += steps
            yield gather(self._rows, self._numbered(batch, turn))

    def _numbered(self, batch: Tree, turn: np.ndarray) -> Tree:
        """The batch with row numbers that count over all data sets; step i reads data set turn[i]."""

        def number(draw, before):
            shift = np.zeros((len(turn), *(1,) * (draw.ndim - 3), 4), np.int32)
            shift[..., 0] = before[turn].reshape(-1, *(1,) * (draw.ndim - 3))
            return draw + shift

        drawn = {f"draw_{j}": number(batch[f"draw_{j}"], before) for j, before in enumerate(self._before.T)}
        return {"index": batch["index"], **drawn}


def _check_room(groups: Sequence[Sequence[Source]]) -> None:
    rows = [
        (len(source), shape, dtype) for group in groups for source in group for shape, dtype in source.spec.values()
    ]
    needed = sum(length * int(np.prod(shape)) * dtype.itemsize for length, shape, dtype in rows)
    room = devices.memory()
    if room is not None and needed > SHARE * room:
        raise UserError(
            f"data.on_device: the training data take {needed / 2**30:.1f} GiB, more than half of a device's "
            f"{room / 2**30:.1f}; leave it False, and the host sends each batch"
        )


def _joined(sources: Sequence[Source]) -> Tree:
    """All rows of sources with the same keys, one after the other."""
    read = [source.read(np.arange(len(source))) for source in sources]
    return {key: np.concatenate([rows[key] for rows in read]) for key in sources[0].spec}


def _gather(rows: Sequence[Tree], batch: Tree, image_size: Size, augment: Augment, resolution: int | None) -> Tree:
    """Rows [N, ...] and draws [k, n, ..., 4] -> what was drawn, [k, n, ...]."""
    result = {"index": batch["index"]}
    for j, arrays in enumerate(rows):
        draw = batch[f"draw_{j}"]
        flat = draw.reshape(-1, 4)
        for key, array in arrays.items():
            found = array[flat[:, 0]]
            if array.ndim == 4:
                found = _shrunk(jax.vmap(_cut(image_size, augment))(found, flat), resolution)
            result[key] = found.reshape(*draw.shape[:-1], *found.shape[1:])
    return result


def _cut(size: Size, augment: Augment) -> Callable[[Array, Array], Array]:
    """`augmentation.apply` of an image and its draw, without the shrinking."""

    def cut(image, draw):
        if size:
            image = jax.lax.dynamic_slice(image, (draw[1], draw[2], 0), (*sides(size), image.shape[2]))
        for chosen, bit, axis in ((augment.flip, 1, 1), (augment.flip_vertical, 2, 0)):
            if chosen:
                image = jnp.where(draw[3] & bit, jnp.flip(image, axis), image)
        return jnp.stack([jnp.rot90(image, k) for k in range(4)])[draw[3] >> 2] if augment.turn else image

    return cut


def _shrunk(images: Array, resolution: int | None) -> Array:
    if not resolution or images.shape[1] == resolution:
        return images
    n, h, w, c = images.shape
    blocks = images.reshape(n, resolution, h // resolution, resolution, w // resolution, c)
    # Exact in float32: sums of bytes over blocks of a power of two, up to 256x256.
    means = blocks.astype(jnp.float32).mean(axis=(2, 4))
    return jnp.rint(means).astype(images.dtype) if jnp.issubdtype(images.dtype, jnp.integer) else means
