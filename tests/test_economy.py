"""Less memory, fewer bits: what must stay the same."""

import compiled
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from devices import CASES, configure, difference, final_state

from gan_xla import devices, gans, nets
from gan_xla.contract import Ctx
from gan_xla.errors import UserError
from gan_xla.main import main
from gan_xla.run import settings
from gan_xla.run.state import create, optimizers
from gan_xla.training.step import make_step

pytestmark = pytest.mark.slow

ONE = [jax.devices()[0]]


@pytest.mark.parametrize("name", ["pool", "progressive"])
def test_gradients_in_parts_and_activations_computed_again_are_those_of_the_batch(name):
    # Batch norm would see a part; PGGAN's groups of samples do not span parts.
    case = CASES[name] | ({"norm": "none"} if name == "pool" else {})
    with jax.enable_x64(True):
        config = configure(**case)
        whole = final_state(config, ONE)
        config.train.update(accumulate=4, remat=True)
        parts = final_state(config, ONE)
    for state in (whole, parts):  # how well D is fooled is a running mean, here of parts
        state.disc.stats.pop("fooled", None)
    assert difference(whole, parts) < 1e-9


def test_remat_keeps_the_activations_of_one_network_at_a_time():
    """Of the residuals of the generators' pass, the inputs of the networks alone remain."""

    def residuals(remat: bool) -> int:
        config = configure("cyclegan", ("gd",))
        config.train.remat = remat
        gan = gans.build(config)
        pair = jax.eval_shape(gan.init, jax.random.key(0))
        x = jax.ShapeDtypeStruct((2, 16, 16, 3), jnp.float32)

        ctx = Ctx(jax.random.key(0), 0, jnp.arange(2))

        def kept(params, stats, x_A, x_B):
            return jax.vjp(lambda p: gan.generate(p, stats, {"x_A": x_A, "x_B": x_B}, ctx)[0], params)[1]

        leaves = jax.tree.leaves(jax.eval_shape(kept, pair.gen.params, pair.gen.stats, x, x))
        return sum(leaf.size for leaf in leaves)

    assert residuals(True) < residuals(False) / 3


@pytest.mark.parametrize("name, turns", [("cyclegan", ("gd",)), ("pggan", ("d+g",))])
def test_bfloat16_keeps_parameters_and_losses_in_float32_and_near(name, turns):
    def play(dtype: str):
        config = configure(name, turns)
        config.train.dtype = dtype
        gan, optimizer = gans.build(config), optimizers(config.optimizer, 10)
        generator = np.random.default_rng(0)
        batch = {key: generator.uniform(size=(1, 4, 16, 16, 3)).astype(np.float32) for key in ("x_A", "x_B", "x")}
        if gan.labels:
            batch |= {key: np.eye(gan.labels.size, dtype=np.float32)[None, :4] for key in ("label", "target")}
        batch["index"] = np.arange(4, dtype=np.int32)[None]
        step = make_step(gan, optimizer, turns)
        before = create(gan, optimizer, 0)
        return before, jax.jit(step)(before, batch), str(jax.make_jaxpr(step)(before, batch))

    before, (after, logs), program = play("bfloat16")
    _, (_, expected), plain = play("float32")
    assert "bf16" in program and "bf16" not in plain
    assert [x.dtype for x in jax.tree.leaves(after)] == [x.dtype for x in jax.tree.leaves(before)]
    for loss in (key for key in logs if key.startswith("loss/")):
        assert logs[loss].dtype == jnp.float32
        np.testing.assert_allclose(logs[loss], expected[loss], rtol=0.05, atol=0.02, err_msg=loss)


def test_a_network_in_bfloat16_is_near_the_same_one_in_float32():
    x = jnp.asarray(np.random.default_rng(0).uniform(-1, 1, (2, 32, 32, 3)), jnp.float32)
    fields = {"net": "resnet", "width": 8, "blocks": 2}
    module = nets.build(fields, "Generator", size=32, channels=3)
    net = compiled.init(module, jax.random.key(0), x)
    half, _ = compiled.apply(module.clone(dtype="bfloat16"), net, x, "batch")
    full, _ = compiled.apply(module, net, x, "batch")
    assert half.dtype == jnp.float32 and 0 < float(jnp.max(jnp.abs(half - full))) < 0.03


def test_parts_that_a_batch_does_not_have_are_refused(tmp_path, capsys):
    fields = ("--config.train.batch_size=6", "--config.train.accumulate=4")
    assert main(["main", "--config=toy_gmm", *fields, f"--workdir={tmp_path / 'run'}"]) == 2
    assert "train.batch_size=6 cannot be shared by 1 device(s) in train.accumulate=4 parts" in capsys.readouterr().err
    with pytest.raises(UserError, match="multiple of 6"):
        devices.rows(8, accumulate=3, devices=[None] * 2)


def test_a_dtype_that_is_none_is_refused():
    with pytest.raises(UserError, match="train.dtype='float16' must be one of float32, bfloat16"):
        settings.load("cyclegan", "config.train.dtype=float16")
