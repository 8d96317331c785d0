"""What a compiler made of a step, read from the text of its program."""

import math
import re
from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple

WIDTHS = {"pred": 1, "s8": 1, "u8": 1, "bf16": 2, "f16": 2, "s32": 4, "u32": 4, "f32": 4, "s64": 8, "u64": 8, "f64": 8}
LARGE = 2**20  # bytes from which a transpose or copy counts
# A library's convolutions, by what they compute; so gan_xla.nets.convolution names what asks for them.
CALLS = {
    "__cudnn$convForward": "conv_output",
    "__cudnn$convBiasActivationForward": "conv_output",
    "__cudnn$convBackwardInput": "conv_image",
    "__cudnn$convBackwardFilter": "conv_kernel",
}

_HEADER = re.compile(r"(ENTRY )?%?(\S+) \(.*\{$")
_LINE = re.compile(r"\s+(?:ROOT )?%?([\w.\-]+) = (.+?) ([\w\-]+)\((.*)$")
_SHAPE = re.compile(r"(\w+)\[([\d,]*)\]")
_CALLED = re.compile(r"(?:body|to_apply|calls|\w+_computations?)=\{?%([\w.\-]+(?:, %[\w.\-]+)*)")
_TRIPS = re.compile(r'"known_trip_count":\{"n":"(\d+)"')
_TARGET = re.compile(r'custom_call_target="([^"]+)"')
_ASKED = re.compile(r'op_name="[^"]*?/(conv_output|conv_image|conv_kernel)/')
_CYCLES = re.compile(r'"estimated_cycles":"(\d+)"')
_NO_WORK = {"parameter", "constant", "tuple", "get-tuple-element", "bitcast", "after-all", "opt-barrier"}
_CONTROL = {"while", "conditional", "call"}


class Line(NamedTuple):
    """A line of a program: the name of its result, the result's type, the operation, and what follows it."""

    name: str
    type: str
    op: str
    rest: str

    @property
    def parts(self) -> tuple[tuple[int, tuple[int, ...]], ...]:
        """(bytes, shape) of the results."""
        found = [(kind, tuple(map(int, filter(None, d.split(","))))) for kind, d in _SHAPE.findall(self.type)]
        return tuple((WIDTHS[kind] * math.prod(shape), shape) for kind, shape in found if kind in WIDTHS)

    @property
    def size(self) -> int:
        """Bytes of the results."""
        return sum(size for size, _ in self.parts)


class Program:
    """The text of a compiled program.

    Attributes:
      computations: the lines of each computation, by its name.
      entry: the name of the one that is run.
    """

    def __init__(self, hlo: str):
        self.computations: dict[str, list[Line]] = {}
        self.entry, lines = "", []
        for line in hlo.splitlines():
            if header := _HEADER.match(line):
                lines = self.computations[header[2]] = []
                self.entry = header[2] if header[1] else self.entry
            elif parts := _LINE.match(line):
                lines.append(Line(*parts.groups()))

    def run(self, fused: bool = False) -> Iterator[tuple[Line, int]]:
        """The lines that a step runs and how often, loops of unknown length once; `fused`: those within others too."""

        def walk(name: str, times: int) -> Iterator[tuple[Line, int]]:
            for line in self.computations.get(name, ()):
                yield line, times
                if not (fused or line.op in _CONTROL):
                    continue
                trips = _TRIPS.search(line.rest)
                for callee in filter(None, ", %".join(_CALLED.findall(line.rest)).split(", %")):
                    yield from walk(callee, times * (int(trips[1]) if trips else 1))

        return walk(self.entry, 1)

    def launches(self) -> int:
        """Operations that the device is told to begin."""
        idle = _NO_WORK | _CONTROL
        return sum(times for line, times in self.run() if line.op not in idle and not line.op.endswith("-done"))

    def cycles(self) -> int:
        """What a TPU's compiler expects them to take, in cycles of its clock, without collectives; else 0."""
        return sum(times * int(found[1]) for line, times in self.run() if (found := _CYCLES.search(line.rest)))


class Counts(NamedTuple):
    """What stands in a program's text, fused operations too.

    Attributes:
      calls: convolutions that a library computes, by `CALLS`; on a TPU all are its own: "convolution".
      strangers: those of them that were asked for as another kind.
      naive: convolutions on a GPU that no library computes.
      products: matrix products.
      copies, copied: transposes and copies of `LARGE` bytes or more, and the bytes of all.
    """

    calls: dict[str, int]
    strangers: int
    naive: int
    products: int
    copies: int
    copied: int


def count(program: Program, platform: str) -> Counts:
    """Counts the operations of a program for "cuda" or "tpu"."""
    calls, copies, strangers, products, naive = Counter(), [], 0, 0, 0
    for line in (line for lines in program.computations.values() for line in lines):
        target = _TARGET.search(line.rest) if line.op == "custom-call" else None
        if target and target[1] in CALLS:
            asked = _ASKED.search(line.rest)
            calls[CALLS[target[1]]] += 1
            alike = "window={size=1x1}" in line.rest  # an input's gradient is a convolution, too
            strangers += bool(asked) and asked[1] != CALLS[target[1]] and not alike
        elif line.op == "convolution" and platform == "tpu":
            calls["convolution"] += 1
        elif line.op == "convolution":
            naive += 1
        elif line.op == "dot" or (target and "gemm" in target[1]):
            products += 1
        elif line.op in ("transpose", "copy") and line.size >= LARGE:
            copies.append(line.size)
    return Counts(dict(calls), strangers, naive, products, len(copies), sum(copies))
