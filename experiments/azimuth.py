"""Does translation keep the azimuth? DiscoGAN's experiments with turned objects (Kim et al. 2017, section 4.2).

  python -m experiments.azimuth within [--scale=cpu|gpu] [--seeds=N]
  python -m experiments.azimuth across
  python -m experiments.azimuth shape

`within` translates between two groups of models of one kind (chairs, cars, faces), `across` from chairs to faces, from
cars to faces and from chairs to cars, which have nothing but orientation in common. Views are from -75 to 75 degrees,
as the released code takes them: over a whole turn, any turn of all objects would do as well. Trains DiscoGAN, a GAN
with one-way reconstruction and a standard GAN on each pair. `shape` takes the pairs of which nothing but orientation is
left, and CycleGAN and U-GAT-IT beside DiscoGAN. Translates views of held-out models, and lets a regressor, trained on
real views of the target's kind, read the azimuth of the result, brightened until its background is white; its own error
on held-out real models stands beside it. A relation may be found the other way round, left for right:
agreement is the correlation without its sign, errors are those of the way that was found. Beside it stand that of the
median over models at each azimuth, and that of the median model: what is lost for all models, and what for some. How
much of the shape is kept is the overlap of silhouettes, beside that of other models at the same azimuth. KD is the
distance of features to real views of held-out models. Run again, it resumes, and skips what is finished. Of several
seeds the figures show the one of median agreement.

Writes scores.json, scores.md, scatter.png and a picture of every pair.
"""

from argparse import Namespace
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

import gan_xla
from experiments import driver, quality
from experiments.common import figure, median, publish, run, table
from gan_xla.data.sources import builtin
from gan_xla.evaluation import features
from gan_xla.evaluation.judges import azimuth
from gan_xla.images.grids import sample_grid


class Group(NamedTuple):
    """What is asked at once: pairs of kinds, and methods by name."""

    pairs: tuple[str, ...]
    methods: Mapping[str, driver.Variant] = driver.DISCOGAN


SHAPE = {
    "discogan": driver.DISCOGAN["discogan"],
    "cyclegan": driver.Variant("CycleGAN", "cyclegan"),
    "ugatit": driver.Variant("U-GAT-IT", "ugatit"),
}
GROUPS = {
    "within": Group(("chairs2chairs", "cars2cars", "faces2faces")),
    "across": Group(("chairs2faces", "cars2faces", "chairs2cars")),
    "shape": Group(("chairs2faces", "cars2faces"), SHAPE),
}
METHODS = driver.DISCOGAN | SHAPE
REACH = 75  # degrees to either side, between which objects are seen
FIELDS = {
    "data.source": "builtin",
    "data.azimuths": (-REACH, REACH),
    "data.flip": False,  # left is not right here
    "loss.augment": ("shift", "cutout"),
}
SMALL = {
    "train.steps": 2000,
    "model.generator.width": 16,
    "model.discriminator.width": 16,
}
LARGE = {"data.image_size": 64, "data.load_size": 72, "train.steps": 4000}
SCALES = {"cpu": driver.Scale(":quick", SMALL), "gpu": driver.Scale(":quick", LARGE)}
PERMUTATIONS = 100
MEASURES = {
    "agreement": ("circular correlation, either way", ".2f"),
    "rmse": ("RMSE", ".0f"),
    "mae": ("mean error", ".0f"),
    "mae_less_offset": ("less best turn", ".0f"),
}
WHERE = {
    "curve": ("of the curve", ".2f"),
    "single": ("of the median model", ".2f"),
    "scatter": ("models about the curve", ".0f"),
}
ABOUT = {
    "shape": ("silhouette's IoU with the input", ".2f"),
    "background": ("background, of 255", ".0f"),
    "kd": ("KD", ".3f"),
}
INK = 216  # a channel below is none of the white background
SHOWN = 8  # azimuths of a picture


def measure(true: np.ndarray, predicted: np.ndarray) -> dict[str, float]:
    """Agreement of predicted with true azimuths [n], degrees."""
    offset = azimuth.best_offset(true, predicted)
    return {
        "correlation": azimuth.circular_correlation(true, predicted),
        "rmse": azimuth.root_mean_square_error(true, predicted),
        "mae": azimuth.mean_absolute_error(true, predicted),
        # A translation may learn to turn every object by the same angle.
        "offset": offset,
        "mae_less_offset": azimuth.mean_absolute_error(true, predicted - offset),
    }


def either(true: np.ndarray, predicted: np.ndarray) -> dict[str, float]:
    """`measure`, or that with the mirrored `true` where the relation is the mirrored one; "agreement" has no sign."""
    plain = measure(true, predicted)
    found = measure(-true, predicted) if plain["correlation"] < 0 else plain
    return found | {"correlation": plain["correlation"], "agreement": abs(plain["correlation"])}


def where(true: np.ndarray, predicted: np.ndarray) -> dict[str, float]:
    """What of the agreement is lost for all models, and what for some; views come model by model, at equal azimuths.

    "curve": agreement of the median over models at each azimuth; "single": that of one model's views, the median one;
    "scatter": mean distance of models from the curve, degrees.
    """
    each = len(np.unique(true))
    order = np.argsort(azimuth.difference(true[:each], 0))
    angles = azimuth.difference(predicted.reshape(-1, each)[:, order], 0)
    truth, curve = true[:each][order], np.median(angles, axis=0)
    sign = np.sign(azimuth.circular_correlation(true, predicted))
    single = [sign * azimuth.circular_correlation(truth, one) for one in angles]
    return {
        "curve": sign * azimuth.circular_correlation(truth, curve),
        "single": float(np.median(single)),
        "scatter": float(np.abs(azimuth.difference(angles, curve)).mean()),
    }


def chance(true: np.ndarray, predicted: np.ndarray) -> dict[str, float]:
    """`either` of translations that are paired with inputs at random: the mean over permutations."""
    draws = np.random.default_rng(0)
    found = [either(true, draws.permutation(predicted)) for _ in range(PERMUTATIONS)]
    return {name: float(np.mean([one[name] for one in found])) for name in MEASURES}


def views(config, split: str) -> dict[str, np.ndarray]:
    """Views of both domains with their azimuths, as `builtin.views` gives them."""
    data = config.data
    return builtin.views(data.name, split, data.image_size, tuple(data.background), azimuths=tuple(data.azimuths))


def kind(pair: str, found: Mapping[str, np.ndarray], domain: str) -> tuple[np.ndarray, np.ndarray]:
    """(views, azimuths) of a domain's kind: of both domains where they are of one kind."""
    a, b = pair.split("2")
    domains = "AB" if a == b else domain
    return tuple(np.concatenate([found[f"{key}_{domain}"] for domain in domains]) for key in ("x", "azimuth"))


def judge(pair: str, config, steps: int) -> tuple[object, dict]:
    """(the predictor of azimuths of the target's kind, its own agreement on real held-out models)."""
    predictor = azimuth.fit(*kind(pair, views(config, "train"), "B"), seed=0, steps=steps)
    x, true = kind(pair, views(config, "test"), "B")
    return predictor, either(true, azimuth.predict(predictor, x)) | {"views": len(x)}


def overlap(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Intersection over union of the silhouettes of views on white, uint8 [..., h, w, 3], by pairs."""
    a, b = ((views < INK).any(axis=-1) for views in (x, y))
    return (a & b).sum(axis=(-2, -1)) / np.maximum((a | b).sum(axis=(-2, -1)), 1)


def of_others(x: np.ndarray, true: np.ndarray, others: np.ndarray, angles: np.ndarray) -> float:
    """Mean `overlap` of views x with other models' views of equal azimuth."""
    return float(np.mean([overlap(one[None], others[angles == angle]).mean() for one, angle in zip(x, true)]))


def experiment(pair: str, runs: Mapping[str, Sequence[driver.Run]], steps: int) -> tuple[dict, dict, np.ndarray]:
    """Record, scatter plots' (true, predicted) by title, and picture of a pair's finished runs."""
    config = next(iter(runs.values()))[0].configured()
    predictor, own = judge(pair, config, steps)
    train, test = views(config, "train"), views(config, "test")
    x, true = kind(pair, test, "A")
    real = quality.Real(test["x_B"], features.load())
    apart = of_others(x, true, train["x_B"], train["azimuth_B"])
    record, panels = {"regressor": own, "inputs": len(x), "others": apart, "runs": {}}, {}
    shown = spread(true)
    columns = {"input": x[shown]}
    for method, found in runs.items():
        outputs = [gan_xla.load(one.workdir).translate(x, "AtoB") for one in found]
        level = [quality.levelled(y) for y in outputs]
        predicted = [azimuth.predict(predictor, y) for y, _ in level]
        record["runs"][method] = [
            either(true, angles)
            | where(true, angles)
            | {"chance": chance(true, angles), "shape": float(overlap(x, y).mean()), "background": float(edge.mean())}
            | {"kd": real.near(made)["kd"]}
            for angles, (y, edge), made in zip(predicted, level, outputs)
        ]
        middle = median([result["agreement"] for result in record["runs"][method]])
        value = record["runs"][method][middle]["correlation"]
        panels[f"{pair}\n{METHODS[method].title}: {value:z.2f}"] = true, predicted[middle]
        columns[method] = outputs[middle][shown]
    return record, panels, sample_grid(columns, [list(columns)])


def spread(true: np.ndarray) -> np.ndarray:
    """Rows of `SHOWN` azimuths from left to right, of the first model and of another one."""
    each = len(np.unique(true))
    order = np.argsort(azimuth.difference(true[:each], 0))
    rows = order[np.linspace(0, each - 1, SHOWN).round().astype(int)]
    return np.concatenate([rows, len(true) - each + rows])


def report(pairs: Mapping[str, Mapping]) -> str:
    """The markdown table."""
    rows = []
    for pair, record in pairs.items():
        for method, results in record["runs"].items():
            each = ", ".join(f"{result['correlation']:z.2f}" for result in results)
            cells = [*driver.cells(results, MEASURES), each, *driver.cells(results, WHERE | ABOUT)]
            rows.append([f"{pair}, {METHODS[method].title}", *cells])
        by_chance = [result["chance"] for results in record["runs"].values() for result in results]
        means = {name: np.mean([one[name] for one in by_chance]) for name in MEASURES}
        rows.append([f"{pair}, paired at random", *driver.cells([means], MEASURES), *[""] * (1 + len(WHERE | ABOUT))])
        own = driver.cells([record["regressor"]], MEASURES)
        real = [*own, *[""] * (1 + len(WHERE)), f"{record['others']:.2f}", "255", ""]
        rows.append([f"{pair}, real held-out and training models", *real])
    titles = [title for title, _ in (MEASURES | WHERE | ABOUT).values()]
    return table(["held-out models", *titles[: len(MEASURES)], "correlation, by seed", *titles[len(MEASURES) :]], rows)


def scatter(path: Path, panels: Mapping[str, tuple[np.ndarray, np.ndarray]], columns: int) -> None:
    """True against predicted azimuth, a panel each; `panels` holds (true, predicted) [n] by title."""
    rows = len(panels) // columns
    with figure(path, rows, columns, (3 * columns, 3.3 * rows), sharex=True, sharey=True) as axes:
        for ax, (title, (true, predicted)) in zip(axes, panels.items(), strict=True):
            ax.scatter(*(azimuth.difference(angles, 0) for angles in (true, predicted)), s=9, alpha=0.5, linewidths=0)
            limits = (-REACH - 30, REACH + 30)
            ax.set(title=title, xlim=limits, ylim=limits, aspect="equal")
            ax.set(xticks=range(-90, 91, 45), yticks=range(-90, 91, 45))
        axes[0].figure.supxlabel("true azimuth of the input")
        axes[0].figure.supylabel("azimuth read from the translation")


def _arguments(argv: Sequence[str] | None) -> Namespace:
    parser = driver.parser("azimuth", __doc__, seeds=5, judge="regressor")
    parser.add_argument("group", choices=GROUPS, help="which pairs of kinds")
    return parser.parse_args(argv)


def plan(options: Namespace) -> dict[str, dict[str, list[driver.Run]]]:
    """The runs by pair and method."""
    group, scale = GROUPS[options.group], SCALES[options.scale]
    return {
        pair: driver.grid(group.methods, scale, {"data.name": pair, **FIELDS}, options, pair) for pair in group.pairs
    }


def main(argv: Sequence[str] | None = None) -> None:
    """Trains, measures, prints the table and writes the results.

    Raises:
      UserError: a wrong flag, or as `driver.train`.
    """
    options = _arguments(argv)
    planned = plan(options)
    driver.train(driver.by_seed(*planned.values()), options)
    records, panels, pictures = {}, {}, {}
    for pair, runs in planned.items():
        records[pair], own, pictures[f"{pair}.png"] = experiment(pair, runs, options.regressor_steps)
        panels |= own
    output = options.output.with_name(f"{options.output.name}_{options.group}")
    publish(output, {"scale": options.scale, "pairs": records}, report(records) + "\n", pictures)
    scatter(output / "scatter.png", panels, len(GROUPS[options.group].methods))


if __name__ == "__main__":
    raise SystemExit(run(main))
