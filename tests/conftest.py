"""Shared by all tests."""

import os

# Compilation is most of what the tests cost. Unoptimised programs compile several times
# faster and mean the same. Set before jax is imported, for this process and its children.
os.environ.setdefault("XLA_FLAGS", "--xla_backend_optimization_level=0")


def pytest_configure(config):
    """Leaves out warnings of libraries that we cannot mend."""
    config.addinivalue_line("filterwarnings", "ignore:.*load_module.*:DeprecationWarning")
    config.addinivalue_line("filterwarnings", "ignore::pytest.PytestUnraisableExceptionWarning")
