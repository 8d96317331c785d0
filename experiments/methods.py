"""The baselines of CycleGAN's tables, and what people pick today, under one measure (Zhu et al. 2017, tables 2 and 3).

  python -m experiments.methods [--scale=cpu|gpu] [--seeds=N]

Trains CoGAN, BiGAN, SimGAN, a GAN with a feature loss, CycleGAN, pix2pix, CUT, FastCUT, DCLGAN and CycleGAN as it is
trained today on labels and photographs (experiments.data.label_maps: emoji and maps of their colours), unpaired but
for pix2pix, methods of one direction once for each. Measures on held-out pairs, in both directions: L1 and SSIM to the
truth, distance of features, sharpness, and agreement of labels as in the papers' FCN-scores, where the labels of a
picture are known exactly; the generator's parameters, and what a training step takes of time and memory. Run again, it
resumes, and skips what is finished. Writes scores.json, scores.md and pictures.
"""

from argparse import Namespace
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

import gan_xla
from experiments import ablations, driver, held_out, quality
from experiments.common import median, publish, run, table
from gan_xla.evaluation import features
from gan_xla.images.grids import sample_grid
from gan_xla.inference.model import Model
from gan_xla.training import plan as planning
from gan_xla.training.train import prepare


class Entry(NamedTuple):
    """A row of the tables.

    Attributes:
      title: in the table.
      config: its name.
      fields: of the config.
      turned: whether a run goes in one direction, so that each has its own.
    """

    title: str
    config: str
    fields: Mapping[str, object] = {}
    turned: bool = False


FEATURES = {"loss.content_weight": 0.0, "loss.perceptual_weight": 10.0}
FAST = {"loss.lambda_X": 10.0, "loss.lambda_Y": 0.0, "loss.flip_equivariance": True}
ENTRIES = {
    "cogan": Entry("CoGAN", "cogan", {"train.batch_size": 32, "optimizer.learning_rate": 2e-4}),  # its batch norm's
    "bigan": Entry("BiGAN/ALI", "bigan"),
    "simgan": Entry("SimGAN", "simgan", turned=True),
    "features": Entry("feature loss + GAN", "simgan", FEATURES, turned=True),
    "cyclegan": Entry("CycleGAN", "cyclegan"),
    "pix2pix": Entry("pix2pix, which sees pairs", "pix2pix", turned=True),
    "cut": Entry("CUT", "cut", turned=True),
    "fastcut": Entry("FastCUT", "cut", FAST, turned=True),
    "dclgan": Entry("DCLGAN", "dclgan"),
    "modern": Entry("CycleGAN of today", "cyclegan_modern"),
}
SMALL = ablations.FAST | {"data.image_size": 32, "data.load_size": 36}
LARGE = {
    "data.source": "folder",
    "data.image_size": 64,
    "data.load_size": 72,
    "train.batch_size": 4,
    "train.steps": 3000,
}
SCALES = {"cpu": driver.Scale(":quick", SMALL), "gpu": driver.Scale(":quick", LARGE)}
MEASURES = {name: measure for name, measure in ablations.MEASURES.items() if name != "parameters"}
COSTS = {
    "parameters": ("parameters of G, thousands", ".0f"),
    "seconds": ("a step, ms", ".0f"),
    "memory": ("memory of a step, MB", ".0f"),
}
SHOWN = 10


def key(name: str, direction: str) -> str:
    """The runs of an entry that translate in a direction."""
    return f"{name}-{direction}" if ENTRIES[name].turned else name


def plan(options: Namespace, unpaired: Path, paired: Path) -> dict[str, list[driver.Run]]:
    """The runs by `key`."""
    variants = {}
    for name, entry in ENTRIES.items():
        fields = {**entry.fields, "data.path": str(paired if entry.config == "pix2pix" else unpaired)}
        for direction in ablations.DIRECTIONS:
            own = {"model.direction": direction} if entry.turned else {}
            variants[key(name, direction)] = driver.Variant(entry.title, entry.config, {**fields, **own})
    return driver.grid(variants, SCALES[options.scale], {}, options)


def costs(one: driver.Run, model: Model, direction: str) -> dict[str, float]:
    """`COSTS`, of state and batch and what a step takes beside them."""
    parts = prepare(one.configured())
    seen, params = planning.play(parts, parts.gan.phases[0]), model.variables["gen"][0]
    return {
        "parameters": quality.thousands(params.get(f"G_{direction[0]}{direction[-1]}", params)),
        "seconds": 1000 * seen.seconds,
        "memory": (seen.held + seen.working) / 1e6,
    }


def experiment(runs: Mapping[str, Sequence[driver.Run]], data: Path) -> tuple[dict, dict]:
    """Record by direction and entry, and pictures by file name, of the finished runs."""
    size = next(iter(runs.values()))[0].configured().data.image_size
    tests = {domain: held_out.read(data / f"test{domain}", size) for domain in "AB"}
    network, shown = features.load(), np.linspace(0, len(tests["A"]) - 1, SHOWN).astype(int)
    record, pictures = {}, {}
    for direction in ablations.DIRECTIONS:
        x, truth = tests[direction[0]], tests[direction[-1]]
        true = quality.Real(truth, network)
        record[direction] = {"input": [ablations.measure(x, true, direction[-1])]}
        columns = {"input": x[shown]}
        for name in ENTRIES:
            found = runs[key(name, direction)]
            models = [gan_xla.load(one.workdir) for one in found]
            outputs = [model.translate(x, direction) for model in models]
            results = [ablations.measure(y, true, direction[-1]) for y in outputs]
            spent = costs(found[0], models[0], direction)
            record[direction][name] = [one | spent for one in results]
            columns[name] = outputs[median([one["l1"] for one in results])][shown]
        columns["truth"] = truth[shown]
        pictures[f"{direction}.png"] = sample_grid(columns, [list(columns)])
    return record, pictures


def report(record: Mapping[str, Mapping[str, Sequence[Mapping]]]) -> str:
    """The markdown tables."""
    parts = []
    for direction, found in record.items():
        rows = [["untouched input", *driver.cells(found["input"], MEASURES), *[""] * len(COSTS)]]
        for name, entry in ENTRIES.items():
            spent = [format(found[name][0][cost], form) for cost, (_, form) in COSTS.items()]
            rows.append([entry.title, *driver.cells(found[name], MEASURES), *spent])
        titles = [title for title, _ in (MEASURES | COSTS).values()]
        parts.append(table([ablations.DIRECTIONS[direction], *titles], rows))
    return "\n\n".join(parts)


def main(argv: Sequence[str] | None = None) -> None:
    """Trains, measures, prints the tables and writes the results.

    Raises:
      UserError: a wrong flag, images that cannot be made, or as `driver.train`.
    """
    options = driver.parser("methods", __doc__, seeds=3, data=Path("data")).parse_args(argv)
    unpaired, paired = (ablations.prepare(options.data, unpaired=apart) for apart in (True, False))
    runs = plan(options, unpaired, paired)
    driver.train(driver.by_seed(runs), options)
    record, pictures = experiment(runs, unpaired)
    publish(options.output, {"scale": options.scale, "results": record}, report(record) + "\n", pictures)


if __name__ == "__main__":
    raise SystemExit(run(main))
