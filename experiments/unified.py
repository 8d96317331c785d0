"""One StarGAN against the CycleGANs that it replaces, IcGAN, and the log loss (Choi et al. 2018, section 5).

  python -m experiments.unified [--scale=cpu|gpu] [--seeds=N]

Trains, on emoji of three vendors, a StarGAN, one with the log loss in the place of WGAN-GP, and a CycleGAN for each of
the three pairs, with as many updates of G each, and an IcGAN by its own recipe; and measures, on held-out emoji, L1 and
SSIM to the true picture, and the share of translations that a classifier of real images reads as the vendor asked for;
parameters and seconds of training beside them. Run again, it resumes, and skips what is finished. Writes scores.json,
scores.md and translations.png. The emoji are made by experiments.data.emoji.
"""

import itertools
from argparse import Namespace
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

import gan_xla
from experiments import attribute, driver, quality, stargan
from experiments.attribute import VENDORS
from experiments.common import median, publish, run, table
from experiments.driver import Scale, Variant
from experiments.judges import Judge, judge
from gan_xla.data.labelled import sections
from gan_xla.images.grids import sample_grid
from gan_xla.inference.model import Model

WHOLE = {
    "wgan": Variant("StarGAN", "stargan"),
    "log": Variant("StarGAN with the log loss", "stargan", {"loss.adversarial": "log", "loss.lambda_gp": 0.0}),
    "icgan": Variant("IcGAN", "icgan"),
}
PAIRS = {
    f"{a}-{b}": Variant(f"CycleGAN, {a} and {b}", "cyclegan", {"data.domain_a": a, "data.domain_b": b})
    for a, b in itertools.combinations(VENDORS, 2)
}
TITLES = {name: one.title for name, one in WHOLE.items()} | {"pairs": f"{len(PAIRS)} CycleGANs, one for each pair"}

# Both with what helped StarGAN on emoji: resize-convolutions, identity loss, a moving average.
SMALL = {
    "data.source": "folder",
    "model.generator.width": 16,
    "model.discriminator.width": 16,
    "model.generator.upsample": "resize",
    "loss.lambda_identity": 0.5,
    "optimizer.gen.ema_decay": 0.998,
}
UPDATES = 2000  # of G
STARGAN = SMALL | {"train.steps": 2 * UPDATES, "train.batch_size": 8}  # two updates of D for one of G
CYCLEGAN = SMALL | {"train.steps": UPDATES, "train.batch_size": 4}  # of each domain
SMALL_OF = {"stargan": STARGAN, "icgan": {"data.source": "folder"}, "cyclegan": CYCLEGAN}
CLASSES = {"data.source": "folder", "data.labels": ("all",), "data.exclusive": ()}
PAPER_OF = {
    "stargan": CLASSES,
    "icgan": CLASSES,
    "cyclegan": {"data.source": "folder", "data.image_size": 128, "data.load_size": 143},
}
MEASURES = {
    "l1": ("L1 to the truth", ".1f"),
    "ssim": ("SSIM", ".3f"),
    "closer": ("closer than the input", ".0%"),
    "asked": ("read as asked", ".1%"),
    "gen": ("parameters of G, thousands", ".0f"),
    "disc": ("of D", ".0f"),
    "seconds": ("seconds of training", ".0f"),
}
SHOWN = 12


def scale(name: str, config: str) -> Scale:
    """`config`: "stargan", "icgan" or "cyclegan"."""
    return Scale(":quick", SMALL_OF[config]) if name == "cpu" else Scale("", PAPER_OF[config])


def plan(options: Namespace, data: Path) -> dict[str, list[list[driver.Run]]]:
    """By title's name, the runs of each seed: one of a StarGAN or an IcGAN, of CycleGANs one for each pair."""
    fields = {"data.path": str(data)}
    whole = fields | {"data.labels": ("all",)}
    found = {}
    for name, one in WHOLE.items():
        found |= driver.grid({name: one}, scale(options.scale, one.config), whole, options)
    pairs = driver.grid(PAIRS, scale(options.scale, "cyclegan"), fields, options)
    return {name: [[one] for one in runs] for name, runs in found.items()} | {"pairs": list(zip(*pairs.values()))}


def translate(models: Sequence[Model], x: np.ndarray, source: str, target: str) -> np.ndarray:
    """Translations by one that knows all domains, or by that one of the CycleGANs which knows both domains."""
    if models[0].domains:
        return models[0].translate(x, domain=(target,))
    ends = {(one.config.data.domain_a, one.config.data.domain_b): one for one in models}
    if (source, target) in ends:
        return ends[source, target].translate(x, "AtoB")
    return ends[target, source].translate(x, "BtoA")


def size(models: Sequence[Model], player: str) -> float:
    """Thousands of parameters of all networks of "gen" or "disc"."""
    return sum(quality.thousands(model.variables[player][0]) for model in models)


def measure(models: Sequence[Model], runs: Sequence[driver.Run], real: Mapping, judged: Judge) -> tuple[dict, dict]:
    """Means over all directions, and the scores of each."""
    found = {}
    for source, target in itertools.permutations(real, 2):
        y = translate(models, real[source], source, target)
        found[f"{source} to {target}"] = stargan.score(judged, real, source, target, y)
    means = {
        "l1": [one["translation"]["l1"] for one in found.values()],
        "ssim": [one["translation"]["ssim"] for one in found.values()],
        "closer": [one["translation"]["closer_than_input"] for one in found.values()],
        "asked": [one["read_as_asked"] for one in found.values()],
    }
    record = {name: float(np.mean(values)) for name, values in means.items()}
    record |= {player: size(models, player) for player in ("gen", "disc")}
    clocks = [driver.clock(one.workdir, one.configured().train.batch_size) for one in runs]
    return record | {"seconds": float(sum(seconds[-1] for _, seconds in clocks))}, found


def experiment(options: Namespace) -> tuple[dict, np.ndarray]:
    """Record and picture of StarGANs, IcGANs and CycleGANs on three vendors."""
    seeds_of = plan(options, attribute.draw(options.data))
    driver.train((one for seed in zip(*seeds_of.values()) for runs in seed for one in runs), options)
    models = {name: [[gan_xla.load(one.workdir) for one in runs] for runs in seeds] for name, seeds in seeds_of.items()}
    first = models["wgan"][0][0]
    section = sections(first.config.data)["data"]
    real = stargan.truth(section, first)
    judged = judge(section, options.classifier_steps)
    record = {"classifier": judged.about, "input": untouched(real), "results": {}, "directions": {}}
    inputs = stargan.in_turn(real, SHOWN)
    columns, groups = {"input": inputs}, [["input"]]
    for name, seeds in models.items():
        found = [measure(own, runs, real, judged) for own, runs in zip(seeds, seeds_of[name])]
        record["results"][name], record["directions"][name] = map(list, zip(*found))
        best = seeds[median([one["l1"] for one in record["results"][name]])]
        shown = {heading(target, name): everyone(best, inputs, list(real), target) for target in VENDORS}
        columns |= shown
        groups.append(list(shown))
    return record, sample_grid(columns, groups)


def heading(vendor: str, name: str) -> str:
    """Of a column of the picture, which is narrow."""
    return f"{vendor.partition('-')[0]}, {name}"


def everyone(models: Sequence[Model], inputs: np.ndarray, vendors: Sequence[str], target: str) -> np.ndarray:
    """Inputs of `vendors` in turn towards one vendor; its own are left as they are."""
    y = inputs.copy()
    for number, source in enumerate(vendors):
        if source != target:
            y[number :: len(vendors)] = translate(models, inputs[number :: len(vendors)], source, target)
    return y


def untouched(real: Mapping[str, np.ndarray]) -> dict[str, float]:
    """Means over all directions of the inputs' own L1 and SSIM to the truth."""
    found = [quality.similar(real[source], real[target]) for source, target in itertools.permutations(real, 2)]
    return {name: float(np.mean([one[name] for one in found])) for name in ("l1", "ssim")}


def report(record: Mapping) -> str:
    """The markdown table, and the classifier's own accuracy."""
    rows = [[TITLES[name], *driver.cells(seeds, MEASURES)] for name, seeds in record["results"].items()]
    own = {name: MEASURES[name] for name in ("l1", "ssim")}
    rows.append(["untouched input", *driver.cells([record["input"]], own), *[""] * (len(MEASURES) - len(own))])
    about = record["classifier"]
    right = f"The classifier is right on {about['accuracy']:.1%} of {about['held_out']} real held-out images."
    return table(["mean over directions", *(title for title, _ in MEASURES.values())], rows) + f"\n\n{right}"


def main(argv: Sequence[str] | None = None) -> None:
    """Trains, measures, prints the table and writes the results.

    Raises:
      UserError: a wrong flag, images that cannot be made, or as `driver.train`.
    """
    parser = driver.parser("unified", __doc__, seeds=3, data=Path("data"), judge="classifier")
    options = parser.parse_args(argv)
    record, picture = experiment(options)
    publish(options.output, {"scale": options.scale, **record}, report(record) + "\n", {"translations.png": picture})


if __name__ == "__main__":
    raise SystemExit(run(main))
