"""What decides whether DiscoGAN reaches all ten modes of its toy (Kim et al. 2017, section 3.1)?

  python -m experiments.modes [--scale=cpu|gpu] [--seeds=N]

Trains the toy with one thing changed at a time, many seeds of each as one program, and counts the modes that translated
held-out points reach: spread of the modes, widths and depths, batch, rates, weight of the reconstruction, length. Run
again, it resumes, and skips what is finished. Writes scores.json and scores.md.
"""

import re
from collections.abc import Mapping, Sequence

import gan_xla
from experiments import driver, toy
from experiments.common import publish, run, table
from gan_xla.data.sources import gmm

VARIANTS = {
    "as it is": {},
    "modes half as wide": {"data.spread": 0.05},
    "modes twice as wide": {"data.spread": 0.2},
    "modes four times as wide": {"data.spread": 0.4},
    "64 hidden units": {"model.generator.hidden": 64, "model.discriminator.hidden": 64},
    "256 hidden units": {"model.generator.hidden": 256, "model.discriminator.hidden": 256},
    "256 hidden units in G": {"model.generator.hidden": 256},
    "256 hidden units in D": {"model.discriminator.hidden": 256},
    "G of 5 layers": {"model.generator.layers": 5},
    "D of 3 layers": {"model.discriminator.layers": 3},
    "batch 16": {"train.batch_size": 16},
    "batch 256": {"train.batch_size": 256},
    "rates of 5e-5": {"optimizer.learning_rate": 5e-5},
    "rates of 1e-3": {"optimizer.learning_rate": 1e-3},
    "D's rate 1e-3": {"optimizer.disc.learning_rate": 1e-3},
    "G's rate 1e-3": {"optimizer.gen.learning_rate": 1e-3},
    "reconstruction times 0.1": {"loss.reconstruction_weight": 0.1},
    "reconstruction times 10": {"loss.reconstruction_weight": 10.0},
    "5 times as long": {"train.steps": 50_000},
}
MEASURES = {
    "covered": ("modes covered", ".1f"),
    "high_quality": ("points within 3 sigma", ".0%"),
    "spread": ("targets of a source", ".2f"),
}


def measure(one: driver.Run) -> list[dict]:
    """`toy.measure` of every seed of a run."""
    sigma = one.configured().data.spread
    points = gmm.points("A", "test", sigma)
    return [toy.measure(model.translate(points), sigma) for model in gan_xla.load_all(one.workdir)]


def report(record: Mapping[str, Sequence[Mapping]]) -> str:
    """The markdown table."""
    rows = []
    for name, seeds in record.items():
        found = [one["covered"] for one in seeds]
        full = f"{sum(x == len(toy.CENTRES) for x in found)} of {len(found)}"
        rows.append([name, *driver.cells(seeds, MEASURES), f"{min(found)}, {max(found)}", full])
    return table(["changed", *(title for title, _ in MEASURES.values()), "least, most", "seeds with all 10"], rows)


def main(argv: Sequence[str] | None = None) -> None:
    """Trains, measures, prints the table and writes the results.

    Raises:
      UserError: as `driver.train`.
    """
    options = driver.parser("modes", __doc__, seeds=10).parse_args(argv)
    fields = {"train.num_seeds": options.seeds, **toy.SCALES[options.scale].fields}
    asked = driver.fields_of(options)
    runs = {
        name: driver.Run("toy_gmm", {**fields, **changed, **asked}, options.workdir / re.sub(r"\W+", "_", name))
        for name, changed in VARIANTS.items()
    }
    driver.train(runs.values(), options)
    record = {name: measure(one) for name, one in runs.items()}
    publish(options.output, {"scale": options.scale, "results": record}, report(record) + "\n", {})


if __name__ == "__main__":
    raise SystemExit(run(main))
