"""Pictures of a method's output on fixed test data, while it trains."""

import jax
import numpy as np

from gan_xla import data, devices
from gan_xla.contract import Ctx, Gan, Phase, Tree
from gan_xla.images.colours import visible
from gan_xla.images.grids import sample_grid
from gan_xla.images.ranges import normalise, out_of, window
from gan_xla.run.state import Player, TrainState

IMAGES = 8
POINTS = 2000


class Previewer:
    """Draws the rows of `gan.grid` for test data that stay the same through the run."""

    def __init__(self, gan: Gan, dataset: data.Dataset):
        self._gan, self._rows = gan, gan.grid
        self._batch = data.test_batch(dataset, POINTS if gan.value_range is None else IMAGES)
        preview = gan.preview or gan.generate
        index = np.arange(len(next(iter(self._batch.values()))))

        def generate(gen: Player, step: jax.Array, batch: Tree, phase: Phase) -> Tree:
            ctx = Ctx(key=jax.random.key(0), step=step, index=index, phase=phase, train=False)
            fakes, _ = preview(*gen.best(), normalise(batch, gan), ctx)
            shown = {name: x for name, x in fakes.items() if any(name in row for row in gan.grid)}
            if gan.value_range is None:
                return shown
            return {name: out_of(x, gan.values_of(name), gan.value_range) for name, x in shown.items()}

        self._generate = jax.jit(generate, static_argnames="phase")

    def grid(self, train_state: TrainState, phase: Phase) -> np.ndarray:
        """The picture, uint8 [h, w, 3], drawn as at test time."""
        gen, step = devices.on_one_device((train_state.gen, train_state.step))
        if step.ndim:  # of many seeds the first is shown
            gen, step = jax.tree.map(lambda x: x[0], (gen, step))
        fakes = jax.device_get(self._generate(gen, step, self._batch, phase))
        return sample_grid({name: self._shown(name, x) for name, x in {**self._batch, **fakes}.items()}, self._rows)

    def _shown(self, name: str, x: np.ndarray) -> np.ndarray:
        """What people see of a batch's images or of fakes; points and labels as they are."""
        return visible(window(x, self._gan.values_of(name))) if x.ndim == 4 else x
