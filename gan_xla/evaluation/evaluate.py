"""`--mode=evaluate`: how good is a trained run, on the test images of its data?"""

import json
import os
from collections.abc import Mapping, Sequence

from etils import epath

import gan_xla
from gan_xla import data, gans
from gan_xla.errors import UserError
from gan_xla.evaluation import heldout, remembered
from gan_xla.evaluation.suite import Number, Suite
from gan_xla.run import settings
from gan_xla.run.checkpoint import Checkpoints

FILE = "evaluation.json"
Found = dict[str, list[Number]]  # by direction, domain or "samples"
LINES = {"": "", "_input": "untouched input", "_real": "real images"}  # of the table, by the ends of metrics


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
      features: the feature network, "efficientnet" or "inception".
      features_path: file of its weights, in the place of the usual one.
      seed: of noise and other draws.
      overwrite: whether numbers take the place of those of another seed or number of images.
    Returns:
      {step: {direction, domain or "samples": {name: record}}}, the part of evaluation.json that is new; a record has
      `value` (None with a `reason` where it could not be measured), `metric`, `images` and `seed`, and where there
      are any `error` (standard error), `real` (images compared with) and `features` (network).
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
    results = {}
    for step in steps:
        model = gan_xla.load(workdir, step)
        found = suite.measure(model)
        results[str(model.step)] = {f"{name} of {input}" if input else name: x for name, x in found.items()}
        if not overwrite and (kept := _kept(root, results)):
            print(table(results))
            raise UserError(f"{root / FILE}: {kept}; nothing was replaced; --overwrite does it")
        _write(root, results, suite)
    print(f"{dataset.about}{suite.shown}\n\n{table(results)}\n\nin {root / FILE}")
    return _records(results)


def _steps(workdir: epath.PathLike, checkpoint: str | int) -> list[str | int]:
    """The checkpoints meant; the best one stands beside the last, so that neither is taken for the other."""
    with Checkpoints(workdir, read_only=True) as checkpoints:
        steps, best = checkpoints.steps(), checkpoints.best()
    if checkpoint == "all" and steps:
        return steps
    return [best, "last"] if checkpoint in ("last", "best") and best not in (None, *steps[-1:]) else [checkpoint]


def _record(number: Number) -> dict:
    record = {name: value for name, value in number._asdict().items() if value is not None or name == "value"}
    del record["name"]
    if not number.real:
        del record["real"]
    return record


def _records(results: Mapping[str, Found]) -> dict:
    return {
        step: {name: {number.name: _record(number) for number in numbers} for name, numbers in found.items()}
        for step, found in results.items()
    }


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
    for step, found in _records(results).items():
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
    for step, found in _records(results).items():
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


def _cell(number: Number | None) -> str:
    if number is None or number.value is None:
        return "-"
    error = "" if number.error is None else f"±{number.error:.2g}"
    return f"{number.value:.4g}{error}"


def table(results: Mapping[str, Found]) -> str:
    """A line for each step and direction, domain or "samples", and for what is beside it: the numbers of the untouched
    input and of real images. Below, what the columns are and what is missing."""
    lines = [(step, name, numbers) for step, found in results.items() for name, numbers in found.items()]
    rows, titles = [], {}
    for step, name, numbers in lines:
        for suffix, line in LINES.items():
            part = {x.metric.removesuffix(suffix): x for x in numbers if _suffix(x.metric) == suffix}
            if not part:
                continue
            counts = [str(max(getattr(x, field) for x in numbers)) for field in ("images", "real")]
            rows.append([[step, name, *counts] if not suffix else ["", line, "", ""], part])
            titles |= {} if suffix else {metric: x.name for metric, x in part.items()}
    cells = [["step", "", "images", "real", *titles]]
    cells += [[*first, *(_cell(part.get(metric)) for metric in titles)] for first, part in rows]
    widths = [max(map(len, column)) for column in zip(*cells)]
    text = ["  ".join(cell.rjust(width) for cell, width in zip(row, widths)).rstrip() for row in cells]
    missing = dict.fromkeys(f"no {x.metric} of {name}: {x.reason}" for _, name, xs in lines for x in xs if x.reason)
    return "\n".join([*text, "", *(f"{metric}: {title}" for metric, title in titles.items()), *missing])


def _suffix(metric: str) -> str:
    return next(suffix for suffix in reversed(LINES) if metric.endswith(suffix))
