"""`--format=stablehlo`: a directory for JAX alone, on CPUs, NVIDIA and AMD GPUs and TPUs.

    from jax import export
    translate = export.deserialize(open("DIRECTORY/program.stablehlo", "rb").read()).call

JAX promises to read it for six months; keep the run itself for longer.
"""

import json
from pathlib import Path

import jax
from jax import export

from gan_xla.export import program
from gan_xla.inference.model import Model

PLATFORMS = ("cpu", "cuda", "rocm", "tpu")


def write(model: Model, output: Path, *, direction: str | None, batch: int | None, size: int | None) -> None:
    """Writes `jax.export.Exported.serialize` as program.stablehlo, and `Program.about` as about.json."""
    # With known sizes CPUs get their fast forms, up to twice as fast; other platforms the plain ones, in the same file.
    made = program.make(model, direction, batch, size, plain=batch is None or size is None)
    exported = export.export(jax.jit(made.call), platforms=PLATFORMS)(*made.inputs.values())
    output.mkdir()
    (output / "program.stablehlo").write_bytes(exported.serialize())
    (output / "about.json").write_text(json.dumps(made.about, indent=1))
