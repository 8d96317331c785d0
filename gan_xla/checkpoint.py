"""Checkpoints: Orbax behind save, restore and latest."""

from typing import Any

import jax
import orbax.checkpoint as ocp
from etils import epath

from gan_xla.errors import UserError

KEEP = 3


class Checkpoints:
    """The checkpoints of one run, written in the background. A context manager: leaving it
    waits until the last one is on disk.

    The newest `KEEP` stay, and those of steps that are multiples of `keep_every`.
    """

    def __init__(self, workdir: epath.PathLike, read_only: bool = False, keep_every: int = 0):
        policies = ocp.checkpoint_managers
        keep = [policies.LatestN(KEEP)] + ([policies.EveryNSteps(keep_every)] if keep_every else [])
        self.directory = epath.Path(workdir).absolute() / "checkpoints"
        self._manager = ocp.CheckpointManager(
            self.directory,
            options=ocp.CheckpointManagerOptions(
                preservation_policy=policies.AnyPreservationPolicy(keep),
                create=not read_only,
                save_root_metadata=not read_only,
                # Written aside and renamed: what a killed process leaves is no checkpoint.
                cleanup_tmp_directories=not read_only,
            ),
        )

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self._manager.close()

    def latest(self) -> int | None:
        """The newest step that was saved, or None."""
        return self._manager.latest_step()

    def save(self, step: int, state: Any) -> None:
        """Saves a tree of arrays; returns when it is copied off the devices."""
        if step != self.latest():
            self._manager.save(step, args=ocp.args.StandardSave(state))

    def restore(self, step: int, like: Any) -> Any:
        """The state saved at `step`, as arrays on this process's first device.

        Args:
          step: one of the steps that were saved.
          like: a tree of arrays or `jax.ShapeDtypeStruct` of the same structure.
        Raises:
          UserError: the checkpoint holds another tree than `like`.
        """
        sharding = jax.sharding.SingleDeviceSharding(jax.local_devices()[0])
        like = jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=sharding), like)
        try:
            return self._manager.restore(step, args=ocp.args.StandardRestore(like))
        except (ValueError, KeyError) as error:
            reason = str(error).splitlines()[0]
            raise UserError(f"{self.directory}/{step} does not fit the run's config.json: {reason}") from error

    def steps(self) -> list[int]:
        """The steps that are kept, ascending."""
        return sorted(self._manager.all_steps())

    def resolve(self, which: str) -> int:
        """The step meant by "last" or a number.

        Raises:
          UserError: there is none, or not that one.
        """
        steps = self.steps()
        if not steps:
            raise UserError(f"{self.directory}: no checkpoint yet; train first with --workdir={self.directory.parent}")
        if which == "last":
            return steps[-1]
        if not which.isdecimal() or int(which) not in steps:
            raise UserError(f"--checkpoint={which}: use last or one of {', '.join(map(str, steps))}")
        return int(which)
