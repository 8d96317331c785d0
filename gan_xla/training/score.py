"""How good is a run, told by evaluators (`eval`) while it trains."""

from collections.abc import Mapping, Sequence

import jax
import ml_collections
import numpy as np

from gan_xla import devices, gans
from gan_xla.data.dataset import Dataset
from gan_xla.errors import UserError
from gan_xla.evaluation import BETTER_HIGHER, BETTER_LOWER, better
from gan_xla.inference.loading import variables
from gan_xla.inference.model import Model
from gan_xla.run.state import TrainState

USUAL = ("modes", "l1", "kid")  # the first that a run has is what is measured, unless its evaluator says which


class _Evaluator:
    """Takes one kind of number of a model, on the first images of a split.

    Args:
      name, fields: of `eval`.
      config: resolved.
      dataset: the run's.
      like: an evaluator with images, judges and a feature network to share, or None.
    Raises:
      UserError: no such number or direction, no test images, or missing weights of a feature network.
    """

    def __init__(self, name, fields, config, dataset, like):
        from gan_xla.evaluation import measures  # needs weights that training does not
        from gan_xla.evaluation.suite import Suite

        self._fields, self._metric = fields, fields.type
        self._prefix = "eval/" if name == "score" else f"eval/{name}/"
        known = BETTER_HIGHER + BETTER_LOWER
        if self._metric and self._metric not in known and not fields.better:
            raise UserError(
                f"eval.{name}.type={self._metric!r} must be one of {', '.join(known)}, or '' for the usual one"
            )
        try:
            measure = measures.MEASURED_BY.get(self._metric, self._metric)
            wanted = {"metrics": (measure,)} if measure else {"metrics": USUAL, "first": True}
            self.suite = Suite(
                config, dataset if fields.split == "test" else dataset.for_scores, num=fields.images,
                most=fields.images, only=fields.direction, network=fields.features, path=fields.features_path or None,
                like=like and like.suite, **wanted,
            )  # fmt: skip
        except UserError as error:
            raise UserError(
                f"eval.{name}.type={self._metric!r}, every {fields.every} steps: {error}; "
                f"eval.{name}.every=0 takes no numbers"
            ) from error
        self._metric = self._metric or self.suite.metrics[0]

    def __call__(self, model: Model) -> tuple[float, dict[str, float]]:
        """(score, of which lower is better; the numbers, as "eval/kid/AtoB", of an evaluator "x" "eval/x/kid/AtoB")."""
        found = self.suite.scores(model)
        values = [value for name, value in found.items() if name.startswith(f"{self._metric}/")]
        mean = float(np.mean(values)) if values else np.nan
        higher = (self._fields.better or better(self._metric)) == "higher"
        return -mean if higher else mean, {f"{self._prefix}{name}": value for name, value in found.items()}


class Scorer:
    """The evaluators of a run, each of which measures a live state after so many steps.

    Args:
      config: resolved.
      dataset: whose validation or test images are used; where it has no validation images, its test images.
    Raises:
      UserError: as `_Evaluator`.

    Attributes:
      every: of the evaluators that are on, the steps from one number to the next, by name.
    """

    def __init__(self, config: ml_collections.ConfigDict, dataset: Dataset):
        self._config, self._gan = config, gans.build(config)
        self._evaluators: dict[str, _Evaluator] = {}
        shared: dict[tuple, _Evaluator] = {}
        for name, fields in config.eval.items():
            if fields.every:
                alike = (fields.split, fields.features, fields.features_path)
                made = _Evaluator(name, fields, config, dataset, shared.get(alike))
                self._evaluators[name] = shared[alike] = made
        self.every: Mapping[str, int] = {name: config.eval[name].every for name in self._evaluators}

    def __call__(self, step: int, state: TrainState, names: Sequence[str]) -> tuple[float | None, dict[str, float]]:
        """(score by `train.best`, of which lower is better, where it is among `names`; the numbers of all of them)."""
        state = jax.device_get(devices.on_one_device(state))
        if state.step.ndim:  # of many seeds the first is measured
            state = jax.tree.map(lambda x: x[0], state)
        model = Model(self._gan, self._config, step, variables(state), int(state.early))
        found = {name: self._evaluators[name](model) for name in names}
        score = found[self._config.train.best][0] if self._config.train.best in found else None
        return score, {name: value for _, numbers in found.values() for name, value in numbers.items()}

    def sentence(self, scores: dict[str, float]) -> str:
        """What scores say of built-in objects that turn, in words; "" where azimuths were not measured."""
        names = ("azimuth", "azimuth_turned", "azimuth_mirrored", "azimuth_chance", "azimuth_real")
        if any(f"eval/{name}/AtoB" not in scores for name in names):
            return ""
        plain, turned, mirrored, chance, real = (scores[f"eval/{name}/AtoB"] for name in names)
        a, b = self._config.data.name.split("2")
        return (
            f"{b} look where the {a} do: mean error {plain:.0f} degrees, chance {chance:.0f}; less the best turn "
            f"{turned:.0f}, mirrored {mirrored:.0f}; the regressor that tells errs by {real:.0f} on real {b}"
        )
