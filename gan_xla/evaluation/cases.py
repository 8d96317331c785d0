"""What a trained method is made to do on test data, and what the result is compared with: one `Case` for each
direction of a translation, each domain, and the samples. Which cases there are, the method's `Gan` says."""

import dataclasses
from collections.abc import Callable, Container, Iterator, Mapping
from functools import partial
from typing import NamedTuple

import ml_collections
import numpy as np

from gan_xla import images
from gan_xla.contract import BYTES, Gan, Values
from gan_xla.data.dataset import Dataset, Source, Subset
from gan_xla.errors import UserError
from gan_xla.evaluation import heldout
from gan_xla.evaluation.features import chunks
from gan_xla.evaluation.metrics import inputs, segmentation
from gan_xla.evaluation.metrics.sliced_wasserstein import SMALLEST
from gan_xla.images.ranges import window
from gan_xla.inference.model import CHUNK, Model

FEATURES = ("fd", "kid", "cmmd", "prdc")
PAIRS = ("l1", "psnr", "ssim", "ms_ssim", "lpips")
STYLES = 4  # translations of an image that are compared


class Batch(NamedTuple):
    """What a model made of one chunk: uint8 [n, h, w, c], or float32 where images are no bytes: shares of 255 of the
    way from one end of their range to the other; or points [n, 2].

    Attributes:
      start: number of its first row.
      fake: what was made.
      source: what it was made from.
      back: that, translated back.
      truth: what a perfect translation would be.
      asked: numbers of the labels that were asked for, int [n].
      azimuth: of what it was made from, degrees [n].
      styles: the same translated in several other styles, [n, k, h, w, c].
      reference: a real image for each, [n, h, w, c].
      referred: the same translated in the style of that.
      counts: of label maps, how often a true class (row) was made a class (column), int [n, classes, classes].
    """

    start: int
    fake: np.ndarray
    source: np.ndarray | None = None
    back: np.ndarray | None = None
    truth: np.ndarray | None = None
    asked: np.ndarray | None = None
    azimuth: np.ndarray | None = None
    styles: np.ndarray | None = None
    reference: np.ndarray | None = None
    referred: np.ndarray | None = None
    counts: np.ndarray | None = None


class Rows(Subset):
    """Some rows of a source, that are read in chunks."""

    def spread(self, most: int) -> "Rows":
        """At most so many of them, evenly spread."""
        return Rows(self._source, self._places[spread(len(self), most)])

    def chunks(self) -> Iterator[dict[str, np.ndarray]]:
        """All rows in order, a bounded number at a time."""
        return (self.read(np.arange(len(self))[part]) for part in inputs.slices(len(self), CHUNK))


def _counts(truth: np.ndarray, made: np.ndarray) -> np.ndarray:
    """`segmentation.confusion` of each of some label maps [n, h, w, classes]; pixels of no true class do not count."""
    count, void = truth.shape[-1], images.classes.VOID
    both = zip(images.classes.of(truth), images.classes.of(np.maximum(made, 1)), strict=True)
    return np.stack([segmentation.confusion(x, y, count, ignore=void) for x, y in both])


def spread(count: int, most: int) -> np.ndarray:
    """Up to `most` of the numbers below `count`, evenly spread."""
    return np.linspace(0, count - 1, min(most, count)).astype(np.int64)


@dataclasses.dataclass(frozen=True)
class Case:
    """One thing that a method does.

    Attributes:
      name: of the direction or the domain, or "samples".
      count: how many images it is to make.
      names: what these are called: as what they are made from, or by the number of the noise.
      draw: (model, numbers int [n], names of the measures) -> `Batch`'s fields of these numbers that they need.
      real: the real images that it should resemble.
      key: of `real`'s rows.
      metrics: what of it can be measured, by the names of `gan_xla.evaluation.measures`.
      background: RGB colour that images with alpha are laid on before anything is measured.
      values: what the numbers are of what it translates, and of what it makes.
      labelled: number of the data set whose labels are asked for.
    """

    name: str
    count: int
    draw: Callable[[Model, np.ndarray, Container[str]], Mapping[str, np.ndarray]]
    real: Rows
    key: str
    metrics: tuple[str, ...]
    names: tuple[str, ...]
    background: tuple[int, int, int] = images.WHITE
    labelled: int | None = None
    values: tuple[Values, Values] = (BYTES, BYTES)

    def batches(self, model: Model, measures: Container[str] = ()) -> Iterator[Batch]:
        """All that the model makes, a bounded number at a time."""
        for numbers, kept in chunks(self.count, CHUNK) if self.count else ():
            yield self.batch(model, numbers, measures, kept)

    def batch(self, model: Model, numbers: np.ndarray, measures: Container[str] = (), kept: int | None = None) -> Batch:
        """What the model makes of some numbers, the first `kept` of them; dropout is that of their places here."""
        fields = self.draw(model, numbers, measures)
        if self.values[1].palette and "truth" in fields:
            fields = {**fields, "counts": _counts(fields["truth"], fields["fake"])}
        seen = {name: self._seen(x, self.values[name not in ("source", "back")]) for name, x in fields.items()}
        return Batch(int(numbers[0]), **{name: x[:kept] for name, x in seen.items()})

    def reals(self, most: int | None = None) -> Iterator[np.ndarray]:
        """The real images, or at most so many of them evenly spread, a bounded number at a time."""
        rows = self.real if most is None else self.real.spread(most)
        return (self._seen(row[self.key], self.values[1]) for row in rows.chunks())

    def shown(self) -> str:
        """What feature networks, judges and pictures show of its images, where that is not all of them."""
        (*_, count), values = self.real.spec[self.key][0], self.values[1]
        if values.palette:
            return f"{self.name}: networks are shown the colours of {len(values.palette)} classes"
        parts = [] if values == BYTES else [f"256 levels from {values.low:g} to {values.high:g}"]
        kept = 1 if count == 2 else 3 if count > 4 or (count == 4 and values != BYTES) else count
        parts += [f"the first {kept} of {count} channels"] if kept < count else []
        return f"{self.name}: networks are shown {', '.join(parts)}" if parts else ""

    def _seen(self, x: np.ndarray, values: Values) -> np.ndarray:
        if x.ndim < 4 or values != BYTES:
            return window(x, values) if x.ndim >= 4 else x
        return images.compose(x, self.background) if x.shape[-1] == 4 else x


def of(
    gan: Gan,
    config: ml_collections.ConfigDict,
    dataset: Dataset,
    *,
    num: int | None,
    most: int,
    given: Mapping[str, Source] | None = None,
    seed: int = 0,
) -> list[Case]:
    """The cases of a method.

    Args:
      gan, config: the method.
      dataset: its data; the test rows are used.
      num: how many images a sampler makes, and the most that another method's case makes; None: as many as there
        are real ones.
      most: the most real images of a case, and the most that it makes where `num` does not say.
      given: the user's images (`heldout.given`), to be translated or, for samplers, to be compared with.
      seed: of noise and dropout.
    Raises:
      UserError: the data set has no test rows.
    """
    if not all(len(source) for part in (dataset, *dataset.others) for source in part.test):
        raise UserError(f"{dataset.about}: there are no test images to measure this run on")
    cases, common = [], {"most": most, "given": given or {}, "seed": seed}
    if gan.directions:
        cases += _directions(gan, config, dataset, num=num or most, **common)
    elif gan.translate:
        cases += _domains(gan, dataset, num=num or most, **common)
    if gan.sample:
        drawn = [name for name in gan.draws if not given or name in given]
        cases += [_samples(gan, config, dataset, name, num=num, **common) for name in drawn]
    return [dataclasses.replace(case, background=tuple(config.data.background)) for case in cases]


def _source(dataset: Dataset, key: str) -> Source:
    return next(source for source in dataset.test if key in source.spec)


def _directions(gan, config, dataset, *, num, most, given, seed) -> list[Case]:
    pairs = heldout.pairs(config.data, dataset) if config.data.image_size and not given else None
    cases = []
    for direction in gan.directions:
        source, target = (f"x_{domain}" for domain in (direction[0], direction[-1]))
        if given and source not in given:
            continue
        rows, real = given.get(source) or pairs or _source(dataset, source), _source(dataset, target)
        reverse = f"{target[-1]}to{source[-1]}"
        back = reverse if reverse in gan.directions else None
        rows = Rows(rows, spread(len(rows), num))
        known = all(getattr(part, "azimuths", None) is not None for part in (rows, real))
        ends = gan.values_of(source), gan.values_of(target)
        alike = ["classes"] if ends[1].palette else PAIRS
        cycle = ["cycle"] if back and not ends[0].palette else []
        styles = ["styles", *(["best"] if pairs else [])] if gan.styles else []
        metrics = (*FEATURES, "sharpness", *cycle, *(alike if pairs else []), *styles)
        metrics = (*metrics, *(["azimuth"] if known else []))
        cases.append(
            Case(
                name=direction,
                count=len(rows),
                draw=partial(_translate, rows, Rows(real, np.arange(len(real))), direction, back, seed),
                real=Rows(real, spread(len(real), most)),
                key=target,
                metrics=metrics if config.data.image_size else ("modes",),
                names=tuple(rows.names),
                values=ends,
            )
        )
    return cases


def _translate(rows, real, direction, reverse, seed, model, numbers, measures) -> dict[str, np.ndarray]:
    row = rows.read(numbers)
    x = row[f"x_{direction[0]}"]
    fields = {"source": x, "fake": model.translate(x, direction, seed=seed)}
    if rows.azimuths is not None:
        fields["azimuth"] = rows.azimuths[numbers]
    if "cycle" in measures and reverse:
        fields["back"] = _again(model, fields, seed, direction=reverse)
    if "styles" in measures or "best" in measures:
        reference = real.read(numbers % len(real))[f"x_{direction[-1]}"]
        fields |= _in_styles(model, x, reference, seed, direction=direction)
    if f"x_{direction[-1]}" in row:
        fields["truth"] = row[f"x_{direction[-1]}"]
    return fields


def _again(model, fields, seed, **aim) -> np.ndarray:
    """Translations, translated back; with styles in that of their sources."""
    style = model.styles(reference=fields["source"], **aim) if model.style else None
    return model.translate(fields["fake"], style=style, seed=seed, **aim)


def _in_styles(model, x, reference, seed, **aim) -> dict[str, np.ndarray]:
    """`Batch`'s fields of images in several styles, and in those of reference images."""
    drawn = [model.translate(x, seed=seed + 1 + number, **aim) for number in range(STYLES)]
    style = model.styles(reference=reference, **aim)
    referred = model.translate(x, style=style, **aim)
    return {"styles": np.stack(drawn, axis=1), "reference": reference, "referred": referred}


def _labels(source: Source) -> np.ndarray:
    """Label vectors [n, d] of all rows."""
    every = Rows(source, np.arange(len(source)))
    return np.concatenate([rows["label"] for rows in every.chunks()])


def _domains(gan, dataset, *, num, most, given, seed) -> list[Case]:
    """To each domain go the images of its data set that are not in it, their other labels as in training's pictures."""
    cases, space = [], gan.labels
    common = (*FEATURES, "sharpness", "cycle", *(["styles"] if gan.styles else []))
    for number, (part, labels) in enumerate(zip((dataset, *dataset.others), space.sets, strict=True)):
        if given and number:
            break
        real = part.test[0]
        source, real_labels = given.get("x", real), _labels(real)
        vectors = _labels(source) if given else real_labels
        for column in range(space.columns(number).start, space.columns(number).stop):
            out, within = np.flatnonzero(vectors[:, column] == 0), np.flatnonzero(real_labels[:, column])
            rows, inside, name = Rows(source, out).spread(num), Rows(real, within), space.domains[column]
            cases.append(
                Case(
                    name=name,
                    count=len(rows),
                    draw=partial(_label, rows, inside, space, name, column - space.columns(number).start, seed),
                    real=inside.spread(most),
                    key="x",
                    metrics=(*common, *(["asked"] if len(labels.labels) > 1 else [])),
                    names=tuple(rows.names),
                    labelled=number,
                    values=(gan.values_of("x"),) * 2,
                )
            )
    return cases


def _label(rows, real, space, name, column, seed, model, numbers, measures) -> dict[str, np.ndarray]:
    row = rows.read(numbers)
    x, label = row["x"], row["label"]
    target = np.asarray(space.towards(name, label))
    fields = {"source": x, "fake": model.translate(x, domain=target, seed=seed)}
    if "cycle" in measures:
        fields["back"] = _again(model, fields, seed, domain=label)
    if "styles" in measures:
        fields |= _in_styles(model, x, real.read(numbers % len(real))["x"], seed, domain=target)
    return {**fields, "asked": np.full(len(x), column)}


def _samples(gan, config, dataset, drawn, *, num, most, given, seed) -> Case:
    """The image `drawn` of each noise; "samples" where there is no other."""
    labels, (height, width) = gan.labels, images.sides(config.data.image_size)
    source = given[drawn] if drawn in given else _source(dataset, drawn)
    count, asked = num or min(most, len(source)), None
    if labels:
        names = labels.sets[0].labels
        asked = np.arange(count) % len(names)
        if labels.sets[0].one_hot:  # as often as real images have them; they may come sorted
            columns = _labels(source)[:, labels.columns(0)].argmax(axis=1)
            asked = np.random.default_rng(seed).permutation(np.resize(columns[spread(len(columns), count)], count))
    metrics = (*FEATURES, "sharpness", "inception_score", "diversity")
    powers = height == width >= SMALLEST and not height & (height - 1)
    return Case(
        name="samples" if len(gan.draws) == 1 else f"samples of {drawn}",
        count=count,
        draw=partial(_sample, labels and labels.domains, asked, height, seed, drawn),
        real=Rows(source, spread(len(source), most)),
        key=drawn,
        names=tuple(map(str, range(count))),
        metrics=(*metrics, *(["swd"] if powers else []), *(["asked"] if labels and len(labels.domains) > 1 else [])),
        labelled=None if labels is None else 0,
        values=(gan.values_of(drawn),) * 2,
    )


def _sample(domains, asked, height, seed, drawn, model, numbers, measures) -> dict[str, np.ndarray]:
    names = None if asked is None else [domains[column] for column in asked[numbers]]
    x = model.sample(labels=names, z=model.noise(seed, numbers))
    x = x[drawn] if isinstance(x, dict) else x
    factor = height // x.shape[1]  # what grows is measured at its final size, as the data are
    fields = {"fake": x.repeat(factor, axis=1).repeat(factor, axis=2)}
    return fields if asked is None else {**fields, "asked": asked[numbers]}
