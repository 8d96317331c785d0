"""Speed of single convolutions: ours beside PyTorch's, to see where time is lost.

  python -m experiments.benchmarks.layers --config=configs/cyclegan.py --batch_size=1 --image_size=128 --steps=5

Finds the convolutions of a config's networks and prints a table: for each shape how often the networks have it, and
milliseconds of its output, of the gradient of its input and of its weights, ours / PyTorch's; then GFLOP/s over the
three. The last line is a pass over all networks. The sides take turns, an operation each, in processes of their own;
medians. Biases and norms are not in it. GFLOP count a multiplication and an addition as two, taps in the padding too.
"""

import argparse
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from typing import NamedTuple

from experiments.benchmarks import step, torch_side
from experiments.benchmarks.race import Contestant, Failure, Result, race
from experiments.benchmarks.workload import Workload

OPERATIONS = ("forward", "input", "weight")


class Layer(NamedTuple):
    """A convolution, or a transposed one, of square images [n, size, size, c_in]."""

    transposed: bool
    size: int
    c_in: int
    c_out: int
    kernel: int
    stride: int
    padding: int
    output_padding: int

    @property
    def output(self) -> int:
        """Height and width of the result."""
        if self.transposed:
            return (self.size - 1) * self.stride - 2 * self.padding + self.kernel + self.output_padding
        return (self.size + 2 * self.padding - self.kernel) // self.stride + 1

    def gflop(self, batch_size: int) -> float:
        """Of each of the operations."""
        positions = (self.size if self.transposed else self.output) ** 2
        return 2 * batch_size * positions * self.kernel**2 * self.c_in * self.c_out / 1e9

    def __str__(self) -> str:
        name = f"{'transposed' if self.transposed else 'conv'} {self.kernel}x{self.kernel}/{self.stride}"
        return f"{name}, {self.size}² x {self.c_in} to {self.output}² x {self.c_out}"


def found(workload: Workload) -> Counter[Layer]:
    """The convolutions of all networks of a method, and how many layers there are of each."""
    import flax.linen as nn
    import jax

    from gan_xla import gans
    from gan_xla.nets.convolution import Conv, ConvTranspose, conv_transpose
    from gan_xla.nets.progressive import EqualConv

    layers = Counter()

    def note(call, args, kwargs, context):
        layer = context.module
        if isinstance(layer, (Conv, ConvTranspose, EqualConv)) and context.method_name == "__call__":
            transposed = isinstance(layer, ConvTranspose) or getattr(layer, "operation", None) is conv_transpose
            size, c_in = args[0].shape[2:]
            stride, extra = getattr(layer, "stride", 1), getattr(layer, "output_padding", 0)
            shape = Layer(transposed, size, c_in, layer.features, layer.kernel_size, stride, layer.padding, extra)
            layers[shape] += 1
        return call(*args, **kwargs)

    gan = gans.build(workload.config())
    with nn.intercept_methods(note):
        jax.eval_shape(lambda: gan.init(jax.random.key(0)))
    return layers


def ours(layers: Sequence[Layer], batch_size: int, dtype: str) -> Contestant:
    """Calls "NUMBER OPERATION" for each of the layers."""
    import jax
    import jax.numpy as jnp

    from gan_xla.nets.convolution import conv, conv_transpose

    def calls(layer: Layer) -> list[Callable[[], None]]:
        def forward(x, k):
            if layer.transposed:
                return conv_transpose(x, k, layer.stride, layer.padding, layer.output_padding)
            return conv(x, k, layer.stride, layer.padding)

        shapes = (
            (batch_size, layer.size, layer.size, layer.c_in),
            (layer.kernel, layer.kernel, layer.c_in, layer.c_out),
            (batch_size, layer.output, layer.output, layer.c_out),
        )
        arrays = [jax.random.normal(jax.random.key(0), shape, jnp.dtype(dtype)) for shape in shapes]
        # What a program does not return, it does not compute.
        operations = (
            lambda x, k, y: forward(x, k),
            lambda x, k, y: jax.vjp(forward, x, k)[1](y)[0],
            lambda x, k, y: jax.vjp(forward, x, k)[1](y)[1],
        )
        return [lambda f=f: jax.block_until_ready(f(*arrays)) for f in map(jax.jit, operations)]

    return _contestant(layers, calls)


def torchs(layers: Sequence[Layer], batch_size: int, dtype: str) -> Contestant:
    """As `ours`, in PyTorch."""
    import torch

    device = "cuda" if torch.cuda.is_available() else "cpu"
    torch.set_float32_matmul_precision("high")
    torch.backends.cudnn.allow_tf32 = torch.backends.cudnn.benchmark = True

    def calls(layer: Layer) -> list[Callable[[], None]]:
        channels = (layer.c_in, layer.c_out) if layer.transposed else (layer.c_out, layer.c_in)
        shapes = (
            (batch_size, layer.c_in, layer.size, layer.size),
            (*channels, layer.kernel, layer.kernel),
            (batch_size, layer.c_out, layer.output, layer.output),
        )
        options = dict(device=device, dtype=getattr(torch, dtype))
        x, k, y = (torch.randn(shape, **options).to(memory_format=torch.channels_last) for shape in shapes)
        stride, padding, dilation, extra = (
            [value] * 2 for value in (layer.stride, layer.padding, 1, layer.output_padding)
        )
        where = (stride, padding, dilation, layer.transposed, extra, 1)

        def operation(i: int) -> None:
            if i == 0:
                torch.convolution(x, k, None, *where)
            else:
                torch.ops.aten.convolution_backward(y, x, k, None, *where, [i == 1, i == 2, False])
            if device == "cuda":
                torch.cuda.synchronize()

        return [lambda i=i: operation(i) for i in range(len(OPERATIONS))]

    return _contestant(layers, calls)


def _contestant(layers: Sequence[Layer], calls: Callable) -> Contestant:
    made = {}
    for number, layer in enumerate(layers):
        made |= {f"{number} {name}": call for name, call in zip(OPERATIONS, calls(layer), strict=True)}
    return Contestant(made)


def _cells(seconds: dict[str, list[float]], gflop: float) -> list[str]:
    """Milliseconds of each operation, and speed over all, ours / PyTorch's."""
    milliseconds = [" / ".join(f"{1e3 * side[i]:.2f}" for side in seconds.values()) for i in range(len(OPERATIONS))]
    speeds = [f"{len(OPERATIONS) * gflop / sum(side):.3g}" for side in seconds.values()]
    return [*milliseconds, " / ".join(speeds)]


def rows(layers: Counter[Layer], batch_size: int, results: dict[str, Result]) -> list[list[str]]:
    """The table's lines, the slowest shape first, and the one of all networks."""

    def seconds(number: int, factor: int) -> dict[str, list[float]]:
        return {
            side: [factor * result.wall[f"{number} {name}"] for name in OPERATIONS] for side, result in results.items()
        }

    counts = list(layers.values())
    order = sorted(range(len(counts)), key=lambda i: -sum(next(iter(seconds(i, counts[i]).values()))))
    lines = []
    for number in order:
        layer = list(layers)[number]
        lines.append([str(layer), str(counts[number]), *_cells(seconds(number, 1), layer.gflop(batch_size))])
    every = [seconds(number, count) for number, count in enumerate(counts)]
    total = {side: [sum(times) for times in zip(*(one[side] for one in every), strict=True)] for side in results}
    gflop = sum(count * layer.gflop(batch_size) for layer, count in layers.items())
    return [*lines, ["all networks", str(sum(counts)), *_cells(total, gflop)]]


def main(argv: Sequence[str] | None = None) -> None:
    """The command."""
    from experiments import common

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    step.add_workload(parser)
    parser.add_argument("--steps", type=step.positive, default=5, help="measured calls of each operation")
    args = parser.parse_args(argv)
    torch_side.require()
    workload = step.workload(args)
    layers, dtype = found(workload), workload.config().train.dtype
    arguments = (list(layers), workload.batch_size, dtype)
    module = "experiments.benchmarks.layers"
    makers = {"gan_xla": (f"{module}:ours", arguments), "torch": (f"{module}:torchs", arguments)}
    results = race(makers, args.steps)
    for result in results.values():
        if isinstance(result, Failure):
            raise result
    header = ["layer", "layers", *(f"{name}, ms" for name in OPERATIONS), "GFLOP/s"]
    print(common.table(header, rows(layers, workload.batch_size, results)))


if __name__ == "__main__":
    from experiments import common

    sys.exit(common.run(main))
