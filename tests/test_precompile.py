"""Compiling the next phase's programs before they are needed."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gan_xla import devices
from gan_xla.contract import Phase
from gan_xla.training.precompile import Ahead


@pytest.mark.slow
def test_the_next_phases_program_is_compiled_for_its_own_batch(monkeypatch, tmp_path):
    """What the thread compiled is what the call needs: the compiler is not asked again."""
    seen = []

    def step(state, batches):
        seen.append({name: x.shape for name, x in batches.items()})
        return state + jnp.mean(batches["x"]), {}

    program = devices.map_step(step)
    now = {"x": np.zeros((2, 8, 4, 4, 3), np.float32), "index": np.zeros((2, 8), np.int32)}
    ahead = Ahead()
    ahead.wait()  # nothing was begun
    ahead.start([program], jnp.zeros(()), devices.shard(now), Phase(batch_size=4, resolution=16))
    ahead.wait()
    assert seen == [{"x": (2, 4, 16, 16, 3), "index": (2, 4)}]
    after = {"x": np.ones((2, 4, 16, 16, 3), np.float32), "index": np.zeros((2, 4), np.int32)}
    state, _ = program(jnp.zeros(()), devices.shard(after))
    assert state == 1 and len(seen) == 1, "traced once"
    assert jax.device_count() == 1
