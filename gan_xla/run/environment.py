"""What a run was trained with: a line of environment.jsonl for each time that it started or went back."""

import datetime
import importlib.metadata
import json
import os
import platform

from etils import epath

from gan_xla import __version__, devices

FILE = "environment.jsonl"
PACKAGES = ("jax", "jaxlib", "flax", "optax", "orbax-checkpoint", "numpy", "tensorflow", "tensorflow-cpu")


def here() -> dict[str, str | int]:
    """Versions, system and devices of this process."""
    versions = {}
    for name in PACKAGES:
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue  # one of TensorFlow's names is not there
    return {
        "gan_xla": __version__,
        **versions,
        "python": platform.python_version(),
        "system": platform.platform(),
        "devices": devices.describe(),
        "cpus": os.cpu_count() or 0,
    }


def note(workdir: epath.PathLike, step: int) -> None:
    """Adds a line to environment.jsonl: this environment, the time, and the `step` that the run starts from."""
    now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    with (epath.Path(workdir) / FILE).open("a") as file:
        file.write(json.dumps({"time": now, "step": step, **here()}) + "\n")
