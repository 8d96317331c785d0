"""CycleGAN's history of generated images."""

import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gan_xla.contract import Ctx
from gan_xla.errors import UserError
from gan_xla.run import image_pool, settings

FORMS = pytest.mark.parametrize("sequential", [False, True], ids=["stepwise", "sequential"])


def _ctx(step, batch: int) -> Ctx:
    return Ctx(key=jax.random.fold_in(jax.random.key(0), step), step=step, index=jnp.arange(batch))


def _fill(size: int, batch: int, steps: int, sequential: bool = False, devices: int = 1):
    """Queries with images that carry their own number: what is shown [steps, batch], and the pool after each step.

    Devices are members of a mapped axis, as far as the pool can tell.
    """

    def step(pool, step):
        ctx = _ctx(step, batch)
        number = (step * batch + jnp.arange(batch)).astype(jnp.float32)
        parts = jnp.reshape(number, (devices, -1, 1, 1, 1)), ctx.index.reshape(devices, -1)

        def query(fakes, index):
            fakes = {"x_AB": fakes}
            return image_pool.query(pool, fakes, ctx._replace(index=index), "batch", sequential=sequential)

        shown, pools = jax.vmap(query, axis_name="batch")(*parts)
        return jax.tree.map(lambda x: x[-1], pools), (shown["x_AB"].ravel(), pools)

    _, (shown, pools) = jax.lax.scan(step, image_pool.create({"x_AB": (size, 1, 1, 1)}), jnp.arange(steps))
    pools = jax.device_get(pools)
    for pool in (pools.images["x_AB"], pools.count):  # the same on every device
        np.testing.assert_array_equal(pool, np.broadcast_to(pool[:, :1], pool.shape))
    return np.asarray(shown), pools.images["x_AB"][:, 0].reshape(steps, size), pools.count[:, 0]


def _played(size: int, batch: int, steps: int, sequential: bool):
    """The same by a list of images and a loop over samples, as CycleGAN's released code has it; with the same draws."""
    pool, shown, pools = [], [], []
    for step in range(steps):
        before = list(pool)
        for number, key in enumerate(_ctx(step, batch).keys("x_AB"), step * batch):
            swap_key, place_key = jax.random.split(key)
            if len(pool) < size:
                pool.append(number)
            elif jax.random.bernoulli(swap_key):
                place = int(jax.random.randint(place_key, (), 0, size))
                seen = pool if sequential else before
                shown.append(seen[place] if place < len(seen) else number)
                pool[place] = number
                continue
            shown.append(number)
        pools.append(pool + [0] * (size - len(pool)))
    return np.reshape(shown, (steps, batch)), np.asarray(pools)


@FORMS
@pytest.mark.parametrize("size, batch", [(5, 1), (6, 4), (3, 8)])
def test_it_is_the_loop_over_images(size, batch, sequential):
    shown, pools, count = _fill(size, batch, 12, sequential)
    wanted_shown, wanted_pools = _played(size, batch, 12, sequential)
    np.testing.assert_array_equal(shown, wanted_shown)
    np.testing.assert_array_equal(pools, wanted_pools)
    np.testing.assert_array_equal(count, np.minimum(batch * np.arange(1, 13), size))


@FORMS
@pytest.mark.parametrize("size", [4, 20])  # a batch has more images than the pool, or fewer
def test_any_number_of_devices_gives_the_same(size, sequential):
    alone = _fill(size, 16, 10, sequential)
    for devices in (2, 8):
        for one, other in zip(alone, _fill(size, 16, 10, sequential, devices), strict=True):
            np.testing.assert_array_equal(one, other)


def test_the_two_forms_store_the_same_and_are_one_at_a_batch_of_one():
    for size, batch in ((10, 1), (10, 4), (5, 16)):
        (one, *stored), (other, *same) = (_fill(size, batch, 100, sequential) for sequential in (False, True))
        np.testing.assert_array_equal(stored[0], same[0])
        assert (one == other).all() == (batch == 1)


@FORMS
def test_until_it_is_full_the_pool_shows_what_it_stores(sequential):
    shown, pools, count = _fill(5, 2, 3, sequential)
    np.testing.assert_array_equal(shown.ravel()[:5], np.arange(5))
    np.testing.assert_array_equal(pools[1], [0, 1, 2, 3, 0])
    np.testing.assert_array_equal(count, [2, 4, 5])


@FORMS
@pytest.mark.parametrize("batch", [1, 8])
def test_half_of_what_is_shown_is_from_the_history(batch, sequential):
    shown, _, _ = _fill(50, batch, 4000 // batch, sequential)
    shown = shown.ravel()
    later = np.arange(4000) >= 56
    earlier = shown != np.arange(4000)
    assert not earlier[:50].any()
    assert abs(earlier[later].mean() - 0.5) < 0.03
    assert (shown <= np.arange(4000)).all()


def test_a_step_shows_what_the_pool_was_before_it_and_keeps_nothing_that_it_showed():
    shown, pools, _ = _fill(10, 3, 300)
    past = set()
    for step, now in enumerate(shown):
        from_history = set(now) - set(3 * step + np.arange(3))
        assert from_history <= set(pools[step - 1]) and not from_history & set(pools[step])
        assert not from_history & past
        past |= from_history


def test_in_turn_an_image_leaves_the_pool_when_it_is_shown_and_is_shown_from_it_once():
    shown, pools, _ = _fill(10, 3, 300, sequential=True)
    from_history = shown.ravel()[shown.ravel() != np.arange(900)]
    assert len(np.unique(from_history)) == len(from_history)
    assert not set(from_history) & set(pools[-1])


def test_what_is_not_finite_stays_with_its_own_sample():
    """A sum over devices of images times zero or one would spread it over the pool."""
    fakes = {"x_AB": jnp.arange(8.0).at[3].set(jnp.nan).reshape(2, 4, 1, 1, 1)}
    index = jnp.arange(8).reshape(2, 4)
    pool = image_pool.create({"x_AB": (6, 1, 1, 1)})
    query = jax.vmap(
        lambda x, index: image_pool.query(pool, x, _ctx(0, 8)._replace(index=index), "batch"), axis_name="batch"
    )
    _, after = query(fakes, index)
    stored = after.images["x_AB"].reshape(2, 6)
    assert np.isfinite(np.delete(stored, 3, axis=1)).all()


def test_a_run_keeps_the_form_that_it_began_with(tmp_path):
    new = settings.resolve(settings.load("cyclegan:tiny"), images=8)
    assert new.train.pool == "stepwise"
    settings.freeze(new, tmp_path)
    old = json.loads((tmp_path / "config.json").read_text())
    del old["train"]["pool"]
    (tmp_path / "config.json").write_text(json.dumps(old))
    assert settings.read(tmp_path).train.pool == "sequential"
    assert settings.continued(settings.load("cyclegan:tiny"), tmp_path).train.pool == "sequential"
    given = settings.load("cyclegan:tiny", "config.train.pool=stepwise")
    assert settings.continued(given, tmp_path).train.pool == "stepwise", "what is said is compared"


def test_a_form_that_is_none_is_refused():
    with pytest.raises(UserError, match="train.pool='both' must be one of stepwise, sequential"):
        settings.load("cyclegan", "config.train.pool=both")
