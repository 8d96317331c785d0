"""Does translation keep the azimuth? DiscoGAN's chair-to-car experiment (Kim et al. 2017, section 4.2).

  python -m experiments.azimuth

Trains DiscoGAN, a GAN with one-way reconstruction and a standard GAN (the :quick forms of their
configs, at the width and size given) on the built-in chairs and cars, translates chairs to cars,
and lets a regressor that was trained on real cars read the azimuth of the result. Run again, it
resumes, and skips what is finished. Writes results.json, scatter.png, and a picture for each
method; of several seeds the figures show the one of median correlation.
"""

import argparse
import json
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from experiments.common import configure, median, run, table, trained
from gan_xla import images
from gan_xla.data import builtin
from gan_xla.errors import UserError
from gan_xla.evaluation import azimuth
from gan_xla.inference import Model
from gan_xla.writers import sample_grid

METHODS = {"discogan": "DiscoGAN", "gan_recon": "GAN with reconstruction", "standard_gan": "standard GAN"}
PERMUTATIONS = 100
MEASURES = {
    "correlation": "circular correlation",
    "mae": "error",
    "mae_less_offset": "error less best offset",
    "correlation_axis": "correlation mod 180",
    "mae_axis": "error mod 180",
}
SPLITS = ("test", "train")


def measure(true: np.ndarray, predicted: np.ndarray) -> dict[str, float]:
    """Agreement of predicted with true azimuths [n], degrees."""
    offset = azimuth.best_offset(true, predicted)
    return {
        "correlation": azimuth.circular_correlation(true, predicted),
        "mae": azimuth.mean_absolute_error(true, predicted),
        # A translation may learn to turn every object by the same angle.
        "offset": offset,
        "mae_less_offset": azimuth.mean_absolute_error(true, predicted - offset),
        # The same where front and back count as one: a regressor of few cars takes one for the other.
        "correlation_axis": azimuth.circular_correlation(2 * true, 2 * predicted),
        "mae_axis": azimuth.mean_absolute_error(true, predicted, period=180.0),
    }


def chance(true: np.ndarray, predicted: np.ndarray) -> dict[str, float]:
    """`measure` of translations that are paired with chairs at random: the mean over permutations."""
    draws = np.random.default_rng(0)
    found = [measure(true, draws.permutation(predicted)) for _ in range(PERMUTATIONS)]
    return {name: float(np.mean([one[name] for one in found])) for name in MEASURES}


def regressor(views: Mapping[str, dict], steps: int) -> tuple[object, dict]:
    """(the cars' predictor, its own error on real cars and how long it took)."""
    start = time.monotonic()
    predictor = azimuth.fit(views["train"]["x_B"], views["train"]["azimuth_B"], seed=0, steps=steps)
    about = {"steps": steps, "seconds": time.monotonic() - start}
    for split in SPLITS:
        real = views[split]
        about[split] = measure(real["azimuth_B"], azimuth.predict(predictor, real["x_B"]))
    # What it says of chairs that nobody translated: shapes alone may already give something away.
    about["untranslated"] = {
        split: measure(views[split]["azimuth_A"], azimuth.predict(predictor, views[split]["x_A"])) for split in SPLITS
    }
    return predictor, about


def evaluate(model: Model, views: Mapping[str, dict], predictor) -> tuple[dict, np.ndarray]:
    """(numbers of both splits with their chance level, predicted azimuths of the translated test chairs)."""
    result, shown = {}, {}
    for split in SPLITS:
        true = views[split]["azimuth_A"]
        shown[split] = azimuth.predict(predictor, model.translate(views[split]["x_A"], "AtoB"))
        result[split] = measure(true, shown[split])
        result[f"{split}_chance"] = chance(true, shown[split])
    return result, shown["test"]


def _cells(results: Sequence[dict]) -> list[str]:
    """One cell for each measure: mean, and spread over the seeds where there are several."""
    cells = []
    for name in MEASURES:
        values = [result[name] for result in results]
        digits = 2 if "correlation" in name else 0
        spread = f" ± {np.std(values, ddof=1):.{digits}f}" if len(values) > 1 else ""
        cells.append(f"{np.mean(values):z.{digits}f}{spread}")
    return cells


def report(runs: Mapping[str, Sequence[dict]], about: dict, split: str) -> str:
    """The markdown table of one split."""
    rows = []
    for method, results in runs.items():
        rows += [
            [METHODS[method], *_cells([result[split] for result in results])],
            ["with random pairing", *_cells([result[f"{split}_chance"] for result in results])],
        ]
    rows += [
        ["chairs, not translated", *_cells([about["untranslated"][split]])],
        ["real cars: the regressor's own", *_cells([about[split]])],
    ]
    return table([f"{split} views", *MEASURES.values()], rows)


def scatter(path: Path, panels: Mapping[str, tuple[np.ndarray, np.ndarray]]) -> None:
    """True against predicted azimuth, a panel each; `panels` holds (true, predicted) [n] by title."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    fig, axes = pyplot.subplots(1, len(panels), figsize=(3.6 * len(panels), 3.9), constrained_layout=True, sharey=True)
    for ax, (title, (true, predicted)) in zip(axes, panels.items(), strict=True):
        ax.scatter(true, predicted, s=9, alpha=0.5, linewidths=0)
        ax.set(title=title, xlim=(-8, 360), ylim=(-8, 368), aspect="equal", xlabel="true azimuth of the input")
        ax.set(xticks=range(0, 361, 90), yticks=range(0, 361, 90))
    axes[0].set_ylabel("predicted azimuth of the output")
    fig.savefig(path, dpi=110, bbox_inches="tight")
    pyplot.close(fig)


def picture(model: Model, test: dict) -> np.ndarray:
    """Four held-out chairs from eight azimuths beside their translations, uint8 [h, w, 3]."""
    blocks = []
    for number in np.unique(test["model_A"])[::3][:4]:
        chairs = test["x_A"][test["model_A"] == number][::3]
        cars = model.translate(chairs, "AtoB")
        blocks.append(sample_grid({"x_A": chairs, "x_AB": cars}, [("x_A", "x_AB")]))
    gap = np.full((len(blocks[0]), 8, 3), 255, np.uint8)
    return np.concatenate([part for block in blocks for part in (block, gap)][:-1], axis=1)


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m experiments.azimuth", description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=3000, help="training steps of every run (default %(default)s)")
    parser.add_argument("--seeds", type=int, default=1, help="runs of every method (default %(default)s)")
    parser.add_argument("--image_size", type=int, default=32, help="a power of two from 8 (default %(default)s)")
    parser.add_argument("--width", type=int, default=16, help="channels of the first layers (default %(default)s)")
    parser.add_argument("--batch_size", type=int, default=16, help="images of each domain a step (default %(default)s)")
    parser.add_argument("--regressor_steps", type=int, default=800, help="the regressor's steps (default %(default)s)")
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="config.FIELD=VALUE",
        dest="fields",
        help="another field of all three configs; may be repeated",
    )
    parser.add_argument("--workdir", type=Path, default=Path("runs/azimuth"), help="for the runs (default %(default)s)")
    parser.add_argument(
        "--output", type=Path, default=Path("experiments/results/azimuth"), help="for the results (default %(default)s)"
    )
    return parser.parse_args(argv)


def _overrides(args: argparse.Namespace) -> dict[str, object]:
    fields = {
        "train.steps": args.steps,
        "train.batch_size": args.batch_size,
        "data.image_size": args.image_size,
        "model.generator.width": args.width,
        "model.discriminator.width": args.width,
    }
    for field in args.fields:
        name, separator, value = field.removeprefix("--").partition("=")
        if not (separator and name.startswith("config.")):
            raise UserError(f"--set={field}: write it as config.FIELD=VALUE, such as config.train.steps=100")
        fields[name.removeprefix("config.")] = value
    return fields


def main(argv: Sequence[str] | None = None) -> None:
    """Trains, measures, prints the table and writes the results.

    Raises:
      UserError: a wrong flag, or as `experiments.toy.trained`.
    """
    args = _arguments(argv)
    if args.seeds < 1:
        raise UserError(f"--seeds={args.seeds} must be 1 or more")
    fields = _overrides(args)
    configs = {
        method: configure(f"{method}:quick", fields) for method in METHODS
    }  # a wrong field fails before hours of training
    models = {
        method: [
            trained(configure(f"{method}:quick", fields | {"seed": seed}), args.workdir / f"{method}-seed{seed}")
            for seed in range(args.seeds)
        ]
        for method in METHODS
    }
    data = configs["discogan"].data
    views = {split: builtin.views("chairs2cars", split, data.image_size, tuple(data.background)) for split in SPLITS}
    predictor, about = regressor(views, args.regressor_steps)
    args.output.mkdir(parents=True, exist_ok=True)
    runs, panels = {}, {}
    for method, label in METHODS.items():
        runs[method], predicted = zip(*(evaluate(model, views, predictor) for model in models[method]), strict=True)
        seed = median([result["test"]["correlation"] for result in runs[method]])
        panels[f"{label}\ncorrelation {runs[method][seed]['test']['correlation']:z.2f}"] = (
            views["test"]["azimuth_A"],
            predicted[seed],
        )
        images.write(args.output / f"{method}.png", picture(models[method][seed], views["test"]))
    panels[f"real held-out cars\ncorrelation {about['test']['correlation']:z.2f}"] = (
        views["test"]["azimuth_B"],
        azimuth.predict(predictor, views["test"]["x_B"]),
    )
    scatter(args.output / "scatter.png", panels)
    record = {
        "fields": {name: str(value) for name, value in fields.items()},
        "seeds": args.seeds,
        "regressor": about,
        "runs": runs,
    }
    (args.output / "results.json").write_text(json.dumps(record, indent=1) + "\n")
    for split in SPLITS:
        print(f"\n{report(runs, about, split)}")
    print(
        f"\nerrors: means in degrees, 90 by chance, mod 180 45; the regressor took {about['seconds']:.0f} s; "
        f"results and figures in {args.output}"
    )


if __name__ == "__main__":
    sys.exit(run(main))
