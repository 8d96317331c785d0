"""Shared by all tests."""

import gc
import os
import time
from pathlib import Path

import pytest

# Compilation is most of what the tests cost. Unoptimised programs compile several times
# faster and mean the same. Set before jax is imported, for this process and its children.
os.environ.setdefault("XLA_FLAGS", "--xla_backend_optimization_level=0")
# Programs that several tests and processes need are compiled once.
_CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "gan_xla" / "tests"
os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(_CACHE))
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0.2")

import jax
from browser import browse as browse  # a fixture, as the next
from methods import installed as installed


@pytest.fixture(autouse=True, scope="module")
def _no_reports(request):
    """Training ends without its report, which takes seconds, but where that is what the tests are about."""
    with pytest.MonkeyPatch.context() as patch:
        if request.module.__name__ != "test_report":
            patch.setattr("gan_xla.report.write", lambda workdir, **options: f"{workdir}/report.html")
        yield


@pytest.fixture(autouse=True)
def _own_features(monkeypatch, tmp_path_factory):
    """Features of real images are kept for one test, not in the user's cache."""
    monkeypatch.setattr("gan_xla.evaluation.remembered.usual", lambda: tmp_path_factory.mktemp("features"))


# Files of few and long tests, which would keep one worker waiting for the other at the end.
_LONGEST = ("test_processes", "test_devices", "test_reliability")


def pytest_collection_modifyitems(items):
    items.sort(key=lambda item: item.module.__name__ not in _LONGEST)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item):
    """Leaves out what would begin after the time that `.ci/run` allows, on a machine far slower than most."""
    if time.time() > float(os.environ.get("GAN_XLA_TESTS_UNTIL", "inf")):
        pytest.skip("no time left (GAN_XLA_TESTS_UNTIL, set by .ci/run)")


@pytest.fixture(autouse=True)
def _forget_programs():
    """Drops compiled programs before their memory maps, of which Linux allows 65,530, crash the process."""
    yield
    maps = Path("/proc/self/maps")
    if maps.exists() and maps.read_bytes().count(b"\n") > 20_000:
        jax.clear_caches()
        gc.collect()


@pytest.fixture
def in_process(monkeypatch):
    """Experiments train their runs one after the other in this process, which has compiled already what they need."""
    from experiments import driver
    from gan_xla import main as command

    trained = []

    def train(runs, options):
        for one in runs:
            if not driver.finished(one):
                trained.append(one)
                assert command.main(["main", *one.command()[3:]]) == 0

    monkeypatch.setattr(driver, "train", train)
    return trained
