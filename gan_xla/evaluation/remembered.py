"""Features of real images, which every evaluation on the same data needs, computed once."""

import hashlib
import logging
import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path

import jax
import numpy as np
from etils import epath

from gan_xla.evaluation.features import Features, weights

FORMAT = 2  # of the file
MOST = 100_000  # images of one network that are kept, half a gigabyte of EfficientNet's
TIMEOUT = 60  # seconds to wait for another process that writes
MANY = 500  # keys of one query

_log = logging.getLogger(__name__)


def _digest(x: np.ndarray) -> bytes:
    return hashlib.blake2b(np.ascontiguousarray(x), digest_size=16, person=str(x.shape).encode()[:16]).digest()


def usual() -> Path:
    """The directory that all runs on this machine share: `$XDG_CACHE_HOME/gan_xla/features`."""
    return weights.folder() / "features"


class Remembered:
    """Features by the content of the image, so that no change of data, network or weights goes unnoticed.

    Args:
      features: the network.
      directory: where they are kept from one process to the next, or None. One that cannot be read or written is
        told of, and does without.
    """

    def __init__(self, features: Features, directory: epath.PathLike | None = None):
        self._features, self._known, self._new = features, {}, set()
        self._store = None
        if directory is not None:
            numbers = b"".join(_digest(np.asarray(x)) for x in jax.tree.leaves(features.variables))
            name = hashlib.blake2b(features.name.encode() + features.tap.encode() + numbers, digest_size=8).hexdigest()
            self._store = _Store(Path(directory) / f"{FORMAT}-{name}.sqlite", features.dim)

    def __call__(self, images: np.ndarray) -> np.ndarray:
        """Features float32 [n, dim] of uint8 [n, h, w, c]."""
        digests = [_digest(image) for image in images]
        missing = {digest: number for number, digest in enumerate(digests) if digest not in self._known}
        if missing and self._store:
            self._known |= self._store.read(list(missing))
            missing = {digest: number for digest, number in missing.items() if digest not in self._known}
        if missing:
            self._known.update(zip(missing, self._features(images[list(missing.values())]), strict=True))
            self._new |= missing.keys()
        return np.stack([self._known[digest] for digest in digests])

    def save(self) -> None:
        """Keeps what is new, whole or not at all."""
        if self._store and self._new:
            self._store.write({digest: self._known[digest] for digest in self._new})
            self._new = set()


class _Store:
    """Vectors of `dim` float32 by key in a database that several processes may use at once.

    A vector stands beside a digest of it; one that differs from its digest is as if it were not there, and a file that
    is no database is begun anew.
    """

    def __init__(self, path: Path, dim: int):
        self._path, self._dim, self._usable = path, dim, True

    def read(self, keys: Sequence[bytes]) -> dict[bytes, np.ndarray]:
        """Those of the keys that are there, and sound."""
        found: dict[bytes, np.ndarray] = {}

        def look(database: sqlite3.Connection) -> None:
            for first in range(0, len(keys), MANY):
                part = keys[first : first + MANY]
                query = f"SELECT key, vector, digest FROM vectors WHERE key IN ({', '.join('?' * len(part))})"
                found.update(self._sound(database.execute(query, part)))
            now = int(time.time())
            database.executemany("UPDATE vectors SET used = ? WHERE key = ?", [(now, key) for key in found])

        if self._path.exists():
            self._play(look)
        return found

    def _sound(self, rows: Iterable[tuple[bytes, bytes, bytes]]) -> Iterator[tuple[bytes, np.ndarray]]:
        for key, vector, digest in rows:
            if len(vector) == 4 * self._dim and _proof(key, vector) == digest:
                yield key, np.frombuffer(vector, "<f4")

    def write(self, vectors: Mapping[bytes, np.ndarray]) -> None:
        """Adds vectors; those that were not used for longest make room."""
        now, rows = int(time.time()), []
        for key, vector in vectors.items():
            data = np.asarray(vector, "<f4").tobytes()
            rows.append((key, data, _proof(key, data), now))

        def add(database: sqlite3.Connection) -> None:
            database.executemany("INSERT OR REPLACE INTO vectors VALUES (?, ?, ?, ?)", rows)
            oldest = "SELECT key FROM vectors ORDER BY used DESC LIMIT -1 OFFSET ?"
            database.execute(f"DELETE FROM vectors WHERE key IN ({oldest})", (MOST,))

        self._play(add)

    def _play(self, act: Callable[[sqlite3.Connection], None]) -> None:
        """One transaction; a directory that cannot be used is told of once, a damaged file makes room for a new one."""
        if not self._usable:
            return
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with closing(sqlite3.connect(self._path, timeout=TIMEOUT)) as database, database:
                database.execute(
                    "CREATE TABLE IF NOT EXISTS vectors (key BLOB PRIMARY KEY, vector BLOB, digest BLOB, used INTEGER)"
                )
                act(database)
        except (OSError, sqlite3.OperationalError) as error:
            self._usable = False
            _log.warning("%s: features of real images are not kept there (%s)", self._path, error)
        except sqlite3.DatabaseError as error:
            _log.warning("%s: damaged (%s); begun anew", self._path, error)
            self._path.unlink(missing_ok=True)


def _proof(key: bytes, vector: bytes) -> bytes:
    return hashlib.blake2b(key + vector, digest_size=8).digest()
