"""Does growing help PGGAN (Karras et al. 2018, sections 2 and 6.2)? Growing against training at full size.

  python -m experiments.growing [--scale=cpu|gpu] [--seeds=N]

Trains the built-in chairs and cars growing from 4 pixels, growing without fading new layers in, and at full size from
the start, on equally many images, and measures samples at ten moments: sliced Wasserstein distance at every scale and
MS-SSIM of pairs, beside as many training images; and the seconds of training that it took to get there. So one run
can be compared with another at equal images and at equal time. What is measured is G itself: the moving average spans
a thousand steps, which on a CPU are more than new layers are given; its distance at the end stands beside. Run again,
it resumes, and skips what is finished. Writes scores.json, scores.md, curves.png and samples.png.
"""

from argparse import Namespace
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

import gan_xla
from experiments import driver
from experiments.common import figure, median, publish, run, table
from experiments.driver import Scale, Variant
from experiments.samples import enlarge, real
from gan_xla.evaluation.metrics.similarity import diversity
from gan_xla.evaluation.metrics.sliced_wasserstein import sliced_wasserstein
from gan_xla.images.grids import sample_grid

LEVELS = 4  # 4 to 32 pixels
IMAGES = {"cpu": 4000, "gpu": 400_000}  # while a level fades in, and after that
SMALL = {f"model.{net}.fmap_max": 32 for net in ("generator", "discriminator")}
SCALES = {
    "cpu": Scale(":quick", SMALL | {"optimizer.gen.ema_decay": 0.999}),  # the paper's
    "gpu": Scale(":cifar", {"data.source": "builtin", "growth.batch_sizes": ((4, 64),)}),
}
MOMENTS = 10
SAMPLES = 1000
PAIRS = 500
SHOWN = 10


def variants(images: int) -> dict[str, Variant]:
    """What is compared; each sees 2 LEVELS - 1 times as many images as a level is given to fade in."""
    whole = (2 * LEVELS - 1) * images
    growing = {"growth.fade_images": images, "growth.stable_images": images}
    sudden = {"growth.fade_images": 1, "growth.stable_images": whole // LEVELS}
    full = {"growth.first": 4 << (LEVELS - 1), "growth.stable_images": whole}
    return {
        "growing": Variant("growing", "pggan", growing),
        "sudden": Variant("growing without fading in", "pggan", sudden),
        "full": Variant("full size", "pggan", full),
    }


def measure(x: np.ndarray, test: np.ndarray) -> dict[str, float]:
    """Of images and held-out ones, uint8 [n, s, s, 3] both."""
    distances = sliced_wasserstein(test, x)
    found = {f"swd_{scale}": float(value) for scale, value in distances.items()}
    return found | {"swd": float(np.mean(list(distances.values()))), "ms_ssim": diversity(x, PAIRS)}


def history(one: driver.Run, test: np.ndarray) -> list[dict[str, float]]:
    """Measures of the kept checkpoints of a run, with their step, seconds and images."""
    config = one.configured()
    (_, batch), *_ = config.growth.batch_sizes
    steps, seconds = driver.clock(one.workdir, batch)
    result = []
    for step in kept(one):
        when = {"step": step, "images": step * batch, "seconds": float(np.interp(step, steps, seconds))}
        result.append(when | measure(drawn(one, step, test), test))
    result[-1]["swd_average"] = measure(drawn(one, "last", test, average=True), test)["swd"]
    return result


def drawn(one: driver.Run, step: int | str, test: np.ndarray, average: bool = False) -> np.ndarray:
    """As many samples as there are held-out images, and as large."""
    return enlarge(gan_xla.load(one.workdir, step, average=average).sample(len(test)), test.shape[1])


def kept(one: driver.Run) -> list[int]:
    """The steps of a finished run's kept checkpoints, the last one of the run among them."""
    every, last = one.fields["train.keep_every"], one.resolved().train.steps
    return [*range(every, last, every), last]


def at(found: Sequence[Mapping[str, float]], seconds: float, name: str) -> float:
    """A measure at a time, between the moments around it; at the end where the time is after it."""
    return float(np.interp(seconds, [one["seconds"] for one in found], [one[name] for one in found]))


def report(record: Mapping) -> str:
    """The markdown table."""
    scales = [name for name in record["training images"] if name.startswith("swd_")]
    titles = [f"{name.removeprefix('swd_')} px" for name in scales]
    measures = {name: (title, ".1f") for name, title in zip(scales, titles)} | {"swd": ("mean", ".1f")}
    measures |= {"ms_ssim": ("MS-SSIM of pairs", ".3f")}
    rows = []
    end = np.mean([found[-1]["seconds"] for found in record["runs"]["growing"]])
    for name, variant in variants(1).items():
        runs = record["runs"][name]
        last = [found[-1] for found in runs]
        equal = driver.mean_and_spread([at(found, end, "swd") for found in runs], ".1f")
        average = driver.mean_and_spread([one["swd_average"] for one in last], ".1f")
        seconds = driver.mean_and_spread([one["seconds"] for one in last], ".0f")
        rows.append([variant.title, *driver.cells(last, measures), average, seconds, equal])
    rows.append(["as many training images", *driver.cells([record["training images"]], measures), "", "", ""])
    header = ["sliced Wasserstein distance x 1000", *(title for title, _ in measures.values())]
    return table([*header, "mean, of the moving average", "seconds", "mean in the seconds that growing took"], rows)


def draw(path: Path, runs: Mapping[str, Sequence[Sequence[Mapping[str, float]]]]) -> None:
    """The distance over images and over time, a line for each seed."""
    with figure(path, 1, 2, (9, 3.6), sharey=True) as axes:
        for number, (name, seeds) in enumerate(runs.items()):
            for ax, along in zip(axes, ("images", "seconds")):
                for seed, found in enumerate(seeds):
                    label = None if seed else variants(1)[name].title
                    ax.plot(
                        [one[along] for one in found], [one["swd"] for one in found], color=f"C{number}", label=label
                    )
                ax.set(xlabel=f"{along} of training", yscale="log")
        axes[0].set(ylabel="sliced Wasserstein distance x 1000")
        axes[0].legend()


def plan(options: Namespace) -> dict[str, list[driver.Run]]:
    """The runs by variant."""
    images = options.images or IMAGES[options.scale]
    scale = SCALES[options.scale]
    first = driver.Run(f"pggan{scale.suffix}", {**scale.fields, **driver.fields_of(options)}, options.workdir)
    (_, batch), *_ = first.configured().growth.batch_sizes
    fields = {"train.keep_every": max((2 * LEVELS - 1) * images // batch // MOMENTS, 1)}
    return driver.grid(variants(images), scale, fields, options)


def main(argv: Sequence[str] | None = None) -> None:
    """Trains, measures, prints the table and writes the results.

    Raises:
      UserError: a wrong flag, or as `driver.train`.
    """
    parser = driver.parser("growing", __doc__, seeds=3)
    parser.add_argument("--images", type=int, help="while a level fades in (default: 4000, of a GPU 400,000)")
    options = parser.parse_args(argv)
    runs = plan(options)
    driver.train(driver.by_seed(runs), options)
    train, test = real(gan_xla.load(runs["growing"][0].workdir), SAMPLES)
    record = {
        "training images": measure(train, test),
        "test_images": len(test),
        "runs": {name: [history(one, test) for one in found] for name, found in runs.items()},
    }
    columns = {}
    for name, found in runs.items():
        middle = median([one[-1]["swd"] for one in record["runs"][name]])
        columns[variants(1)[name].title] = drawn(found[middle], "last", test)[:SHOWN]
    columns["real"] = test[:: max(len(test) // SHOWN, 1)][:SHOWN]
    pictures = {"samples.png": sample_grid(columns, [list(columns)])}
    publish(options.output, {"scale": options.scale, **record}, report(record) + "\n", pictures)
    draw(options.output / "curves.png", record["runs"])


if __name__ == "__main__":
    raise SystemExit(run(main))
