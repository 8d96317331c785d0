"""Our steps, compiled for accelerators that are not here; where their compilers are installed."""

import importlib.util
import json
import re

import jax
import pytest

from experiments.benchmarks import ahead, collectives, programs, targets
from experiments.benchmarks.workload import Workload
from gan_xla import gans
from gan_xla.errors import UserError

pytestmark = pytest.mark.slow


def _needs(package, extra):
    here = importlib.util.find_spec(package.partition(".")[0]) and importlib.util.find_spec(package)
    return pytest.mark.skipif(not here, reason=f"needs the extra {extra}")


cuda, tpu = _needs("jax_plugins.xla_cuda12", "ahead-cuda"), _needs("libtpu", "ahead-tpu")

HLO = """HloModule jit_step, is_scheduled=true

%fused (p: f32[4,4,256,512]) -> f32[512,4,4,256] {
  %p = f32[4,4,256,512]{3,2,1,0} parameter(0)
  ROOT %transpose.1 = f32[512,4,4,256]{3,2,1,0} transpose(%p), dimensions={3,0,1,2}
}

%body (q: (s32[], f32[8])) -> (s32[], f32[8]) {
  %q = (s32[], f32[8]{0}) parameter(0)
  %k.1 = f32[8]{0} fusion(%q), kind=kLoop, calls=%small
  %k.2 = f32[8]{0} fusion(%k.1), kind=kLoop, calls=%small
}

ENTRY %main (x: f32[2,8,8,256]) -> f32[] {
  %x = f32[2,8,8,256]{3,2,1,0} parameter(0)
  %w = f32[512,4,4,256]{3,2,1,0} fusion(%x), kind=kInput, calls=%fused, backend_config={"estimated_cycles":"150"}
  %right = (f32[2,4,4,512]{3,2,1,0}, u8[0]{0}) custom-call(%x, %w), window={size=4x4 stride=2x2}, \
custom_call_target="__cudnn$convForward", metadata={op_name="jit(f)/jvp(D)/Conv_0/conv_output/conv_general_dilated"}
  %wrong = (f32[512,4,4,256]{3,2,1,0}, u8[0]{0}) custom-call(%x, %w), window={size=4x4 rhs_dilate=2x2}, \
custom_call_target="__cudnn$convForward", metadata={op_name="jit(f)/transpose(D)/Conv_0/conv_kernel/transpose()/conv"}
  %alike = (f32[2,4,4,512]{3,2,1,0}, u8[0]{0}) custom-call(%x, %w), window={size=1x1}, \
custom_call_target="__cudnn$convForward", metadata={op_name="jit(f)/transpose(D)/Conv_0/conv_image/transpose()/conv"}
  %naive = f32[2,4,4,512]{3,2,1,0} convolution(%x, %w), window={size=4x4}
  %loop = (s32[], f32[8]{0}) while(%t), condition=%less, body=%body, backend_config={"known_trip_count":{"n":"5"}}
  %ar = f32[512]{0} all-reduce-start(%b), channel_id=1, replica_groups={{0,1}}, to_apply=%add
  %done.1 = f32[512]{0} all-reduce-done(%ar)
  %ar.1 = f32[256]{0} all-reduce-start(%c), channel_id=2, replica_groups={{0,1}}, to_apply=%add
  %between = f32[8]{0} fusion(%d), kind=kLoop, calls=%small
  %done.2 = f32[256]{0} all-reduce-done(%ar.1)
  ROOT %get = f32[] get-tuple-element(%loop), index=0
}
"""


def test_a_program_is_counted():
    program = programs.Program(HLO)
    found = programs.count(program, "cuda")
    assert found.calls == {"conv_output": 3} and found.strangers == 1
    assert found.naive == 1 and programs.count(program, "tpu").calls["convolution"] == 1
    assert (found.copies, found.copied) == (1, 4 * 512 * 16 * 256)
    assert program.launches() == 5 + 2 * 5 + 2 + 1  # calls and fusions, a loop's twice five, all-reduces, one between
    assert program.cycles() == 150


def test_a_collective_overlaps_where_something_runs_before_its_end():
    assert collectives.overlapping(HLO) == (1, 4 * 256)
    assert [parts for _, parts, _ in collectives.collectives(HLO)] == [((2048, (512,)),), ((1024, (256,)),)]


def test_all_reduces_come_to_what_the_compiler_expects():
    kinds = {"gradients": 50_000_000, "statistics": 0, "scalars": 0, "other": 0}
    found = {**kinds, "cycles": 3_000_000, "reduces": 3, "bytes_overlapping": 0}
    computing, step = ahead.expected(found, "v5e:4x4")
    assert computing == pytest.approx(2e-3)
    assert step == pytest.approx(2e-3 + 2 * 15 / 16 * 50e6 / 100e9 + 3 * 8e-6)
    assert ahead.expected(found | {"bytes_overlapping": 50_000_000}, "v5e:4x4")[1] == pytest.approx(2e-3 + 3 * 8e-6)
    assert ahead.expected(found, "h100") == (0, 0)


@pytest.mark.parametrize("target", ["h200", "v5e", "h100y4", "v99:2x2", ""])
def test_an_unknown_target_is_named(target):
    with pytest.raises(UserError, match=f"--target={target}: write h100, a100, h100x8 or a TPU slice such as v5e:4x4"):
        targets.devices(target)


BATCHES = {"cyclegan": 1, "discogan": 200, "pggan": 4, "stargan": 16}  # of the papers; PGGAN's at 1024 px


@cuda
@pytest.mark.parametrize("spec", BATCHES)
def test_a_step_in_full_size_fits_a_gpu_and_asks_its_library_for_each_convolution_by_its_kind(spec):
    made = ahead.compile_step(Workload(spec, BATCHES[spec]), targets.devices("h100"))
    found = ahead.record(made, "h100")
    assert found["fits"]
    assert found["calls"] and found["naive"] == found["strangers"] == 0
    # Parameters are transposed for convolutions, and neither back nor with their moments.
    kernels = re.findall(r"= f32\[\d+,\d+,\d+,\d+\]\S+ transpose\(.*flat_args", made.text)
    assert len(kernels) <= found["calls"]["conv_kernel"] + found["products"]


@tpu
def test_a_tpu_reduces_every_gradient_once():
    workload = Workload("discogan", 16, 64, None, ("model.generator.width=8", "model.discriminator.width=8"))
    made = ahead.compile_step(workload, targets.devices("v5e:2x2"))
    sides = jax.eval_shape(lambda: gans.build(workload.config()).init(jax.random.key(0)))
    moved = collectives.traffic(made.text, set(made.parameters))
    assert moved.gradients == 4 * sum(x.size for side in sides for x in jax.tree.leaves(side.params))
    assert not moved.moved and moved.other == 0


@cuda
def test_the_command_goes_on_where_it_stopped(tmp_path, capsys):
    records, flags = tmp_path / "records", ["--target=h100", "--config=gan", "--task=sample", "--batch_size=2"]
    for _ in range(2):
        ahead.main([*flags, f"--output={records}", f"--hlo={tmp_path}"])
    first, again = (line for line in capsys.readouterr().out.splitlines() if line.startswith("| gan"))
    assert first == again
    (record,) = map(json.loads, records.read_text().splitlines())
    assert record["fits"] and record["products"] and record["launches"] and not record["naive"]
    assert "fusion" in next(tmp_path.glob("*.txt")).read_text()
    with pytest.raises(UserError, match="--task=translate: this method does not translate"):
        ahead.main([*flags[:2], "--task=translate"])
