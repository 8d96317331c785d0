"""Few images: what do random changes of what D sees, and a moving average of G, bring?

  python -m experiments.few [--scale=cpu|gpu] [--seeds=N]

Trains DiscoGAN from chairs to faces, CycleGAN from drawings to objects (unpaired), DCGAN and PGGAN on faces, on 50, 200
and 1000 built-in images of each domain (or as many as there are), with and without the options for few images, and
measures on held-out models: the distance of features and recall, what is known to be true (the azimuth of faces, the
object that was drawn), and how much lower D's loss is on training images than on held-out ones: what it knows by heart.
Run again, it resumes, and skips what is finished. Writes scores.json, scores.md and a picture for each method.
"""

from argparse import Namespace
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import jax
import ml_collections
import numpy as np

import gan_xla
from experiments import azimuth, driver, quality
from experiments.common import median, publish, run, store, table
from gan_xla import data, images
from gan_xla.contract import Ctx
from gan_xla.data.sources import builtin
from gan_xla.evaluation import features
from gan_xla.evaluation.judges import azimuth as angles
from gan_xla.evaluation.metrics import kernel, manifold
from gan_xla.images.grids import sample_grid
from gan_xla.images.ranges import normalise
from gan_xla.run.checkpoint import Checkpoints
from gan_xla.run.state import of_run

COUNTS = (50, 200, 1000)
PLAIN = {"loss.augment": (), "optimizer.gen.ema_decay": 0.0}
OPTIONS = {
    "loss.augment": ("shift", "cutout", "color"),
    "optimizer.gen.ema_decay": 0.999,
    "optimizer.gen.ema_warmup": 0.05,
}
FRONT = azimuth.FIELDS["data.azimuths"]
SHOWN = 8
HEART = 48  # images that D's loss is of; whole groups of PGGAN's minibatch standard deviation


class Task(NamedTuple):
    """A method and its images.

    Attributes:
      title: in the table.
      config: its name.
      source: fields of the `data` section that tell which built-in images.
      fields: of the config, on the scale `cpu`.
    """

    title: str
    config: str
    source: Mapping[str, object]
    fields: Mapping[str, object]


NARROW = {"data.image_size": 32, "model.generator.width": 16, "model.discriminator.width": 16}
TASKS = {
    "discogan": Task(
        "DiscoGAN, chairs to faces",
        "discogan",
        {"name": "chairs2faces", "azimuths": FRONT},
        {**NARROW, "data.load_size": 36, "data.flip": False, "train.steps": 1500, "train.batch_size": 16},
    ),
    "cyclegan": Task(
        "CycleGAN, drawings to objects",
        "cyclegan",
        {"name": "edges2objects"},
        {**NARROW, "data.load_size": 36, "model.generator.blocks": 2, "train.steps": 800, "train.batch_size": 4},
    ),
    "dcgan": Task(
        "DCGAN, faces",
        "dcgan",
        {"name": "faces2faces", "azimuths": FRONT, "unlabelled": True},
        {**NARROW, "train.steps": 2000, "train.batch_size": 32},
    ),
    "pggan": Task(
        "PGGAN, faces",
        "pggan",
        {"name": "faces2faces", "azimuths": FRONT, "unlabelled": True},
        {"growth.fade_images": 6000, "growth.stable_images": 6000, "data.flip": False},
    ),
}
SCALES = {"cpu": ":quick", "gpu": ""}
MEASURES = {
    "kd": ("KD", ".3f"),
    "recall": ("recall", ".2f"),
    "truth": ("azimuth's correlation; L1 to the object", ".2f"),
    "by_heart": ("D's loss, held-out less training", ".2f"),
}


def prepare(root: Path, task: Task, count: int) -> Path:
    """Directories trainA trainB testA testB, or train test, of a task: at most so many training images, and all others.

    The images of a smaller count are among those of a larger one.
    """
    made = root / f"{task.source['name']}-{count}"
    dataset = data.load(ml_collections.ConfigDict({"source": "builtin", **task.source}))
    for split, sources in (("train", dataset.train), ("test", dataset.test)):
        for source in sources:
            (key,) = source.spec
            chosen = np.arange(len(source))
            if split == "train":
                chosen = np.random.default_rng(0).permutation(len(source))[:count]
            store(made / f"{split}{key[2:]}", source.read(chosen)[key], chosen)
    return made


def plan(options: Namespace) -> dict[tuple[str, int], dict[str, list[driver.Run]]]:
    """The runs of either kind by task and number of images."""
    found = {}
    for name, task in TASKS.items():
        variants = {
            kind: driver.Variant(kind, task.config, fields) for kind, fields in (("without", PLAIN), ("with", OPTIONS))
        }
        scale = driver.Scale(SCALES[options.scale], task.fields if options.scale == "cpu" else {})
        for count in COUNTS:
            fields = {"data.source": "folder", "data.path": str(prepare(options.data, task, count))}
            found[name, count] = driver.grid(variants, scale, fields, options, f"{name}-{count}")
    return found


def by_heart(one: driver.Run) -> float:
    """How much lower the loss of D is on training images than on as many held-out ones, beside the same fakes."""
    config = one.resolved()
    gan, like = of_run(config, one.workdir)
    with Checkpoints(one.workdir, read_only=True) as checkpoints:
        state = checkpoints.restore(checkpoints.latest(), like)
    dataset = data.load(config.data)
    count = min(HEART, *(len(source) for part in (dataset.train, dataset.test) for source in part))
    ctx = Ctx(jax.random.key(0), state.step, np.arange(count), gan.phase(int(state.step), int(state.early)))

    @jax.jit
    def loss(batch, fakes):
        return gan.disc_loss(state.disc.params, state.disc.stats, normalise(batch, gan), fakes, ctx)[0]

    def batch(sources):
        size = images.sides(config.data.image_size)
        rows = {}
        for source in sources:
            for key, x in source.read(np.linspace(0, len(source) - 1, count).astype(int)).items():
                rows[key] = np.stack([images.resize(image, size) for image in x])
        return rows

    train, test = batch(dataset.train), batch(dataset.test)
    fakes = jax.jit(lambda rows: gan.generate(state.gen.params, state.gen.stats, normalise(rows, gan), ctx)[0])(train)
    fakes = {name: fakes[name] for name in gan.judged}
    return float(loss(test, fakes) - loss(train, fakes))


class Judge:
    """What is measured of a task's runs on held-out images of `size` pixels."""

    def __init__(self, task: Task, size: int, network: features.Features, steps: int):
        dataset = data.load(ml_collections.ConfigDict({"source": "builtin", "image_size": size, **task.source}))
        self.task, self._network = task, network
        self.sources = [next(iter(part.read(np.arange(len(part))).values())) for part in dataset.test]
        self._features = network(self.sources[-1])
        if task.config == "discogan":
            found = builtin.views(task.source["name"], "train", size, azimuths=FRONT)
            self._predictor = angles.fit(found["x_B"], found["azimuth_B"], seed=0, steps=steps)
            self._facing = dataset.test[0].azimuths

    def made(self, one: driver.Run) -> np.ndarray:
        """Translations of the held-out images of A, or as many samples as there are held-out images."""
        model = gan_xla.load(one.workdir)
        return model.translate(self.sources[0], "AtoB") if len(self.sources) > 1 else model.sample(len(self.sources[0]))

    def measure(self, one: driver.Run, y: np.ndarray) -> dict[str, float]:
        """`MEASURES` of what a run made; those that are not known of a task are left out."""
        made = self._network(y)
        found = {
            "kd": float(kernel.mmd2(self._features, made).value),
            "recall": manifold.precision_recall(self._features, made).recall,
            "by_heart": by_heart(one),
        }
        if self.task.config == "discogan":
            read = angles.predict(self._predictor, quality.levelled(y)[0])
            found["truth"] = azimuth.either(self._facing, read)["agreement"]
        elif self.task.config == "cyclegan":
            found["truth"] = quality.similar(y, self.sources[1])["l1"]
        return found


def report(record: Mapping[str, Mapping[str, Mapping[str, Sequence[Mapping[str, float]]]]]) -> str:
    """The markdown table."""
    rows = []
    for name, counts in record.items():
        for count, kinds in counts.items():
            for kind, results in kinds.items():
                known = {key: value for key, value in MEASURES.items() if key in results[0]}
                found = dict(zip(known, driver.cells(results, known), strict=True))
                rows.append([f"{TASKS[name].title}, {count}, {kind}", *(found.get(key, "") for key in MEASURES)])
    return table(["method, images, options", *(title for title, _ in MEASURES.values())], rows)


def main(argv: Sequence[str] | None = None) -> None:
    """Trains, measures, prints the table and writes the results.

    Raises:
      UserError: a wrong flag, or as `driver.train`.
    """
    options = driver.parser("few", __doc__, seeds=3, data=Path("data/few"), judge="regressor").parse_args(argv)
    planned = plan(options)
    driver.train(driver.by_seed(*planned.values()), options)
    network, record, pictures = features.load(), {}, {}
    for name, task in TASKS.items():
        size = next(iter(planned[name, COUNTS[0]].values()))[0].configured().data.image_size
        judge = Judge(task, size, network, options.regressor_steps)
        rows = np.linspace(0, len(judge.sources[0]) - 1, SHOWN).astype(int)
        columns = {"input" if len(judge.sources) > 1 else "real": judge.sources[0][rows]}
        for count in COUNTS:
            for kind, runs in planned[name, count].items():
                made = [judge.made(one) for one in runs]
                found = [judge.measure(one, y) for one, y in zip(runs, made, strict=True)]
                record.setdefault(name, {}).setdefault(str(count), {})[kind] = found
                columns[f"{count} {kind}"] = made[median([one["kd"] for one in found])][rows]
        pictures[f"{name}.png"] = sample_grid(columns, [list(columns)])
    publish(options.output, record, report(record) + "\n", pictures)


if __name__ == "__main__":
    raise SystemExit(run(main))
