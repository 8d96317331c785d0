"""How good are images drawn from noise, and do they show the label that they were asked for?

  python -m experiments.samples distance --workdir=RUN --output=DIR [--images=1000]
  python -m experiments.samples labels --workdir=RUN --output=DIR [--images=1000]

`distance` draws from every checkpoint that a run kept (`train.keep_every`) and gives the sliced Wasserstein
distance to as many held-out images at every scale (Karras et al. 2018, section 5; the smaller the number of
images, the larger the values), beside that of as many training images, which no generator should beat by much.
Images of PGGAN's lower levels are doubled, as the network does while the next fades in.

`labels` draws as many images for each label of a conditional run, and tells the share that a classifier of
real images reads as the label asked for.

Both write scores.json, scores.md and samples.png.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np

import gan_xla
from experiments import common
from experiments.judges import judge
from gan_xla import data
from gan_xla.data.labelled import sections
from gan_xla.errors import UserError
from gan_xla.evaluation.cases import spread
from gan_xla.evaluation.judges import classifier
from gan_xla.evaluation.metrics.sliced_wasserstein import SMALLEST, sliced_wasserstein
from gan_xla.images.grids import sample_grid
from gan_xla.inference.model import Model
from gan_xla.run.checkpoint import Checkpoints

SHOWN = 10


def enlarge(x: np.ndarray, size: int) -> np.ndarray:
    """Images [n, s, s, c] by nearest neighbours to [n, size, size, c]; s divides size."""
    factor = size // x.shape[1]
    return x.repeat(factor, axis=1).repeat(factor, axis=2)


def real(model: Model, most: int) -> tuple[np.ndarray, np.ndarray]:
    """As many images of the training and of the test split, uint8 [n, s, s, c]."""
    size = model.config.data.image_size
    if size < SMALLEST or size & (size - 1):
        raise UserError(f"data.image_size={size}: the distance needs a power of two from {SMALLEST} on")
    dataset = data.load(model.config.data)
    train, test = dataset.train[0], dataset.test[0]
    count = min(most, len(test), len(train))
    return tuple(source.read(spread(len(source), count))["x"] for source in (train, test))


def distance(options: argparse.Namespace, model: Model) -> tuple[dict, str, np.ndarray]:
    """Record, markdown and picture of the distances of a run's checkpoints."""
    train, test = real(model, options.images)
    with Checkpoints(options.workdir, read_only=True) as checkpoints:
        steps = checkpoints.steps()
    distances, columns = {}, {}
    for step in steps:
        x = gan_xla.load(options.workdir, step).sample(len(test), seed=options.seed)
        name = f"step {step}, {x.shape[1]}x{x.shape[2]}"
        x = enlarge(x, test.shape[1])
        distances[name], columns[f"{step}"] = sliced_wasserstein(test, x), x[:SHOWN]
    distances["training images"], columns["real"] = sliced_wasserstein(test, train), train[:SHOWN]
    scales = list(distances["training images"])
    rows = [
        [name, *(f"{found[scale]:.1f}" for scale in scales), f"{np.mean(list(found.values())):.1f}"]
        for name, found in distances.items()
    ]
    text = f"{len(test)} images\n\n" + common.table(["", *(f"{scale} px" for scale in scales), "mean"], rows)
    return {"images": len(test), "distances": distances}, text, sample_grid(columns, [list(columns)])


def labels(options: argparse.Namespace, model: Model) -> tuple[dict, str, np.ndarray]:
    """Record, markdown and picture of what a classifier reads in samples of each label."""
    if not model.domains:
        raise UserError(f"--workdir={options.workdir}: this run knows no labels; give one of configs/cgan.py")
    judged = judge(sections(model.config.data)["data"], options.classifier_steps)
    each, shares, columns = -(-options.images // len(model.domains)), {}, {}
    for number, name in enumerate(model.domains):
        x = model.sample(each, labels=[name], seed=options.seed)
        asked = np.tile(np.eye(len(model.domains))[number], (each, 1))
        shares[name], columns[name] = classifier.accuracy(judged.predictor, x, asked), x[:SHOWN]
    about = judged.about
    rows = [[f"asked for {name}", f"{share:.1%}"] for name, share in shares.items()]
    rows.append(["all samples", f"{np.mean(list(shares.values())):.2%}"])
    rows.append([f"real held-out images ({about['held_out']})", f"{about['accuracy']:.2%}"])
    text = f"{each} images of each label\n\n" + common.table(["", "read as asked"], rows)
    return {"classifier": about, "images": each, "read_as_asked": shares}, text, sample_grid(columns, [list(columns)])


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    kinds = parser.add_subparsers(required=True)
    for name, play in (("distance", distance), ("labels", labels)):
        kind = kinds.add_parser(name)
        kind.set_defaults(play=play)
        kind.add_argument("--workdir", type=Path, required=True, help="the run")
        kind.add_argument("--output", type=Path, required=True, help="directory for the results")
        kind.add_argument("--images", type=int, default=1000, help="to draw (default %(default)s)")
        kind.add_argument("--seed", type=int, default=0, help="of the noise (default %(default)s)")
    kind.add_argument(
        "--classifier_steps", type=int, default=1500, help="training steps of the classifier (default %(default)s)"
    )
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> None:
    """Judges a run, prints the table and writes the results.

    Raises:
      UserError: a run that does not sample, or that the experiment cannot judge.
    """
    options = _arguments(argv)
    if options.images < 1:
        raise UserError(f"--images={options.images} must be 1 or more")
    model = gan_xla.load(options.workdir)
    record, table, picture = options.play(options, model)
    text = f"step {model.step}, {table}\n"
    common.publish(options.output, {"step": model.step, **record}, text, {"samples.png": picture})


if __name__ == "__main__":
    raise SystemExit(common.run(main))
