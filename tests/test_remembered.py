"""Features of real images that stay from one evaluation to the next."""

import os
import sqlite3
import subprocess
import sys
from contextlib import closing

import numpy as np
import pytest
from test_features import TINY

from gan_xla.evaluation import remembered
from gan_xla.evaluation.remembered import Remembered

X = np.random.default_rng(0).integers(0, 256, (6, 4, 6, 3), np.uint8)
# A process of its own, which keeps so many features of images that another one makes too.
PROCESS = """
import sys
import numpy as np
from gan_xla.evaluation.remembered import _Store
store = _Store(__import__("pathlib").Path(sys.argv[1]), 3)
for number in range(40):
    store.write({bytes([number]): np.full(3, number, "f4"), bytes([number, int(sys.argv[2])]): np.ones(3, "f4")})
"""


class Counted:
    """A network that counts what it describes."""

    name, dim, tap, variables = TINY.name, TINY.dim, TINY.tap, TINY.variables

    def __init__(self):
        self.seen = []

    def __call__(self, images):
        self.seen.append(len(images))
        return TINY(images)


def _made(directory, images=X, network=None):
    """How many images a new process describes, to know the features of `images`."""
    network = network or Counted()
    kept = Remembered(network, directory)
    kept(images[:2])
    np.testing.assert_array_equal(kept(images), TINY(images))
    kept.save()
    return sum(network.seen)


def test_images_are_described_once_and_known_by_their_pixels(tmp_path):
    network = Counted()
    first = Remembered(network, tmp_path)
    np.testing.assert_array_equal(first(X[[0, 1, 0, 2]]), TINY(X[[0, 1, 0, 2]]))
    first.save()
    assert network.seen == [3] and _made(tmp_path) == 3 and _made(tmp_path) == 0
    assert _made(tmp_path, X ^ 1) == len(X), "other pixels"
    assert _made(tmp_path, X.reshape(6, 6, 4, 3)) == len(X), "of another shape"


def test_another_network_and_other_weights_have_features_of_their_own(tmp_path):
    assert _made(tmp_path) == len(X)
    for field, value in (("name", "other"), ("tap", "double"), ("variables", {"kernel": np.ones((3, 3), "f4")})):
        network = Counted()
        setattr(network, field, value)
        assert _made(tmp_path, network=network) == len(X), field
    assert len(list(tmp_path.iterdir())) == 4


def test_damaged_features_are_made_anew(tmp_path, caplog):
    assert (_made(tmp_path), _made(tmp_path)) == (6, 0)
    (path,) = tmp_path.iterdir()
    with closing(sqlite3.connect(path)) as database, database:
        database.execute("UPDATE vectors SET vector = zeroblob(length(vector)) WHERE rowid = 2")
        database.execute("UPDATE vectors SET vector = x'00' WHERE rowid = 3")
    assert (_made(tmp_path), _made(tmp_path)) == (2, 0) and not caplog.text
    whole = path.read_bytes()
    path.write_bytes(b"no database" * 100)
    assert (_made(tmp_path), _made(tmp_path)) == (6, 0) and "damaged" in caplog.text
    path.write_bytes(whole[: len(whole) // 2])
    assert _made(tmp_path) <= 6 and _made(tmp_path) == 0


def test_a_directory_that_cannot_be_used_is_told_of_once(tmp_path, caplog):
    (tmp_path / "file").write_text("where the directory should be")
    assert _made(tmp_path / "file") == 6
    assert caplog.text.count("features of real images are not kept there") == 1


def test_what_was_not_used_for_longest_makes_room(tmp_path, monkeypatch):
    monkeypatch.setattr(remembered, "MOST", 4)
    for day, rows in enumerate(([0, 1, 2], [3], [0, 4], [5])):
        monkeypatch.setattr(remembered.time, "time", lambda day=day: day)
        kept = Remembered(Counted(), tmp_path)
        kept(X[rows])
        kept.save()
    (path,) = tmp_path.iterdir()
    with closing(sqlite3.connect(path)) as database:
        keys = {key for (key,) in database.execute("SELECT key FROM vectors")}
    assert keys == {remembered._digest(X[row]) for row in (3, 0, 4, 5)}


@pytest.mark.slow
def test_processes_that_keep_features_at_the_same_time_lose_none(tmp_path):
    path = tmp_path / "shared.sqlite"
    command = [sys.executable, "-c", PROCESS, path]
    processes = [subprocess.Popen([*command, str(number)], env=os.environ) for number in range(2)]
    assert [process.wait() for process in processes] == [0, 0]
    store = remembered._Store(path, 3)
    keys = [bytes([number, *rest]) for number in range(40) for rest in ([], [0], [1])]
    assert store.read(keys).keys() == set(keys)


def test_they_lie_where_the_cache_is(monkeypatch, tmp_path):
    monkeypatch.undo()  # of the tests' own place
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert remembered.usual() == tmp_path / "gan_xla" / "features"
