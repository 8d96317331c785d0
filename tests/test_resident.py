"""Batches gathered on the devices are the host's, bit for bit."""

import jax
import numpy as np
import pytest

import gan_xla
from gan_xla import data, devices
from gan_xla.data import pipeline
from gan_xla.data.augmentation import Augment
from gan_xla.data.resident import Resident
from gan_xla.errors import UserError
from gan_xla.main import main

RANDOM = np.random.default_rng(0)


def images(count, size=12):
    return RANDOM.integers(0, 256, (count, size, size, 3), np.uint8)


def dataset(*groups):
    first, *others = [data.Dataset(train=group, test=(), about="") for group in groups]
    return data.Dataset(first.train, (), "", others=tuple(others))


UNPAIRED = dataset((data.Arrays(x_A=images(20)), data.Arrays(x_B=images(13))))
PAIRED = dataset((data.Arrays(x_A=images(20), x_B=images(20)),))
POINTS = dataset((data.Arrays(x_A=RANDOM.normal(size=(20, 2)).astype(np.float32)),))


def labelled(count):
    label = RANDOM.normal(size=(count, 3)).astype(np.float32)
    return data.Arrays(x=images(count), label=label), data.Arrays(target=label)


MIRROR = Augment(flip=True)
ALL = Augment(flip=True, flip_vertical=True, turn=True)
CASES = {
    "unpaired, cropped and mirrored": (UNPAIRED, dict(image_size=8, augment=MIRROR)),
    "paired, whole": (PAIRED, dict(image_size=12, augment=Augment())),
    "shrunk": (PAIRED, dict(image_size=12, augment=ALL, resolution=4)),
    "points": (POINTS, dict(image_size=0, augment=Augment())),
    "labels, three data sets in turn": (
        dataset(labelled(20), labelled(8), labelled(13)),
        dict(image_size=8, augment=MIRROR),
    ),
    "seeds side by side": (UNPAIRED, dict(image_size=8, augment=MIRROR, seed=[0, 5])),
}


@pytest.mark.parametrize("steps_per_call", [1, 4])
@pytest.mark.parametrize("case", CASES)
def test_equal_the_hosts_batches(case, steps_per_call):
    source, options = CASES[case]
    options = dict(batch_size=4, seed=3, start=2, stop=12, steps_per_call=steps_per_call) | options

    def shown(**more):
        others = [part.train for part in source.others]
        return map(devices.shard, pipeline.batches(source.train, others=others, **options, **more))

    resident = Resident(source, options["image_size"], options["augment"])
    found = resident.batches(shown(draws=True), options["start"], options.get("resolution"))
    for ours, host in zip(found, shown(), strict=True):
        assert sorted(ours) == sorted(host)
        for key in host:
            assert ours[key].dtype == host[key].dtype
            np.testing.assert_array_equal(ours[key], host[key])


def test_data_that_do_not_fit_are_refused_before_they_are_read(monkeypatch):
    class Unread(data.Arrays):
        def read(self, indices):
            raise AssertionError("read")

    monkeypatch.setattr(devices, "memory", lambda: 1000)
    with pytest.raises(UserError, match=r"data.on_device: the training data take 0.0 GiB, more than half"):
        Resident(dataset((Unread(x_A=images(20)),)), 12, Augment())


@pytest.mark.slow
def test_a_run_is_that_of_the_hosts_batches_bit_for_bit(tmp_path):
    fields = {"steps": 6, "steps_per_call": 3, "batch_size": 8}
    for place in ("host", "device"):
        flags = [f"--config.train.{name}={value}" for name, value in fields.items()]
        flags += [f"--config.data.on_device={place == 'device'}", f"--workdir={tmp_path / place}"]
        assert main(["gan_xla", "--config=toy_gmm", *flags]) == 0
    host, device = (gan_xla.load(tmp_path / place) for place in ("host", "device"))
    assert host.step == device.step == 6
    jax.tree.map(np.testing.assert_array_equal, host.variables, device.variables)
