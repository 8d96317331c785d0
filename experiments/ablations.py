"""Which part of CycleGAN and of pix2pix does what (Zhu et al. 2017, section 5.1; Isola et al. 2017, section 4)?

  python -m experiments.ablations cyclegan [--scale=cpu|gpu] [--seeds=N]
  python -m experiments.ablations pix2pix

Trains the method without one part or with another, on labels and photographs (experiments.data.label_maps: emoji
and maps of their colours), for CycleGAN unpaired, and measures on held-out pairs: L1 and SSIM to the truth, distance
of features, sharpness, and agreement of labels as in the papers' FCN-scores, where the labels of a picture are known
exactly. CycleGAN is measured in both directions, and by how far colours moved from the input, which the identity loss
is to lessen, and how much translations change from moment to moment while the learning rate is constant, which the
image pool is to lessen. Run again, it resumes, and skips what is finished. Writes scores.json, scores.md and pictures.
"""

import itertools
from argparse import Namespace
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

import gan_xla
from experiments import attribute, driver, held_out, quality
from experiments.common import median, publish, run, table
from experiments.data import label_maps
from experiments.driver import Scale, Variant
from gan_xla.evaluation import features
from gan_xla.evaluation.metrics import segmentation
from gan_xla.evaluation.metrics.similarity import l1
from gan_xla.images.grids import sample_grid

MEASURES = quality.MEASURES | {
    "pixels": ("per-pixel accuracy", ".3f"),
    "classes": ("per-class accuracy", ".3f"),
    "iou": ("class IoU", ".3f"),
    "parameters": ("parameters of D, thousands", ".0f"),
}
MOVES = quality.RECOLOURED | {"drift": ("changed in a twentieth of the steps", ".1f")}
DIRECTIONS = {"AtoB": "labels to photo", "BtoA": "photo to labels"}
MOMENTS = 10
SHOWN = 10


class Ablation(NamedTuple):
    """What is tried.

    Attributes:
      variants: by name.
      scales: by name.
      unpaired: whether the training domains share no image.
      kept: whether checkpoints are kept on the way, to see how much translations change.
    """

    variants: Mapping[str, Variant]
    scales: Mapping[str, Scale]
    unpaired: bool
    kept: bool


def _variants(config: str, **fields: tuple[str, Mapping[str, object]]) -> dict[str, Variant]:
    return {name: Variant(title, config, one) for name, (title, one) in fields.items()}


CYCLEGAN = _variants(
    "cyclegan",
    full=("CycleGAN", {}),
    gan=("GAN alone", {"loss.lambda_A": 0.0, "loss.lambda_B": 0.0}),
    cycle=("cycle alone", {"loss.gan_weight": 0.0}),
    forward=("GAN + forward cycle", {"loss.lambda_B": 0.0}),
    backward=("GAN + backward cycle", {"loss.lambda_A": 0.0}),
    log=("with the log loss", {"loss.adversarial": "log"}),
    identity=("with identity loss", {"loss.lambda_identity": 0.5}),
    no_pool=("without the pool", {"train.pool_size": 0}),
)
PIX2PIX = _variants(
    "pix2pix",
    both=("L1 + cGAN", {}),
    l1=("L1", {"loss.gan_weight": 0.0}),
    cgan=("cGAN", {"loss.lambda_L1": 0.0}),
    gan=("L1 + GAN, not conditional", {"loss.conditional": False}),
    pixel=("L1 + cGAN, patches of 1x1", {"model.discriminator.layers": 0}),
    patch34=("L1 + cGAN, patches of 34x34", {"model.discriminator.layers": 2}),
    patch70=("L1 + cGAN, patches of 70x70", {"model.discriminator.layers": 3}),
    encoder_decoder=("L1 + cGAN, encoder-decoder", {"model.generator.skips": False}),
    encoder_decoder_l1=("L1, encoder-decoder", {"model.generator.skips": False, "loss.gan_weight": 0.0}),
)
# Half as wide as :quick, and CycleGAN for fewer steps of twice the learning rate: two dozen runs take an hour.
SMALL = {
    "data.source": "folder",
    "model.generator.width": 16,
    "model.discriminator.width": 16,
    "train.batch_size": 4,
}
FAST = SMALL | {"train.steps": 1500, "optimizer.learning_rate": 4e-4}
ABLATIONS = {
    "cyclegan": Ablation(CYCLEGAN, {"cpu": Scale(":quick", FAST), "gpu": driver.PAPER}, unpaired=True, kept=True),
    "pix2pix": Ablation(PIX2PIX, {"cpu": Scale(":quick", SMALL), "gpu": driver.PAPER}, unpaired=False, kept=False),
}


def prepare(data: Path, unpaired: bool) -> Path:
    """Makes the label maps and their emoji.

    Raises:
      UserError: they cannot be made.
    """
    drawn, made = attribute.draw(data), data / ("labels2emoji_unpaired" if unpaired else "labels2emoji")
    label_maps.main([f"--emoji={drawn}", f"--output={made}", *(["--unpaired"] if unpaired else [])])
    return made


def measure(y: np.ndarray, truth: quality.Real, domain: str) -> dict[str, float]:
    """Quality of translations y into a domain, uint8 [n, h, w, 3], and agreement of their labels with the truth's."""
    found, true = (label_maps.labels(x, domain) for x in (y, truth.images))
    scores = segmentation.scores(segmentation.confusion(true, found, len(label_maps.CLASSES)))
    agreement = {"pixels": scores.pixel_accuracy, "classes": scores.class_accuracy, "iou": scores.mean_iou}
    return truth.measure(y) | agreement


def drift(one: driver.Run, x: np.ndarray, direction: str) -> float:
    """Mean L1 between the translations of x at a kept checkpoint and at the next, in the first half of the training."""
    every, steps = one.fields["train.keep_every"], one.resolved().train.steps
    outputs = [gan_xla.load(one.workdir, step).translate(x, direction) for step in range(every, steps // 2 + 1, every)]
    return float(np.mean([l1(a, b).mean() for a, b in itertools.pairwise(outputs)]))


def experiment(ablation: Ablation, runs: Mapping[str, Sequence[driver.Run]], data: Path) -> tuple[dict, dict]:
    """Record by direction and variant, and pictures by file name, of the finished runs."""
    size = next(iter(runs.values()))[0].configured().data.image_size
    tests = {domain: held_out.read(data / f"test{domain}", size) for domain in "AB"}
    models = {name: [gan_xla.load(one.workdir) for one in found] for name, found in runs.items()}
    network, shown = features.load(), np.linspace(0, len(tests["A"]) - 1, SHOWN).astype(int)
    record, pictures = {}, {}
    for direction in next(iter(models.values()))[0].directions:
        x, truth = tests[direction[0]], tests[direction[-1]]
        true = quality.Real(truth, network)
        record[direction] = {"input": [measure(x, true, direction[-1]) | {"parameters": 0}]}
        columns = {"input": x[shown]}
        for name, found in models.items():
            outputs = [model.translate(x, direction) for model in found]
            results = [
                measure(y, true, direction[-1])
                | {"parameters": quality.thousands(next(iter(model.variables["disc"][0].values())))}
                for y, model in zip(outputs, found)
            ]
            if ablation.kept:
                results = [
                    one | quality.recoloured(y, x) | {"drift": drift(run_, x, direction)}
                    for one, y, run_ in zip(results, outputs, runs[name])
                ]
            record[direction][name] = results
            columns[name] = outputs[median([one["l1"] for one in results])][shown]
        columns["truth"] = truth[shown]
        pictures[f"{direction}.png"] = sample_grid(columns, [list(columns)])
    return record, pictures


def report(ablation: Ablation, record: Mapping[str, Mapping[str, Sequence[Mapping]]]) -> str:
    """The markdown tables."""
    parts = []
    for direction, variants in record.items():
        measures = MEASURES | (MOVES if ablation.kept else {})
        unknown = [""] * (len(measures) - len(MEASURES))
        rows = [["untouched input", *driver.cells(variants["input"], MEASURES), *unknown]]
        rows += [[one.title, *driver.cells(variants[name], measures)] for name, one in ablation.variants.items()]
        parts.append(table([DIRECTIONS[direction], *(title for title, _ in measures.values())], rows))
    return "\n\n".join(parts)


def plan(options: Namespace, data: Path) -> dict[str, list[driver.Run]]:
    """The runs by variant."""
    ablation = ABLATIONS[options.method]
    fields = {"data.path": str(data)}
    if ablation.kept:
        first = driver.grid(ablation.variants, ablation.scales[options.scale], fields, options)["full"][0]
        fields["train.keep_every"] = max(first.resolved().train.steps // (2 * MOMENTS), 1)
    return driver.grid(ablation.variants, ablation.scales[options.scale], fields, options, options.method)


def main(argv: Sequence[str] | None = None) -> None:
    """Trains, measures, prints the tables and writes the results.

    Raises:
      UserError: a wrong flag, images that cannot be made, or as `driver.train`.
    """
    parser = driver.parser("ablations", __doc__, seeds=3, data=Path("data"))
    parser.add_argument("method", choices=ABLATIONS, help="whose parts")
    options = parser.parse_args(argv)
    ablation = ABLATIONS[options.method]
    data = prepare(options.data, ablation.unpaired)
    runs = plan(options, data)
    driver.train(driver.by_seed(runs), options)
    record, pictures = experiment(ablation, runs, data)
    output = options.output.with_name(f"{options.output.name}_{options.method}")
    publish(output, {"scale": options.scale, "results": record}, report(ablation, record) + "\n", pictures)


if __name__ == "__main__":
    raise SystemExit(run(main))
