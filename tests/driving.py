"""Shared by the tests of the drivers of the papers' experiments."""

import numpy as np

from experiments import driver
from experiments.data import output
from gan_xla.data.sources import builtin

TINY = {
    "data.image_size": 32,
    "data.load_size": 0,
    "model.generator.width": 4,
    "model.discriminator.width": 4,
    "train.batch_size": 2,
    "train.steps": 1,
}
CYCLEGAN = TINY | {"train.steps": 4, "model.generator.blocks": 1}
QUICK = driver.Scale(":quick", {})


def flags(fields):
    return [f"--set=config.{name}={value}" for name, value in fields.items()]


def options(tmp_path, *more):
    places = (f"--workdir={tmp_path / 'runs'}", f"--output={tmp_path / 'out'}")
    return driver.parser("toy", "", seeds=2).parse_args([*places, *more])


def pairs(directory):
    """Cars as domain A, the same with red paint as B."""
    views = builtin.views("cars2cars", "train", 32)["x_A"][:12]
    painted = np.where((views.max(axis=-1) < 200)[..., None], np.array([200, 20, 20], np.uint8), views)
    files = [
        (f"{s}{d}/{i}.png", x[i])
        for s in ("train", "test")
        for d, x in (("A", views), ("B", painted))
        for i in range(12)
    ]
    output.write(directory, {}, files, {"SOURCES.md": ""})
    return directory
