"""One attribute changes, the rest stays: skin tones of emoji (after Kim et al. 2017, section 4.3, on faces).

  python -m experiments.attribute [--scale=cpu|gpu] [--seeds=N]

Domain A is light skin, domain B dark skin, of the same three vendors' emoji, but no emoji is in both training
domains. Trains DiscoGAN, a GAN with one-way reconstruction and a standard GAN, and translates held-out emoji, whose
true picture in the other tone is known. Was the attribute changed: the share that a classifier of real images reads
as the other tone, and the error on the pixels that differ between the two true pictures. Was the rest kept: the error
on the pixels that do not, and the share of translations whose own truth is the nearest of all true pictures. Run
again, it resumes, and skips what is finished. Writes scores.json, scores.md and pictures.

The images are made by experiments.data.emoji.
"""

import csv
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np

import gan_xla
from experiments import driver, held_out, quality
from experiments.common import median, publish, run, table
from experiments.data import emoji, output
from gan_xla import images
from gan_xla.evaluation.judges import classifier
from gan_xla.evaluation.metrics.similarity import l1
from gan_xla.images.grids import sample_grid

VENDORS = ("noto", "twemoji", "fluent-emoji-flat")
TONES = {"A": "light", "B": "dark"}
SMALL = driver.FORMER_QUICK | {"train.steps": 2000, "optimizer.gen.ema_decay": 0.99}
SCALES = {"cpu": driver.Scale(":quick", SMALL), "gpu": driver.PAPER}
SAME = 8  # of 255: what two true pictures may differ by where the attribute is not
SHOWN = 10
Choose = Callable[[Sequence[Mapping[str, str]]], Mapping[str, str]]
LEVELLED = ", brightened to a white background"
MEASURES = {
    "asked": ("read as the other tone", ".1%"),
    "skin": ("L1 to the truth, skin", ".1f"),
    "rest": ("L1 to the truth, the rest", ".1f"),
    "l1": ("L1, all", ".1f"),
    "ssim": ("SSIM", ".3f"),
    "own": ("own truth is the nearest", ".1%"),
}


def draw(data: Path) -> Path:
    """The directory with the emoji of `VENDORS`, made if it is missing; errors as experiments.data.emoji."""
    emoji.main([f"--labelled={','.join(VENDORS)}", f"--output={data / 'emoji_tones'}"])
    return data / "emoji_tones"


def prepare(data: Path) -> Path:
    """The two domains in trainA trainB testA testB, made of experiments.data.emoji's images; equal names are pairs.

    Raises:
      UserError: the images cannot be made, or the directory holds something else.
    """
    request = {"tones": list(TONES.values()), "vendors": VENDORS}
    return derive(draw(data), data / "light2dark", request, _domains)


def derive(drawn: Path, made: Path, request: Mapping[str, object], choose: Choose) -> Path:
    """The data set `made` of emoji in `drawn`, written if it is missing.

    Args:
      drawn: of `draw`.
      made: the new directory.
      request: what tells this data set from others.
      choose: gives the path of every chosen image by its new path, of all rows of the table of images.
    Raises:
      UserError: the directory holds something else.
    """
    if not output.present(made, request):
        with (drawn / "attributes.csv").open(newline="") as file:
            rows = list(csv.DictReader(file))
        texts = {"SOURCES.md": (drawn / "SOURCES.md").read_text("utf-8")}
        pictures = ((name, images.read(drawn / path, 3)) for name, path in sorted(choose(rows).items()))
        output.write(made, request, pictures, texts)
    return made


def _domains(rows: Sequence[Mapping[str, str]]) -> dict[str, str]:
    """Path of every image by its new path: a base emoji trains one domain alone, and tests both."""
    codes = {tone: code for code, tone in emoji.TONES.items()}
    result = {}
    for row in rows:
        split = row["path"].partition("/")[0]
        for domain, tone in TONES.items():
            if row["skin_tone"] != tone or split not in ("train", "test"):
                continue
            if split == "test" or emoji.side(row["base"]) == domain:
                name = row["codepoints"].replace(codes[tone], "tone")
                result[f"{split}{domain}/{row['vendor']}_{name}.png"] = row["path"]
    return result


def judge(data: Path, size: int, steps: int) -> tuple[classifier.Predictor, float]:
    """A classifier of light and dark, and the share of real held-out images that it is right on."""
    parts = {}
    for split in ("train", "test"):
        x = [held_out.read(data / f"{split}{domain}", size) for domain in TONES]
        parts[split] = np.concatenate(x), np.repeat(np.eye(2), [len(one) for one in x], axis=0)
    predictor = classifier.fit(*parts["train"], one_hot=True, seed=0, steps=steps, mirror=True)
    return predictor, classifier.accuracy(predictor, *parts["test"])


def measure(predictor: classifier.Predictor, x: np.ndarray, y: np.ndarray, truth: np.ndarray, to: str) -> dict:
    """How well y translates x to tone `to`, uint8 [n, h, w, 3] all; means over images."""
    skin = np.abs(x.astype(int) - truth).max(axis=-1) > SAME
    error = np.abs(y.astype(float) - truth).mean(axis=-1)
    nearest = [int(np.argmin(l1(np.broadcast_to(one, truth.shape), truth))) for one in y]
    return {
        "asked": float(classifier.decide(predictor, y)[:, "AB".index(to)].mean()),
        "skin": float(error[skin].mean()),
        "rest": float(error[~skin].mean()),
        **quality.similar(y, truth),
        "own": float((np.array(nearest) == np.arange(len(y))).mean()),
    }


def report(record: Mapping) -> str:
    """The markdown table."""
    rows = []
    for direction in ("AtoB", "BtoA"):
        tones = f"{TONES[direction[0]]} to {TONES[direction[-1]]}"
        for name, scores in record["runs"][direction].items():
            method, levelled, _ = name.partition(LEVELLED)
            rows.append([f"{tones}, {driver.DISCOGAN[method].title}{levelled}", *driver.cells(scores, MEASURES)])
        rows.append([f"{tones}, untouched input", *driver.cells([record["input"][direction]], MEASURES)])
    right = f"The classifier is right on {record['classifier']:.1%} of real held-out images."
    return table(["held-out emoji", *(title for title, _ in MEASURES.values())], rows) + f"\n\n{right}"


def experiment(runs: Mapping[str, Sequence[driver.Run]], data: Path, steps: int) -> tuple[dict, dict[str, np.ndarray]]:
    """Record and pictures of the finished runs."""
    size = runs["discogan"][0].configured().data.image_size
    tests = {domain: held_out.read(data / f"test{domain}", size) for domain in TONES}
    predictor, right = judge(data, size, steps)
    record, pictures = {"classifier": right, "test_images": len(tests["A"]), "input": {}, "runs": {}}, {}
    models = {method: [gan_xla.load(one.workdir) for one in found] for method, found in runs.items()}
    shown = np.linspace(0, len(tests["A"]) - 1, SHOWN).astype(int)
    for direction in ("AtoB", "BtoA"):
        x, truth = tests[direction[0]], tests[direction[-1]]
        record["runs"][direction] = {}
        record["input"][direction] = measure(predictor, x, x, truth, direction[-1])
        columns = {"input": x[shown]}
        for method, found in models.items():
            if direction not in found[0].directions:
                continue
            outputs = [model.translate(x, direction) for model in found]
            white = [quality.levelled(y)[0] for y in outputs]
            results = {
                name: [measure(predictor, x, y, truth, direction[-1]) for y in made]
                for name, made in (("", outputs), (LEVELLED, white))
            }
            for name, scores in results.items():
                record["runs"][direction][method + name] = scores
            columns[method] = outputs[median([one["l1"] for one in results[""]])][shown]
        columns["truth"] = truth[shown]
        pictures[f"{TONES[direction[0]]}_to_{TONES[direction[-1]]}.png"] = sample_grid(columns, [list(columns)])
    return record, pictures


def main(argv: Sequence[str] | None = None) -> None:
    """Trains, measures, prints the table and writes the results.

    Raises:
      UserError: a wrong flag, images that cannot be made, or as `driver.train`.
    """
    options = driver.parser("attribute", __doc__, seeds=3, data=Path("data"), judge="classifier").parse_args(argv)
    data = prepare(options.data)
    fields = {"data.source": "folder", "data.path": str(data)}
    runs = driver.grid(driver.DISCOGAN, SCALES[options.scale], fields, options)
    driver.train(driver.by_seed(runs), options)
    record, pictures = experiment(runs, data, options.classifier_steps)
    publish(options.output, {"scale": options.scale, **record}, report(record) + "\n", pictures)


if __name__ == "__main__":
    raise SystemExit(run(main))
