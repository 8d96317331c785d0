"""What a demo does with what people send it: nothing of that is trusted to be of any type or size."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from gan_xla import images
from gan_xla.data.reading import forms
from gan_xla.demo.runs import Runs
from gan_xla.errors import UserError
from gan_xla.images.ranges import window
from gan_xla.inference.model import Model
from gan_xla.inference.sample import between

MOST = 16  # images of one answer
STYLES = 8
MAX_PIXELS = 50_000_000  # 150 MB of colours; cameras make no more
SEEDS = 2**32

Shown = list[tuple[np.ndarray, str]]


def number(name: str, value: Any, low: float, high: float, whole: bool = True) -> Any:
    """A number between two ends, both included.

    Raises:
      UserError: it is none.
    """
    right = isinstance(value, (int, float)) and low <= value <= high and (not whole or value == int(value))
    if not right or isinstance(value, bool):
        raise UserError(f"{name}: must be a {'whole ' if whole else ''}number from {low:g} to {high:g}")
    return int(value) if whole else float(value)


def _texts(name: str, value: Any) -> list[str]:
    """One text or several; of none, none."""
    several = [value] if isinstance(value, str) else list(value) if isinstance(value, (list, tuple)) else [value]
    found = [text for text in several if text not in (None, "")]
    if not all(isinstance(text, str) for text in found):
        raise UserError(f"{name}: must be text")
    return found


def _shown(model: Model, made: np.ndarray, name: str, captions: Sequence[str]) -> Shown:
    """Images [n, h, w, c] as people see them, bytes [h, w], [h, w, 3] or [h, w, 4]."""
    seen = images.visible(window(made, model.values(name)))
    return [(x[..., 0] if x.shape[-1] == 1 else x, caption) for x, caption in zip(seen, captions, strict=True)]


class Work:
    """The three tasks, by the names of `runs`.

    Methods take what came over the network, files as {"path": ...}, which Gradio has seen to be ones that were sent;
    they raise UserError for all that cannot be done.
    """

    def __init__(self, runs: Runs):
        self.runs = runs

    def translate(self, run, checkpoint, image, direction, domains, styles, reference, seed, strength) -> Shown:
        """An image in each of `styles` styles: those drawn from `seed`, or the way from the first of them to that of
        `reference`, or this one alone; as strongly as the model can grade."""
        model = self.model(run, checkpoint)
        count, seed = number("styles", styles, 1, STYLES), number("seed", seed, 0, SEEDS - 1)
        strength = number("strength", strength, 0, 1, whole=False)
        direction = next(iter(_texts("direction", direction)), None)
        domains = _texts("domains", domains)
        aim = {"domain": domains or None} if model.domains else {"direction": direction}
        source, made = model.ends(direction if model.directions else None)
        x, unfit = self._read(model, source, image, "image")
        codes = self._codes(model, aim, made, count, reference, seed)
        drawn = [unfit(model.translate(x, seed=seed, style=code, strength=strength, **aim)[0]) for code in codes]
        target = ", ".join(domains) or direction or next(iter(model.directions), "")
        names = [target] if len(codes) == 1 else [f"style {place + 1}" for place in range(len(codes))]
        return _shown(model, np.stack(drawn), made, names)

    def _codes(self, model: Model, aim: dict, made: str, count: int, reference, seed: int) -> list[np.ndarray | None]:
        if model.style is None and count == 1 and reference is None:
            return [None]
        if reference is None:
            return list(model.styles(count, seed=seed, **aim))
        x, _ = self._read(model, made, reference, "reference")
        end = model.styles(reference=x, **aim)[0]
        return [end] if count == 1 else list(np.linspace(model.styles(1, seed=seed, **aim)[0], end, count))

    def _read(self, model: Model, name: str, file: Any, what: str):
        """[1, *size, c] of a file, and what takes padding off again."""
        place = file.get("path") if isinstance(file, dict) else None
        if not isinstance(place, str):
            raise UserError(f"{what}: is missing; choose an image")
        form = forms(model.config.data, name[2:])[1]
        form = form._replace(max_pixels=min(form.max_pixels, MAX_PIXELS))
        read = form.decode(place, what)
        return form.fitted(read)[None], lambda y: images.unfit(y, read.shape[:2], form.fit)

    def sample(self, run, checkpoint, label, num, seed, psi) -> Shown:
        """Images of a label, or of all labels in turn, from the noise (seed, 0), (seed, 1) and so on."""
        model = self._drawing(run, checkpoint)
        num, seed = number("number", num, 1, MOST), number("seed", seed, 0, SEEDS - 1)
        return self._draw(model, model.noise(seed, np.arange(num)), label, psi, model.domains)

    def walk(self, run, checkpoint, label, num, seed, to_seed, psi) -> Shown:
        """Images on the way from the first noise of a seed to that of another, all of one label."""
        model = self._drawing(run, checkpoint)
        num = number("number", num, 2, MOST)
        ends = [number(name, value, 0, SEEDS - 1) for name, value in (("from seed", seed), ("to seed", to_seed))]
        if ends[0] == ends[1]:
            raise UserError("to seed: must differ from the first; there is no way from a noise to itself")
        start, end = (model.noise(value, np.arange(1))[0] for value in ends)
        return self._draw(model, between(start, end, num), label, psi, model.domains[:1])

    def _draw(self, model: Model, z: np.ndarray, label, psi, otherwise: Sequence[str]) -> Shown:
        labels = _texts("label", label) or list(otherwise)
        names = [labels[place % len(labels)] for place in range(len(z))] if labels else None
        drawn = model.sample(z=z, labels=names, psi=number("psi", psi, 0, 2, whole=False))
        several = drawn if isinstance(drawn, dict) else {"x": drawn}
        captions = names or [f"{place + 1}" for place in range(len(z))]
        return [one for name, made in several.items() for one in _shown(model, made, name, captions)]

    def _drawing(self, run, checkpoint) -> Model:
        model = self.model(run, checkpoint)
        if not model.latent:
            raise UserError(f"this {model.config.gan} model does not draw from noise; translate with it")
        return model

    def model(self, run, checkpoint) -> Model:
        """The model of a run, of images."""
        model = self.runs.model(run, next(iter(_texts("checkpoint", checkpoint)), "last"))
        if not model.config.data.image_size:
            raise UserError(f"run: {run} moves points, of which there are no pictures")
        return model
