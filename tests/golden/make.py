"""Makes golden runs: small runs of the present version that every later version must load, use and resume.

  python tests/golden/make.py VERSION [NAME ...]

Each run is tests/golden/VERSION/NAME: config.json, metrics.jsonl and one checkpoint as training left them at
`kept` of `steps` steps, and `expected.npz` and `expected.json`: what it translated or drew then, and what it was when
the same command had gone on to the end. Add runs of a new version beside the old ones; never make old ones again.
"""

import json
import os
import platform
import shutil
import sys
import tempfile
from pathlib import Path

os.environ.setdefault("XLA_FLAGS", "--xla_backend_optimization_level=0")  # as tests/conftest.py

import jax
import numpy as np

import gan_xla
from gan_xla.main import main

HERE = Path(__file__).parent
SMALL = ("data.image_size=16", "data.load_size=18", "train.batch_size=4", "train.log_every=1")
NETS = ("model.generator.width=4", "model.discriminator.width=4")
IMAGES = ("data.source=builtin", "data.name=chairs2cars", *SMALL)

# Name: (config, its fields, step of the checkpoint that is kept, last step).
RUNS = {
    "toy": ("toy_gmm", ("train.log_every=50",), 100, 200),
    "discogan": ("discogan", (*IMAGES, *NETS), 3, 5),
    "cyclegan": (
        "cyclegan",
        (
            *IMAGES,
            *NETS,
            "model.generator.blocks=1",
            "model.discriminator.layers=1",
            "train.epochs=0",
            "train.pool_size=6",
            "optimizer.gen.ema_decay=0.5",
        ),
        3,
        5,
    ),
    "stargan": (
        "stargan",
        (
            *IMAGES,
            *NETS,
            "model.generator.blocks=1",
            "model.discriminator.layers=2",
            "data.labels=('all',)",
            "data.exclusive=()",
        ),
        4,
        6,
    ),
    # 4 steps of 4x4 pixels, then 8x8 fade in until step 8; each step shows 4 images.
    "pggan": (
        "pggan",
        (
            *IMAGES,
            "growth.fade_images=16",
            "growth.stable_images=16",
            "growth.batch_sizes=((4,4),)",
            "model.latent=8",
            *tuple(
                f"model.{side}.{field}"
                for side in ("generator", "discriminator")
                for field in ("fmap_base=32", "fmap_max=8")
            ),
        ),
        6,
        10,
    ),
    "seeds": (
        "gan",
        (
            *IMAGES,
            "data.channels=3",
            "data.labels=()",
            "data.unlabelled=True",
            "model.latent=8",
            "train.epochs=0",
            "train.num_seeds=2",
            "model.generator.hidden=(8,)",
            "model.discriminator.hidden=(8,)",
        ),
        3,
        5,
    ),
    # Since 0.2.0.
    "schedules": (
        "discogan",
        (
            *IMAGES,
            *NETS,
            "optimizer.schedule=cosine",
            "optimizer.warmup=2",
            "optimizer.disc.schedule=linear",
            "optimizer.disc.decay_start=0.2",
        ),
        3,
        5,
    ),
}
FINISHED = ("toy",)  # at the step that is kept; the others are in mid-run


def command(config: str, fields: tuple[str, ...], workdir, kept: int, steps: int) -> list[str]:
    """Arguments of `main` that train the run to `steps` with a checkpoint at `kept`; again, they resume it."""
    given = (*fields, f"train.steps={steps}", f"train.checkpoint_every={kept}", "train.sample_every=1000000")
    return ["main", f"--config=configs/{config}.py", f"--workdir={workdir}", *(f"--config.{x}" for x in given)]


def machine() -> dict[str, str]:
    """What decides whether two machines compute the same bits."""
    cpu = next((x for x in Path("/proc/cpuinfo").read_text().splitlines() if x.startswith("model name")), "")
    return {
        "jax": jax.__version__,
        "cpu": f"{platform.machine()} {cpu.partition(':')[2].strip()} x {os.cpu_count()}",
        "devices": str(jax.device_count()),
        "flags": os.environ["XLA_FLAGS"],
    }


def outputs(workdir, inputs=None) -> dict[str, np.ndarray]:
    """What each model of a run makes: translations of `inputs` each way, or samples."""
    made = {}
    for number, model in enumerate(gan_xla.load_all(workdir)):
        for direction in model.directions:
            made[f"{number}/{direction}"] = model.translate(inputs, direction)
        for domain in () if model.directions or model.latent else model.domains:
            made[f"{number}/{domain}"] = model.translate(inputs, domain=domain)
        if model.latent:
            made[f"{number}/samples"] = model.sample(4)
    return made


def checksums(workdir, step: int) -> dict[str, int]:
    """Of every array of a checkpoint."""
    (path,) = Path(workdir).glob(f"checkpoints/{step}/about/metadata")
    return json.loads(path.read_text())["checksums"]


def _inputs(name: str) -> np.ndarray | None:
    generator = np.random.default_rng(0)
    if name == "toy":
        return generator.normal(size=(64, 2)).astype(np.float32)
    return generator.integers(0, 256, (4, 16, 16, 3), np.uint8)


def keep(workdir: Path, place: Path, step: int) -> None:
    """Copies a run as a kill after its checkpoint of `step` would leave it."""
    shutil.rmtree(place, ignore_errors=True)
    shutil.copytree(
        workdir,
        place,
        ignore=shutil.ignore_patterns("tensorboard", "samples", "report.html", "environment.jsonl", ".lock"),
    )
    for path in (place / "checkpoints").iterdir():
        if path.is_dir() and path.name != str(step):
            shutil.rmtree(path)
    lines = (place / "metrics.jsonl").read_text().splitlines(keepends=True)
    (place / "metrics.jsonl").write_text("".join(line for line in lines if json.loads(line)["step"] <= step))


def make(version: str, name: str) -> None:
    """Trains one run, keeps what it was at its middle, and notes what it became."""
    config, fields, kept, steps = RUNS[name]
    place, inputs = HERE / version / name, _inputs(name)
    with tempfile.TemporaryDirectory() as directory:
        workdir = Path(directory) / name
        if name in FINISHED:
            assert main(command(config, fields, workdir, kept, kept)) == 0
            keep(workdir, place, kept)
        assert main(command(config, fields, workdir, kept, steps)) == 0
        if name not in FINISHED:
            keep(workdir, place, kept)
        found = {"before": outputs(place, inputs), "after": outputs(workdir, inputs)}
        sums = checksums(workdir, steps)
    arrays = {f"{when}/{key}": x for when, made in found.items() for key, x in made.items()}
    np.savez_compressed(place / "expected.npz", inputs=inputs, **arrays)
    about = {"config": config, "fields": fields, "kept": kept, "steps": steps, "machine": machine(), "checksums": sums}
    (place / "expected.json").write_text(json.dumps(about, indent=1) + "\n")


if __name__ == "__main__":
    for one in sys.argv[2:] or RUNS:
        make(sys.argv[1], one)
