"""Checkpoints on disk."""

import numpy as np

from gan_xla.run.checkpoint import KEEP, Checkpoints


def test_the_newest_checkpoints_stay_and_those_asked_for(tmp_path):
    with Checkpoints(tmp_path, keep_every=4) as checkpoints:
        for step in range(1, 11):
            checkpoints.save(step, {"x": np.full(2, step)})
    with Checkpoints(tmp_path, read_only=True) as checkpoints:
        assert KEEP == 3 and checkpoints.steps() == [4, 8, 9, 10]
        assert checkpoints.restore(4, {"x": np.zeros(2, int)})["x"][0] == 4
