"""How good is a run, told by a cheap measure while it trains."""

import jax
import ml_collections
import numpy as np

from gan_xla import devices, gans
from gan_xla.data.dataset import Dataset
from gan_xla.errors import UserError
from gan_xla.evaluation import BETTER_HIGHER, BETTER_LOWER
from gan_xla.inference.model import Model, variables
from gan_xla.run.state import TrainState

IMAGES = 256  # of each direction or domain
USUAL = ("modes", "l1", "kid")  # the first that a run has is its score, unless it says which


class Scorer:
    """Measures `train.score` of a live state on the first validation images, after every `train.evaluate_every` steps.

    Args:
      config: resolved.
      dataset: whose validation images are used; where it has none, its test images.
    Raises:
      UserError: no such measure, no test images, or missing weights of a feature network.
    """

    def __init__(self, config: ml_collections.ConfigDict, dataset: Dataset):
        from gan_xla.evaluation.suite import Suite  # needs weights that training does not

        self._config, self._gan, self._metric = config, gans.build(config), config.train.score
        known = BETTER_HIGHER + BETTER_LOWER
        if self._metric and self._metric not in known:
            raise UserError(f"train.score={self._metric!r} must be one of {', '.join(known)}, or '' for the usual one")
        try:
            wanted = {"metrics": (self._metric,)} if self._metric else {"metrics": USUAL, "first": True}
            self._suite = Suite(config, dataset.for_scores, num=IMAGES, most=IMAGES, **wanted)
        except UserError as error:
            raise UserError(
                f"train.score={self._metric!r}, every {config.train.evaluate_every} steps: {error}; "
                "train.evaluate_every=0 takes no scores"
            ) from error
        (self._metric,) = self._suite.metrics

    def __call__(self, step: int, state: TrainState) -> tuple[float, dict[str, float]]:
        """(score, of which lower is better; the numbers that it is the mean of, as "eval/kid/AtoB")."""
        state = jax.device_get(devices.on_one_device(state))
        if state.step.ndim:  # of many seeds the first is measured
            state = jax.tree.map(lambda x: x[0], state)
        found = self._suite.scores(Model(self._gan, self._config, step, variables(state), int(state.early)))
        mean = float(np.mean([value for name, value in found.items() if name.startswith(f"{self._metric}/")]))
        score = -mean if self._metric in BETTER_HIGHER else mean
        return score, {f"eval/{name}": value for name, value in found.items()}

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
