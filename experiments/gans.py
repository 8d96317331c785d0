"""GAN and conditional GAN on MNIST: which loss is stable, and does the label asked for appear?

  python -m experiments.gans [--scale=cpu|gpu] [--seeds=N]

Trains the network of Goodfellow et al. 2014 in its common form with the minimax loss (their equation 1), its
non-saturating form, LSGAN, hinge, WGAN with clipped weights and WGAN-GP, and the conditional GAN of Mirza and
Osindero 2014, many seeds of each as one program. A classifier of real digits reads samples: how many of the 10 digits
appear, how evenly, and, of the conditional GAN, whether as asked. Beside it the distance of features to held-out
digits, seeds that lack a digit, and how large the gradient of G is early in training; and what becomes of it in the
minimax game and in its non-saturating form when D is far ahead, updated twenty times for each update of G. Run again,
it resumes, and skips what is finished. Writes scores.json, scores.md, gradients.png and samples.png.

The images are made by experiments.data.mnist.
"""

from argparse import Namespace
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

import gan_xla
from experiments import driver, held_out, quality
from experiments.common import figure, median, publish, run, table
from experiments.data import mnist
from experiments.driver import Scale, Variant
from gan_xla.evaluation import features
from gan_xla.evaluation.cases import spread
from gan_xla.evaluation.judges import classifier
from gan_xla.images.grids import sample_grid
from gan_xla.inference.model import Model

CRITIC = {"train.turns": ("d", "d", "d", "d", "dg"), "optimizer.b1": 0.5, "optimizer.b2": 0.9}
VARIANTS = {
    "log": Variant("non-saturating", "gan"),
    "minimax": Variant("minimax", "gan", {"loss.adversarial": "minimax"}),
    "lsgan": Variant("LSGAN", "gan", {"loss.adversarial": "lsgan"}),
    "hinge": Variant("hinge", "gan", {"loss.adversarial": "hinge"}),
    "wgan": Variant("WGAN, clipped", "gan", CRITIC | {"loss.adversarial": "wgan", "optimizer.disc.clip": 0.01}),
    "wgan_gp": Variant("WGAN-GP", "gan", CRITIC | {"loss.adversarial": "wgan", "loss.penalty": "wgan-gp"}),
    "cgan": Variant("conditional GAN", "cgan"),
}
EARLY = 500  # steps
LONE = {"train.turns": ("d",) * 19 + ("dg",), "train.steps": EARLY, "train.epochs": 0, "train.steps_per_call": 1}
AHEAD = {  # D as far ahead as the argument for the non-saturating loss supposes
    "log_ahead": Variant("non-saturating, D ahead", "gan", LONE),
    "minimax_ahead": Variant("minimax, D ahead", "gan", LONE | {"loss.adversarial": "minimax"}),
}
SMALL = {"train.steps": 3000, "train.log_every": 20}
SCALES = {"cpu": Scale(":quick", SMALL), "gpu": Scale("", {"train.log_every": 20})}
# A critic's steps are mostly updates of D alone, which take about half the time of a step of both.
CRITICS = {"cpu": {"train.steps": 6000}, "gpu": {"train.epochs": 400}}
MEASURES = {
    "digits": ("digits that appear, of 10", ".1f"),
    "evenness": ("effective number of digits", ".1f"),
    "kd": ("KD", ".3f"),
    "sharpness": ("sharpness", ".2f"),
    "asked": ("read as asked", ".1%"),
}
DIGITS = 10
SHARE = 0.01  # of the samples, for a digit to appear
IMAGES = 1000
NEAR = 100  # of them, whose features are compared
SHOWN = 10


def real(data: Path, split: str, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Digits, uint8 [n, 28, 28, 1], evenly spread over the classes, and their labels [n, 10]."""
    each = [held_out.read(data / split / str(digit), 28, 1, most=count // DIGITS) for digit in range(DIGITS)]
    return np.concatenate(each), np.repeat(np.eye(DIGITS), [len(x) for x in each], axis=0)


def coloured(x: np.ndarray) -> np.ndarray:
    """Grey images [n, h, w, 1] as feature networks want them: [n, h, w, 3]."""
    return np.repeat(x, 3, axis=-1)


def measure(x: np.ndarray, read: np.ndarray, asked: np.ndarray | None, real: quality.Real) -> dict:
    """Of samples x, uint8 [n, 28, 28, 1], that are read as the digits `read` [n]."""
    share = np.bincount(read, minlength=DIGITS) / len(read)
    some = share[share > 0]
    return {
        "digits": int((share >= SHARE).sum()),
        "evenness": float(np.exp(-(some * np.log(some)).sum())),
        **real.near(coloured(x[:NEAR])),
        "asked": None if asked is None else float((read == asked).mean()),
    }


def sample(model: Model) -> tuple[np.ndarray, np.ndarray | None]:
    """`IMAGES` samples, and the digits that they were asked for."""
    if not model.domains:
        return model.sample(IMAGES), None
    asked = np.arange(IMAGES) % DIGITS
    return model.sample(IMAGES, labels=[str(digit) for digit in asked]), asked


def gradients(workdir: Path) -> tuple[list[int], list[float]]:
    """Steps of the log at which G was updated, and the norm of its gradient there, of several seeds the mean."""
    lines = [line for line in driver.logged(workdir) if "grad_norm/G" in line]
    return [line["step"] for line in lines], [line["grad_norm/G"] for line in lines]


def cost(one: driver.Run) -> dict[str, float]:
    """Updates of G, and seconds of training of all seeds."""
    train = one.resolved().train
    share = sum("g" in turn for turn in train.turns) / len(train.turns)
    _, seconds = driver.clock(one.workdir, train.batch_size * train.num_seeds)
    return {"updates": round(train.steps * share), "seconds": float(seconds[-1])}


def report(record: Mapping) -> str:
    """The markdown table."""
    rows = []
    for name, variant in VARIANTS.items():
        found = record["variants"][name]
        measures = MEASURES if name == "cgan" else {key: form for key, form in MEASURES.items() if key != "asked"}
        cells = driver.cells(found["seeds"], measures)
        failed = sum(one["digits"] < DIGITS for one in found["seeds"])
        ends = [f"{failed}", f"{found['early_gradient']:.2g}", f"{found['updates']}", f"{found['seconds']:.0f}"]
        rows.append([variant.title, *cells, *[""] * (len(MEASURES) - len(measures)), *ends])
    header = ["", *(title for title, _ in MEASURES.values()), "seeds that lack a digit"]
    header += [f"gradient of G, steps to {EARLY}", "updates of G", "seconds of training, all seeds"]
    right = f"The classifier is right on {record['classifier']:.1%} of {record['held_out']} real held-out digits."
    return "\n\n".join([table(header, rows), right, ahead(record["ahead"])])


def ahead(record: Mapping) -> str:
    """The markdown table of the gradients of G against a D that is ahead of it."""
    moments = range(EARLY // 5, EARLY + 1, EARLY // 5)
    rows = [
        [AHEAD[name].title, *(f"{np.interp(moment, one['steps'], one['norms']):.2g}" for moment in moments)]
        for name, one in record.items()
    ]
    return table([f"gradient of G, updated once in {len(LONE['train.turns'])} steps of D", *map(str, moments)], rows)


def draw(path: Path, runs: Mapping[str, driver.Run]) -> None:
    """The norm of G's gradient over the training, and against a D that is ahead."""
    with figure(path, 1, 2, (10, 3.6)) as axes:
        for ax, variants in zip(axes, (VARIANTS, AHEAD)):
            for name, variant in variants.items():
                ax.plot(*gradients(runs[name].workdir), label=variant.title, linewidth=1)
            ax.set(xlabel="step", ylabel="norm of the gradient of G", yscale="log")
            ax.legend(ncols=2, fontsize="small")


def experiment(runs: Mapping[str, driver.Run], data: Path, steps: int) -> tuple[dict, np.ndarray]:
    """Record and picture of the finished runs."""
    judge = classifier.fit(*real(data, "train", 20 * IMAGES), one_hot=True, seed=0, steps=steps)
    truth, labels = real(data, "test", IMAGES)
    seen, columns = quality.Real(coloured(truth[spread(len(truth), 4 * NEAR)]), features.load()), {}
    record = {"classifier": classifier.accuracy(judge, truth, labels), "held_out": len(truth), "variants": {}}
    record["ahead"] = {name: dict(zip(("steps", "norms"), gradients(runs[name].workdir))) for name in AHEAD}
    for name in VARIANTS:
        one = runs[name]
        samples = [sample(model) for model in gan_xla.load_all(one.workdir)]
        seeds = [measure(x, classifier.predict(judge, x).argmax(axis=1), asked, seen) for x, asked in samples]
        when, norms = gradients(one.workdir)
        early = [norm for step, norm in zip(when, norms) if step <= EARLY]
        record["variants"][name] = {"seeds": seeds, "early_gradient": float(np.mean(early)), **cost(one)}
        columns[VARIANTS[name].title] = samples[median([found["kd"] for found in seeds])][0][:SHOWN]
    return record, sample_grid(columns, [list(columns)])


def plan(options: Namespace, data: Path) -> dict[str, driver.Run]:
    """A run of all seeds for each variant; critics have twice the steps, for about as much time."""
    fields = {"data.source": "folder", "data.path": str(data), "train.num_seeds": options.seeds}
    fields["train.nonfinite"] = "skip"  # one seed's failure is a result, not the others' end
    alone, result = Namespace(**{**vars(options), "seeds": 1}), {}
    for name, variant in (AHEAD | VARIANTS).items():
        more = CRITICS[options.scale] if variant.fields.get("train.turns") == CRITIC["train.turns"] else {}
        result[name] = driver.grid({name: variant}, SCALES[options.scale], fields | more, alone)[name][0]
    return result


def main(argv: Sequence[str] | None = None) -> None:
    """Trains, measures, prints the table and writes the results.

    Raises:
      UserError: a wrong flag, images that cannot be made, or as `driver.train`.
    """
    parser = driver.parser("gans", __doc__, seeds=5, data=Path("data"), judge="classifier")
    options = parser.parse_args(argv)
    data = options.data / "mnist"
    mnist.main([f"--output={data}"])
    runs = plan(options, data)
    driver.train(runs.values(), options)
    record, picture = experiment(runs, data, options.classifier_steps)
    publish(options.output, {"scale": options.scale, **record}, report(record) + "\n", {"samples.png": picture})
    draw(options.output / "gradients.png", runs)


if __name__ == "__main__":
    raise SystemExit(run(main))
