"""`--runtime=onnx`: translation by ONNX Runtime, which on a CPU runs some generators twice as fast as XLA does."""

from types import ModuleType
from typing import Any

import numpy as np

from gan_xla.errors import UserError
from gan_xla.export import onnx
from gan_xla.inference import loading
from gan_xla.inference.model import Model


class OnnxModel(Model):
    """A model whose `translate` runs what `--format=onnx` exports, made when it is first called."""

    @classmethod
    def of(cls, model: Model) -> "OnnxModel":
        """The model, by ONNX Runtime.

        Raises:
          UserError: ONNX or ONNX Runtime is not installed, or the model has styles or does not translate.
        """
        if model.style:
            raise UserError("--runtime=onnx: exports take a style's noise, not its code; leave --runtime out")
        model = model.only("translate")
        made = cls(model._gan, model.config, model.step, model.variables, model._early)
        made._library, made._sessions = _library(), {}
        return made

    def _manner(self, statistics: str | None, dropout: bool | None) -> tuple[str, bool]:
        """As `Model.translate` would have them, if exports do.

        Raises:
          UserError: other statistics than the method's own, or dropout.
        """
        if statistics not in (None, self.habit.statistics):
            raise UserError(f"--runtime=onnx --statistics={statistics}: has {self.habit.statistics} alone")
        statistics, dropout = super()._manner(statistics, dropout)
        if dropout:
            raise UserError("--runtime=onnx: has no dropout; add --nodropout, or leave --runtime out")
        return statistics, False

    def _pass(self, x: np.ndarray, ends: tuple[str, str], target, statistics: str, keys, *codes) -> np.ndarray:
        x = self._bytes(x, ends[0])
        feeds: dict[str, Any] = {"image": x} if x.ndim == 4 else {"points": x}
        feeds |= {} if isinstance(target, str) else {"label": np.ascontiguousarray(target)}
        (made,) = self._session(target if isinstance(target, str) else None).run(None, feeds)
        return made

    def _session(self, direction: str | None):
        if direction not in self._sessions:
            size = None if self.size_multiple else self.config.data.image_size
            content = onnx.content(self, direction=direction, batch=None, size=size)
            self._sessions[direction] = self._library.InferenceSession(content)
        return self._sessions[direction]

    def _bytes(self, x: np.ndarray, source: str) -> np.ndarray:
        """Images of the type of `values`, which exports take, from shares of their range too."""
        values = self.values(source)
        if x.dtype == values.dtype or x.ndim != 4:
            return x
        return np.rint(x * (values.high - values.low) + values.low).astype(values.dtype)


def load(workdir: str, checkpoint: str = "last") -> OnnxModel:
    """As `gan_xla.load`, by ONNX Runtime."""
    return OnnxModel.of(loading.load(workdir, checkpoint))


def _library() -> ModuleType:
    try:
        import onnxruntime
    except ImportError as error:
        raise UserError("--runtime=onnx needs the package onnxruntime: pip install 'gan_xla[onnx]'") from error
    return onnxruntime
