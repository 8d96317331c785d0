"""Updates in parts are those of whole arrays."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from gan_xla.contract import Ctx, Net
from gan_xla.run import state
from gan_xla.run.state import Player
from gan_xla.training import in_parts, step

SHAPES = {"G": {"kernel": (2, 2, 5, 6), "bias": (6,)}, "other": {"kernel": (3, 13), "scale": ()}}
FIELDS = dict(
    name="adam", learning_rate=0.1, b1=0.5, b2=0.9, weight_decay=0.0, grad_clip=0.0, schedule="linear", decay_start=0.0
)


@pytest.fixture
def float64():
    with jax.enable_x64(True):
        yield


def _like(seed):
    leaves, tree = jax.tree.flatten(SHAPES, is_leaf=lambda x: isinstance(x, tuple))
    generator = np.random.default_rng(seed)
    return tree.unflatten([jnp.asarray(generator.normal(size=shape)) for shape in leaves])


def _side(**fields):
    return state._optimizer({**FIELDS, "warmup": 0, **fields}, 100)


@pytest.mark.parametrize(
    "fields",
    [{}, {"name": "sgd"}, {"weight_decay": 0.1, "rates": {"other": 0.1}}, {"ema_decay": 0.9, "warmup": 5}],
    ids=["adam", "sgd", "decay and rates", "average"],
)
def test_parts_are_updated_as_the_whole(fields, monkeypatch, float64):
    monkeypatch.setattr(in_parts, "PART", 16)
    monkeypatch.setattr(in_parts, "LARGE", 32)
    side = _side(**fields)
    params, stats = _like(0), {"G": {"mean": jnp.ones(6)}}
    player = Player(params, stats, side.transform.init(params), Net(_like(1), stats) if side.ema_decay else None)

    def update(ok, player, grads, stats, at):
        new = step._update(player, side, grads, stats, Ctx(None, at, None), None)
        return step._where(ok, new, player)

    whole, parts = jax.jit(update), jax.jit(in_parts.in_parts(update))
    assert "while" in parts.lower(True, player, params, stats, 0).as_text()
    a = b = player
    for at, ok in enumerate((True, True, False)):
        grads = _like(2 + at)
        a, b = (one(jnp.asarray(ok), old, grads, stats, jnp.asarray(at)) for one, old in ((whole, a), (parts, b)))
    assert jax.tree.structure(a) == jax.tree.structure(b) == jax.tree.structure(player)
    jax.tree.map(lambda x, y: np.testing.assert_allclose(x, y, rtol=1e-12, atol=1e-14), a, b)
    assert optax.tree.norm(jax.tree.map(jnp.subtract, a.params, params)) > 0


@pytest.mark.parametrize(
    "size, count", [(2**22 - 2, 1), (2**22, 32), (3 * 7 * 2**18, 42), (2**22 + 2**12, 32), (2**22 + 15, 1)]
)
def test_large_arrays_have_equal_parts(size, count):
    assert in_parts._parts(size) == count


def test_a_norm_over_all_gradients_needs_them_whole():
    assert _side().by_element and not _side(grad_clip=1.0).by_element
