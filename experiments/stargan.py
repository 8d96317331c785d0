"""Does StarGAN reach the domain that it is asked for, and what does its mask do (Choi et al. 2018, section 5)?

  python -m experiments.stargan directions --workdir=RUN --output=DIR
  python -m experiments.stargan mask --workdir=RUN --output=DIR [--single=RUN2]

`directions` takes a run on class folders whose test images have equal names in every class, such as
experiments.data.emoji --labelled writes: the true image of every translation is known. For each of
the k (k - 1) directions it gives L1 (of 255) and SSIM to the truth of the translation and of the untouched
input, and the share of translations that a classifier of real images reads as the class asked for. The
paper knows no truth; its classifier reads 97.88 % of StarGAN's faces as asked (RaFD, a ResNet-18
that is right on 99.55 % of real ones).

`mask` takes a run trained jointly on several data sets (configs/stargan_joint.py). Held-out images of
the first go to every label of every data set under each mask; classifiers of the real images of each
data set say how often the label is read that was asked for, and for how many images the labels
of each data set read as before. In the paper (figure 7, by eye) an expression asked for under the
wrong mask does not appear, and instead the age changes: zeros, taken for valid attributes, say "not
young". `--single` adds a run that was trained on one of the further data sets alone, at equal
steps; the paper's is blurry on the other data set, its joint one is not (figure 6).

Both write scores.json, scores.md and translations.png.
"""

import argparse
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import jax.numpy as jnp
import ml_collections
import numpy as np

import gan_xla
from experiments import common, held_out
from experiments.judges import Judge, judge
from gan_xla import images
from gan_xla.data.labelled import sections
from gan_xla.errors import UserError
from gan_xla.evaluation.cases import spread
from gan_xla.evaluation.judges import classifier
from gan_xla.images.grids import sample_grid
from gan_xla.inference.model import Model
from gan_xla.labels import LabelSpace

Sections = Mapping[str, ml_collections.ConfigDict]
Outcome = tuple[dict, str, np.ndarray]  # record, markdown, picture

SHOWN = 8


def truth(section: ml_collections.ConfigDict, model: Model) -> dict[str, np.ndarray]:
    """The held-out images of every class in the order of their names, uint8 [n, h, w, c].

    Raises:
      UserError: the run's data are no class folders with test images of equal names.
    """
    root = Path(section.path).expanduser() / "test"
    folders = [root / name for name in section.labels]
    if section.source != "folder" or section.get("attributes") or not all(folder.is_dir() for folder in folders):
        raise UserError(
            f"--workdir: data.path={section.path!r} of this run has no test/<class>/ for {', '.join(section.labels)}; "
            "give a run on class folders, such as experiments.data.emoji --labelled writes"
        )
    names = [[path.stem for path in images.find(folder)] for folder in folders]
    for folder, found in zip(folders, names):
        if found != names[0]:
            raise UserError(f"{folder}: needs the same names as {folders[0]}, so that the truth is known")
    return {folder.name: held_out.load(folder, model) for folder in folders}


def score(judged: Judge, real: Mapping[str, np.ndarray], source: str, target: str, y: np.ndarray) -> dict:
    """Scores of translations y of the held-out images of the class `source` to the class `target`.

    Args:
      judged: a classifier of all classes, in the order of `real`.
      real: as `truth` gives them.
    """
    found = held_out.scores({"input": real[source], "translation": y}, real[target])
    asked = np.tile(np.eye(len(real))[list(real).index(target)], (len(y), 1))
    return found | {"read_as_asked": classifier.accuracy(judged.predictor, y, asked)}


def in_turn(real: Mapping[str, np.ndarray], count: int) -> np.ndarray:
    """Images of the classes in turn, `count` in all, spread over the held-out ones."""
    classes = list(real.values())
    return np.stack([classes[row % len(classes)][i] for row, i in enumerate(spread(len(classes[0]), count))])


def directions(options: argparse.Namespace, model: Model, parts: Sections) -> Outcome:
    """Scores by direction ("noto to twemoji") of a run on class folders."""
    real = truth(parts["data"], model)
    judged = judge(parts["data"], options.classifier_steps)
    classes, inputs, result = list(real), in_turn(real, SHOWN), {}
    columns = {"input": inputs}
    for target, domain in zip(classes, model.domains):
        columns[target] = model.translate(inputs, domain=(domain,))
        for source in (name for name in classes if name != target):
            y = model.translate(real[source], domain=(domain,))
            result[f"{source} to {target}"] = score(judged, real, source, target, y)
    record = {"classifiers": {"data": judged.about}, "directions": result}
    return record, directions_table(result), sample_grid(columns, [["input"], classes])


def directions_table(result: Mapping[str, dict]) -> str:
    """The scores of `directions` as markdown, their mean last."""
    numbers = {}
    for name, found in result.items():
        y, x = found["translation"], found["input"]
        numbers[name] = [y["l1"], x["l1"], y["ssim"], x["ssim"], y["closer_than_input"], found["read_as_asked"]]
    numbers["mean"] = np.mean(list(numbers.values()), axis=0)
    formats = ("{:.1f}", "{:.1f}", "{:.3f}", "{:.3f}", "{:.0%}", "{:.1%}")
    rows = [[name, *(form.format(value) for form, value in zip(formats, row))] for name, row in numbers.items()]
    header = ["direction", "L1", "L1 of the input", "SSIM", "SSIM of the input", "closer than the input"]
    return common.table([*header, "read as asked"], rows)


def reader(judges: Mapping[str, Judge], x: np.ndarray) -> Callable:
    """A function that reads translations y of x, uint8 [n, h, w, c].

    read(y, name, place, value) tells how often label number `place` of the data set `name` is `value` [n],
    in y and in x, and for how many images (of attributes: single labels) each data set's are as in x.
    """
    before = {name: classifier.decide(judged.predictor, x) for name, judged in judges.items()}

    def read(y: np.ndarray, name: str, place: int, value: np.ndarray) -> dict:
        after = classifier.decide(judges[name].predictor, y)
        return {
            "read_as_asked": float((after[:, place] == value).mean()),
            "input_read_as_asked": float((before[name][:, place] == value).mean()),
            "unchanged": {key: classifier.accuracy(one.predictor, y, before[key]) for key, one in judges.items()},
        }

    return read


def masks(model: Model, first: Judge, read: Callable, space: LabelSpace) -> tuple[list[dict], np.ndarray]:
    """Scores of every label under every mask, and a picture of the further data sets' labels.

    Args:
      model: the run.
      first: of its first data set, whose held-out images are translated.
      read: `reader` of these images.
      space: the run's label space.
    """
    vectors, shown = jnp.asarray(space.place(0, first.label)), spread(len(first.x), SHOWN)
    result, columns, groups = [], {"input": first.x[shown]}, [["input"]]
    for number, part in enumerate(space.sets):
        for other, masked in enumerate(space.sets):
            names = []
            for place, domain in enumerate(space.domains[space.columns(number)]):
                asked = np.array(space.towards(domain, vectors))
                asked[:, space.count :] = np.eye(len(space.sets))[other]
                y = model.translate(first.x, domain=asked)
                names.append(f"{domain} ({masked.name})")
                columns[names[-1]] = y[shown]
                about = {"asked": domain, "set": part.name, "mask": masked.name}
                result.append({**about, **read(y, part.name, place, asked[:, space.columns(number)][:, place])})
            if number:
                groups.append(names)
    return result, sample_grid(columns, groups)


def single(model: Model, name: str, first: Judge, read: Callable) -> list[dict]:
    """As `masks`, of a run on the further data set `name` alone."""
    result = []
    for place, label in enumerate(model.domains):
        y = model.translate(first.x, domain=(label,))
        about = {"asked": label, "set": name, "mask": "none: trained alone"}
        result.append({**about, **read(y, name, place, np.ones(len(y)))})
    return result


def _further(alone: Model, model: Model, space: LabelSpace) -> str:
    """The data set of a joint run that another was trained on alone."""
    size, own = model.config.data.image_size, alone.config.data
    for part in space.sets[1:]:
        if part.labels == alone.domains and own.image_size == size and not own.get("joint"):
            return part.name
    raise UserError(
        f"--single: this run knows {', '.join(alone.domains)} at {own.image_size} pixels; give one that was trained "
        f"on {' or '.join(part.name for part in space.sets[1:])} of --workdir alone, at {size} pixels"
    )


def mask(options: argparse.Namespace, model: Model, parts: Sections) -> Outcome:
    """Scores of a joint run by label and mask, and those of a run on one data set."""
    if len(parts) < 2:
        raise UserError(f"--workdir={options.workdir}: this run knows one data set; train configs/stargan_joint.py")
    space = LabelSpace.of(model.config.data)
    alone = gan_xla.load(options.single) if options.single else None
    further = _further(alone, model, space) if alone else None
    judges = {name: judge(section, options.classifier_steps) for name, section in parts.items()}
    first = judges["data"]
    read = reader(judges, first.x)
    rows, picture = masks(model, first, read, space)
    record = {"classifiers": {name: judged.about for name, judged in judges.items()}, "masks": rows}
    if alone:
        record |= {"single_step": alone.step, "single": single(alone, further, first, read)}
    return record, mask_table(rows + record.get("single", [])), picture


def mask_table(result: Sequence[dict]) -> str:
    """The scores of `mask` and `single` as markdown."""
    sets = list(result[0]["unchanged"])
    rows = [
        [f"{row['asked']}, mask {row['mask']}"]
        + [f"{value:.1%}" for value in (row["read_as_asked"], row["input_read_as_asked"], *row["unchanged"].values())]
        for row in result
    ]
    return common.table(
        ["asked", "read as asked", "input read so", *(f"labels of {name} unchanged" for name in sets)], rows
    )


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    kinds = parser.add_subparsers(required=True)
    for name, play in (("directions", directions), ("mask", mask)):
        kind = kinds.add_parser(name)
        kind.set_defaults(play=play)
        kind.add_argument("--workdir", type=Path, required=True, help="the run")
        kind.add_argument("--output", type=Path, required=True, help="directory for the results")
        kind.add_argument(
            "--classifier_steps", type=int, default=1500, help="training steps of a classifier (default %(default)s)"
        )
    kind.add_argument("--single", type=Path, help="a run on one of the further data sets alone")
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> None:
    """Judges a run, prints the tables and writes the results.

    Raises:
      UserError: a run that the experiment cannot judge.
    """
    options = _arguments(argv)
    model = gan_xla.load(options.workdir)
    if not model.domains:
        raise UserError(f"--workdir={options.workdir}: this run knows no domains; give one of configs/stargan.py")
    record, table, picture = options.play(options, model, sections(model.config.data))
    rows = [
        [name, f"{about['accuracy']:.1%}", f"{about['held_out']}", f"{about['seconds']:.0f}"]
        for name, about in record["classifiers"].items()
    ]
    own = common.table(["classifier of", "right on real held-out images", "of", "seconds to train"], rows)
    text = f"step {model.step}\n\n{own}\n\n{table}\n"
    common.publish(options.output, {"step": model.step, **record}, text, {"translations.png": picture})


if __name__ == "__main__":
    raise SystemExit(common.run(main))
