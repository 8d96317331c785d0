"""Are translations closer to the truth than their inputs are? On held-out pairs that a run never saw.

  python -m experiments.held_out --workdir=runs/pix2pix-lineart --data=data/lineart2colour --output=out

`--data` is a directory with testA testB (and trainA trainB for the mean image) of equal names, as
experiments.data.emoji writes it; the run may be of any method that translates between A and B. Writes
scores.json and pairs.png (input, translation, truth), and prints, for each direction, the mean absolute
difference (L1, of 255) and SSIM (Wang et al. 2004) to the truth of the translation, of the untouched input
and of the mean training image of the target domain.
"""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np

import gan_xla
from experiments import common
from gan_xla import images
from gan_xla.errors import UserError
from gan_xla.evaluation.cases import spread
from gan_xla.evaluation.metrics.similarity import l1, ssim
from gan_xla.images.grids import sample_grid
from gan_xla.inference.model import Model

SHOWN = 8


def scores(candidates: dict[str, np.ndarray], truth: np.ndarray) -> dict[str, dict[str, float]]:
    """L1 and SSIM to `truth` [n, h, w, c] by candidate, means over images; and how often each beats "input"."""
    result = {}
    base = {"l1": l1(candidates["input"], truth), "ssim": ssim(candidates["input"], truth)}
    for name, x in candidates.items():
        own = {"l1": l1(x, truth), "ssim": ssim(x, truth)}
        result[name] = {metric: float(values.mean()) for metric, values in own.items()}
        if name != "input":
            result[name]["closer_than_input"] = float((own["l1"] < base["l1"]).mean())
    return result


def read(
    directory: Path,
    size: int,
    channels: int = 3,
    fit: str = "stretch",
    background=images.WHITE,
    most: int | None = None,
) -> np.ndarray:
    """The images of a directory by name, or `most` of them, evenly spread; uint8 [n, size, size, channels]."""
    paths = images.find(directory)
    rows = range(len(paths)) if most is None else spread(len(paths), most)
    found = (images.read(paths[row], channels, background) for row in rows)
    return np.stack([images.fit(image, size, fit, background) for image in found])


def load(directory: Path, model: Model) -> np.ndarray:
    """The images of a directory by name, as the model was trained on them: uint8 [n, size, size, c]."""
    data = model.config.data
    return read(directory, data.image_size, data.channels, data.fit, tuple(data.background))


def pairs(root: Path, model: Model) -> dict[str, np.ndarray]:
    """testA and testB in the order of their names, and the mean of trainA and of trainB."""
    names = [[path.stem for path in images.find(root / part)] for part in ("testA", "testB")]
    if names[0] != names[1]:
        raise UserError(f"--data={root}: testA and testB need equal names, so that the truth is known")
    found = {f"test{domain}": load(root / f"test{domain}", model) for domain in "AB"}
    for domain in "AB":
        mean = load(root / f"train{domain}", model).mean(axis=0).round().astype(np.uint8)
        found[f"mean{domain}"] = np.broadcast_to(mean, found[f"test{domain}"].shape)
    return found


def evaluate(model: Model, data: dict[str, np.ndarray]) -> tuple[dict, np.ndarray]:
    """Scores by direction, and a picture."""
    result, columns, rows = {}, {}, []
    shown = np.linspace(0, len(data["testA"]) - 1, SHOWN).astype(int)
    for direction in model.directions:
        source, target = direction[0], direction[-1]
        x, truth = data[f"test{source}"], data[f"test{target}"]
        candidates = {"input": x, "translation": model.translate(x, direction), "mean image": data[f"mean{target}"]}
        result[direction] = scores(candidates, truth)
        names = [f"x_{source}", f"x_{source}{target}", f"x_{target}"]
        columns.update(zip(names, (x[shown], candidates["translation"][shown], truth[shown]), strict=True))
        rows.append(names)
    return result, sample_grid(columns, rows)


def table(result: dict) -> str:
    """The scores as markdown."""
    rows = []
    for direction, by_name in result.items():
        for name, score in by_name.items():
            closer = f"{score['closer_than_input']:.0%}" if "closer_than_input" in score else ""
            rows.append([f"{direction}, {name}", f"{score['l1']:.1f}", f"{score['ssim']:.3f}", closer])
    return common.table(["held-out pairs", "L1", "SSIM", "closer than the input"], rows)


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workdir", type=Path, required=True, help="the run")
    parser.add_argument("--data", type=Path, required=True, help="directory with testA testB trainA trainB")
    parser.add_argument("--output", type=Path, required=True, help="directory for scores.json and pairs.png")
    options = parser.parse_args(argv)
    model = gan_xla.load(options.workdir)
    data = pairs(options.data, model)
    result, picture = evaluate(model, data)
    options.output.mkdir(parents=True, exist_ok=True)
    record = {"step": model.step, "pairs": len(data["testA"]), **result}
    (options.output / "scores.json").write_text(json.dumps(record, indent=1) + "\n")
    images.write(options.output / "pairs.png", picture)
    print(f"{len(data['testA'])} pairs, step {model.step}\n\n{table(result)}")


if __name__ == "__main__":
    raise SystemExit(common.run(main))
