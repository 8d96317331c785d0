"""N devices compute what one computes."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from devices import CASES

from gan_xla import devices
from gan_xla.errors import UserError


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES)
def test_eight_devices_equal_one_after_three_steps(case):
    # Unoptimised programs compile several times faster, and mean the same.
    flags = "--xla_force_host_platform_device_count=8 --xla_backend_optimization_level=0"
    script = Path(__file__).with_name("devices.py")
    root = script.parent.parent
    env = {**os.environ, "XLA_FLAGS": flags, "JAX_PLATFORMS": "cpu", "PYTHONPATH": str(root)}
    done = subprocess.run([sys.executable, script, case], text=True, capture_output=True, cwd=root, env=env)
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout.splitlines()[-1])
    assert result["devices"] == 8
    assert result[case] < 1e-9, result


def test_a_batch_that_devices_cannot_share_is_a_clear_error():
    with pytest.raises(UserError, match="train.batch_size=6 cannot be shared by 4 device.*multiple of 4"):
        devices.rows(6, devices=[None] * 4)
    with pytest.raises(UserError, match="train.batch_size=0"):
        devices.rows(0)


def test_each_device_gets_its_own_consecutive_rows():
    batches = {"x": np.arange(2 * 8).reshape(2, 8)}
    sharded = devices.shard(batches, devices=[None] * 4)["x"]
    assert sharded.shape == (4, 2, 2)
    np.testing.assert_array_equal(sharded[1], [[2, 3], [10, 11]])
