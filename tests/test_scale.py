"""What a step moves between devices."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from experiments import common
from experiments.benchmarks import scale
from experiments.benchmarks.collectives import Collective, Traffic, collectives, traffic
from gan_xla.errors import UserError

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parent.parent
ENV = {**os.environ, "JAX_PLATFORMS": "cpu", "PYTHONPATH": str(ROOT)}
GROUPS = "replica_groups={{0,1}}, to_apply=%add"
TRIPS = 'backend_config={"known_trip_count":{"n":"%d"}}'
HLO = f"""HloModule jit_f, is_scheduled=true, entry_computation_layout={{(f32[2]{{0}})->f32[]}}

%add (x: f32[], y: f32[]) -> f32[] {{
  %x = f32[] parameter(0)
  ROOT %sum = f32[] add(%x, %y)
}}

%inner (p.1: (s32[], f32[2,8])) -> (s32[], f32[2,8]) {{
  %psum.3 = f32[2,8]{{1,0}} all-reduce(%mean), {GROUPS}, metadata={{op_name="jit(f)/psum"}}
}}

%outer (p.2: (s32[])) -> (s32[]) {{
  %while.1 = (s32[], f32[2,8]{{1,0}}) while(%t), condition=%less, body=%inner, {TRIPS % 3}
  %all_gather.2 = bf16[16,4]{{1,0}} all-gather(%fakes), replica_groups=[1,2]<=[2], dimensions={{0}}
}}

ENTRY %main.9 (p.3: f32[2]) -> f32[] {{
  %all-reduce.1 = (f32[3,4]{{1,0}}, bf16[5]{{0:T(8)}}, f32[], /*index=3*/f32[7]{{0}}) all-reduce(%a, %b, %c), {GROUPS}
  %while.2 = (s32[]) while(%t), condition=%less, body=%outer, {TRIPS % 5}
  %while.3 = (s32[], f32[2,8]{{1,0}}) while(%t), condition=%less, body=%inner
  %alone = f32[9]{{0}} all-reduce(%e), channel_id=2, replica_groups={{{{0}},{{1}}}}, to_apply=%add
  %cp = u8[10]{{0}} collective-permute(%g), source_target_pairs={{{{0,1}}}}
}}
"""


def test_collectives_are_found_in_tuples_and_loops_and_counted_in_bytes():
    first, *inner, gathered, unknown, permuted = collectives(HLO)
    assert first == Collective("all-reduce", ((48, (3, 4)), (10, (5,)), (4, ()), (28, (7,))), 1)
    assert inner == [Collective("all-reduce", ((64, (2, 8)),), 15)]
    assert gathered == Collective("all-gather", ((128, (16, 4)),), 5)
    assert unknown.times == 1  # a loop of unknown length
    assert permuted == Collective("collective-permute", ((10, (10,)),), 1)


def test_traffic_is_split_by_shape():
    found = traffic(HLO, {(3, 4), (5,)})
    assert found == Traffic(58, 64 * 16, 4, 28, 17, 16, {"all-gather": (5, 640), "collective-permute": (1, 10)})
    assert found.reduced == 58 + 1024 + 4 + 28


MAPPED = """
import json, jax, jax.numpy as jnp
from experiments.benchmarks.collectives import traffic

def f(w, x):
    mean = lambda carry, row: (carry + jax.lax.pmean(jnp.stack([row, row * carry]), "batch").sum(), None)
    total, _ = jax.lax.scan(mean, 0.0, x)
    gathered = jax.lax.all_gather(x, "batch", tiled=True)[jax.lax.axis_index("batch")]
    return jax.lax.pmean(w * total, "batch"), jax.lax.pmean((gathered**2).sum(), "batch")

mapped = jax.pmap(f, axis_name="batch", in_axes=(None, 0))
hlo = mapped.lower(jnp.ones((3, 5)), jnp.ones((4, 6, 7))).compile().as_text()
print(json.dumps(traffic(hlo, {(3, 5)})))
"""


def test_a_mapped_function_of_four_devices_is_counted():
    env = {**ENV, "XLA_FLAGS": "--xla_force_host_platform_device_count=4"}
    out = subprocess.run([sys.executable, "-c", MAPPED], cwd=ROOT, env=env, text=True, capture_output=True)
    assert out.returncode == 0, out.stderr
    gradients, statistics, scalars, other, _, syncs, moved = json.loads(out.stdout)
    assert (gradients, statistics, scalars, other) == (4 * 15, 6 * 4 * 2 * 7, 4, 0)
    assert syncs == 6 and moved == {"all-gather": [1, 4 * 4 * 6 * 7]}


POOLED = """
import json, jax, jax.numpy as jnp
from experiments.benchmarks.collectives import traffic
from gan_xla.contract import Ctx
from gan_xla.run import image_pool

def step(pool, fakes, index):
    return image_pool.query(pool, {"x_AB": fakes}, Ctx(jax.random.key(0), 0, index), "batch")

mapped = jax.pmap(step, axis_name="batch", in_axes=(None, 0, 0), out_axes=(0, None))
pool, found = image_pool.create({"x_AB": (6, 3, 5, 7)}), []
for n in (1, 2):
    compiled = mapped.lower(pool, jnp.ones((4, n, 3, 5, 7)), jnp.arange(4 * n).reshape(4, n)).compile()
    found.append(traffic(compiled.as_text(), set()))
print(json.dumps(found))
"""


def test_the_image_pool_moves_a_fake_for_each_sample_or_place_whichever_are_fewer():
    env = {**ENV, "XLA_FLAGS": "--xla_force_host_platform_device_count=4"}
    out = subprocess.run([sys.executable, "-c", POOLED], cwd=ROOT, env=env, text=True, capture_output=True)
    assert out.returncode == 0, out.stderr
    found = [Traffic(*counts) for counts in json.loads(out.stdout)]
    assert [(x.other, x.reduces, x.moved) for x in found] == [(count * 4 * 3 * 5 * 7, 1, {}) for count in (4, 6)]


TINY = [f"--set={field}" for field in ("model.generator.width=4", "model.discriminator.width=4", "data.image_size=16")]


def test_the_step_reduces_every_gradient_once_and_little_else(tmp_path):
    flags = ["--batch_size=4", "--devices=", "--processes=2", "--steps=1", f"--output={tmp_path}", *TINY]
    command = [sys.executable, "-m", "experiments.benchmarks.scale", "--config=discogan", *flags]
    env = {**ENV, "XLA_FLAGS": "--xla_backend_optimization_level=0"}
    out = subprocess.run(command, cwd=ROOT, env=env, text=True, capture_output=True)
    assert out.returncode == 0, out.stderr
    records = json.loads((tmp_path / "scores.json").read_text())["settings"]
    assert [(record["devices"], record["processes"]) for record in records] == [(2, 2)]
    for record in records:
        assert record["gradients"] == record["minimum"]
        # Mean and mean square, forward and back: 4 + 8 channels in 4 passes of G, 8 in 4 + 2 of D.
        assert 0 < record["statistics"] <= 2 * 2 * 4 * (4 * (4 + 8) + 6 * 8)
        assert record["scalars"] <= 4 * 16 and record["other"] == 0 and record["moved"] == {}
    assert all(record["wall_s_per_step"] > 0 and record["cpu_s_per_step"] > 0 for record in records)


@pytest.mark.parametrize(
    "flags, message",
    [
        (["--devices=2,0"], "--devices=2,0: must be numbers of 1 or more"),
        (["--processes=two"], "--processes=two: must be numbers"),
        (["--devices=", "--processes="], "must not be empty"),
        (["--steps=-1"], "--steps=-1: must be 0 or more"),
        (["--batch_size=6", "--devices=4"], "train.batch_size=6 cannot be shared by 4 device"),
        (["--set=model.generator.widht=4"], "widht"),
        (["--set=data.image_size=18"], "data.image_size=18: this network takes"),
        (["--config=nothing"], "--config=nothing: no such file"),
        (["--config=toy_gmm"], "--config=toy_gmm: not a method that translates images"),
        (["--config=cgan"], "--config=cgan: not a method that translates images"),
    ],
)
def test_a_mistake_is_one_line(flags, message, capsys):
    assert common.run(scale.main, flags) == 2
    error = capsys.readouterr().err
    assert message in error and error.count("\n") == 1


def test_a_mistake_that_a_worker_finds_is_told():
    layers = ("loss.feature_weight=1.0", "loss.feature_layers=(9,)")
    job = scale.Job("discogan", (*(flag.removeprefix("--set=") for flag in TINY), *layers), 4)
    with pytest.raises(UserError, match="loss.feature_layers"):
        scale.Team(job, 1, 1)
