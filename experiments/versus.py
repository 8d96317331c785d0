"""DiscoGAN against CycleGAN: does an encoder-decoder change shapes more freely, and a residual generator keep detail?

  python -m experiments.versus [--scale=cpu|gpu] [--seeds=N]

Trains both on a task of shape (built-in chairs to cars) and on one of texture (emoji of one vendor to another's),
on equally many images, and measures on held-out images: how near translations come to real ones (distance of
features, sharpness), how much of the input they leave as it is, for cars the agreement of azimuths, for emoji L1 and
SSIM to the true picture, and how far colours moved, with CycleGAN's identity loss too; parameters of one generator
and training speed beside them. Run again, it resumes, and skips what is finished. Writes scores.json, scores.md and
pictures.

The emoji are made by experiments.data.emoji.
"""

from argparse import Namespace
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

import gan_xla
from experiments import azimuth, driver, held_out, quality
from experiments.common import median, publish, run, table
from experiments.data import emoji
from experiments.driver import Scale, Variant
from gan_xla.evaluation import features
from gan_xla.evaluation.judges import azimuth as angles
from gan_xla.evaluation.metrics.similarity import ssim
from gan_xla.images.grids import sample_grid
from gan_xla.inference.model import Model

VARIANTS = {"discogan": Variant("DiscoGAN", "discogan"), "cyclegan": Variant("CycleGAN", "cyclegan")}
IDENTITY = {"identity": Variant("CycleGAN with identity loss", "cyclegan", {"loss.lambda_identity": 0.5})}  # of texture
# Of one size and on as many images, each with the rest of its own recipe.
SMALL = {"data.image_size": 32, "data.load_size": 36, "data.flip": True, "optimizer.gen.ema_decay": 0.99}
OWN = {
    "discogan": driver.FORMER_QUICK | {"optimizer.gen.ema_decay": 0.99, "train.steps": 1250},
    "cyclegan": {"train.steps": 5000, "model.generator.width": 16, "model.discriminator.width": 16},  # of 4
}
SHAPE = {"correlation": ("azimuth's correlation", ".2f"), "mae": ("azimuth's mean error", ".0f")}
ALIKE = {
    "kd": ("KD", ".3f"),
    "sharpness": ("sharpness", ".2f"),
    "kept": ("SSIM to the input", ".3f"),
    "parameters": ("parameters of G, thousands", ".0f"),
    "speed": ("images per second in training", ".0f"),
}
TRUTH = {name: quality.MEASURES[name] for name in ("l1", "ssim")} | quality.RECOLOURED
SHOWN = 10


def scales() -> dict[str, Mapping[str, Scale]]:
    """By config."""
    cpu = {name: Scale(":quick", SMALL | own) for name, own in OWN.items()}
    return {"cpu": cpu, "gpu": dict.fromkeys(OWN, driver.PAPER)}


def speed(workdir: Path) -> float:
    """Median of the images of each domain that training saw in a second."""
    found = [line["images_per_s"] for line in driver.logged(workdir) if "images_per_s" in line]
    return float(np.median(found)) if found else 0.0  # of a run that ended before it was known


def alike(model: Model, one: driver.Run, x: np.ndarray, y: np.ndarray, real: quality.Real) -> dict[str, float]:
    """What is measured on both tasks, of translations y of x, beside real images of the target."""
    return real.near(y) | {
        "kept": float(ssim(y, x).mean()),
        "parameters": quality.thousands(model.variables["gen"][0]["G_AB"]),
        "speed": speed(one.workdir),
    }


def shape(runs: Mapping[str, Sequence[driver.Run]], network: features.Features, steps: int) -> tuple[dict, np.ndarray]:
    """Record and picture of the runs on chairs and cars."""
    config = runs["discogan"][0].configured()
    predictor, own = azimuth.judge("chairs2cars", config, steps)
    views = azimuth.views(config, "test")
    x, true, real = views["x_A"], views["azimuth_A"], quality.Real(views["x_B"], network)
    record, columns, shown = {"regressor": own}, {}, azimuth.spread(true)
    for name, found in runs.items():
        models = [gan_xla.load(one.workdir) for one in found]
        outputs = [model.translate(x, "AtoB") for model in models]
        record[name] = [
            azimuth.measure(true, angles.predict(predictor, y)) | alike(model, one, x, y, real)
            for model, one, y in zip(models, found, outputs)
        ]
        columns[name] = outputs[median([one["correlation"] for one in record[name]])][shown]
    columns = {"input": x[shown], **columns}
    return record, sample_grid(columns, [list(columns)])


def texture(
    runs: Mapping[str, Sequence[driver.Run]], network: features.Features, data: Path
) -> tuple[dict, np.ndarray]:
    """Record and picture of the runs on emoji."""
    size = runs["discogan"][0].configured().data.image_size
    x, truth = (held_out.read(data / f"test{domain}", size) for domain in "AB")
    real, shown = quality.Real(truth, network), np.linspace(0, len(x) - 1, SHOWN).astype(int)

    def beside_truth(y: np.ndarray) -> dict[str, float]:
        return quality.similar(y, truth) | quality.recoloured(y, x)

    record, columns = {"input": [beside_truth(x)], "truth": [beside_truth(truth)]}, {}
    for name, found in runs.items():
        models = [gan_xla.load(one.workdir) for one in found]
        outputs = [model.translate(x, "AtoB") for model in models]
        record[name] = [
            beside_truth(y) | alike(model, one, x, y, real) for model, one, y in zip(models, found, outputs)
        ]
        columns[name] = outputs[median([one["l1"] for one in record[name]])][shown]
    columns = {"input": x[shown], **columns, "truth": truth[shown]}
    return record, sample_grid(columns, [list(columns)])


def report(record: Mapping[str, Mapping]) -> str:
    """The markdown tables."""
    parts = []
    for task, first in (("chairs to cars", SHAPE), ("noto to twemoji", TRUTH)):
        measures = first | ALIKE
        trained = {name: variant.title for name, variant in (VARIANTS | IDENTITY).items() if name in record[task]}
        plain = {"input": "untouched input", "truth": "truth"} if "truth" in record[task] else {}
        rows = [[title, *driver.cells(record[task][name], measures)] for name, title in trained.items()]
        rows += [[title, *driver.cells(record[task][name], first), *[""] * len(ALIKE)] for name, title in plain.items()]
        parts.append(table([task, *(title for title, _ in measures.values())], rows))
    return "\n\n".join(parts)


def plan(options: Namespace, data: Path) -> dict[str, dict[str, list[driver.Run]]]:
    """The runs by task and variant."""
    tasks = {
        "chairs2cars": (VARIANTS, {"data.source": "builtin", "data.name": "chairs2cars"}),
        "noto2twemoji": (VARIANTS | IDENTITY, {"data.source": "folder", "data.path": str(data)}),
    }
    found = scales()[options.scale]
    return {
        task: {
            name: driver.grid({name: variant}, found[variant.config], fields, options, task)[name]
            for name, variant in variants.items()
        }
        for task, (variants, fields) in tasks.items()
    }


def main(argv: Sequence[str] | None = None) -> None:
    """Trains, measures, prints the tables and writes the results.

    Raises:
      UserError: a wrong flag, images that cannot be made, or as `driver.train`.
    """
    parser = driver.parser("versus", __doc__, seeds=3, data=Path("data"), judge="regressor")
    options = parser.parse_args(argv)
    data = options.data / "noto2twemoji"
    emoji.main(["--a=noto", "--b=twemoji", "--unpaired", f"--output={data}"])
    runs = plan(options, data)
    driver.train(driver.by_seed(*runs.values()), options)
    network = features.load()
    chairs, cars = shape(runs["chairs2cars"], network, options.regressor_steps)
    vendors, drawn = texture(runs["noto2twemoji"], network, data)
    record = {"chairs to cars": chairs, "noto to twemoji": vendors}
    pictures = {"shape.png": cars, "texture.png": drawn}
    publish(options.output, {"scale": options.scale, **record}, report(record) + "\n", pictures)


if __name__ == "__main__":
    raise SystemExit(run(main))
