"""Shared by all tests."""

import os

# Read once, when TensorFlow is first imported: its start-up notes would bury a failure.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")


def pytest_configure(config):
    """Tests may import each other's helpers; noise of libraries that we cannot mend is left out."""
    config.addinivalue_line("filterwarnings", "ignore:.*load_module.*:DeprecationWarning")
    config.addinivalue_line("filterwarnings", "ignore::pytest.PytestUnraisableExceptionWarning")
