"""The notebooks run from top to bottom, each in a kernel of its own."""

import os
import re
from pathlib import Path

import numpy as np
import pytest
from devices import configure
from PIL import Image
from test_inference import _save

import gan_xla
from gan_xla import images

pytestmark = pytest.mark.slow

nbformat = pytest.importorskip("nbformat")
nbclient = pytest.importorskip("nbclient")
pytest.importorskip("ipykernel")
pytest.importorskip("matplotlib")

ROOT = Path(__file__).parent.parent
NOTEBOOKS = ROOT / "experiments" / "colab"


def execute(name: str, directory: Path, **parameters) -> list[str]:
    """Text that each code cell gives, and "<picture>" for pictures; `parameters` replace those of the tagged cell."""
    notebook = nbformat.read(NOTEBOOKS / f"{name}.ipynb", as_version=4)
    (cell,) = [cell for cell in notebook.cells if "parameters" in cell.metadata.get("tags", ())]
    for field, value in parameters.items():
        cell.source, count = re.subn(rf"(?m)^{field} = .*$", f"{field} = {value!r}", cell.source)
        assert count == 1, f"{field} is no parameter"
    client = nbclient.NotebookClient(notebook, timeout=900, resources={"metadata": {"path": str(directory)}})
    client.execute(env={**os.environ, "PYTHONPATH": str(ROOT)})
    return [_text(cell) for cell in notebook.cells if cell.cell_type == "code"]


def _text(cell) -> str:
    parts = []
    for output in cell.outputs:
        data = output.get("data", {})
        parts.append("<picture>" if "image/png" in data else output.get("text", data.get("text/plain", "")))
    return "".join(parts)


def test_train_quick_trains_shows_and_translates(tmp_path):
    tiny = ["model.generator.width=4", "model.discriminator.width=4", "train.batch_size=4", "train.steps=2"]
    every = [f"train.{what}_every={steps}" for what, steps in (("sample", 1), ("log", 1), ("evaluate", 0))]
    fields = [f"config.{field}" for field in (*tiny, *every)]
    _, _, trained, pictures, curves, used = execute("train_quick", tmp_path, FIELDS=fields)
    assert trained.endswith("step 2\n") and "chairs2faces" in trained
    assert pictures.split("\n") == ["00000001", "<picture>00000002", "<picture>"]
    assert curves == "<picture>"
    assert used == "AtoB of step 2 (6, 32, 32, 3) uint8\n<picture>"
    assert (tmp_path / "runs/discogan-quick/checkpoints/2").is_dir()


def test_evaluate_checkpoint_translates_and_measures(tmp_path):
    config = configure("discogan", ("dg",))
    config.data.load_size = config.data.image_size
    run = _save(tmp_path / "run", config)
    parameters = {"WORKDIR": str(run), "METRICS": ["cycle", "sharpness"]}
    _, _, _, about, translated, grid, measured, bars = execute("evaluate_checkpoint", tmp_path, **parameters)
    assert about == "discogan, step 2, 16 px, directions: AtoB, BtoA\n"
    assert translated == "{'AtoB': ((6, 16, 16, 3), 'uint8')}\n"
    assert grid == bars == "<picture>"
    assert "cycle: L1 of the way back, of 255" in measured and measured.rstrip().endswith("['2']")


def test_project_finds_images_and_walks_between_them(tmp_path):
    run = _save(tmp_path / "run", configure("dcgan", ("dg",)))
    (tmp_path / "photos").mkdir()
    for number, x in enumerate(gan_xla.load(run).sample(2, seed=3)):
        images.write(tmp_path / "photos" / f"{number}.png", x)
    parameters = {"WORKDIR": str(run), "STEPS": 3, "WALK": 3}
    _, _, _, scores, pictures, walk = execute("project", tmp_path, **parameters)
    assert "mean psnr" in scores and "image,psnr" in scores
    assert pictures == "<picture>"
    with Image.open(tmp_path / "walk" / "walk.gif") as film:
        assert film.n_frames > 1
    assert "3 image(s) drawn" in walk


def test_video_translates_a_clip_and_shows_it(tmp_path):
    ffmpeg = pytest.importorskip("imageio_ffmpeg")
    run = _save(tmp_path / "run", configure("cyclegan", ("dg",)))
    writer = ffmpeg.write_frames(str(tmp_path / "clip.mp4"), (32, 32), fps=10, macro_block_size=1)
    writer.send(None)
    for frame in np.random.default_rng(0).integers(0, 256, (5, 32, 32, 3), np.uint8):
        writer.send(frame)
    writer.close()
    _, _, _, said, pictures, _ = execute("video", tmp_path, WORKDIR=str(run))
    assert "5 frame(s) translated" in said and "with --smooth=0.5" in said
    assert pictures == "<picture>" and (tmp_path / "translated" / "clip.mp4").is_file()
