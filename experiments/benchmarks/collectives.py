"""What a compiled program moves between devices, read from its text."""

import re
from collections import Counter
from typing import NamedTuple

from experiments.benchmarks.programs import Line, Program

_KINDS = ("all-reduce", "all-gather", "reduce-scatter", "all-to-all", "collective-permute")
_ALONE = re.compile(r"replica_groups=(\{\{\d+\}|\[\d+,1\])")
_CHANNEL = re.compile(r"channel_id=(\d+)")


class Collective(NamedTuple):
    """An operation between devices: its name, (bytes, shape) of its results, and how often a step runs it."""

    op: str
    parts: tuple[tuple[int, tuple[int, ...]], ...]
    times: int


def collectives(hlo: str) -> list[Collective]:
    """Those of a compiled program's text; loops whose length XLA does not know count once."""
    program, found, seen = Program(hlo), [], []
    alone = {id(line) for line, _ in program.run()}
    for line, times in program.run(fused=True):
        op = line.op.removesuffix("-start")
        if op not in _KINDS or _ALONE.search(line.rest):  # one device tells itself
            continue
        if id(line) not in alone:  # a TPU's, which stands in every operation that overlaps with it
            key = (op, line.type, _CHANNEL.findall(line.rest)[:1])
            if key in seen:
                continue
            seen.append(key)
        found.append(Collective(op, line.parts, times))
    return found


def _waiting(program: Program, start: Line) -> bool:
    """Whether nothing runs on the device between a collective's start and its end."""
    lines = program.computations[program.entry]
    first = lines.index(start) + 1
    for line in lines[first:]:
        if line.op == start.op.replace("-start", "-done") and re.search(rf"%{re.escape(start.name)}\b", line.rest):
            return True
        if line.op in ("fusion", "custom-call", "convolution", "dot"):
            return False
    return True


def overlapping(hlo: str) -> tuple[int, int]:
    """(number, bytes) of the collectives of a program's entry while which the device computes."""
    program = Program(hlo)
    lines = [line for line in program.computations[program.entry] if line.op.removesuffix("-start") in _KINDS]
    free = [line for line in lines if line.op.endswith("-start") and not _waiting(program, line)]
    return len(free), sum(line.size for line in free)


class Traffic(NamedTuple):
    """What a step moves between devices.

    Attributes:
      gradients, statistics, scalars, other: bytes all-reduced, by what they are.
      reduces: all-reduces.
      syncs: those of them for which the next layer waits, batch norm's.
      moved: (operations, bytes of their results) of other kinds, by name.
    """

    gradients: int
    statistics: int
    scalars: int
    other: int
    reduces: int
    syncs: int
    moved: dict[str, tuple[int, int]]

    @property
    def reduced(self) -> int:
        """Bytes all-reduced."""
        return self.gradients + self.statistics + self.scalars + self.other


def traffic(hlo: str, parameters: set[tuple[int, ...]]) -> Traffic:
    """The traffic of a compiled program whose networks have parameters of these shapes.

    XLA joins all-reduces into tuples, whose parts keep their shapes but not their names. So a gradient is
    what has a parameter's shape, and statistics what has batch norm's, [2, c]: mean and mean square.
    """

    def kind(shape: tuple[int, ...]) -> str:
        if not shape:
            return "scalars"
        if shape in parameters:
            return "gradients"
        return "statistics" if len(shape) == 2 and shape[0] == 2 else "other"

    reduced, counts, moved = Counter(), Counter(), {}
    for op, parts, times in collectives(hlo):
        if op == "all-reduce":
            kinds = [kind(shape) for _, shape in parts]
            counts.update(reduces=times, syncs=times * ("statistics" in kinds))
            for name, (size, _) in zip(kinds, parts, strict=True):
                reduced[name] += times * size
        else:
            before = moved.get(op, (0, 0))
            moved[op] = before[0] + times, before[1] + times * sum(size for size, _ in parts)
    sizes = (reduced[name] for name in ("gradients", "statistics", "scalars", "other"))
    return Traffic(*sizes, counts["reduces"], counts["syncs"], moved)
