"""Runs the benchmarks of the training step on this machine and writes their table into RESULTS.md.

  python -m experiments.benchmarks.table [--quick] [--steps=15] [--busy] [--output=RESULTS.md]

On a CPU most PyTorch forms in float32; on a GPU more sizes, PGGAN's phases, and bfloat16; against PyTorch and
torch.compile. The sides take turns, a step each; medians and quartiles of 15 steps or more, of wall and of CPU time.
Where a step is one of several turns, such as StarGAN's, they are of 5 cycles or more. --quick takes 3 steps of each and
leaves torch.compile out. It prints what other processes use of the cores, and writes no table where that is more than
a tenth of a core, unless there is --busy; the table says so then. The table of a CPU is between the lines
`<!-- table: cpu -->` and `<!-- end -->`, a GPU's after `<!-- table: gpu -->`; the text around them stays. The file is
written anew after every setting, so that an interrupted run leaves what it measured.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from experiments.benchmarks import machine, step, torch_side
from experiments.benchmarks.race import Failure, race
from experiments.benchmarks.workload import Workload
from gan_xla.errors import UserError

END = "<!-- end -->"
STEPS, QUICK = 15, 3  # measured of each setting: at least, and for a look
CYCLES = 5  # of several turns: at least, for their quartiles


class Setting(NamedTuple):
    """A shipped config at a size."""

    config: str
    image_size: int
    batch_size: int


CPU = (
    Setting("discogan", 64, 16),
    Setting("cyclegan", 128, 1),
    Setting("pix2pix", 256, 1),
    Setting("stargan", 128, 4),
    Setting("discogan_unet", 64, 16),
    Setting("gan", 28, 100),
    Setting("cgan", 28, 100),
    Setting("dcgan", 64, 32),
    Setting("pggan", 16, 16),
    Setting("pggan", 64, 4),
    Setting("munit", 128, 1),
    Setting("starganv2", 128, 2),
)
GPU = (
    Setting("discogan", 64, 256),
    Setting("cyclegan", 256, 1),
    Setting("cyclegan", 256, 8),
    Setting("stargan", 128, 16),
    Setting("pggan", 4, 128),
    Setting("pggan", 64, 32),
    Setting("pggan", 256, 8),
    Setting("munit", 256, 1),
    Setting("starganv2", 256, 8),
)
HEADER = (
    *(
        "step",
        "side",
        "images/s",
        "wall, ms (quartiles)",
        "CPU, ms (quartiles)",
        "wall of gan_xla to this",
        "CPU of gan_xla to this",
    ),
    *("GFLOP", "of matmul peak", "memory, MB", "first call, s"),
)


def _milliseconds(record: dict, clock: str) -> str:
    """The median of a clock, and the quartiles."""
    values = (1e3 * x for x in (record[f"{clock}_s_per_step"], *record[f"{clock}_s_quartiles"]))
    median, *quartiles = (f"{x:,.0f}" if x >= 1000 else f"{x:.4g}" for x in values)
    return f"{median} ({' to '.join(quartiles)})"


def row(record: dict, ours: dict) -> list[str]:
    """A line of the table."""
    size = record["image_size"]
    name = f"{record['config']} {size}x{size}, batch {record['batch_size']}, {record['dtype']}"
    if "error" in record:
        return [name, record["side"], record["error"].replace("|", "/"), *[""] * (len(HEADER) - 3)]
    ratios = [f"{ours[key] / record[key]:.2f}" for key in ("wall_s_per_step", "cpu_s_per_step")]
    return [
        name if record is ours else "",
        record["side"],
        f"{record['images_per_s']:,.4g}",
        *(_milliseconds(record, clock) for clock in ("wall", "cpu")),
        *(["", ""] if record is ours else ratios),
        f"{record['gflop_per_step']:,.4g}",
        f"{record['fraction_of_matmul_peak']:.0%}",
        f"{record['peak_memory_mb']:,}",
        f"{record['compile_s']:.1f}",
    ]


def insert(path: Path, name: str, text: str) -> None:
    """Puts `text` between the marks of the table `name`, which come to the end of the file where it has none."""
    before = path.read_text() if path.exists() else "# Speed of the training step\n"
    start = f"<!-- table: {name} -->"
    if start not in before:
        before = f"{before.rstrip()}\n\n{start}\n{END}\n"
    head, _, rest = before.partition(start)
    _, end, tail = rest.partition(END)
    if not end:
        raise UserError(f"{path}: {start} has no {END} after it; add that line")
    path.write_text(f"{head}{start}\n{text}\n{END}{tail}")


def about(records: Sequence[dict], peaks: dict[str, float], steps: int, load: str) -> str:
    """The line above a table: on what, with what, how; `load` of `machine.describe`."""
    devices = sorted({record["device"] for record in records if "device" in record} - {"cpu"})
    versions = sorted({record["version"] for record in records if "version" in record})
    products = ", ".join(f"{peak:,.0f} GFLOP/s in {dtype}" for dtype, peak in peaks.items())
    return (
        f"{' and '.join([*devices, machine.processor()])}; {load}; {', '.join(versions)}; a matrix product reaches "
        f"{products}; medians and quartiles of {steps} steps or more, the sides in turns. Ratios below 1: gan_xla is "
        f"faster, or takes less CPU time."
    )


def product(dtype: str) -> tuple[str, float]:
    """(this machine's platform in JAX, GFLOP/s of a large matrix product there)."""
    result = race({"product": (f"{step.JAX}:product", (dtype,))}, QUICK)["product"]
    if isinstance(result, Failure):
        raise result
    return result.facts["platform"], result.facts["gflop"] / result.wall["product"]


def cycles(workload: Workload, steps: int) -> int:
    """How many cycles of turns have `steps` steps; `CYCLES` or more, but no more than steps."""
    return max(-(-steps // len(workload.config().train.turns)), min(steps, CYCLES))


def enough(text: str) -> int:
    """Steps that quartiles can be taken of."""
    steps = step.positive(text)
    if steps < STEPS:
        raise argparse.ArgumentTypeError(f"{steps} are too few for quartiles; {STEPS} or more, or --quick for a look")
    return steps


def main(argv: Sequence[str] | None = None) -> None:
    """The command."""
    from experiments import common

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help=f"{QUICK} steps, no torch.compile")
    parser.add_argument("--steps", type=enough, default=STEPS, help=f"measured of each setting, {STEPS} or more")
    parser.add_argument("--busy", action="store_true", help="write a table on a busy machine too")
    parser.add_argument("--output", type=Path, default=Path(__file__).with_name("RESULTS.md"))
    args = parser.parse_args(argv)
    torch_side.require()
    load = machine.describe(machine.load(), args.busy)
    print(load)
    steps, sides = (QUICK, step.AGAINST[:1]) if args.quick else (args.steps, step.AGAINST)
    platform, peak = product("float32")
    settings, peaks = (CPU, {"float32": peak}) if platform == "cpu" else (GPU, {"float32": peak})
    if platform != "cpu":
        peaks["bfloat16"] = product("bfloat16")[1]
    records, rows = [], []
    for dtype in peaks:
        for setting in settings:
            workload = Workload(setting.config, setting.batch_size, setting.image_size, dtype)
            new = step.measure(workload, cycles(workload, steps), sides)
            records += new
            rows += [row(record, new[0]) for record in new]
            print(*rows[-len(new) :], sep="\n", flush=True)
            text = f"{about(records, peaks, steps, load)}\n\n{common.table(HEADER, rows)}"
            insert(args.output, "cpu" if platform == "cpu" else "gpu", text)


if __name__ == "__main__":
    from experiments import common

    sys.exit(common.run(main))
