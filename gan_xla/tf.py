"""TensorFlow as this package uses it, to read data and to write files: `from gan_xla.tf import tf`.

It leaves the accelerators to JAX, and says at its start nothing but what is wrong: builds with CUDA complain of a
machine without it, which is nothing to them here.
"""

import contextlib
import logging
import os
import subprocess
import sys

# TensorFlow's notes would bury what we say. Whoever sets a lower level sees all of them.
LEVEL = os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "1")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")

# What several versions write to standard error, before they know the level or as an error.
NOTES = (
    "All log messages before absl::InitializeLog",
    "Could not find cuda drivers on your machine",
    "failed call to cuInit",
    "kernel driver does not appear to be running on this host",
    "Unable to register cu[A-Z]+ factory",
    "computation placer already registered",
)
# A process of its own, which outlives this one: what TensorFlow says in a crash gets through.
_FILTER = """
import re, sys
for line in sys.stdin.buffer:
    if not re.search(sys.argv[1].encode(), line):
        sys.stderr.buffer.write(line)
        sys.stderr.buffer.flush()
"""

_log = logging.getLogger(__name__)


@contextlib.contextmanager
def _without(notes):
    """Keeps lines that match one of `notes`, regular expressions, from standard error, C++'s included."""
    try:
        before = os.dup(2)
    except OSError:  # closed
        yield
        return
    command = [sys.executable, "-I", "-S", "-c", _FILTER, "|".join(notes)]
    # In a session of its own a Ctrl-C does not end it.
    process = subprocess.Popen(command, stdin=subprocess.PIPE, start_new_session=True)
    os.dup2(process.stdin.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(before, 2)
        os.close(before)
        process.stdin.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(5)  # it lasts as long as any process that was started meanwhile


def _hide_accelerators():
    """Keeps TensorFlow from taking the accelerator's memory."""
    for kind in ("GPU", "TPU"):
        try:
            tf.config.set_visible_devices([], kind)
        except RuntimeError:  # a notebook has used TensorFlow before us
            if tf.config.list_physical_devices(kind):
                _log.warning("TensorFlow is in use already and may hold %s memory; import gan_xla.tf first", kind)


# Builds with CUDA are Linux's.
with _without(NOTES) if sys.platform == "linux" and LEVEL != "0" else contextlib.nullcontext():
    import tensorflow as tf

    _hide_accelerators()
