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


@pytest.fixture(scope="module")
def differences(request):
    """Of all cases that are to be tested, from one process."""
    cases = [item.callspec.params["case"] for item in request.session.items if "differences" in item.fixturenames]
    # Unoptimised programs compile several times faster, and mean the same.
    flags = "--xla_force_host_platform_device_count=8 --xla_backend_optimization_level=0"
    script = Path(__file__).with_name("devices.py")
    root = script.parent.parent
    env = {**os.environ, "XLA_FLAGS": flags, "JAX_PLATFORMS": "cpu", "PYTHONPATH": str(root)}
    done = subprocess.run([sys.executable, script, *cases], text=True, capture_output=True, cwd=root, env=env)
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout.splitlines()[-1])
    assert result["devices"] == 8
    return result


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES)
def test_eight_devices_equal_one_after_three_steps(case, differences):
    assert differences[case] < 1e-9, differences


def test_a_batch_that_devices_cannot_share_is_a_clear_error():
    remedies = "use --devices=3, or a multiple of 4, and scale optimizer.learning_rate alike"
    with pytest.raises(UserError, match=f"train.batch_size=6 cannot be shared by 4 device.*; {remedies}"):
        devices.rows(6, devices=[None] * 4)
    with pytest.raises(UserError, match="train.accumulate=2 parts each; use --devices=1, or a multiple of 4"):
        devices.rows(2, accumulate=2, devices=[None] * 2)
    with pytest.raises(UserError, match="train.batch_size=0"):
        devices.rows(0)


def test_each_device_gets_its_own_consecutive_rows():
    batches = {"x": np.arange(2 * 8).reshape(2, 8)}
    sharded = devices.shard(batches, devices=[None] * 4)["x"]
    assert sharded.shape == (4, 2, 2)
    np.testing.assert_array_equal(sharded[1], [[2, 3], [10, 11]])


@pytest.mark.slow
def test_as_many_devices_are_used_as_the_user_says(tmp_path):
    """One run of batch 1 on a machine of two devices: refused, then told to use one of them."""
    root = Path(__file__).parent.parent
    code = "import sys; from gan_xla.main import main; print([main(['main', *x.split()]) for x in sys.argv[1:]])"
    flags = f"--config=toy_gmm:tiny --config.train.batch_size=1 --workdir={tmp_path}/run"
    env = {**os.environ, "XLA_FLAGS": "--xla_force_host_platform_device_count=2 --xla_backend_optimization_level=0"}
    calls = (flags, f"{flags} --devices=3", f"{flags} --devices=1")
    done = subprocess.run([sys.executable, "-c", code, *calls], text=True, capture_output=True, cwd=root, env=env)
    errors = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert len(errors) == 2 and "[2, 2, 0]" in done.stdout, done.stderr
    assert "train.batch_size=1 cannot be shared by 2 device(s); use --devices=1, or a multiple of 2" in errors[0]
    assert "--devices=3: this machine has 2 x cpu" in errors[1]
    assert "1 x cpu, new run" in done.stdout and "finished at step" in done.stdout
