"""What measures are made from: arrays with a row for each image, read from a bounded number of images at a time."""

import itertools
from collections.abc import Callable, Iterable, Mapping

import numpy as np

from gan_xla.errors import UserError
from gan_xla.evaluation.cases import Batch
from gan_xla.evaluation.features import Features, stlpips
from gan_xla.evaluation.judges import Judge
from gan_xla.evaluation.metrics import similarity
from gan_xla.evaluation.metrics.sharpness import sharpness
from gan_xla.evaluation.remembered import Remembered
from gan_xla.images import visible

Arrays = dict[str, np.ndarray]
SIMILARITIES = ("l1", "psnr", "ssim", "ms_ssim")


class Columns(dict):
    """Arrays [n, ...] by name; asking for one that could not be made raises the reason, a UserError."""

    reason: Mapping[str, str] = {}

    def __missing__(self, name):
        raise UserError(self.reason.get(name, "there are no images"))


def read(readers: Mapping[str, Callable[..., Arrays]], parts: Iterable, done: Callable[[int], None]) -> Columns:
    """What the readers give of all parts, each concatenated.

    Args:
      readers: functions from a part to columns; one that raises UserError is asked no more.
      parts: batches, or arrays of images.
      done: told how many images each part had.
    """
    found, failed = {name: {} for name in readers}, {}
    for part in parts:
        for name in [name for name in readers if name in found]:
            try:
                for column, values in readers[name](part).items():
                    found[name].setdefault(column, []).append(values)
            except UserError as error:
                failed[name] = str(error)
                del found[name]
        done(len(part.fake if isinstance(part, Batch) else part))
    columns = Columns({name: np.concatenate(x) for read in found.values() for name, x in read.items()})
    columns.reason = failed
    return columns


def of_made(
    names: Iterable[str],
    *,
    features: Features | None,
    logits: bool,
    held: int,
    judge: Judge | None,
    facing: Callable[[np.ndarray], np.ndarray],
) -> dict:
    """Readers of `Batch`, by the names that measures ask for.

    Args:
      names: which of them.
      features: for "network", which reads columns features and, if `logits`, logits.
      held: for "pixels", of how many images they are kept.
      judge: for "asked".
      facing: for "azimuth": azimuths, degrees [n], of images uint8 [n, h, w, c].
    """
    taps = {} if features is None else {"features": features.tap, **({"logits": features.logits_tap} if logits else {})}

    def network(batch):
        outputs = features.outputs(visible(batch.fake), *taps.values())
        return {name: outputs[tap] for name, tap in taps.items()}

    known = {
        "network": network,
        "sharpness": lambda b: {"sharpness": sharpness(visible(b.fake))},
        "pixels": lambda b: {"pixels": visible(b.fake[: max(0, held - b.start)])},
        "points": lambda b: {"points": b.fake},
        "classes": lambda b: {"counts": b.counts},
        "cycle": lambda b: {"cycle": similarity.l1(b.back, b.source)},
        "asked": lambda b: {"asked": judge.agrees(visible(b.fake), b.asked)},
        "styles": _styles,
        "best": lambda b: {"best": _best(b, similarity.l1)},
        "azimuth": lambda b: {"azimuth": facing(visible(b.fake)), "azimuth_true": b.azimuth},
        "lpips": _similar("lpips", _lpips),
        **{name: _similar(name, getattr(similarity, name)) for name in SIMILARITIES},
    }
    return {name: known[name] for name in names}


def of_real(names: Iterable[str], features: Remembered | None) -> dict:
    """Readers of real images [n, h, w, c], as a `Batch` has them; without "pixels", of which only some are read."""
    known = {
        "network": lambda x: {"features": features(visible(x))},
        "sharpness": lambda x: {"sharpness": sharpness(visible(x))},
    }
    return {name: known[name] for name in names if name != "pixels"}


def _similar(name: str, measure: Callable) -> Callable[[Batch], Arrays]:
    """To the truth, of what was made and of what it was made from."""

    def read(batch):
        found = {name: measure(batch.fake, batch.truth)}
        if batch.source.shape == batch.truth.shape:  # of other channels nothing can be said
            both = (batch.source, batch.truth)
            if batch.source.dtype != batch.truth.dtype:
                both = tuple(x.astype(np.float32) for x in both)
            found[f"{name}_input"] = measure(*both)
        return found

    return read


def _styles(batch: Batch) -> Arrays:
    """How far translations of an image are from each other, and one in a reference's style from that and another."""
    styles = np.moveaxis(batch.styles, 1, 0)
    far = [_lpips(one, other) for one, other in itertools.combinations(styles, 2)]
    return {
        "styles": np.mean(far, axis=0),
        "reference": _lpips(batch.referred, batch.reference),
        "reference_other": _lpips(batch.referred, np.roll(batch.reference, 1, axis=0)),
    }


def _best(batch: Batch, distance: Callable) -> np.ndarray:
    """The least distance to the truth of any of an image's translations in several styles, [n]."""
    return np.min([distance(x, batch.truth) for x in np.moveaxis(batch.styles, 1, 0)], axis=0)


def _lpips(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    if min(x.shape[1:3]) < stlpips.SMALLEST:
        raise UserError(f"images of {x.shape[1]}x{x.shape[2]} pixels are too small: it needs {stlpips.SMALLEST} a side")
    return stlpips.distance(visible(x), visible(y))
