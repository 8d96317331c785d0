"""All that is measured of a trained method at once: for an evaluation, or for a glance at it while it trains."""

import logging
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import ml_collections
import numpy as np
from etils import epath
from tqdm import tqdm

from gan_xla import gans, images
from gan_xla.data.dataset import Dataset, Source
from gan_xla.data.sources import gmm
from gan_xla.errors import UserError
from gan_xla.evaluation import cases, features, judges, measures, readers
from gan_xla.evaluation.cases import Case
from gan_xla.evaluation.features import Features, stlpips, weights
from gan_xla.evaluation.measures import MEASURES, Seen
from gan_xla.evaluation.numbers import Found, Number
from gan_xla.evaluation.remembered import Remembered
from gan_xla.inference.model import Model

MOST = 10_000  # real images of a case
HELD = 2**28  # bytes of the pixels that some measures need all at once

_log = logging.getLogger(__name__)


def _finite(x: float) -> float | None:
    return float(x) if np.isfinite(x) else None


def _loaded(network: str | Features, path: epath.PathLike | None) -> Features:
    return features.load(network, path) if isinstance(network, str) else network


class Suite:
    """The measures of a method on test data; they can be taken of one model after another.

    The feature network, real images' features and classifiers stay from one to the next. Nothing is written to the
    disk but the cache, by `save`.

    Args:
      config: of the run, with the labels that its data have.
      dataset: of the config's `data` section.
      metrics: names of `MEASURES`; None: all that fit.
      first: take only the first of `metrics` that fits, and let the others be.
      network: a feature network, or its name; its weights are only needed if a measure needs them.
      path: file of its weights, in the place of the usual one.
      num, most, given, seed: as `gan_xla.evaluation.cases.of`.
      only: the direction, domain or "samples" to measure; "" for all.
      cache: directory that keeps real images' features, or None.
      like: a suite of the same data, network and seed, whose judges and features are taken.
    Raises:
      UserError: metrics that do not fit this method, missing weights of those that are named, or no test images.

    Attributes:
      fitting: the names of all measures that fit.
      metrics: of those that are taken.
      missing: what those that cannot be taken for want of weights lack, by name; they are reported without a value.
    """

    def __init__(
        self,
        config: ml_collections.ConfigDict,
        dataset: Dataset,
        *,
        metrics: Sequence[str] | None = None,
        first: bool = False,
        network: str | Features = "efficientnet",
        path: epath.PathLike | None = None,
        num: int | None = None,
        most: int = MOST,
        given: Mapping[str, Source] | None = None,
        seed: int = 0,
        only: str = "",
        cache: epath.PathLike | None = None,
        like: "Suite | None" = None,
    ):
        self._config, self._dataset, self._gan = config, dataset, gans.build(config)
        self._cases = cases.of(self._gan, config, dataset, num=num, most=most, given=given, seed=seed)
        if only and only not in (known := [case.name for case in self._cases]):
            raise UserError(f"direction={only!r}: this run has {', '.join(known)}")
        self._cases = [case for case in self._cases if only in ("", case.name)]
        kind = features.kind(network) if isinstance(network, str) else network
        self._lacking = {} if kind.unit else {"cmmd": "needs --features=clip"}
        self._lacking |= {} if kind.classes else {"inception_score": "needs a feature network that knows classes"}
        offered = {name for case in self._cases for name in case.metrics} - self._lacking.keys()
        self.fitting = tuple(name for name in MEASURES if name in offered)
        self.metrics = self._choose(metrics, first)
        self._strict, self._seed, self._warned = metrics is not None, seed, False
        self._check_counts()
        self.missing, self._asked_network = {}, network if isinstance(network, str) else network.name
        known = like and like._features
        self._features = self._need("network", lambda: known or _loaded(network, path))
        self._remembered = like._remembered if known else self._features and Remembered(self._features, cache)
        self._need("lpips", lambda: weights.packaged(stlpips.PACKAGE, stlpips.FILE))
        self._known, self._judges, self._facing = {}, *((like._judges, like._facing) if like else ({}, {}))

    def _need(self, reader: str, load: Callable[[], Any]) -> Any:
        """What a reader of the measures needs; None where none has it, or where it is missing and nobody asked for it.

        Said now, not when much was measured.
        """
        users = [name for name in self.metrics if reader in MEASURES[name].made]
        try:
            return load() if users else None
        except weights.Missing as error:
            if self._strict:
                raise
            self.missing |= dict.fromkeys(users, str(error))

    def _check_counts(self) -> None:
        """Says now that a metric which was asked for has too few images, not when a run has trained."""
        for case in self._cases if self._strict else ():
            for name in (name for name in self.metrics if name in case.metrics):
                found, least = min(case.count, len(case.real)), MEASURES[name].least
                if found < least:
                    raise UserError(
                        f"--metrics={name}, {case.name}: too few images: this measure needs {least} or more of each "
                        f"set, got {found}; add images, or of a run's own scores raise data.validation"
                    )

    def _choose(self, metrics: Sequence[str] | None, first: bool) -> tuple[str, ...]:
        """The names to measure, in the order of the table."""
        if first:
            metrics = [name for name in metrics if name in self.fitting][:1]
        if unknown := [name for name in metrics or () if name not in self.fitting]:
            reason = "needs test images in pairs" if unknown[0] in cases.PAIRS else "is not of this method and data"
            reason = self._lacking.get(unknown[0], reason) if unknown[0] in MEASURES else "is unknown"
            raise UserError(f"--metrics={unknown[0]}: {reason}; this run has {', '.join(self.fitting)}")
        usual = [name for name in self.fitting if not MEASURES[name].asked]
        return tuple(name for name in self.fitting if name in (usual if metrics is None else metrics))

    @property
    def shown(self) -> str:
        """What networks are shown of images that are not pictures of bytes; a line for each case."""
        return "".join(f"\n{line}" for line in dict.fromkeys(case.shown() for case in self._cases) if line)

    @property
    def names(self) -> dict[str, tuple[str, ...]]:
        """What the images are called that are made, by direction or domain or "samples"."""
        return {case.name: case.names for case in self._cases}

    @property
    def network(self) -> str | None:
        """The feature network's name, where one is used."""
        return self._features and self._features.name

    def measure(self, model: Model, quiet: bool = False) -> Found:
        """All numbers, by direction or domain or "samples".

        Args:
          model: of the config; it makes images in chunks of 64, so that memory stays bounded.
          quiet: no progress bar, and nothing is said.
        Raises:
          UserError: a metric that was asked for by name has too few images, or images that it cannot take.
        """
        taken = [name for name in self.metrics if name not in self.missing]
        reals = {name for metric in taken for name in MEASURES[metric].real} - {"pixels"}
        total = sum(
            case.count + (len(case.real) if reals and case.name not in self._known else 0) for case in self._cases
        )
        with tqdm(total=total, desc=f"evaluate step {model.step}", unit="image", disable=quiet) as bar:
            return {case.name: self._numbers(case, model, bar) for case in self._cases}

    def scores(self, model: Model) -> dict[str, float]:
        """The numbers alone, for a training loop: "kid/AtoB" and so on, without those that could not be measured."""
        found = self.measure(model, quiet=True)
        return {
            f"{x.metric}/{name}": x.value for name, numbers in found.items() for x in numbers if x.value is not None
        }

    def save(self) -> None:
        """Writes real images' features to the cache, where there is one."""
        if self._remembered:
            self._remembered.save()

    def _numbers(self, case: Case, model: Model, bar: tqdm) -> list[Number]:
        fitting = [name for name in self.metrics if name in case.metrics]
        chosen = [name for name in fitting if name not in self.missing]
        judge = self._judge(case.labelled, bar) if "asked" in chosen else None
        facing = self._facer(case.key, bar) if "azimuth" in chosen else None
        real, made = self._real(case, chosen, bar), self._made(case, model, chosen, judge, facing, bar)
        sigma = self._config.data.get("spread", gmm.SIGMA)
        seen = Seen(made, real, judge and judge.accuracy, facing and facing.error, case.key, sigma, self._seed)
        self._warn(case, "fd" in chosen, bar)
        return [number for name in fitting for number in self._value(name, case, seen)]

    def _warn(self, case: Case, distance: bool, bar: tqdm) -> None:
        fewest = min(case.count, len(case.real))
        if distance and not self._warned and not bar.disable and fewest <= self._features.dim:
            self._warned = True
            bar.clear()
            _log.warning(
                "fd is largely bias with %d images for %d features; kid is the one to trust", fewest, self._features.dim
            )

    def _value(self, name: str, case: Case, seen: Seen) -> list[Number]:
        measure = MEASURES[name]
        count, real = case.count, len(case.real) if measure.real else 0
        if "pixels" in measure.made:
            count = real = self._held(case)
        network = (self.network or self._asked_network) if "network" in measure.made else None

        def number(metric, estimate=None, reason=None):
            title = measures.title(metric, network)
            value, error = (_finite(x) for x in estimate[:2]) if estimate else (None, None)
            reason = f"it is {estimate.value}" if estimate and value is None else reason
            protocol = self._features.protocol or None if network and self._features else None
            return Number(metric, title, value, error, count, real, self._seed, network, protocol, reason, estimate)

        if name in self.missing:
            return [number(name, reason=self.missing[name])]
        try:
            return [number(metric, estimate) for metric, estimate in measure.values(seen).items()]
        except UserError as failure:
            if self._strict:
                raise UserError(f"--metrics={name}, {case.name}: {failure}") from failure
            return [number(name, reason=str(failure))]

    def _made(self, case: Case, model: Model, chosen: Sequence[str], judge, facing, bar: tqdm):
        """Columns of what the model makes."""
        asked = readers.of_made(
            dict.fromkeys(name for metric in chosen for name in MEASURES[metric].made),
            features=self._features,
            logits="inception_score" in chosen,
            held=self._held(case),
            judge=judge,
            facing=facing,
        )
        return readers.read(asked, case.batches(model, chosen), bar.update)

    def _real(self, case: Case, chosen: Sequence[str], bar: tqdm):
        """Columns of the real images, which stay from one model to the next."""
        if case.name not in self._known:
            names = dict.fromkeys(name for metric in chosen for name in MEASURES[metric].real)
            asked = readers.of_real(names, self._remembered)
            columns = readers.read(asked, case.reals() if asked else (), bar.update)
            if "pixels" in names and len(case.real):
                columns["pixels"] = images.visible(np.concatenate(list(case.reals(self._held(case)))))
            self._known[case.name] = columns
        return self._known[case.name]

    def _held(self, case: Case) -> int:
        """How many images' pixels are held at once."""
        data = self._config.data
        values = math.prod(images.sides(data.image_size)) * data.channels
        return min(case.count, len(case.real), max(2, HELD // max(1, values)))

    def _judge(self, number: int, bar: tqdm) -> judges.Judge:
        """A classifier of one data set, trained when it is first asked for."""
        if number not in self._judges:
            if not bar.disable:
                bar.write("training a classifier on real images, to tell what translations or samples show")
            part, labels = (self._dataset, *self._dataset.others)[number], self._gan.labels
            one_hot = labels.sets[number].one_hot
            self._judges[number] = judges.train(part, labels.columns(number), one_hot, self._config.data, self._seed)
        return self._judges[number]

    def _facer(self, key: str, bar: tqdm) -> judges.Facer:
        """A regressor of azimuths, trained when it is first asked for."""
        if key not in self._facing:
            if not bar.disable:
                bar.write("training a regressor on real images, to tell where translations face")
            self._facing[key] = judges.train_facer(self._dataset, key, self._config.data, self._seed)
        return self._facing[key]
