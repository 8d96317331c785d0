"""What a compiled program moves between devices, read from its text."""

import math
import re
from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple

WIDTHS = {"pred": 1, "s8": 1, "u8": 1, "bf16": 2, "f16": 2, "s32": 4, "u32": 4, "f32": 4, "s64": 8, "u64": 8, "f64": 8}

_HEADER = re.compile(r"(ENTRY )?%(\S+) \(.*\{$")
_OP = re.compile(r"= (.+?) (all-reduce|all-gather|reduce-scatter|all-to-all|collective-permute)\(")
_SHAPE = re.compile(r"(\w+)\[([\d,]*)\]")
_CALLED = re.compile(r"(?:body|to_apply|calls|\w+_computations?)=\{?%([\w.\-]+(?:, %[\w.\-]+)*)")
_ALONE = re.compile(r"replica_groups=(\{\{\d+\}|\[\d+,1\])")
_TRIPS = re.compile(r'"known_trip_count":\{"n":"(\d+)"')


class Collective(NamedTuple):
    """An operation between devices: its name, (bytes, shape) of its results, and how often a step runs it."""

    op: str
    parts: tuple[tuple[int, tuple[int, ...]], ...]
    times: int


def collectives(hlo: str) -> list[Collective]:
    """Those of a compiled program's text; loops whose length XLA does not know count once."""
    computations, lines, entry = {}, [], None
    for line in hlo.splitlines():
        if header := _HEADER.match(line):
            lines = computations[header[2]] = []
            entry = header[2] if header[1] else entry
        else:
            lines.append(line)

    def walk(name: str, times: int) -> Iterator[Collective]:
        for line in computations.get(name, ()):
            if op := _OP.search(line):
                if _ALONE.search(line):  # one device tells itself
                    continue
                shapes = [(kind, tuple(map(int, filter(None, d.split(","))))) for kind, d in _SHAPE.findall(op[1])]
                yield Collective(op[2], tuple((WIDTHS[kind] * math.prod(d), d) for kind, d in shapes), times)
                continue
            trips = _TRIPS.search(line)
            for callee in ", %".join(_CALLED.findall(line)).split(", %"):
                yield from walk(callee, times * (int(trips[1]) if trips else 1))

    return list(walk(entry, 1))


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
