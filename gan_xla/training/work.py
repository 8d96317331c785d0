"""How much there is to compute in a training step."""

from collections.abc import Mapping
from functools import partial
from typing import Any

import jax
import ml_collections

from gan_xla import gans
from gan_xla.contract import Phase
from gan_xla.nets import convolution
from gan_xla.run.state import create, optimizers
from gan_xla.training.step import make_step


def gflop(config: ml_collections.ConfigDict, phase: Phase, batch: Mapping[str, Any]) -> float:
    """Billions of floating point operations in one turn of a phase, a mean over the cycle.

    As XLA counts them in the step's program before it is optimised, with plain convolutions: a multiplication and
    an addition are two, taps in the padding are none, and what is not a convolution counts too. So it is the work
    that there is, not the work that a faster form, `train.remat` or `train.accumulate` makes of it.

    Args:
      config: as training freezes it.
      phase: one of the method's.
      batch: arrays or their shapes by name, [n, ...], as a turn takes them.
    """
    config = ml_collections.ConfigDict(config.to_dict())
    config.train.update(remat=False, accumulate=1)
    gan = gans.build(config)
    optimizer = optimizers(config.optimizer, config.train.steps or gan.length)
    step = make_step(gan, optimizer, gan.turns, phase=phase)
    state = jax.eval_shape(partial(create, gan, optimizer, config.seed))
    like = {name: jax.ShapeDtypeStruct((len(gan.turns), *x.shape), x.dtype) for name, x in batch.items()}
    host = jax.local_devices(backend="cpu")[0]  # the compilers of GPUs and TPUs do not tell
    with convolution.plain(), jax.default_device(host):
        return jax.jit(step).lower(state, like).cost_analysis()["flops"] / len(gan.turns) / 1e9
