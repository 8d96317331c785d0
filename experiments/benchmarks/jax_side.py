"""Our training step as a contestant, and the matrix product that speeds are compared with."""

import jax
import jax.numpy as jnp
import numpy as np

from experiments.benchmarks.race import Contestant, memory_mb
from experiments.benchmarks.workload import Workload
from gan_xla import devices, gans
from gan_xla.contract import Gan, Phase
from gan_xla.errors import UserError
from gan_xla.run.state import create, optimizers
from gan_xla.training import work
from gan_xla.training.step import make_step

PRODUCT = {"cpu": 2048}  # rows and columns of the matrices, by platform
LARGE = 8192


def phase_of(gan: Gan, workload: Workload) -> Phase:
    """The one to measure: where the networks grow, that of the workload's resolution."""
    by_size = {phase.resolution: phase for phase in gan.phases}
    if None in by_size:
        return by_size[None]
    size = workload.image_size or max(by_size)
    if size not in by_size:
        raise UserError(f"--image_size={size}: {workload.spec} has phases of {', '.join(map(str, by_size))}")
    return by_size[size]


def _peak_mb(device: jax.Device) -> float:
    """Of the process on a CPU, else of the accelerator."""
    return memory_mb() if device.platform == "cpu" else device.memory_stats()["peak_bytes_in_use"] / 2**20


def make(workload: Workload) -> Contestant:
    """The call "step" plays the config's turns once, each on one batch, on one device.

    Raises:
      UserError: as `Workload.config` and `gans.build`, no phase of that size, or a batch of no whole parts.
    """
    config, chosen = workload.config(), jax.local_devices()[:1]
    gan = gans.build(config, axis_name=devices.AXIS)
    phase = phase_of(gan, workload)
    devices.rows(workload.batch_size, config.train.accumulate, chosen)
    optimizer = optimizers(config.optimizer, config.train.steps or gan.length)
    state = create(gan, optimizer, config.seed).replace(step=jnp.asarray(phase.start, jnp.int32))
    state = devices.placed(state, chosen)
    batch = workload.batch(config, gan.labels.size if gan.labels else 0)
    batch["index"] = np.arange(workload.batch_size, dtype=np.int32)
    stacked = {name: np.stack([x] * len(gan.turns)) for name, x in batch.items()}
    batches = devices.shard(stacked, chosen)
    step = make_step(gan, optimizer, gan.turns, devices.AXIS, phase, config.train.accumulate)
    program = devices.map_step(step, chosen)

    def play():
        nonlocal state
        state, logs = program(state, batches)
        jax.block_until_ready((state, logs))

    def facts():
        peak = _peak_mb(chosen[0])  # before another program is traced
        return {"peak_memory_mb": peak, "gflop_per_step": work.gflop(config, phase, batch), **describe()}

    return Contestant({"step": play}, facts)


def describe() -> dict[str, str]:
    """The device, and what runs on it."""
    device = jax.local_devices()[0]
    return {"platform": device.platform, "device": device.device_kind, "version": f"jax {jax.__version__}"}


def product(dtype: str) -> Contestant:
    """The call "product" multiplies two large square matrices; the fact "gflop" is what that takes."""
    size = PRODUCT.get(jax.local_devices()[0].platform, LARGE)
    matrix = jax.random.normal(jax.random.key(0), (size, size), jnp.dtype(dtype))
    program = jax.jit(jnp.matmul)
    return Contestant(
        {"product": lambda: jax.block_until_ready(program(matrix, matrix))},
        lambda: {"gflop": 2 * size**3 / 1e9, **describe()},
    )
