"""Features of real images, which a run's every evaluation needs, computed once."""

import hashlib
import io
import zipfile

import jax
import numpy as np
from etils import epath

from gan_xla.evaluation.features import Features

FORMAT = 1  # of the file


def _digest(x: np.ndarray) -> bytes:
    return hashlib.blake2b(np.ascontiguousarray(x), digest_size=16, person=str(x.shape).encode()[:16]).digest()


class Remembered:
    """Features by the content of the image, so that no change of data, network or weights goes unnoticed.

    Args:
      features: the network.
      directory: where they are kept from one process to the next, or None.
    """

    def __init__(self, features: Features, directory: epath.PathLike | None = None):
        self._features, self._known, self._new = features, {}, False
        self._path = None
        if directory is not None:
            weights = b"".join(_digest(np.asarray(x)) for x in jax.tree.leaves(features.variables))
            name = hashlib.blake2b(features.name.encode() + features.tap.encode() + weights, digest_size=8).hexdigest()
            self._path = epath.Path(directory) / f"features-{FORMAT}-{name}.npz"
            self._read()

    def __call__(self, images: np.ndarray) -> np.ndarray:
        """Features float32 [n, dim] of uint8 [n, h, w, c]."""
        digests = [_digest(image) for image in images]
        missing = {digest: number for number, digest in enumerate(digests) if digest not in self._known}
        if missing:
            found = self._features(images[list(missing.values())])
            self._known.update(zip(missing, found, strict=True))
            self._new = True
        return np.stack([self._known[digest] for digest in digests])

    def _read(self) -> None:
        try:
            with np.load(io.BytesIO(self._path.read_bytes())) as file:
                digests, features = file["digests"], file["features"]
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):  # none yet, or damaged: made anew
            return
        self._known = dict(zip((digest.tobytes() for digest in digests), features))

    def save(self) -> None:
        """Writes what is new, whole or not at all.

        Raises:
          OSError: the directory cannot be written to.
        """
        if self._path is None or not self._new:
            return
        buffer = io.BytesIO()
        digests = np.stack([np.frombuffer(digest, np.uint8) for digest in self._known])
        np.savez(buffer, digests=digests, features=np.stack(list(self._known.values())))
        self._path.parent.mkdir(parents=True, exist_ok=True)
        temporary = self._path.with_suffix(".tmp")
        temporary.write_bytes(buffer.getvalue())
        temporary.replace(self._path)
        self._new = False
