"""Every config in every mode, in its tiny form: each works, or ends with one line that says why it cannot."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from methods import METHODS

from gan_xla import images, report
from gan_xla.main import main
from gan_xla.run import settings
from gan_xla.training import loop

# Configs that differ from another one in what no mode but training looks at: losses, and networks beside G and D.
TRAINING_ALONE = ("cyclegan_modern", "dclgan", "gan_recon", "standard_gan")
FORMATS = ("stablehlo", "onnx", "savedmodel", "torch", "safetensors", "web")
USUAL = ("discogan", "cgan")  # one that translates and one that draws; the others are for `.ci/run`
# What draws and translates: ends of the files of a sample, and what is measured.
BOTH = {
    "cogan": (("_A", "_B"), ("AtoB", "BtoA", "samples of x_A", "samples of x_B")),
    "icgan": (("",), ("chairs", "cars", "samples")),
}
CONFIGS = [pytest.param(x, marks=() if x in USUAL else pytest.mark.slow) for x in settings.shipped()]
write_report = report.write  # conftest puts another in its place while runs are trained


def _metrics(workdir: Path) -> list[dict]:
    return [json.loads(line) for line in (workdir / "metrics.jsonl").read_text().splitlines()]


def _checksums(workdir: Path, step: int) -> dict:
    """Of all that a checkpoint holds: parameters, moments, pool, key."""
    (path,) = workdir.glob(f"checkpoints/{step}/about/metadata")
    return json.loads(path.read_text())["checksums"]


@pytest.fixture(autouse=True)
def _compiled_once(monkeypatch):
    """A run that goes on plays the programs that it was begun with; compiling is most of what these tests cost."""
    plain, made = loop.programs, {}

    def programs(config, gan, optimizer, phase):
        key = config.to_json(sort_keys=True), phase
        if key not in made:
            made[key] = plain(config, gan, optimizer, phase)
        return made[key]

    monkeypatch.setattr(loop, "programs", programs)


class _Run:
    """A config trained in a directory of its own, and what the modes make of it."""

    def __init__(self, spec: str, directory: Path, capsys, *fields: str):
        self._train = ["main", f"--config={spec}:tiny", *(f"--config.{field}" for field in fields)]
        self._capsys, self._directory, self.workdir = capsys, directory, directory / "run"

    def train(self) -> None:
        """In one go, and again from the checkpoint in the middle, as after a crash: the same bits."""
        halves = self._directory / "halves"
        assert main([*self._train, f"--workdir={self.workdir}", "--config.train.keep_every=1"]) == 0
        end = settings.read(self.workdir).train.steps
        assert f"{self.workdir}: finished at step {end}" in self._capsys.readouterr().out
        assert [row["step"] for row in _metrics(self.workdir)] == list(range(1, end + 1))
        assert all(np.isfinite(list(row.values())).all() for row in _metrics(self.workdir))
        lost = shutil.ignore_patterns(*map(str, range(end // 2 + 1, end + 1)), "metrics.jsonl")
        shutil.copytree(self.workdir, halves, ignore=lost)
        lines = (self.workdir / "metrics.jsonl").read_text().splitlines(keepends=True)
        (halves / "metrics.jsonl").write_text("".join(lines[: end // 2]))
        assert main([*self._train, f"--workdir={halves}", "--config.train.keep_every=1"]) == 0
        assert f"resuming at step {end // 2}" in "".join(self._capsys.readouterr())
        assert _checksums(halves, end) == _checksums(self.workdir, end)
        for one, other in zip(_metrics(self.workdir), _metrics(halves), strict=True):
            # A turn that was not played yet has no losses.
            shared = one.keys() & other.keys() - {"images_per_s", "input_wait"}
            assert {"step", "skipped_updates"} < shared and all(one[name] == other[name] for name in shared)
        shutil.rmtree(halves)

    def mode(self, name: str, *flags: str) -> str:
        """The one error line of a mode, or "" where it works."""
        code = main(["main", f"--mode={name}", f"--workdir={self.workdir}", *flags])
        errors = [
            line for line in self._capsys.readouterr().err.splitlines() if line.startswith(("error: ", "Traceback"))
        ]
        assert (code, len(errors)) in ((0, 0), (2, 1)), (name, flags, code, errors)
        return errors[0] if errors else ""


def _in_every_mode(run: _Run, tmp_path: Path, monkeypatch) -> dict[str, str]:
    """Errors by mode or format."""
    config, out = settings.read(run.workdir), tmp_path / "out"
    picture = np.random.default_rng(0).integers(0, 256, (20, 30, 3), np.uint8)
    images.write(tmp_path / "photo.png", picture)
    domain = [] if config.gan not in ("stargan", "icgan", "starganv2") else [f"--domain={config.data.labels[0]}"]
    found = {
        "translate": run.mode("translate", f"--input={tmp_path}/photo.png", f"--output={out}/translated", *domain),
        "sample": run.mode("sample", f"--output={out}/drawn", "--num=3"),
        "evaluate": run.mode("evaluate", f"--metrics={'sharpness' if config.data.image_size else 'modes'}", "--num=4"),
    }
    monkeypatch.setattr("gan_xla.report.write", write_report)
    found["report"] = run.mode("report", f"--output={out}/report.html")
    for name in FORMATS:
        end = ".safetensors" if name == "safetensors" else ".pth" if name == "torch" else ""
        found[name] = run.mode("export", f"--format={name}", f"--output={out}/{name}{end}")
        assert (out / f"{name}{end}").exists() == (not found[name])
    return found


@pytest.mark.parametrize("name", CONFIGS)
def test_every_config_trains_resumes_and_goes_through_every_mode(name, tmp_path, capsys, monkeypatch):
    # The 5-layer form of the angle experiments too; a linear rate would depend on the steps.
    fields = ("model.generator.bottleneck=5",) if name == "discogan_reference" else ()
    run = _Run(name, tmp_path, capsys, *fields, "optimizer.schedule=constant")
    run.train()
    if name in TRAINING_ALONE:
        return
    errors = _in_every_mode(run, tmp_path, monkeypatch)
    draws, both = name in ("gan", "cgan", "dcgan", "pggan"), name in BOTH
    assert bool(errors["sample"]) != (draws or both), errors
    assert bool(errors["translate"]) == (draws or name == "toy_gmm"), errors
    assert not any(errors[x] for x in ("evaluate", "report", "stablehlo", "savedmodel")), errors
    if both:
        _does_both(run, tmp_path, *BOTH[name])


def _does_both(run: _Run, tmp_path: Path, drawn: tuple[str, ...], measured: tuple[str, ...]) -> None:
    """Files that were drawn, cases that were measured, and both tasks exported."""
    ends = [f"{number}{end}" for number in ("00000", "00001", "00002", "grid") for end in drawn]
    assert sorted(path.name for path in (tmp_path / "out/drawn").iterdir()) == sorted(f"{end}.png" for end in ends)
    cases = json.loads((run.workdir / "evaluation.json").read_text())["2"]
    assert sorted(cases) == sorted(measured)
    for task, takes in (("translate", "images"), ("sample", "noise")):
        output = tmp_path / f"out/{task}"
        assert not run.mode("export", "--format=stablehlo", f"--task={task}", f"--output={output}")
        about = json.loads((output / "about.json").read_text())
        assert takes in about and ("noise" in about) == (task == "sample")


@pytest.mark.parametrize("name", [pytest.param(x, marks=pytest.mark.slow) for x in METHODS])
def test_a_newcomers_method_trains_resumes_and_goes_through_every_mode(name, installed, tmp_path, capsys, monkeypatch):
    run = _Run(installed[name], tmp_path, capsys, "optimizer.schedule=constant")
    run.train()
    if name in TRAINING_ALONE:
        return
    errors = _in_every_mode(run, tmp_path, monkeypatch)
    assert not errors["translate"] and errors["sample"], errors
    assert not any(errors[x] for x in ("evaluate", "report", "stablehlo")), errors
