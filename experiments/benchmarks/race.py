"""Contestants in processes of their own that take turns, so that a busy moment of the machine strikes them all."""

import importlib
import multiprocessing
import os
import resource
import statistics
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, NamedTuple

from gan_xla.errors import UserError

# PyTorch's idle threads otherwise spin, which multiplies the CPU time that it is charged; and JAX would take
# most of a GPU's memory from the others. Read by the children.
os.environ.update(OMP_WAIT_POLICY="PASSIVE", GOMP_SPINCOUNT="0", XLA_PYTHON_CLIENT_PREALLOCATE="false")


class Contestant(NamedTuple):
    """What a child process runs.

    Attributes:
      calls: functions by name, each of which waits for what it starts.
      facts: what else to tell in the end.
    """

    calls: Mapping[str, Callable[[], None]]
    facts: Callable[[], dict[str, Any]] = dict


class Result(NamedTuple):
    """Of one contestant; seconds by the calls' names.

    Attributes:
      first: of the first call, which compiles.
      wall, cpu: medians of the measured calls, CPU time over all threads.
      wall_quartiles, cpu_quartiles: the lower and the upper one.
      facts: the contestant's.
    """

    first: dict[str, float]
    wall: dict[str, float]
    cpu: dict[str, float]
    wall_quartiles: dict[str, tuple[float, float]]
    cpu_quartiles: dict[str, tuple[float, float]]
    facts: dict[str, Any]


class Failure(UserError):
    """Why a contestant could not run."""


def memory_mb() -> float:
    """The most memory that this process has had resident."""
    try:  # Linux counts what the parent had, before exec, to ru_maxrss
        status = Path("/proc/self/status").read_text()
        return int(status.partition("VmHWM:")[2].split()[0]) / 1024
    except (OSError, LookupError):
        unit = 2**20 if sys.platform == "darwin" else 2**10
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit


def _timed(call: Callable[[], None]) -> tuple[float, float]:
    wall, cpu = time.perf_counter(), time.process_time()
    call()
    return time.perf_counter() - wall, time.process_time() - cpu


def _quartiles(values: Sequence[float]) -> tuple[float, float]:
    """The lower and the upper one; of one value itself."""
    lower, _, upper = statistics.quantiles(values, method="inclusive") if len(values) > 1 else 3 * [values[0]]
    return lower, upper


def _in_a_line(error: Exception) -> str:
    """The error's type and its first line; of a chain the one that the others were raised from."""
    while error.__cause__ is not None:
        error = error.__cause__
    return f"{type(error).__name__}: {str(error).strip().partition(chr(10))[0]}"


def _worker(maker: str, args: tuple, pipe: Connection) -> None:
    """Sends the seconds of each first call, then (wall, CPU) seconds for each name received, then the facts."""
    try:
        module, _, function = maker.partition(":")
        contestant = getattr(importlib.import_module(module), function)(*args)
        pipe.send({name: _timed(call)[0] for name, call in contestant.calls.items()})
        while (name := pipe.recv()) is not None:
            pipe.send(_timed(contestant.calls[name]))
        pipe.send(contestant.facts())
    except UserError as error:
        pipe.send(error)
    except Exception as error:
        pipe.send(Failure(_in_a_line(error)))


class _Runner:
    """A contestant seen from the parent; each method raises what the child sends as an error."""

    def __init__(self, maker: str, args: tuple):
        context = multiprocessing.get_context("spawn")
        self._pipe, other = context.Pipe()
        self._process = context.Process(target=_worker, args=(maker, args, other), daemon=True)
        self._process.start()
        other.close()
        self._times: dict[str, list[tuple[float, float]]] = {}

    def _receive(self) -> Any:
        try:
            answer = self._pipe.recv()
        except EOFError:
            answer = Failure("its process was killed; is there too little memory?")
        if isinstance(answer, Exception):
            raise answer
        return answer

    def start(self) -> list[str]:
        """Waits for the first calls; returns their names."""
        self._first = self._receive()
        return list(self._first)

    def run(self, name: str, measured: bool) -> None:
        self._pipe.send(name)
        seconds = self._receive()
        if measured:
            self._times.setdefault(name, []).append(seconds)

    def finish(self) -> Result:
        self._pipe.send(None)
        facts = self._receive()
        columns = {name: list(zip(*rows, strict=True)) for name, rows in self._times.items()}
        kinds = [(kind, clock) for kind in (statistics.median, _quartiles) for clock in (0, 1)]  # wall, CPU
        numbers = [{name: kind(column[clock]) for name, column in columns.items()} for kind, clock in kinds]
        return Result(self._first, *numbers, facts)

    def stop(self) -> None:
        self._process.terminate()
        self._process.join()


def race(makers: Mapping[str, tuple[str, tuple]], rounds: int) -> dict[str, Result | Failure]:
    """Every contestant makes each of its calls once a round, one contestant after the other.

    Args:
      makers: by the contestant's name "module:function", which returns a `Contestant`, and its arguments; only the
        child imports the module.
      rounds: measured ones, after one that warms caches.

    Returns:
      By name, what was measured, or why a contestant could not make its first calls.
    Raises:
      UserError: a child's, or a contestant failed later on.
    """
    runners, failures, names = {}, {}, {}
    try:
        for contestant, (maker, args) in makers.items():
            runner = _Runner(maker, args)
            runners[contestant] = runner
            try:  # alone: compilers use all cores
                names[contestant] = runner.start()
            except Failure as failure:
                failures[contestant] = failure
        for number in range(rounds + 1):
            for name in dict.fromkeys(name for calls in names.values() for name in calls):
                for contestant in (contestant for contestant, calls in names.items() if name in calls):
                    runners[contestant].run(name, measured=number > 0)
        return {name: failures.get(name) or runners[name].finish() for name in makers}
    finally:
        for runner in runners.values():
            runner.stop()
