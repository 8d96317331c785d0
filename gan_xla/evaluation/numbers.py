"""What a measurement gives: numbers with all that they need to be compared, as records of a file and as a table."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from gan_xla.evaluation.metrics.confidence import Estimate

LINES = {"": "", "_input": "untouched input", "_real": "real images"}  # of the table, by the ends of metrics


class Number(NamedTuple):
    """One result.

    Attributes:
      metric: short name, such as "fd" or "precision".
      name: in print, with the feature network, such as "FD (EfficientNet-Lite0)".
      value: None where it could not be measured.
      error: standard error, or None.
      images, real: how many were made, and how many real ones there were to compare with.
      seed: of noise and other draws.
      features: the feature network, where it was used.
      protocol: how images came to its size.
      reason: why there is no value.
      estimate: the value with what each image has to do with it; not in the record.
    """

    metric: str
    name: str
    value: float | None
    error: float | None
    images: int
    real: int
    seed: int
    features: str | None = None
    protocol: str | None = None
    reason: str | None = None
    estimate: Estimate | None = None

    @property
    def record(self) -> dict:
        """What evaluation.json says of it, under its name."""
        found = {name: value for name, value in self._asdict().items() if value is not None or name == "value"}
        left_out = {"name", "estimate"} | (set() if self.real else {"real"})
        return {name: value for name, value in found.items() if name not in left_out}


Found = dict[str, list[Number]]  # by direction, domain or "samples"


def recorded(results: Mapping[str, Found]) -> dict[str, dict[str, dict[str, dict]]]:
    """{step: {direction, domain or "samples": {name: record}}}, as evaluation.json has it."""
    return {
        step: {name: {number.name: number.record for number in numbers} for name, numbers in found.items()}
        for step, found in results.items()
    }


def printed(value: float | None, error: float | None) -> str:
    """A number with its standard error."""
    if value is None:
        return "-"
    return f"{value:.4g}" + ("" if error is None else f"±{error:.2g}")


def _cell(number: Number | None) -> str:
    return "-" if number is None else printed(number.value, number.error)


def columns(rows: Sequence[Sequence[str]]) -> list[str]:
    """Rows of equal length as lines, their cells below each other."""
    widths = [max(map(len, column)) for column in zip(*rows)]
    return ["  ".join(cell.rjust(width) for cell, width in zip(row, widths)).rstrip() for row in rows]


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
    about = [f"{metric}: {title}" for metric, title in titles.items()]
    shown = {x.features: x.protocol for *_, numbers in lines for x in numbers if x.protocol}
    about += [f"{network} sees images resized: {protocol}" for network, protocol in shown.items()]
    return "\n".join([*columns(cells), "", *about, "±: standard error", *_missing(lines)])


def _suffix(metric: str) -> str:
    return next(suffix for suffix in reversed(LINES) if metric.endswith(suffix))


def _missing(lines: Sequence[tuple[str, str, Sequence[Number]]]) -> list[str]:
    """A line for each reason why numbers are missing, with their names."""
    found: dict[str, tuple[dict, dict]] = {}
    for _, name, numbers in lines:
        for x in numbers:
            if x.reason:
                metrics, cases = found.setdefault(x.reason, ({}, {}))
                metrics[x.metric], cases[name] = None, None
    return [f"no {', '.join(metrics)} of {', '.join(cases)}: {reason}" for reason, (metrics, cases) in found.items()]
