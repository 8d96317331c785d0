"""`--mode=evaluate`: how good is a trained run, on the test images of its data?"""

import json
import os
from collections.abc import Mapping, Sequence

from etils import epath

import gan_xla
from gan_xla import data, gans
from gan_xla.errors import UserError
from gan_xla.evaluation import heldout, per_image, remembered
from gan_xla.evaluation.numbers import Found, recorded, table
from gan_xla.evaluation.suite import Suite
from gan_xla.run import settings
from gan_xla.run.checkpoint import Checkpoints

FILE = "evaluation.json"


def evaluate(
    workdir: epath.PathLike,
    checkpoint: str | int = "last",
    metrics: Sequence[str] | None = None,
    input: str | os.PathLike | None = None,
    *,
    num: int | None = None,
    features: str = "efficientnet",
    features_path: str | None = None,
    seed: int = 0,
    overwrite: bool = False,
    each: bool = False,
) -> dict[str, dict[str, dict[str, dict]]]:
    """Measures a run on the test images of its data, prints a table and adds the numbers to evaluation.json there.

    What can be measured depends on the method and the data; by default all of it is. Numbers made with a feature
    network carry its name, and are only comparable with numbers of the same name and number of images.

    Args:
      workdir: the run.
      checkpoint: as `gan_xla.load`, or "all" that are kept; where one is the best, it and the last are both measured.
      metrics: names of `gan_xla.evaluation.measures.MEASURES`; None: all that fit the run.
      input: the user's images in the place of the test images, see `gan_xla.evaluation.heldout.given`: what is
        translated, and for methods that draw from noise, what their samples are compared with.
      num: samples to draw (default: as many as there are test images, at most 10,000), or images to translate
        (default: all, at most 10,000).
      features: the feature network, one of `gan_xla.evaluation.features.NETWORKS`.
      features_path: file of its weights, in the place of the usual one.
      seed: of noise and other draws.
      overwrite: whether numbers take the place of those of another seed or number of images.
      each: whether the scores of every image are written to per_image-STEP.csv there, too.
    Returns:
      {step: {direction, domain or "samples": {name: record}}}, the part of evaluation.json that is new; a record has
      `value` (None with a `reason` where it could not be measured), `metric`, `images` and `seed`, and where there
      are any `error` (standard error), `real` (images compared with), `features` (network) and `protocol` (how images
      came to its size).
    Raises:
      UserError: no run, checkpoint, test images or weights; metrics that the run does not have, or that were asked
        for by name and cannot be measured; or evaluation.json cannot be read or written.
    """
    root = epath.Path(workdir)
    config = settings.read(workdir)
    read(root / FILE)  # said now, not when all is measured
    steps = _steps(workdir, checkpoint)
    options = {} if input is None else {"given": heldout.given(input, gans.build(config), config.data)}
    dataset = data.load(config.data)
    suite = Suite(
        config, dataset, metrics=metrics, network=features, path=features_path, num=num, seed=seed,
        cache=remembered.usual(), **options,
    )  # fmt: skip
    results, files, of = {}, [], f" of {input}" if input else ""
    for step in steps:
        model = gan_xla.load(workdir, step)
        found = results[str(model.step)] = {f"{name}{of}": x for name, x in suite.measure(model).items()}
        if not overwrite and (kept := _kept(root, results)):
            print(table(results))
            raise UserError(f"{root / FILE}: {kept}; nothing was replaced; --overwrite does it")
        _write(root, results, suite)
        if each:
            names = {f"{name}{of}": known for name, known in suite.names.items()}
            files.append(per_image.write(root, str(model.step), found, names))
    print(f"{dataset.about}{suite.shown}\n\n{table(results)}\n\nin {', '.join(map(str, (root / FILE, *files)))}")
    return recorded(results)


def _steps(workdir: epath.PathLike, checkpoint: str | int) -> list[str | int]:
    """The checkpoints meant; the best one stands beside the last, so that neither is taken for the other."""
    with Checkpoints(workdir, read_only=True) as checkpoints:
        steps, best = checkpoints.steps(), checkpoints.best()
    if checkpoint == "all" and steps:
        return steps
    return [best, "last"] if checkpoint in ("last", "best") and best not in (None, *steps[-1:]) else [checkpoint]


def read(path: epath.Path) -> dict:
    """What an evaluation.json holds, {step: {case: {title: record}}}; nothing where there is none.

    Raises:
      UserError: it cannot be read, or is no such file.
    """
    try:
        known = json.loads(path.read_text()) if path.exists() else {}
        records = [record for found in known.values() for records in found.values() for record in records.values()]
        if not all("value" in record for record in records) or not all(step.isdecimal() for step in known):
            raise ValueError
        return known
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}); check its permissions") from error
    except (ValueError, TypeError, AttributeError) as error:
        raise UserError(f"{path}: is damaged, or another program's; move it away and evaluate again") from error


def _kept(root: epath.Path, results: Mapping[str, Found]) -> str:
    """The first number that is there already, of another seed or number of images, in words, or ""."""
    known = read(root / FILE)
    for step, found in recorded(results).items():
        for case, records in found.items():
            for title, record in records.items():
                old = known.get(step, {}).get(case, {}).get(title)
                differs = [x for x in ("images", "seed") if old and old["value"] is not None and old[x] != record[x]]
                if differs and record["value"] is not None:
                    how = " and ".join(f"{name} {old[name]}, not {record[name]}" for name in differs)
                    return f"{title} of step {step}, {case}, was measured with {how}"
    return ""


def _write(root: epath.Path, results: Mapping[str, Found], suite: Suite) -> None:
    """Puts the numbers beside those that are there already, whole or not at all."""
    path, known = root / FILE, read(root / FILE)
    for step, found in recorded(results).items():
        for name, records in found.items():
            before = known.setdefault(step, {}).get(name, {})
            known[step][name] = {title: x for title, x in before.items() if x["value"] is not None} | records
    temporary = path.with_suffix(".tmp")
    try:
        suite.save()
        temporary.write_text(json.dumps(dict(sorted(known.items(), key=lambda item: int(item[0]))), indent=1) + "\n")
        temporary.replace(path)
    except OSError as error:
        raise UserError(f"{path}: cannot be written ({error.strerror}); make {root} writable") from error
