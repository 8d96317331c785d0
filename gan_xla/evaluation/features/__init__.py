"""Feature networks: what the distances between sets of images are measured on.

A distance is only comparable with distances on the same features of images resized in the same way, so
each network resizes for itself, and `Features.name` belongs into the name of every number made with it.
"""

import dataclasses
import functools
import importlib
import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import numpy as np

from gan_xla import devices
from gan_xla.contract import Array, Tree
from gan_xla.errors import UserError
from gan_xla.evaluation.features import weights
from gan_xla.published import containers, torch_file

CHUNK = 32
FEW = 2  # images for each core of a CPU


class Kind(NamedTuple):
    """What is known of a feature network before its weights are read.

    Attributes:
      module: of this package, that loads it.
      options: of its `load`, beside the path.
      classes: whether it has logits of classes.
      unit: whether its features are of unit length, as CMMD takes them.
    """

    module: str
    options: Mapping[str, Any] = MappingProxyType({})
    classes: bool = True
    unit: bool = False


NETWORKS = {
    "efficientnet": Kind("efficientnet"),
    "inception": Kind("inception"),
    "inception-clean": Kind("inception", {"clean": True}),
    "clip": Kind("clip", classes=False, unit=True),
    "dinov2": Kind("dinov2", classes=False),
}


def at_once() -> int:
    """How many images are described at once: on a CPU so few that what layers give stays in the caches."""
    if jax.default_backend() != "cpu":
        return CHUNK
    return min(CHUNK, 1 << (FEW * (os.cpu_count() or 1) - 1).bit_length())


@functools.partial(jax.jit, static_argnums=(0, 1))
def _run(network: nn.Module, taps: tuple[str, ...], variables: Tree, images: Array) -> dict[str, Array]:
    # By default accelerators round factors to fewer bits; a metric should not depend on the machine.
    with jax.default_matmul_precision("highest"):
        outputs = network.apply(variables, images)
    return {tap: outputs[tap] for tap in taps}  # only what these need is computed


@dataclasses.dataclass(frozen=True, eq=False)
class Features:
    """A trained network that describes images.

    Attributes:
      name: how numbers made with it are labelled, as in "FD (EfficientNet-Lite0)".
      dim: of the features.
      network: uint8 [n, h, w, 3] -> {tap: [n, ...] float32}.
      variables: its weights.
      tap: the output that serves as features.
      logits_tap: the output that serves as logits of classes; "" where there is none.
      prepare: from uint8 [n, h, w, 3] to what the network takes in their place, on the host; None: they go as they are.
      protocol: how images come to the size of the network, in words.
      unit: whether the features are of unit length.
      chunk: images at once.
    """

    name: str
    dim: int
    network: nn.Module
    variables: Tree
    tap: str
    logits_tap: str = ""
    prepare: Callable[[np.ndarray], np.ndarray] | None = None
    protocol: str = ""
    unit: bool = False
    chunk: int = dataclasses.field(default_factory=at_once)

    @property
    def classes(self) -> bool:
        """Whether it has logits of classes."""
        return bool(self.logits_tap)

    @functools.cached_property
    def _placed(self) -> Tree:
        return devices.everywhere(self.variables)

    @classmethod
    def from_file(
        cls, file: Path, sha256: str, *, name: str, network: nn.Module, convert: Callable | None = None, **fields
    ) -> "Features":
        """With the weights in a file.

        Args:
          file: what `torch.save` wrote of a state_dict, or .safetensors.
          sha256: of the published weights. Others go by their file's name, so that no number made with
            them passes for one of these.
          name: with the published weights; a remark in parentheses is for these alone.
          convert: from the file's state_dict to one whose names are the network's; None: they are.
        Raises:
          UserError: the file is no such one, or not of this network.
        """
        state = containers.read(file) if file.suffix == ".safetensors" else torch_file.read(file)
        variables = weights.variables(network, convert(state) if convert else state, file)
        published = weights.digest(file) == sha256
        label = name if published else f"{name.partition(' (')[0]} (weights of {file.name})"
        return cls(name=label, network=network, variables=variables, **fields)

    def outputs(self, images: np.ndarray, *taps: str) -> dict[str, np.ndarray]:
        """Several outputs from one pass: float32 [n, ...] each.

        Memory is bounded: images go through in chunks of `chunk`, fewer in the smallest power of two that
        holds them, so that calls of many lengths share few programs.

        Args:
          images: uint8 [n, h, w, c] of any size, n at least 1, c 1 (grey) or 3.
          taps: names of outputs, such as `features.tap`.
        Raises:
          ValueError: images of another type or shape.
        """
        images = as_rgb(images)
        parts = {tap: [] for tap in taps}
        for rows, kept in chunks(len(images), self.chunk):
            x = self.prepare(images[rows]) if self.prepare else images[rows]
            outputs = jax.device_get(_run(self.network, taps, self._placed, devices.spread(x)))
            for tap in taps:
                parts[tap].append(outputs[tap][:kept])
        return {tap: np.concatenate(found) for tap, found in parts.items()}

    def __call__(self, images: np.ndarray) -> np.ndarray:
        """Features float32 [n, dim] of uint8 images, see `outputs`."""
        return self.outputs(images, self.tap)[self.tap]

    def logits(self, images: np.ndarray) -> np.ndarray:
        """Logits of the network's classes, float32 [n, classes], of uint8 images, see `outputs`."""
        return self.outputs(images, self.logits_tap)[self.logits_tap]


def as_rgb(images: np.ndarray) -> np.ndarray:
    """uint8 [n, h, w, 1 or 3] -> [n, h, w, 3].

    Raises:
      ValueError: no images, or of another type or shape.
    """
    images = np.asarray(images)
    if images.dtype != np.uint8 or images.ndim != 4 or images.shape[-1] not in (1, 3) or not images.size:
        raise ValueError(f"expected uint8 images [n, h, w, 1 or 3], got {images.dtype} {list(images.shape)}")
    return np.broadcast_to(images, (*images.shape[:-1], 3))


def chunks(n: int, size: int = CHUNK) -> Iterator[tuple[np.ndarray, int]]:
    """Cuts n rows into chunks of one size: indices of rows, and how many of them are new, the rest filling up."""
    size = min(size, 1 << (n - 1).bit_length())
    for start in range(0, n, size):
        yield np.arange(start, start + size) % n, min(size, n - start)


def load(name: str = "efficientnet", path: str | os.PathLike | None = None) -> Features:
    """A feature network with its weights.

    Args:
      name: "efficientnet" (weights in a Python package, the default); "inception" and "inception-clean" (the network
        of FID and Inception Score by the legacy and by the clean protocol, whose weights are downloaded once: 96 MB);
        "clip" (of CMMD, 1.7 GB); "dinov2" (of FD-DINOv2, 1.2 GB).
      path: PyTorch file of the weights, in the place of the usual one.
    Raises:
      UserError: an unknown name, or no such weights.
    """
    known = kind(name)
    module = importlib.import_module(f"{__name__}.{known.module}")
    return module.load(None if path is None else Path(path), **known.options)


def kind(name: str) -> Kind:
    """What is known of the network `name`; UserError where there is none."""
    if name not in NETWORKS:
        raise UserError(f"no feature network {name!r}: there are {', '.join(NETWORKS)}")
    return NETWORKS[name]
