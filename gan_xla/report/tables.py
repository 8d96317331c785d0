"""The tables of a page: metrics, configuration, and what a run is."""

import math
import statistics
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from gan_xla import evaluation, images
from gan_xla.report.page import value
from gan_xla.report.run import Run, nearest
from gan_xla.run import environment

SURE = 1.96  # standard errors, which 95 % of differences by chance alone stay within


class Cell(NamedTuple):
    """A number in print, a remark such as its step, and whether it is the best of those that it stands beside."""

    text: str
    about: str = ""
    best: bool = False


class Row(NamedTuple):
    """A line of a table: what it is, which way is better ("higher", "lower" or ""), and a cell for each column."""

    name: str
    better: str
    cells: list[Cell]


Record = Mapping[str, Any]


def _number(record: Record | None) -> float | None:
    found = (record or {}).get("value")
    return found if type(found) in (int, float) else None


def _better(records: Sequence[Record]) -> str:
    return evaluation.better(next((str(record.get("metric", "")) for record in records if record), ""))


def _best(records: Sequence[Record | None], better: str) -> int | None:
    """Which of several records is the best; None where it cannot be said, or several are."""
    known = {place: _number(record) for place, record in enumerate(records) if _number(record) is not None}
    if not better or len(known) < 2:
        return None
    best = (min if better == "lower" else max)(known, key=known.get)
    return best if list(known.values()).count(known[best]) == 1 else None


def _ahead(records: Sequence[Record | None], best: int | None) -> bool:
    """Whether the best of several records is so by more than the noise that their errors tell of."""
    if best is None:
        return False
    error = lambda record: record.get("error") if type(record.get("error")) in (int, float) else 0.0
    others = [x for place, x in enumerate(records) if place != best and _number(x) is not None]
    return all(
        abs(_number(x) - _number(records[best])) > SURE * math.hypot(error(x), error(records[best])) for x in others
    )


def _print(record: Record | None) -> str:
    number = _number(record)
    error = (record or {}).get("error")
    if number is None:
        return "–"
    return f"{number:.4g}" + (f" ± {error:.2g}" if type(error) in (int, float) else "")


def _about(record: Record | None) -> str:
    if record is None:
        return "not measured"
    if _number(record) is None:
        return str(record.get("reason", "not measured"))
    return f"{record['images']} images" if type(record.get("images")) is int else ""


def metrics(run: Run) -> dict[str, list[Row]]:
    """Of each direction, domain or "samples" of evaluation.json: the last numbers, and the best with their steps."""
    steps, found = sorted(run.evaluation, key=int), {}
    for case, title in _cases([run]):
        records = [run.evaluation[step].get(case, {}).get(title) for step in steps]
        last = max(place for place, record in enumerate(records) if record is not None)
        better = _better([records[last]])
        cells = [Cell(_print(records[last]), f"step {steps[last]}, {_about(records[last])}")]
        best = _best(records, better)
        if len(steps) > 1:
            cells.append(Cell("–") if best is None else Cell(_print(records[best]), f"step {steps[best]}"))
        found.setdefault(case, []).append(Row(title, better, cells))
    return found


def _cases(runs: Sequence[Run]) -> list[tuple[str, str]]:
    """All (case, title) of the runs' evaluations, in their order."""
    every = (
        (case, title)
        for run in runs
        for found in run.evaluation.values()
        for case, records in found.items()
        for title in records
    )
    return list(dict.fromkeys(every))


def _last(run: Run, case: str, title: str) -> tuple[str, Record | None]:
    """The newest of a run's numbers, and its step."""
    for step in sorted(run.evaluation, key=int, reverse=True):
        if (record := run.evaluation[step].get(case, {}).get(title)) is not None:
            return step, record
    return "", None


def compared(runs: Sequence[Run]) -> dict[str, list[Row]]:
    """As `metrics`, of several runs: a cell for each, of its last numbers; the best is so by more than noise."""
    found = {}
    for case, title in _cases(runs):
        steps, records = zip(*(_last(run, case, title) for run in runs))
        better = _better(records)
        best = _best(records, better)
        told = _ahead(records, best)
        cells = [
            Cell(_print(record), f"step {step}, {_about(record)}" if step else "not measured", told and place == best)
            for place, (step, record) in enumerate(zip(steps, records))
        ]
        found.setdefault(case, []).append(Row(title, better, cells))
    return found


class Field(NamedTuple):
    """A field of the configuration: its value in print, and the shipped config's where that is another."""

    name: str
    value: str
    shipped: str | None


def configuration(run: Run) -> tuple[str | None, dict[str, list[Field]]]:
    """The shipped config that a run's resembles most, and the run's fields by their section."""
    spec, other = nearest(run)
    sections: dict[str, list[Field]] = {}
    for name, x in sorted(run.fields.items()):
        section, _, rest = name.partition(".")
        section, rest = (section, rest) if rest else ("general", name)
        sections.setdefault(section, []).append(Field(rest, value(x), value(other[name]) if name in other else None))
    return spec, sections


def differences(runs: Sequence[Run]) -> list[tuple[str, list[str]]]:
    """The fields of which not all runs have the same value: (name, a value for each run)."""
    every = [run.fields for run in runs]
    names = sorted({name for fields in every for name in fields})
    rows = [(name, [value(fields[name]) if name in fields else "–" for fields in every]) for name in names]
    return [(name, values) for name, values in rows if len(set(values)) > 1]


def facts(run: Run) -> list[tuple[str, str]]:
    """What a run is, in few words: (what, value)."""
    config, steps = run.config, run.config.train.steps
    size, unit = config.data.image_size, "images" if config.data.image_size else "points"
    data = config.data.get("name") or config.data.get("path") or config.data.get("path_a") or ""
    found = [
        ("Method", str(config.gan)),
        ("Data", f"{config.data.source} {data}, " + (f"{images.shown(size)} pixels" if size else unit)),
        ("Steps", f"{run.step:,} of {steps:,}" + (", finished" if run.step >= steps else "")),
        ("Batch", f"{config.train.batch_size} {unit}"),
    ]
    if run.starts and (begun := run.starts[0].get("time")):
        found.append(("Begun", _date(str(begun))))
    if run.updated:
        found.append(("Last written", _date(run.updated.isoformat())))
    if speed := _median(run, "images_per_s"):
        found.append(
            ("Speed, median", f"{speed:,.0f} {unit} a second" if speed > 99 else f"{speed:.3g} {unit} a second")
        )
    if (wait := _median(run, "input_wait")) is not None:
        found.append(("Waiting for data, median", f"{wait:.1%} of the time"))
    return found


def _median(run: Run, name: str) -> float | None:
    known = [x for x in run.column(name)[1] if x is not None]
    return statistics.median(known) if known else None


def _date(iso: str) -> str:
    return f"{iso[:16].replace('T', ' ')} UTC"


def environments(run: Run) -> list[tuple[str, list[str]]]:
    """A line for each fact of the environments that the run was started in; a cell for each start, the last ones."""
    starts = run.starts[-4:]
    names = dict.fromkeys(name for start in starts for name in start)
    return [(name, [str(start.get(name, "–")) for start in starts]) for name in names]


def this_environment() -> list[tuple[str, list[str]]]:
    """As `environments`, of the process that makes the page."""
    return [(name, [str(x)]) for name, x in environment.here().items()]
