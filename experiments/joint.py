"""StarGAN on two data sets with different labels: the mask, and what joint training gains (Choi et al. 2018, 3.3, 5.6).

  python -m experiments.joint [--scale=cpu|gpu] [--seeds=N]

Trains a StarGAN on all emoji, labelled with their vendor, and on few, labelled with their skin tone, jointly with a
mask; and one on the few alone, with as many updates on them. Measures how often held-out emoji are read as asked
under the right mask, under the wrong one, and without any, what becomes of the labels that nobody asked for, and how
near in features and sharpness translations come to real emoji of the data set whose label was asked for. Run again, it
resumes, and skips what is finished. Writes scores.json, scores.md and masks.png. The emoji are made by
experiments.data.emoji.
"""

from argparse import Namespace
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

import gan_xla
from experiments import attribute, driver, quality, stargan, unified
from experiments.attribute import VENDORS
from experiments.common import median, publish, run, table
from experiments.driver import Variant
from experiments.judges import judge
from gan_xla.data.labelled import sections
from gan_xla.evaluation import features
from gan_xla.evaluation.cases import spread
from gan_xla.labels import LabelSpace

VARIANTS = {"joint": Variant("jointly with a mask", "stargan_joint"), "alone": Variant("tones alone", "stargan")}
EVERY = 10  # the second data set has the tones of one base emoji in so many
ASKED = {
    "data, data": "a vendor, mask of the vendors (right)",
    "data, second": "a vendor, mask of the tones (wrong)",
    "second, second": "a tone, mask of the tones (right)",
    "second, data": "a tone, mask of the vendors (wrong)",
    "second, none: trained alone": "a tone, trained on the tones alone",
}
READ = {
    "read_as_asked": ("read as asked", ".1%"),
    "input_read_as_asked": ("input read so", ".1%"),
    "unchanged_data": ("vendor as before", ".1%"),
    "unchanged_second": ("tone as before", ".1%"),
    "kd": ("KD", ".3f"),
    "sharpness": ("sharpness", ".2f"),
}
SMALL = {"train.steps": 2000}  # on the few alone
NEAR = 50  # translations to each label whose features are compared


def tones(data: Path, drawn: Path, every: int) -> Path:
    """Classes by skin tone, made of the emoji in `drawn` if they are missing; in training one base emoji in `every`.

    Raises:
      UserError: the directory holds something else.
    """
    request = {"vendors": VENDORS, "every": every}
    return attribute.derive(drawn, data / f"tones_{every}", request, lambda rows: toned(rows, every))


def toned(rows: Sequence[Mapping[str, str]], every: int) -> dict[str, str]:
    """Path of every image of a tone by its new path."""
    rows = [row for row in rows if row["skin_tone"]]
    bases = sorted({row["base"] for row in rows if row["path"].startswith("train/")})[::every]
    result = {}
    for row in rows:
        split = row["path"].partition("/")[0]
        if split == "test" or (split == "train" and row["base"] in bases):
            result[f"{split}/{row['skin_tone']}/{row['vendor']}-{row['codepoints']}.png"] = row["path"]
    return result


def plan(options: Namespace, whole: Path, part: Path) -> dict[str, list[driver.Run]]:
    """Runs on the second data set alone, and joint ones of twice as many steps, of which half are on it."""
    scale = unified.scale(options.scale, "stargan")
    own = {"data.labels": ("all",)} | (SMALL if options.scale == "cpu" else {})
    second = {"source": "folder", "path": str(part), "labels": ("all",)}
    further = {f"data.joint.second.{name}": value for name, value in second.items()}
    fields = {
        "joint": own | {"data.path": str(whole)} | further,
        "alone": own | {"data.path": str(part)},
    }
    runs = {name: driver.grid({name: one}, scale, fields[name], options)[name] for name, one in VARIANTS.items()}
    pairs = zip(runs["joint"], runs["alone"])
    return runs | {"joint": [lengthened(one, 2 * alone.configured().train.steps) for one, alone in pairs]}


def lengthened(one: driver.Run, steps: int) -> driver.Run:
    """The run with so many steps."""
    return one._replace(fields={**one.fields, "train.steps": steps})


def summarise(rows: Sequence[Mapping]) -> Iterator[tuple[str, dict[str, float]]]:
    """Means over labels, of the rows of `stargan.masks` and `stargan.single`, by what was asked under which mask."""
    groups = defaultdict(list)
    for row in rows:
        unchanged = {f"unchanged_{name}": value for name, value in row["unchanged"].items()}
        groups[f"{row['set']}, {row['mask']}"].append({**row, **unchanged})
    for name, found in groups.items():
        yield name, {key: float(np.mean([row[key] for row in found])) for key in READ}


def some(x: np.ndarray, most: int) -> np.ndarray:
    """At most so many of the images x [n, h, w, c], evenly spread."""
    return x[spread(len(x), most)]


def near(read: Callable, real: Mapping[str, quality.Real]) -> Callable:
    """`read` of `stargan.reader`, which tells too how near to real images of the data set translations come."""
    return lambda y, name, *label: {**read(y, name, *label), **real[name].near(some(y, NEAR))}


def experiment(options: Namespace) -> tuple[dict, np.ndarray]:
    """Record and picture of joint runs and of runs on the second data set alone."""
    drawn = attribute.draw(options.data)
    runs = plan(options, drawn, tones(options.data, drawn, EVERY))
    driver.train(driver.by_seed(runs), options)
    models = {name: [gan_xla.load(one.workdir) for one in found] for name, found in runs.items()}
    config = models["joint"][0].config
    space, parts = LabelSpace.of(config.data), sections(config.data)
    parts["second"].path = str(tones(options.data, drawn, 1))  # a good judge needs more than a few
    judges = {name: judge(section, options.classifier_steps) for name, section in parts.items()}
    first, network = judges["data"], features.load()
    real = {name: quality.Real(some(judged.x, 4 * NEAR), network) for name, judged in judges.items()}
    read = near(stargan.reader(judges, first.x), real)
    found, pictures = zip(*(stargan.masks(model, first, read, space) for model in models["joint"]))
    alone = [stargan.single(model, "second", first, read) for model in models["alone"]]
    seeds = [dict(summarise(together + rows)) for together, rows in zip(found, alone)]
    record = {"classifiers": {name: judged.about for name, judged in judges.items()}, "seeds": seeds}
    return record, pictures[median([one["second, second"]["read_as_asked"] for one in seeds])]


def report(record: Mapping) -> str:
    """The markdown table, and the classifiers' own accuracy."""
    rows = [[title, *driver.cells([seed[name] for seed in record["seeds"]], READ)] for name, title in ASKED.items()]
    own = ", ".join(f"{one['accuracy']:.1%} of {one['held_out']}" for one in record["classifiers"].values())
    head = table(["asked, means over its labels", *(title for title, _ in READ.values())], rows)
    return f"{head}\n\nThe classifiers of vendors and of tones are right on {own} real held-out images."


def main(argv: Sequence[str] | None = None) -> None:
    """Trains, measures, prints the table and writes the results.

    Raises:
      UserError: a wrong flag, images that cannot be made, or as `driver.train`.
    """
    parser = driver.parser("joint", __doc__, seeds=3, data=Path("data"), judge="classifier")
    options = parser.parse_args(argv)
    record, picture = experiment(options)
    publish(options.output, {"scale": options.scale, **record}, report(record) + "\n", {"masks.png": picture})


if __name__ == "__main__":
    raise SystemExit(run(main))
