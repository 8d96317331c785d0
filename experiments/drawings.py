"""Edges to colour, one to many, unpaired: line art to colour emoji (after Kim et al. 2017, section 4.3 and figure 8).

  python -m experiments.drawings [--scale=cpu|gpu] [--seeds=N]

Domain A is line art, domain B the same vendor's emoji in colour; no emoji is in both training domains. One drawing
fits many colourings, so the way from colours to lines and back must lose the colours, or hide them in the lines. Trains
DiscoGAN, a GAN with one-way reconstruction and a standard GAN, and measures on held-out emoji:

- quality: L1 and SSIM to the artist's colouring, distances of features (KD) and sharpness against real emoji;
- spread: how much the colourings of one drawing by several seeds differ, and how many hues all colourings take;
- hiding: the error of colours that went to lines and back, when the lines are passed on as they are, rounded to bytes,
  with noise, in grey, or as black and white alone.

Run again, it resumes, and skips what is finished. Writes scores.json, scores.md and pictures. The images are made by
experiments.data.emoji.
"""

import itertools
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np

import gan_xla
from experiments import driver, held_out, quality
from experiments.common import median, publish, run, table
from experiments.data import emoji
from gan_xla import images
from gan_xla.evaluation import features
from gan_xla.evaluation.metrics.similarity import l1
from gan_xla.images.grids import sample_grid
from gan_xla.inference.model import Model

SMALL = driver.FORMER_QUICK | {"train.steps": 1500, "optimizer.gen.ema_decay": 0.99}
SCALES = {"cpu": driver.Scale(":quick", SMALL), "gpu": driver.PAPER}
HUES = 12  # bins of the colour circle
VIVID = 48  # of 255, from the largest to the smallest channel: less is grey
SHOWN = 10
MEASURES = quality.MEASURES | {
    "hues": ("hues, effective number", ".1f"),
    "vivid": ("coloured pixels", ".1%"),
}


def _noise(levels: float) -> Callable[[np.ndarray], np.ndarray]:
    def add(x: np.ndarray) -> np.ndarray:
        noise = np.random.default_rng(0).normal(0, levels, x.shape)
        return np.clip(np.round(x + noise), 0, 255).astype(np.uint8)

    return add


def _grey(x: np.ndarray) -> np.ndarray:
    return np.stack([np.repeat(images.luminance(one), 3, axis=-1) for one in x])


# What is done to the drawings on the way.
WAYS = {
    "as they are (bytes)": lambda x: x,
    "noise of 2 levels": _noise(2),
    "noise of 8 levels": _noise(8),
    "noise of 32 levels": _noise(32),
    "in grey": _grey,
    "black and white": lambda x: np.where(_grey(x) < 128, 0, 255).astype(np.uint8),
}


def chroma(x: np.ndarray) -> np.ndarray:
    """Largest less smallest channel, int [n, h, w]; 0 for greys."""
    return x.max(axis=-1).astype(int) - x.min(axis=-1)


def hues(x: np.ndarray) -> float:
    """Effective number of hues: exp of the entropy over `HUES` bins of the vivid pixels; 0 where there are none."""
    r, g, b = np.moveaxis(x[chroma(x) > VIVID].astype(float), -1, 0)
    # On the plane of equal channels' sums, red at 0, green at 120 and blue at 240 degrees.
    angle = np.arctan2(np.sqrt(3) * (g - b), 2 * r - g - b) % (2 * np.pi)
    share = np.bincount((angle * HUES / (2 * np.pi)).astype(int) % HUES, minlength=HUES) / max(len(r), 1)
    share = share[share > 0]
    return float(np.exp(-(share * np.log(share)).sum())) if len(share) else 0.0


def measure(y: np.ndarray, truth: quality.Real) -> dict[str, float]:
    """Quality of colourings y, uint8 [n, h, w, 3], of the drawings whose true colouring is known."""
    colours = {"hues": hues(y), "vivid": float((chroma(y) > VIVID).mean())}
    return truth.measure(y) | colours


def hiding(model: Model, x: np.ndarray) -> dict[str, float]:
    """Mean error (of 255) of colours x after drawing and colouring, by what is done to the drawings between."""
    drawn = model.translate(x, "BtoA")
    return {name: float(l1(model.translate(way(drawn), "AtoB"), x).mean()) for name, way in WAYS.items()}


def between_seeds(outputs: Sequence[np.ndarray]) -> float | None:
    """Mean L1 between the colourings of one drawing by two seeds, over all pairs of seeds."""
    pairs = [float(l1(a, b).mean()) for a, b in itertools.combinations(outputs, 2)]
    return float(np.mean(pairs)) if pairs else None


def experiment(runs: Mapping[str, Sequence[driver.Run]], data: Path) -> tuple[dict, dict[str, np.ndarray]]:
    """Record and pictures of the finished runs."""
    size = runs["discogan"][0].configured().data.image_size
    x, truth = (held_out.read(data / f"test{domain}", size) for domain in "AB")
    true = quality.Real(truth, features.load())
    mean = held_out.read(data / "trainB", size).mean(axis=0).round().astype(np.uint8)
    record = {
        "test_images": len(x),
        "baselines": {
            "the drawings": measure(x, true),
            "mean training image": measure(np.broadcast_to(mean, truth.shape), true),
            "other real emoji": measure(np.roll(truth, 1, axis=0), true),
        },
        "runs": {},
        "between_seeds": {},
        "hiding": [],
    }
    shown = np.linspace(0, len(x) - 1, SHOWN).astype(int)
    columns = {"drawing": x[shown]}
    for method, found in runs.items():
        models = [gan_xla.load(one.workdir) for one in found]
        outputs = [model.translate(x, "AtoB") for model in models]
        record["runs"][method] = [measure(y, true) for y in outputs]
        record["between_seeds"][method] = between_seeds(outputs)
        middle = median([result["l1"] for result in record["runs"][method]])
        if method == "discogan":
            record["hiding"] = [hiding(model, truth) for model in models]
            record["chroma_of_drawings"] = [float(chroma(model.translate(truth, "BtoA")).mean()) for model in models]
            columns |= {f"seed {number}": y[shown] for number, y in enumerate(outputs)}
            way = secrets(models[middle], truth[shown])
        else:
            columns[method] = outputs[middle][shown]
    columns["truth"] = truth[shown]
    return record, {
        "colourings.png": sample_grid(columns, [list(columns)]),
        "hiding.png": sample_grid(way, [list(way)]),
    }


def secrets(model: Model, x: np.ndarray) -> dict[str, np.ndarray]:
    """Columns of a picture: colours, their drawings, and what is made of those again, by what was done to them."""
    drawn = model.translate(x, "BtoA")
    return {"colours": x, "drawn": drawn} | {name: model.translate(way(drawn), "AtoB") for name, way in WAYS.items()}


def report(record: Mapping) -> str:
    """The markdown tables."""
    rows = [[driver.DISCOGAN[method].title, *driver.cells(found, MEASURES)] for method, found in record["runs"].items()]
    rows += [[name, *driver.cells([found], MEASURES)] for name, found in record["baselines"].items()]
    parts = [table(["held-out drawings", *(title for title, _ in MEASURES.values())], rows)]
    spreads = {method: value for method, value in record["between_seeds"].items() if value is not None}
    if spreads:
        rows = [[driver.DISCOGAN[method].title, f"{value:.1f}"] for method, value in spreads.items()]
        parts.append(table(["one drawing", "L1 between the colourings of two seeds"], rows))
    rows = [[name, driver.mean_and_spread([one[name] for one in record["hiding"]], ".1f")] for name in WAYS]
    parts.append(table(["DiscoGAN, colours to lines to colours: the lines", "L1 to the colours"], rows))
    chromas = driver.mean_and_spread(record["chroma_of_drawings"], ".1f")
    parts.append(f"Its lines have a chroma of {chromas} of 255; real line art has 0.")
    return "\n\n".join(parts)


def main(argv: Sequence[str] | None = None) -> None:
    """Trains, measures, prints the tables and writes the results.

    Raises:
      UserError: a wrong flag, images that cannot be made, or as `driver.train`.
    """
    options = driver.parser("drawings", __doc__, seeds=3, data=Path("data")).parse_args(argv)
    data = options.data / "lines2colours"
    emoji.main(["--a=fluent-emoji-high-contrast", "--b=fluent-emoji-flat", "--unpaired", f"--output={data}"])
    fields = {"data.source": "folder", "data.path": str(data)}
    runs = driver.grid(driver.DISCOGAN, SCALES[options.scale], fields, options)
    driver.train(driver.by_seed(runs), options)
    record, pictures = experiment(runs, data)
    publish(options.output, {"scale": options.scale, **record}, report(record) + "\n", pictures)


if __name__ == "__main__":
    raise SystemExit(run(main))
