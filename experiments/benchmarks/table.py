"""Runs the benchmarks of the training step on this machine and writes their table into RESULTS.md.

  python -m experiments.benchmarks.table [--quick] [--steps=15] [--output=RESULTS.md]

On a CPU four methods in float32; on a GPU more sizes, PGGAN's phases, and bfloat16; against PyTorch and torch.compile
where there is a PyTorch form. --quick takes 3 steps of each and leaves torch.compile out. The table of a CPU is
between the lines `<!-- table: cpu -->` and `<!-- end -->`, a GPU's after `<!-- table: gpu -->`; the text around them
stays. The file is written anew after every setting, so that an interrupted run leaves what it measured.
"""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from experiments.benchmarks import step, torch_side
from experiments.benchmarks.race import Failure, race
from experiments.benchmarks.workload import Workload
from gan_xla.errors import UserError

END = "<!-- end -->"
QUICK = 3  # steps


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
)
GPU = (
    Setting("discogan", 64, 256),
    Setting("cyclegan", 256, 1),
    Setting("cyclegan", 256, 8),
    Setting("stargan", 128, 16),
    Setting("pggan", 4, 128),
    Setting("pggan", 64, 32),
    Setting("pggan", 256, 8),
)
HEADER = (
    *("step", "side", "images/s", "wall, ms", "CPU, ms", "wall of gan_xla to this", "CPU of gan_xla to this"),
    *("GFLOP", "of matmul peak", "memory, MB", "first call, s"),
)


def processor() -> str:
    """This machine's CPU in words, and how many cores this process may use."""
    count = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return f"{count} cores of {models[0] if models else 'a CPU'}"


def row(record: dict, ours: dict) -> list[str]:
    """A line of the table."""
    size = record["image_size"]
    name = f"{record['config']} {size}x{size}, batch {record['batch_size']}, {record['dtype']}"
    if "error" in record:
        return [name, record["side"], record["error"].replace("|", "/"), *[""] * (len(HEADER) - 3)]
    wall, cpu = record["wall_s_per_step"], record["cpu_s_per_step"]
    ratios = [f"{ours[key] / record[key]:.2f}" for key in ("wall_s_per_step", "cpu_s_per_step")]
    return [
        name if record is ours else "",
        record["side"],
        f"{record['images_per_s']:,.4g}",
        f"{1e3 * wall:,.4g}",
        f"{1e3 * cpu:,.4g}",
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


def about(records: Sequence[dict], peaks: dict[str, float], steps: int) -> str:
    """The line above a table: on what, with what, how."""
    devices = sorted({record["device"] for record in records if "device" in record} - {"cpu"})
    versions = sorted({record["version"] for record in records if "version" in record})
    products = ", ".join(f"{peak:,.0f} GFLOP/s in {dtype}" for dtype, peak in peaks.items())
    return (
        f"{' and '.join([*devices, processor()])}; {', '.join(versions)}; a matrix product reaches {products}; medians "
        f"of {steps} steps, the sides in turns. Ratios below 1: gan_xla is faster, or takes less CPU time."
    )


def product(dtype: str) -> tuple[str, float]:
    """(this machine's platform in JAX, GFLOP/s of a large matrix product there)."""
    result = race({"product": (f"{step.JAX}:product", (dtype,))}, QUICK)["product"]
    if isinstance(result, Failure):
        raise result
    return result.facts["platform"], result.facts["gflop"] / result.wall["product"]


def main(argv: Sequence[str] | None = None) -> None:
    """The command."""
    from experiments import common

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help=f"{QUICK} steps, no torch.compile")
    parser.add_argument("--steps", type=step.positive, default=15, help="measured of each setting")
    parser.add_argument("--output", type=Path, default=Path(__file__).with_name("RESULTS.md"))
    args = parser.parse_args(argv)
    torch_side.require()
    steps, sides = (QUICK, step.AGAINST[:1]) if args.quick else (args.steps, step.AGAINST)
    platform, peak = product("float32")
    settings, peaks = (CPU, {"float32": peak}) if platform == "cpu" else (GPU, {"float32": peak})
    if platform != "cpu":
        peaks["bfloat16"] = product("bfloat16")[1]
    records, rows = [], []
    for dtype in peaks:
        for setting in settings:
            against = sides if setting.config in torch_side.READS else ()
            workload = Workload(setting.config, setting.batch_size, setting.image_size, dtype)
            new = step.measure(workload, steps, against)
            records += new
            rows += [row(record, new[0]) for record in new]
            print(*rows[-len(new) :], sep="\n", flush=True)
            text = f"{about(records, peaks, steps)}\n\n{common.table(HEADER, rows)}"
            insert(args.output, "cpu" if platform == "cpu" else "gpu", text)


if __name__ == "__main__":
    from experiments import common

    sys.exit(common.run(main))
