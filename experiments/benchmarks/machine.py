"""What the benchmarks run on, and whether others use it."""

import os
import time
from collections.abc import Iterable
from pathlib import Path

from gan_xla.errors import UserError

BUSY = 0.1  # cores that other processes use, above which times say little
WAIT = 2.0  # seconds to look for
# Of /proc/stat's columns those of time that a core had work: user, nice, system, irq, softirq, and steal, when the
# host of a virtual machine ran others.
WORK = (0, 1, 2, 5, 6, 7)


def cores() -> Iterable[int]:
    """Numbers of the cores that this process may use."""
    return os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else range(os.cpu_count() or 1)


def processor() -> str:
    """This machine's CPU in words, and how many cores this process may use."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return f"{len([*cores()])} cores of {models[0] if models else 'a CPU'}"


def worked(stat: Path) -> float | None:
    """Seconds that the cores of this process have had work since the machine started, as the file says.

    Args:
      stat: /proc/stat. None is returned where there is none, as on macOS, or it counts nothing, as in some sandboxes.
    """
    try:
        lines = [line.split() for line in stat.read_text().splitlines()]
    except OSError:
        return None
    ours = {f"cpu{number}" for number in cores()}
    ticks = sum(int(columns[i + 1]) for columns in lines if columns and columns[0] in ours for i in WORK)
    return ticks / os.sysconf("SC_CLK_TCK") or None


def load(seconds: float = WAIT, stat: Path = Path("/proc/stat")) -> float | None:
    """Cores' worth of work that other processes do on this process's cores meanwhile; None where nothing tells."""
    before, own, start = worked(stat), time.process_time(), time.perf_counter()
    time.sleep(seconds)
    after, own, seconds = worked(stat), time.process_time() - own, time.perf_counter() - start
    return None if before is None or after is None else max(0.0, after - before - own) / seconds


def describe(used: float | None, anyway: bool) -> str:
    """What a table says of the machine's `load`.

    Args:
      used: the load.
      anyway: whether to go on where it is above `BUSY`.
    Raises:
      UserError: it is, and not to go on.
    """
    if used is None:
        return "what other processes used is not known"
    if used <= BUSY:
        return f"other processes used {used:.2f} cores when it began"
    if not anyway:
        raise UserError(
            f"other processes use {used:.2f} cores of this machine (up to {BUSY} are let pass), so that its times "
            f"would say little; stop them, or add --busy to write the table all the same, which then says so"
        )
    return f"**on a busy machine: other processes used {used:.2f} cores when it began**"
