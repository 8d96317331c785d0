"""One image, many translations: MUNIT, StarGAN v2 and UNIT beside CycleGAN, CUT and StarGAN.

  python -m experiments.styles [--scale=cpu|gpu] [--seeds=N]

Trains them on built-in images as unpaired domains: line drawings that become coloured objects, where many colours are
right, and heads that become other heads. Measures on held-out images: L1 to the truth of the first and of the nearest
of several styles, how far styles are from each other (0 for methods of one translation), whether a reference's style
is followed, distance of features, and the seconds of training. Run again, it resumes, and skips what is finished.
Writes scores.json, scores.md and a picture for each task.
"""

import itertools
from argparse import Namespace
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import ml_collections
import numpy as np

import gan_xla
from experiments import driver, quality
from experiments.common import median, publish, run, store, table
from gan_xla import data
from gan_xla.evaluation import features
from gan_xla.evaluation.features import stlpips
from gan_xla.evaluation.metrics.similarity import l1
from gan_xla.images.grids import sample_grid
from gan_xla.inference.model import Model

STYLES = 4
SHOWN = 8


class Task(NamedTuple):
    """Two domains.

    Attributes:
      title: in the table.
      name: of the built-in images.
      domains: what A and B are called as classes.
      paired: whether the truth of a translation is known.
    """

    title: str
    name: str
    domains: tuple[str, str]
    paired: bool = False


TASKS = {
    "colour": Task("line drawings to objects", "edges2objects", ("drawings", "objects"), paired=True),
    "faces": Task("heads to other heads", "faces2faces", ("one", "other")),
}
SMALL = {
    "data.image_size": 32,
    "data.load_size": 36,
    "optimizer.gen.ema_decay": 0.999,
    "optimizer.gen.ema_warmup": 0.05,
}
WIDTHS = {"model.generator.width": 16, "model.discriminator.width": 16}
CLASSES = {"data.labels": ("all",), "data.exclusive": ()}
# Steps that take about as long as MUNIT's 3000 on two cores.
ENTRIES = {
    "munit": driver.Variant("MUNIT", "munit"),
    "starganv2": driver.Variant("StarGAN v2", "starganv2"),
    "unit": driver.Variant("UNIT", "unit", {"train.steps": 4000}),
    "cyclegan": driver.Variant("CycleGAN", "cyclegan", {**WIDTHS, "train.steps": 5000}),
    "cut": driver.Variant("CUT", "cut", {**WIDTHS, "train.steps": 6000}),
    "stargan": driver.Variant("StarGAN", "stargan", {"train.steps": 8000}),
}
LABELLED = ("starganv2", "stargan")
LARGE = SMALL | {"data.image_size": 64, "data.load_size": 72}
SCALES = {"cpu": driver.Scale(":quick", SMALL), "gpu": driver.Scale(":quick", LARGE)}
MEASURES = {
    "l1": ("L1 to the truth", ".1f"),
    "best": (f"of the nearest of {STYLES}", ".1f"),
    "styles": ("ST-LPIPS between styles", ".3f"),
    "reference": ("to the reference, of that to another", ".2f"),
    "kd": ("KD", ".3f"),
    "seconds": ("seconds of training", ".0f"),
}


def prepare(root: Path, task: Task) -> tuple[Path, Path]:
    """Directories of a task: trainA trainB testA testB, and the same as classes, train/NAME and test/NAME."""
    apart, classes = root / f"{task.name}-unpaired", root / f"{task.name}-classes"
    dataset = data.load(ml_collections.ConfigDict({"source": "builtin", "name": task.name}))
    for split, sources in (("train", dataset.train), ("test", dataset.test)):
        for source, domain, letter in zip(sources, task.domains, "AB", strict=True):
            (key,) = source.spec
            for folder in (apart / f"{split}{letter}", classes / split / domain):
                store(folder, source.read(np.arange(len(source)))[key])
    return apart, classes


def plan(options: Namespace) -> dict[str, dict[str, list[driver.Run]]]:
    """The runs by task and entry."""
    found = {}
    for name, task in TASKS.items():
        apart, classes = prepare(options.data, task)
        variants = {}
        for entry, variant in ENTRIES.items():
            where = {"data.path": str(classes), **CLASSES} if entry in LABELLED else {"data.path": str(apart)}
            fields = {"data.source": "folder", **where, **variant.fields}
            variants[entry] = variant._replace(fields=fields)
        found[name] = driver.grid(variants, SCALES[options.scale], {}, options, name)
    return found


def translations(model: Model, x: np.ndarray, task: Task) -> list[np.ndarray]:
    """Of x [n, h, w, c], in several styles where there are any."""
    aim = {"domain": task.domains[1]} if model.domains else {"direction": "AtoB"}
    return [model.translate(x, seed=seed, **aim) for seed in range(STYLES if model.style else 1)]


def followed(model: Model, x: np.ndarray, real: np.ndarray, task: Task) -> float:
    """Distance of translations in the style of real images to these, as a share of that to others."""
    aim = {"domain": task.domains[1]} if model.domains else {"direction": "AtoB"}
    reference = real[np.arange(len(x)) % len(real)]
    y = model.translate(x, style=model.styles(reference=reference, **aim), **aim)
    return float(np.mean(stlpips.distance(y, reference)) / np.mean(stlpips.distance(y, np.roll(reference, 1, axis=0))))


def measure(one: driver.Run, model: Model, x: np.ndarray, real: quality.Real, task: Task) -> dict[str, float]:
    """`MEASURES` of a run; those that are not known are left out."""
    made = translations(model, x, task)
    pairs = list(itertools.combinations(made, 2))
    _, seconds = driver.clock(one.workdir, model.config.train.batch_size)
    found = {
        "styles": float(np.mean([stlpips.distance(a, b) for a, b in pairs])) if pairs else 0.0,
        "kd": real.near(made[0])["kd"],
        "seconds": float(seconds[-1]),
    }
    if task.paired:
        errors = np.array([l1(y, real.images) for y in made])
        found |= {"l1": float(errors[0].mean()), "best": float(errors.min(axis=0).mean())}
    return found | ({"reference": followed(model, x, real.images, task)} if model.style else {})


def experiment(planned: Mapping[str, Mapping[str, Sequence[driver.Run]]]) -> tuple[dict, dict]:
    """Record by task and entry, and pictures by file name, of the finished runs."""
    network, record, pictures = features.load(), {}, {}
    for name, runs in planned.items():
        task, size = TASKS[name], next(iter(runs.values()))[0].configured().data.image_size
        dataset = data.load(ml_collections.ConfigDict({"source": "builtin", "name": task.name, "image_size": size}))
        x, truth = (next(iter(source.read(np.arange(len(source))).values())) for source in dataset.test)
        real, shown = quality.Real(truth, network), np.linspace(0, len(x) - 1, SHOWN).astype(int)
        record[name], columns = {}, {"input": x[shown]}
        for entry, found in runs.items():
            models = [gan_xla.load(one.workdir) for one in found]
            results = [measure(one, model, x, real, task) for one, model in zip(found, models, strict=True)]
            record[name][entry] = results
            chosen = models[median([one["kd"] for one in results])]
            for number, y in enumerate(translations(chosen, x[shown], task)):
                columns[f"{entry} {number}" if chosen.style else entry] = y
        columns |= {"truth": truth[shown]} if task.paired else {}
        pictures[f"{name}.png"] = sample_grid(columns, [list(columns)])
    return record, pictures


def report(record: Mapping[str, Mapping[str, Sequence[Mapping[str, float]]]]) -> str:
    """The markdown tables."""
    parts = []
    for name, found in record.items():
        rows = []
        for entry, results in found.items():
            known = {key: value for key, value in MEASURES.items() if key in results[0]}
            cells = dict(zip(known, driver.cells(results, known), strict=True))
            rows.append([ENTRIES[entry].title, *(cells.get(key, "") for key in MEASURES)])
        parts.append(table([TASKS[name].title, *(title for title, _ in MEASURES.values())], rows))
    return "\n\n".join(parts)


def main(argv: Sequence[str] | None = None) -> None:
    """Trains, measures, prints the tables and writes the results.

    Raises:
      UserError: a wrong flag, or as `driver.train`.
    """
    options = driver.parser("styles", __doc__, seeds=3, data=Path("data/styles")).parse_args(argv)
    planned = plan(options)
    driver.train(driver.by_seed(*planned.values()), options)
    record, pictures = experiment(planned)
    publish(options.output, {"scale": options.scale, "results": record}, report(record) + "\n", pictures)


if __name__ == "__main__":
    raise SystemExit(run(main))
