"""CycleGAN's history of generated images."""

import jax
import jax.numpy as jnp
import numpy as np

from gan_xla.contract import Ctx
from gan_xla.run import image_pool


def _fill(size: int, batch: int, steps: int):
    """Queries with images that carry their own number; (what was shown [steps * batch], the pool)."""

    def step(pool, step):
        ctx = Ctx(key=jax.random.fold_in(jax.random.key(0), step), step=step, index=jnp.arange(batch))
        number = step * batch + jnp.arange(batch)
        fakes = {"x_AB": jnp.broadcast_to(number.astype(jnp.float32)[:, None, None, None], (batch, 1, 1, 1))}
        shown, pool = image_pool.query(pool, fakes, ctx)
        return pool, shown["x_AB"].ravel()

    pool, shown = jax.lax.scan(step, image_pool.create({"x_AB": (size, 1, 1, 1)}), jnp.arange(steps))
    return np.asarray(shown).ravel(), jax.device_get(pool)


def test_until_it_is_full_the_pool_shows_what_it_stores():
    shown, pool = _fill(size=5, batch=2, steps=3)
    np.testing.assert_array_equal(shown[:5], np.arange(5))
    assert pool.count == 5


def test_half_of_what_is_shown_is_from_the_history():
    shown, _pool = _fill(size=50, batch=1, steps=4000)
    later = np.arange(4000) >= 50
    earlier = shown != np.arange(4000)
    assert not earlier[~later].any()
    assert abs(earlier[later].mean() - 0.5) < 0.03
    assert (shown <= np.arange(4000)).all()


def test_an_image_leaves_the_pool_when_it_is_shown_and_is_shown_from_it_once():
    shown, pool = _fill(size=10, batch=3, steps=300)
    from_history = shown[shown != np.arange(900)]
    assert len(np.unique(from_history)) == len(from_history)
    assert not set(from_history) & set(pool.images["x_AB"].ravel())


def test_the_batch_size_does_not_matter_to_the_order_of_storing():
    _shown, pool = _fill(size=6, batch=6, steps=1)
    np.testing.assert_array_equal(pool.images["x_AB"].ravel(), np.arange(6))
