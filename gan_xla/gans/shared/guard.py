"""What a method does against the contract, said in one line at the moment when its functions are traced.

That is before the first step, and costs nothing after it. To see by shapes alone, ahead of everything, would cost as
much tracing again as the step itself, several seconds for CycleGAN.
"""

import dataclasses
import functools
import inspect
import traceback
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp

from gan_xla.contract import Gan, Tree
from gan_xla.errors import UserError


def guarded(gan: Gan, name: str) -> Gan:
    """The method `name`, whose functions raise UserError where they fail, or give what the contract does not allow."""
    guard = _Guard(gan, name)
    wrapped = {
        field: guard.wrap(field, function)
        for field in ("init", "generate", "disc_loss", "gen_loss", "translate", "sample", "preview")
        if (function := getattr(gan, field)) is not None
    }
    if not (gan.translate or gan.sample):
        raise guard.error("has neither translate nor sample")
    if gan.translate and not (gan.labels or gan.directions):
        raise guard.error("translates, but has neither directions nor labels")
    if gan.styles and not gan.translate:
        raise guard.error("has styles, but nothing that it translates")
    return dataclasses.replace(gan, **wrapped)


class _Guard:
    """Looks at what the functions of one method give; `_<function>(arguments, result)` knows what that must be."""

    def __init__(self, gan: Gan, name: str):
        self._gan, self._name = gan, name

    def error(self, text: str) -> UserError:
        return UserError(f"gan={self._name!r}: {text}; see gan_xla/contract.py")

    def wrap(self, field: str, function: Callable) -> Callable:
        look = getattr(self, f"_{field}", None)

        @functools.wraps(function)
        def call(*args, **options):
            try:
                result = function(*args, **options)
            except UserError:
                raise
            except Exception as error:  # a method is a program, which can fail in any way
                frame = traceback.extract_tb(error.__traceback__)[-1]
                reason = f"{type(error).__name__}: {error}".splitlines()[0]
                where = f"{Path(frame.filename).name}, line {frame.lineno}"
                raise self.error(f"{field} fails with {reason} ({where})") from error
            if look:
                look(inspect.signature(function).bind(*args, **options).args, result)
            return result

        return call

    def _generate(self, args: tuple, result: Any) -> None:
        params, stats, batch, ctx = args
        if not isinstance(result, tuple) or len(result) != 2 or not isinstance(result[0], Mapping):
            raise self.error("generate must give ({name: fake}, statistics)")
        fakes, new_stats = result
        if self._gan.learns:
            self._known("learns", self._gan.learns(ctx), params)
        self._known("judged", self._gan.judged, fakes)
        if self._gan.preview is None:
            self._known("grid", (name for row in self._gan.grid for name in row), {**batch, **fakes})
        self._same("generate", new_stats, stats)

    def _disc_loss(self, args: tuple, result: Any) -> None:
        try:
            loss, (logs, stats) = result
        except (TypeError, ValueError):
            raise self.error("disc_loss must give (loss, (logs, statistics))") from None
        self._loss("disc_loss", loss, logs)
        self._same("disc_loss", stats, args[1])

    def _gen_loss(self, args: tuple, result: Any) -> None:
        if not isinstance(result, tuple) or len(result) != 2:
            raise self.error("gen_loss must give (loss, logs)")
        self._loss("gen_loss", *result)

    def _sample(self, args: tuple, result: Any) -> None:
        draws, given = self._gan.draws, tuple(result) if isinstance(result, Mapping) else None
        if len(draws) == 1 and given:
            raise self.error(f"sample gives {', '.join(given)}; name them in draws, or give the one image itself")
        if len(draws) > 1 and set(given or ()) != set(draws):
            raise self.error(f"sample must give a dict of {', '.join(draws)}, the names in draws")

    def _known(self, field: str, names: Iterable[str], known: Iterable[str]) -> None:
        if missing := [name for name in names if name not in known]:
            raise self.error(f"{field} names {missing[0]!r}, which is none of {', '.join(known)}")

    def _same(self, function: str, new: Tree, old: Tree) -> None:
        if jax.tree.map(jnp.shape, new) != jax.tree.map(jnp.shape, old):
            raise self.error(f"{function} gives statistics of another structure or other shapes than it was given")

    def _loss(self, function: str, loss: Any, logs: Any) -> None:
        if jnp.shape(loss):
            raise self.error(f"{function} gives a loss of shape {list(jnp.shape(loss))}, not a scalar")
        if not isinstance(logs, Mapping) or any(jnp.shape(x) for x in logs.values()):
            raise self.error(f"{function} must give logs that are scalars by name")
