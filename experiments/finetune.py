"""Does beginning with another run pay where images are few? `--init_from`, against a run from scratch.

  python -m experiments.finetune [--scale=cpu|gpu] [--seeds=N] [--few=48]

A DiscoGAN is trained on all of the package's chairs and cars; then others on a few views of chairs and of heads, the
same few for all and for as many steps each, from scratch and from that one. Translations of held-out chairs to heads
are compared with held-out heads. Run again, it resumes, and skips what is finished. Writes scores.json, scores.md and a
picture, of several seeds that of the median.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

import gan_xla
from experiments import driver, quality
from experiments.common import median, publish, run, store, table
from gan_xla.data.sources import builtin
from gan_xla.evaluation import features
from gan_xla.images.grids import sample_grid

BASE, PAIR = "chairs2cars", "chairs2faces"
SMALL = driver.FORMER_QUICK | {
    "data.image_size": 32,
    "model.generator.width": 16,
    "model.discriminator.width": 16,
}
SCALES = {"cpu": driver.Scale(":quick", SMALL), "gpu": driver.PAPER}
STEPS = {"cpu": (2000, 500), "gpu": (50_000, 10_000)}  # of the run that others begin with, and of these
VARIANTS = {
    "scratch": driver.Variant("from scratch", "discogan"),
    "init": driver.Variant("fine-tuned", "discogan"),
}
MEASURES = {name: quality.MEASURES[name] for name in ("kd", "sharpness")}
SHOWN = 10


def prepare(data: Path, few: int) -> Path:
    """The directories trainA and trainB of a few training views of `PAIR`, and testA and testB of all test views."""
    made = data / f"{PAIR}_{few}"
    draws = np.random.default_rng(0)
    for split in ("train", "test"):
        found = builtin.views(PAIR, split, 64)
        for domain in "AB":
            x = found[f"x_{domain}"]
            chosen = np.sort(draws.permutation(len(x))[:few]) if split == "train" else np.arange(len(x))
            store(made / f"{split}{domain}", x[chosen], chosen)
    return made


def plan(options, data: Path) -> tuple[driver.Run, dict[str, list[driver.Run]]]:
    """The run to begin with, and those to compare by variant."""
    scale, (long, short) = SCALES[options.scale], STEPS[options.scale]
    common = {**driver.UNSCORED, **scale.fields, **driver.fields_of(options)}
    fields = {"data.source": "builtin", "data.name": BASE, "train.steps": long, **common}
    base = driver.Run(f"discogan{scale.suffix}", fields, options.workdir / "base")
    fields = {"data.source": "folder", "data.path": str(data), "train.steps": short}
    runs = driver.grid(VARIANTS, scale, fields, options, str(options.few))
    runs["init"] = [one._replace(flags=(f"--init_from={base.workdir}",)) for one in runs["init"]]
    return base, runs


def experiment(runs: Mapping[str, Sequence[driver.Run]]) -> tuple[dict, np.ndarray]:
    """Results of each variant's seeds, and the picture."""
    size = runs["init"][0].configured().data.image_size
    test = builtin.views(PAIR, "test", size)
    real = quality.Real(test["x_B"], features.load())
    shown = np.linspace(0, len(test["x_A"]) - 1, SHOWN).astype(int)
    record, columns = {}, {"input": test["x_A"][shown]}
    for name, found in runs.items():
        made = [gan_xla.load(one.workdir).translate(test["x_A"], "AtoB") for one in found]
        record[name] = [real.near(y) for y in made]
        columns[VARIANTS[name].title] = made[median([one["kd"] for one in record[name]])][shown]
    columns["real"] = test["x_B"][np.linspace(0, len(test["x_B"]) - 1, SHOWN).astype(int)]
    return record, sample_grid(columns, [list(columns)])


def report(record: Mapping[str, Sequence[Mapping[str, float]]], few: int) -> str:
    """The markdown table."""
    rows = [[one.title, *driver.cells(record[name], MEASURES)] for name, one in VARIANTS.items()]
    return table([f"chairs to heads, {few} training images of each", *(title for title, _ in MEASURES.values())], rows)


def main(argv: Sequence[str] | None = None) -> None:
    """Trains, measures, prints the table and writes the results.

    Raises:
      UserError: a wrong flag, or as `driver.train`.
    """
    parser = driver.parser("finetune", __doc__, seeds=3, data=Path("data"))
    parser.add_argument("--few", type=int, default=48, help="training images of each domain (default %(default)s)")
    options = parser.parse_args(argv)
    base, runs = plan(options, prepare(options.data, options.few))
    driver.train([base], options)
    driver.train(driver.by_seed(runs), options)
    record, picture = experiment(runs)
    found = {"scale": options.scale, "few": options.few, "results": record}
    publish(options.output, found, report(record, options.few) + "\n", {"finetune.png": picture})


if __name__ == "__main__":
    raise SystemExit(run(main))
