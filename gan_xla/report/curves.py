"""Curves of metrics.jsonl as SVG pictures, drawn by matplotlib in colours that the page's style names."""

import io
import re
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from gan_xla.errors import UserError, some
from gan_xla.report.run import Run
from gan_xla.run.state import optimizers

POINTS = 120  # of a line; more are means of stretches, with their range behind
LOG_RANGE = 50  # numbers above zero that span more have a logarithmic axis
NAMED = 8  # steps that a caption lists
DASHES = ("", "5 2", "1 2", "6 2 1 2")
COLOURS = 8
# Matplotlib draws in these; for #c0de0N the page has a style variable --cN, of one value in light and one in dark.
INK, FAINT, WRONG = "#c0de0a", "#c0de0b", "#c0de0c"

RATE = "learning_rate"
TITLES = {
    "loss": "Losses of the players",
    "grad_norm": "Norms of the gradients",
    "images_per_s": "Speed, images a second",
    "input_wait": "Waiting for data, share of the time",
    "skipped_updates": "Updates left out, so far",
    "rollbacks": "Returns to a checkpoint, so far",
    RATE: "Learning rate",
}
FROM_ZERO = ("Speed", "Waiting", "Learning rate")  # the axes of these titles start there, and are linear
RARE = ("skipped_updates", "rollbacks")  # shown where they are not zero


class Line(NamedTuple):
    """One line of a chart: numbers [n] at steps [n], NaN where they were not finite, in the colour of a number."""

    label: str
    steps: np.ndarray
    values: np.ndarray
    number: int = 0

    @property
    def colour(self) -> int:
        """A run, or a line of a single run's chart, has a colour and dashes of its own."""
        return self.number % COLOURS

    @property
    def dashes(self) -> str:
        """As SVG has them."""
        return DASHES[self.number % len(DASHES)]


class Key(NamedTuple):
    """What a caption says of a line, beside its colour and dashes: the last number, the lowest and the highest."""

    label: str
    colour: int
    dashes: str
    last: str
    lowest: str
    highest: str


class Chart(NamedTuple):
    """A chart of a page.

    Attributes:
      title: in plain text.
      svg: the picture, of no text but numbers and "step".
      keys: of its lines.
      log: whether its axis is logarithmic.
      wrong: the steps whose numbers were not finite, in words, or "".
    """

    title: str
    svg: str
    keys: list[Key]
    log: bool
    wrong: str


def _group(name: str) -> str:
    """The chart that a number of a single run belongs to."""
    if name.startswith("eval/"):
        return name.rpartition("/")[0]
    parent, _, last = name.rpartition("/")
    return parent if last in ("D", "G") else re.sub("_(A|B|AB|BA)$", "", name)


def _title(group: str) -> str:
    if group in TITLES:
        return TITLES[group]
    section, _, rest = group.partition("/")
    known = {
        "loss": f"Loss {rest}",
        "eval": f"{' of '.join(reversed(rest.split('/')))}, measured while training",
        "grad_norm": f"Gradient norm of {rest}",
    }
    return {**known, RATE: f"Learning rate of {rest}"}.get(section, group)


def _line(label: str, steps: Sequence[int], values: Sequence[float | None]) -> Line:
    return Line(label, np.asarray(steps, float), np.asarray([np.nan if x is None else x for x in values], float))


def _rates(run: Run) -> dict[str, Line]:
    """The learning rates of the players by the config of a run that did not note them; none where that has none."""
    try:
        players = optimizers(run.config.optimizer, max(run.config.train.steps, 1))
    except (UserError, LookupError, AttributeError, TypeError):
        return {}
    steps = np.linspace(0, run.config.train.steps, POINTS)
    rates = (np.broadcast_to(np.asarray(side.learning_rate(steps), float), steps.shape) for side in players)
    return {f"{RATE}/{player}": Line(player, steps, rate) for player, rate in zip("GD", rates)}


def _lines(run: Run) -> dict[str, Line]:
    """All of a run, by name."""
    names = dict.fromkeys(name for row in run.rows for name in row if name != "step")
    lines = {name: _line(name, *run.column(name)) for name in names}
    rates = {} if any(name.startswith(RATE) for name in lines) else _rates(run)
    return {name: x for name, x in lines.items() if name not in RARE or np.nansum(x.values)} | rates


def plan(runs: Sequence[Run]) -> dict[str, list[Line]]:
    """The lines of each chart by its title: of one run the numbers of a kind, of several one number of each."""
    charts: dict[str, list[Line]] = {}
    found, several = [_lines(run) for run in runs], len(runs) > 1
    for name in sorted({name for lines in found for name in lines}, key=_place):
        lines = charts.setdefault(_title(name if several else _group(name)), [])
        for number, run in enumerate(runs):
            if line := found[number].get(name):
                label, place = (run.name, number) if several else (line.label.rpartition("/")[2], len(lines))
                lines.append(line._replace(label=label, number=place))
    return charts if several else {title: _alone(lines) for title, lines in charts.items()}


def _alone(lines: list[Line]) -> list[Line]:
    """A line that has a chart to itself needs no other name than the chart's."""
    return [lines[0]._replace(label="last")] if len(lines) == 1 else lines


def _place(name: str) -> tuple:
    order = ("loss/G", "loss/D", "eval/", "loss/", "grad_norm/", RATE, "images_per_s", "input_wait")
    return next((i for i, start in enumerate(order) if name.startswith(start)), len(order)), name


def _thin(line: Line) -> tuple[np.ndarray, ...]:
    """(steps, means, lowest, highest), of stretches where there are many numbers."""
    known = np.isfinite(line.values)
    parts = np.array_split(np.flatnonzero(known), min(POINTS, max(1, known.sum())))
    x, y = ([values[part] for part in parts if len(part)] for values in (line.steps, line.values))
    reduced = ((x, np.mean), (y, np.mean), (y, np.min), (y, np.max))
    return tuple(np.array([reduce(part) for part in parts]) for parts, reduce in reduced)


def _key(line: Line) -> Key:
    known = np.flatnonzero(np.isfinite(line.values))
    if not len(known):
        return Key(line.label, line.colour, line.dashes, *["never finite"] * 3)
    values, steps = line.values[known], line.steps[known]
    ends = [f"{values[i]:.4g} (step {steps[i]:.0f})" for i in (values.argmin(), values.argmax())]
    return Key(line.label, line.colour, line.dashes, f"{values[-1]:.4g}", *ends)


def _wrong(lines: Sequence[Line]) -> list[int]:
    return sorted({int(step) for line in lines for step in line.steps[~np.isfinite(line.values)]})


def _said(steps: Sequence[int]) -> str:
    return f"not finite at step {some(steps, NAMED)}" if steps else ""


def charts(runs: Sequence[Run]) -> list[Chart]:
    """The charts of one run, or of several in comparison.

    Raises:
      UserError: matplotlib is not installed.
    """
    try:
        import matplotlib
    except ImportError as error:
        raise UserError("the report's curves need matplotlib: pip install matplotlib") from error
    style = {"svg.fonttype": "none", "svg.hashsalt": "gan_xla", "font.size": 9, "text.parse_math": False,
             "axes.edgecolor": FAINT, "axes.labelcolor": INK, "text.color": INK, "xtick.color": FAINT,
             "ytick.color": FAINT, "xtick.labelcolor": INK, "ytick.labelcolor": INK, "grid.color": FAINT,
             "axes.spines.top": False, "axes.spines.right": False}  # fmt: skip
    changed = sorted({row["step"] for row in runs[0].history}) if len(runs) == 1 else []
    with matplotlib.rc_context(style):
        return [_chart(title, lines, number, changed) for number, (title, lines) in enumerate(plan(runs).items())]


def _chart(title: str, lines: list[Line], number: int, changed: Sequence[int]) -> Chart:
    known = np.concatenate([line.values[np.isfinite(line.values)] for line in lines])
    zero = title.startswith(FROM_ZERO)
    log = bool(len(known)) and not zero and known.min() > 0 and known.max() / known.min() > LOG_RANGE
    wrong = _wrong(lines)
    keys = [_key(line) for line in lines]
    return Chart(title, _inline(_draw(lines, log, zero, wrong, changed), number), keys, log, _said(wrong))


def _draw(lines: Sequence[Line], log: bool, zero: bool, wrong: Sequence[int], changed: Sequence[int]) -> str:
    from matplotlib.figure import Figure
    from matplotlib.ticker import NullFormatter

    figure = Figure(figsize=(4.8, 2.6), layout="constrained")
    axes = figure.add_subplot(xlabel="step", yscale="log" if log else "linear")
    axes.grid(alpha=0.35, linewidth=0.6)
    for step in changed:
        axes.axvline(step, color=FAINT, linewidth=1, linestyle=":")
    if log:  # of plain numbers; the usual one's are mathematics
        axes.yaxis.set_major_formatter("{x:g}")
        axes.yaxis.set_minor_formatter(NullFormatter())
    for line in lines:
        steps, mean, low, high = _thin(line)
        dashes = [float(x) for x in line.dashes.split()]
        style = {"color": f"#c0de0{line.colour}", "marker": "o" if len(steps) == 1 else None, "markersize": 4}
        axes.plot(steps, mean, linewidth=1.5, linestyle=(0, dashes) if dashes else "-", **style)
        if (low < high).any():
            axes.fill_between(steps, low, high, color=style["color"], alpha=0.15, linewidth=0)
    if zero:
        axes.set_ylim(bottom=0)
    if wrong:
        bottom = np.full(len(wrong), 0.02)
        axes.plot(wrong, bottom, "x", color=WRONG, transform=axes.get_xaxis_transform(), clip_on=False)
    buffer = io.StringIO()
    figure.savefig(
        buffer, format="svg", transparent=True, metadata=dict.fromkeys(("Creator", "Date", "Format", "Type"))
    )
    return buffer.getvalue()


def _inline(svg: str, number: int) -> str:
    """The picture as a part of a page: scaled by its style, coloured by its variables, its ids like no other's."""
    svg = re.sub(r"<defs>\s*<style.*?</style>\s*</defs>", "", svg[svg.index("<svg") :], flags=re.DOTALL)
    svg = re.sub(r'<svg [^>]*viewBox="([^"]*)"[^>]*>', r'<svg viewBox="\1" aria-hidden="true">', svg, count=1)
    svg = re.sub(r' id="([^"]*)"', lambda m: m[0] if f"#{m[1]}" in svg else "", svg)
    svg = re.sub(r'(id="|href="#|url\(#)', rf"\g<1>chart{number}-", svg)
    return re.sub("#c0de0([0-9a-c])", r"var(--c\1)", svg)
