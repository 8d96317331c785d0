"""What a benchmark runs: a config with a few fields replaced, on random images that are there already."""

from typing import NamedTuple

import ml_collections
import numpy as np

from gan_xla.errors import UserError
from gan_xla.run import settings

CLASSES = tuple(f"class {number}" for number in range(10))  # as many as MNIST's, in place of a data set's own


class Workload(NamedTuple):
    """The training step of a config.

    Attributes:
      spec: config file, or a shipped config's name.
      batch_size: images of each domain in a step.
      image_size: height and width; of a network that grows the phase to take. None: the config's.
      dtype: "float32" or "bfloat16"; None: the config's.
      fields: others to replace, such as "model.generator.width=8".
    """

    spec: str
    batch_size: int
    image_size: int | None = None
    dtype: str | None = None
    fields: tuple[str, ...] = ()

    def config(self) -> ml_collections.ConfigDict:
        """The whole config.

        Raises:
          UserError: no such config or field, an impossible value, or a method without images.
        """
        fields = (*self.fields, *([f"train.dtype={self.dtype}"] if self.dtype else []))
        config = settings.load(self.spec, *(f"config.{field}" for field in fields))
        config.train.batch_size = self.batch_size
        if self.image_size and not config.get("growth"):
            config.data.image_size = self.image_size
        if not config.data.image_size:
            raise UserError(f"--config={self.spec}: its data are points; the benchmark takes methods for images")
        if config.train.num_seeds != 1:
            raise UserError(f"train.num_seeds={config.train.num_seeds}: the benchmark measures one; leave it at 1")
        unknown = tuple(config.data.labels) == ("all",)
        return settings.resolve(
            config, self.batch_size, {"labels": CLASSES, "exclusive": (CLASSES,)} if unknown else None
        )

    def size(self, config: ml_collections.ConfigDict) -> int:
        """Height and width of the images of a step."""
        return self.image_size or config.data.image_size

    def batch(self, config: ml_collections.ConfigDict, labels: int) -> dict[str, np.ndarray]:
        """One batch of what the method takes: uint8 images [n, h, w, c], vectors float32 [n, labels]."""
        one_domain = "unlabelled" in config.data or labels
        size, generator = self.size(config), np.random.default_rng(0)
        shape = (self.batch_size, size, size, config.data.channels)
        names = ("x",) if one_domain else ("x_A", "x_B")
        names += ("x_ref", "x_ref2") if config.data.get("references") else ()
        batch = {name: generator.integers(0, 256, shape, np.uint8) for name in names}
        for name in ("label", "target") if labels else ():
            batch[name] = generator.integers(0, 2, (self.batch_size, labels)).astype(np.float32)
        return batch
