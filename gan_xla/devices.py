"""Every line that knows about devices and processes."""

import os
from collections.abc import Callable, Sequence
from pathlib import Path

import jax
import numpy as np
from jax.experimental import multihost_utils
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from gan_xla.contract import Tree
from gan_xla.errors import UserError

AXIS = "batch"
HEARTBEAT_S = 20  # after which a process that is silent is taken for dead
_most: int | None = None  # see `use`


def use_compilation_cache() -> None:
    """Keeps compiled programs in the user's cache directory, unless one is configured already."""
    if jax.config.jax_compilation_cache_dir is None:
        home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
        jax.config.update("jax_compilation_cache_dir", str(Path(home) / "gan_xla" / "jax"))


def start(coordinator: str | None = None, num_processes: int | None = None, process_id: int | None = None) -> None:
    """Joins this process to the others that run the same command; before anything else uses JAX.

    Args:
      coordinator: HOST:PORT of the process 0; all None where JAX finds them out (TPU pods, Slurm, Open MPI).
      num_processes, process_id: how many there are, and which this is.
    Raises:
      UserError: the others cannot be found.
    """
    try:
        jax.distributed.initialize(coordinator, num_processes, process_id, heartbeat_timeout_seconds=HEARTBEAT_S)
    except (RuntimeError, ValueError) as error:
        raise UserError(
            f"--distributed: {str(error).splitlines()[0]}; outside TPU pods, Slurm and Open MPI give "
            "--coordinator=HOST:PORT, --num_processes and --process_id too"
        ) from error


def use(count: int | None) -> None:
    """From now on, takes the first `count` of this machine's devices; None: all.

    Raises:
      UserError: there are not so many, or several processes, which share all of theirs.
    """
    global _most
    if count is not None and several():
        raise UserError(f"--devices={count}: several processes use all of their devices; leave it out")
    if count is not None and count > jax.device_count():
        raise UserError(f"--devices={count}: this machine has {jax.device_count()} x {jax.devices()[0].device_kind}")
    _most = count


def _all() -> list[jax.Device]:
    return jax.devices()[:_most]


def _local() -> list[jax.Device]:
    return jax.local_devices()[:_most]


def _chosen() -> list[jax.Device] | None:
    """As `jax.pmap` takes them: None for all."""
    return None if _most is None else _all()


def several() -> bool:
    """Whether other processes train along with this one."""
    return jax.process_count() > 1


def is_first() -> bool:
    """Whether this process is the one that writes logs and pictures."""
    return jax.process_index() == 0


def barrier(name: str) -> None:
    """Waits until all processes are here."""
    if several():
        multihost_utils.sync_global_devices(name)


def lost(error: BaseException) -> jax.errors.JaxRuntimeError | None:
    """What of an error, or of those behind it, says that another process is gone; None where nothing does."""
    chain: BaseException | None = error if several() else None
    while chain is not None and not isinstance(chain, jax.errors.JaxRuntimeError):
        chain = chain.__cause__ or chain.__context__
    return chain


def preempted(step: int) -> bool:
    """Whether all processes are to leave after `step`, because one was sent SIGTERM; all must ask at equal steps."""
    return several() and multihost_utils.reached_preemption_sync_point(step)


def describe() -> str:
    """The devices in a few words, such as "8 x cpu"."""
    processes = f" in {jax.process_count()} processes" if several() else ""
    return f"{len(_all())} x {jax.devices()[0].device_kind}{processes}"


def rows(batch_size: int, accumulate: int = 1, devices: Sequence[jax.Device] | None = None) -> slice:
    """The rows of the global batch that this process takes.

    Raises:
      UserError: the batch does not divide over the devices, or a device's share into `accumulate` parts.
    """
    count = len(devices or _all())
    if batch_size < 1 or batch_size % (count * accumulate):
        parts = f" in train.accumulate={accumulate} parts each" if accumulate > 1 else ""
        fewer = [fit for fit in range(1, count) if batch_size > 0 and batch_size % (fit * accumulate) == 0]
        raise UserError(
            f"train.batch_size={batch_size} cannot be shared by {count} device(s){parts}; use "
            + (f"--devices={fewer[-1]}, or " if fewer and not several() else "")
            + (f"a multiple of {count * accumulate}" if count * accumulate > 1 else "1 or more")
            + (", and scale optimizer.learning_rate alike" if count > 1 else "")
        )
    share = batch_size // jax.process_count()
    return slice(jax.process_index() * share, (jax.process_index() + 1) * share)


def share(batch_size: int) -> int:
    """Rows of the global batch that each device takes."""
    return batch_size // len(_all())


def map_step(step: Callable, devices: Sequence[jax.Device] | None = None) -> Callable:
    """Runs `step(state, batches) -> (state, logs)` on all devices at once.

    The state is replicated and donated; leaves of `batches` have a leading axis of local
    devices, as `shard` makes them. `step` averages over the axis `AXIS`.
    """
    devices = devices or _chosen()
    return jax.pmap(step, axis_name=AXIS, in_axes=(None, 0), out_axes=(None, None), devices=devices, donate_argnums=0)


def placed(state: Tree, devices: Sequence[jax.Device] | None = None) -> Tree:
    """A state, equal in all processes, as the mapped step gives it, so that the step is compiled once and not twice."""
    mesh = Mesh(np.asarray(devices or _all()), (AXIS,))
    if several():
        return multihost_utils.host_local_array_to_global_array(state, mesh, PartitionSpec())
    return jax.device_put(state, NamedSharding(mesh, PartitionSpec()))


def map_rows(function: Callable) -> Callable:
    """Runs `function(rows, batch) -> batch` on all local devices at once.

    `rows` are replicated, as `replicate` makes them; leaves of a batch have a leading axis of local devices.
    """
    return jax.pmap(function, in_axes=(None, 0), devices=_chosen())


def replicate(tree: Tree) -> Tree:
    """Arrays of the host on each local device, as the mapped functions take them without a transfer."""
    count = np.zeros(len(_local()))
    return jax.pmap(lambda tree, _: tree, in_axes=(None, 0), out_axes=None, devices=_chosen())(tree, count)


def _over_rows() -> tuple[NamedSharding, NamedSharding]:
    """Shardings over this process's devices: by rows, and whole on each."""
    mesh = Mesh(np.asarray(_local()), (AXIS,))
    return NamedSharding(mesh, PartitionSpec(AXIS)), NamedSharding(mesh, PartitionSpec())


def spread(rows: Tree) -> Tree:
    """Arrays [n, ...] over this process's devices, where n divides by their number; else on the first.

    A jitted function of them and of what is `everywhere` then runs on all devices, and computes the same.
    """
    count = len(_local())
    if any(np.shape(x)[0] % count for x in jax.tree.leaves(rows)):
        return rows
    return jax.device_put(rows, _over_rows()[0])


def everywhere(tree: Tree) -> Tree:
    """Arrays on each of this process's devices, for jitted functions of what is `spread`."""
    return jax.device_put(tree, _over_rows()[1])


def memory() -> int | None:
    """Bytes of a local device's memory that this process may use; None where that is not known (a CPU)."""
    return (jax.local_devices()[0].memory_stats() or {}).get("bytes_limit")


def shard(batches: Tree, devices: Sequence[jax.Device] | None = None) -> Tree:
    """[k, n, ...] of this process -> [local devices, k, n / local devices, ...], on the host."""
    count = len(devices or _local())

    def leaf(x):
        k, n = x.shape[:2]
        return np.swapaxes(x.reshape(k, count, n // count, *x.shape[2:]), 0, 1)

    return jax.tree.map(leaf, batches)


def on_one_device(tree: Tree) -> Tree:
    """A replicated tree as seen by this process's first device, without a copy."""
    return jax.tree.map(lambda x: x.addressable_data(0), tree)
