"""Compiling the programs of the next phase while the present one trains."""

import threading
from collections.abc import Sequence

import jax
import numpy as np

from gan_xla import devices
from gan_xla.contract import Phase, Tree
from gan_xla.run.state import TrainState


def _shapes(batch: Tree, phase: Phase) -> Tree:
    """A batch [devices, k, n, ...] as `phase` has it: another n, other heights and widths."""
    share = devices.share(phase.batch_size)

    def leaf(x):
        devices, k, _, *rest = x.shape
        if phase.resolution and len(rest) == 3:
            rest = [phase.resolution, phase.resolution, rest[2]]
        return jax.ShapeDtypeStruct((devices, k, share, *rest), x.dtype)

    return jax.tree.map(leaf, batch)


class Ahead:
    """Compiles in a thread, into the persistent compilation cache, from which the call then comes in seconds.

    Of several processes JAX has the first write that cache; others find it there where they share its directory.
    """

    def __init__(self):
        self._thread = None

    def start(self, programs: Sequence, state: TrainState, batch: Tree, phase: Phase) -> None:
        """Begins with the mapped steps of `phase`, for a state and a batch like these."""
        shapes = _shapes(batch, phase)
        if devices.several():
            # Here pmap makes arrays of what a program is lowered for, which shapes are none; and the next step takes
            # the state's memory, so this cannot wait.
            rows = jax.tree.map(lambda x: np.zeros(x.shape, x.dtype), shapes)
            lowered = iter([program.lower(state, rows) for program in programs])
        else:
            like = jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype), state)
            lowered = (program.lower(like, shapes) for program in programs)

        def compile_all():
            for program in lowered:
                program.compile()

        # A daemon, so that a run that is asked to leave need not wait for it.
        self._thread = threading.Thread(target=compile_all, daemon=True, name="ahead")
        self._thread.start()

    def wait(self) -> None:
        """Until it is done; nothing is compiled twice."""
        if self._thread is not None:
            self._thread.join()
            self._thread = None
