"""The benchmarks, at sizes that say nothing about speed."""

import json
import os
from types import SimpleNamespace

import jax
import numpy as np
import pytest

from experiments import common
from experiments.benchmarks import describing, jax_side, layers, machine, race, step, table, torch_side
from experiments.benchmarks.workload import Workload
from gan_xla import gans
from gan_xla.errors import UserError
from gan_xla.training import work

pytestmark = pytest.mark.slow

WIDTHS = ("model.generator.width=4", "model.discriminator.width=4")
FIELDS = {
    "side",
    "config",
    "batch_size",
    "image_size",
    "dtype",
    "device",
    "version",
    "images_per_s",
    "cpu_s_per_step",
    "cpu_s_quartiles",
    "wall_s_per_step",
    "wall_s_quartiles",
    "compile_s",
    "peak_memory_mb",
    "gflop_per_step",
    "fraction_of_matmul_peak",
}
HIDDEN = ("model.generator.hidden=(4,5)", "model.discriminator.hidden=(5,4)")
FMAPS = ("model.latent=4", "model.generator.fmap_max=4", "model.discriminator.fmap_max=4")
METHODS = {
    "discogan": Workload("discogan", 2, 16, "bfloat16", WIDTHS),
    "cyclegan": Workload("cyclegan", 2, 24, None, (*WIDTHS, "model.generator.blocks=1", "loss.lambda_identity=0.5")),
    "pix2pix": Workload("pix2pix", 2, 32, None, WIDTHS),
    "stargan": Workload("stargan", 2, 64, "bfloat16", (*WIDTHS, "model.generator.blocks=1")),
    "discogan_unet": Workload("discogan_unet", 2, 32, "bfloat16", WIDTHS),
    "gan": Workload("gan", 3, 28, None, HIDDEN),
    "cgan": Workload("cgan", 3, 28, "bfloat16", (*HIDDEN, "model.latent=4")),
    "dcgan": Workload("dcgan", 3, 24, None, WIDTHS),
    "pggan": Workload("pggan:quick", 4, 8, "bfloat16", FMAPS),
    "unit": Workload("unit", 1, 64, "bfloat16", (*WIDTHS, "model.generator.blocks=1")),
    "munit": Workload("munit", 1, 64, None, (*WIDTHS, "model.generator.blocks=1", "model.generator.style=3")),
    "starganv2": Workload("starganv2", 2, 32, "bfloat16", (*WIDTHS, "model.latent=4", "model.mapping=8")),
}


def _command(workload, *more):
    arguments = [f"--config={workload.spec}", f"--batch_size={workload.batch_size}", "--steps=1"]
    arguments += [f"--image_size={workload.image_size}"] if workload.image_size else []
    arguments += [f"--dtype={workload.dtype}"] if workload.dtype else []
    return [*arguments, *(f"--set={field}" for field in workload.fields), *more]


def test_every_side_prints_a_record_with_all_fields(capsys, monkeypatch):
    pytest.importorskip("torch")
    monkeypatch.setenv("TORCH_COMPILE_DISABLE", "1")  # its compiler takes a minute; the rest of the side is the same
    workload = METHODS["discogan"]._replace(dtype="float32")
    assert common.run(step.main, _command(workload, "--against=torch", "--against=torch.compile")) == 0
    records = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [record["side"] for record in records] == ["gan_xla", "torch", "torch.compile"]
    for record in records:
        assert set(record) == FIELDS
        assert all(record[name] > 0 for name in FIELDS if isinstance(record[name], int | float)), record
        assert record["wall_s_quartiles"] == [record["wall_s_per_step"]] * 2, "of one step"
        assert (record["image_size"], record["batch_size"], record["dtype"]) == (16, 2, "float32")
        assert record["images_per_s"] == pytest.approx(2 / record["wall_s_per_step"], rel=0.05)
        assert record["gflop_per_step"] == records[0]["gflop_per_step"]


@pytest.mark.parametrize("name", METHODS)
def test_pytorch_plays_a_cycle_of_each_method(name):
    """That the updates equal ours is in test_parity, test_stargan and test_starganv2."""
    pytest.importorskip("torch")
    workload = METHODS[name]
    torch_side.check(workload.spec, workload.config())
    assert torch_side.form(workload.config()) == name
    contestant = torch_side.make(workload, compiled=False)
    contestant.calls["step"]()
    assert set(contestant.facts()) == {"peak_memory_mb", "device", "version"}


def test_our_step_is_compiled_in_its_first_call_alone():
    compiled = []

    def note(event, seconds, **_):
        if event == "/jax/core/compile/backend_compile_duration":
            compiled.append(seconds)

    contestant = jax_side.make(METHODS["gan"])
    jax.monitoring.register_event_duration_secs_listener(note)
    contestant.calls["step"]()
    assert compiled
    compiled.clear()
    contestant.calls["step"]()
    assert not compiled


def test_of_pggan_the_phase_of_the_size_is_measured():
    contestant = jax_side.make(METHODS["pggan"]._replace(dtype=None))
    contestant.calls["step"]()
    assert contestant.facts()["gflop_per_step"] > 0
    config = Workload("pggan:quick", 4, 8).config()
    assert config.data.image_size == 32, "the networks keep all levels"
    phase = jax_side.phase_of(gans.build(config), Workload("pggan:quick", 4, 8))
    assert phase.resolution == 8 and phase.start > 0


@pytest.mark.parametrize(
    "spec, labels, names",
    [
        ("cyclegan", 0, {"x_A", "x_B"}),
        ("gan", 0, {"x"}),
        ("pggan", 0, {"x"}),
        ("cgan", 10, {"x", "label", "target"}),
        ("stargan", 5, {"x", "label", "target"}),
        ("starganv2", 10, {"x", "x_ref", "x_ref2", "label", "target"}),
    ],
)
def test_batches_hold_what_the_method_takes(spec, labels, names):
    workload = Workload(spec, 3)
    config = workload.config()
    space = gans.build(config).labels
    assert (space.size if space else 0) == labels
    batch = workload._replace(image_size=4).batch(config, labels)
    assert set(batch) == names
    for name, x in batch.items():
        image = name.startswith("x")
        assert (x.shape, x.dtype) == (
            ((3, 4, 4, config.data.channels), np.uint8) if image else ((3, labels), "float32")
        )


def test_the_operations_of_a_step_are_those_of_pytorch():
    torch = pytest.importorskip("torch")
    from torch.utils.flop_counter import FlopCounterMode

    from experiments.benchmarks import torch_common, torch_cyclegan

    wide = ("model.generator.width=16", "model.discriminator.width=16", "model.generator.blocks=1")
    workload = Workload("cyclegan", 1, 64, fields=wide)
    config = workload.config()
    with FlopCounterMode(display=False) as counter:
        torch_cyclegan.trainer(config, torch_common.Setup()).step(*torch.rand(2, 1, 3, 64, 64))
    batch = workload.batch(config, 0) | {"index": np.arange(1, dtype=np.int32)}
    count = work.gflop(config, gans.build(config).phases[0], batch)
    assert count == pytest.approx(counter.get_total_flops() / 1e9, rel=0.05)


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["--config=cut", "--against=torch"], "there is no PyTorch form of gan='cut'; there is of discogan, disco"),
        (["--config=dcgan", "--set=loss.penalty=r1", "--against=torch"], "of 'dcgan' has not loss.penalty='r1', as"),
        (["--config=gan", "--set=optimizer.disc.clip=0.1", "--against=torch"], "'gan' has not optimizer.disc.clip=0.1"),
        (["--config=dcgan", "--set=gan=cgan", "--set=data.labels=a,b", "--against=torch"], "generator.net='dcgan'"),
        (["--config=pggan", "--set=data.labels=a,b", "--against=torch"], "the PyTorch form of 'pggan' has not data.la"),
        (["--config=stargan", "--set=loss.lambda_gp=1", "--against=torch"], "'stargan' has not loss.lambda_gp=1.0"),
        (["--config=munit", "--set=train.turns=dg", "--against=torch"], "of 'munit' has not train.turns=('dg',)"),
        (["--config=discogan_reference", "--against=torch.compile"], "train.turns=('d', 'g', 'g')"),
        (["--config=nothing"], "no such file; shipped configs are"),
        (["--set=model.width=3"], "this config has no such field; did you mean"),
        (["--config=toy_gmm"], "its data are points"),
        (["--set=train.num_seeds=2"], "train.num_seeds=2: the benchmark measures one"),
    ],
)
def test_what_cannot_be_measured_is_one_clear_line(arguments, message, capsys):
    assert common.run(step.main, arguments) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ") and message in error and error.count("\n") == 1


def test_a_size_without_a_phase_is_a_clear_error():
    with pytest.raises(UserError, match="--image_size=7: pggan:quick has phases of 4, 8, 16, 32"):
        jax_side.make(Workload("pggan:quick", 4, 7))


CONTESTANTS = """
from experiments.benchmarks.race import Contestant
from gan_xla.errors import UserError

def sound():
    calls = []
    return Contestant({"one": lambda: calls.append(1), "two": lambda: None}, lambda: {"ones": len(calls)})

def broken():
    raise RuntimeError("no compiler") from ValueError("no g++\\nhere")

def mistaken():
    raise UserError("a mistake")
"""


def test_a_contestant_that_cannot_start_leaves_the_others_alone(tmp_path, monkeypatch):
    (tmp_path / "contestants.py").write_text(CONTESTANTS)
    monkeypatch.syspath_prepend(tmp_path)
    results = race.race({name: (f"contestants:{name}", ()) for name in ("broken", "sound")}, rounds=3)
    assert str(results["broken"]) == "ValueError: no g++"
    sound = results["sound"]
    assert sound.facts == {"ones": 1 + 1 + 3}, "the first one, one that warms caches, three measured"
    assert set(sound.first) == set(sound.wall) == set(sound.cpu) == {"one", "two"}
    with pytest.raises(UserError, match="a mistake"):
        race.race({"mistaken": ("contestants:mistaken", ())}, rounds=1)


def test_the_layers_of_a_config_are_found_and_computed_alike():
    torch = pytest.importorskip("torch")
    found = layers.found(METHODS["cyclegan"])
    assert found[layers.Layer(False, 30, 3, 4, 7, 1, 0, 0)] == 2, "the first of each generator, on reflected images"
    assert found[layers.Layer(True, 6, 16, 8, 3, 2, 1, 1)] == 2
    assert found[layers.Layer(False, 24, 3, 4, 4, 2, 1, 0)] == 2, "the first of each discriminator"
    for layer in (layers.Layer(False, 9, 2, 3, 4, 2, 1, 0), layers.Layer(True, 6, 3, 2, 3, 2, 1, 1)):
        conv = torch.nn.ConvTranspose2d if layer.transposed else torch.nn.Conv2d
        extra = {"output_padding": layer.output_padding} if layer.transposed else {}
        y = conv(layer.c_in, layer.c_out, layer.kernel, layer.stride, layer.padding, **extra)(
            torch.zeros(1, layer.c_in, layer.size, layer.size)
        )
        assert y.shape[2] == layer.output
        for side in (layers.ours, layers.torchs):
            for call in side([layer], 2, "float32").calls.values():
                call()


def test_the_layers_table_puts_the_slowest_first_and_sums_over_all():
    fast, slow = layers.Layer(False, 4, 1, 1, 1, 1, 0, 0), layers.Layer(False, 4, 1, 1, 3, 1, 1, 0)
    wall = {f"{number} {name}": 1e-3 * (1 + number) for number in (0, 1) for name in layers.OPERATIONS}
    results = {side: SimpleNamespace(wall=wall) for side in ("gan_xla", "torch")}
    first, second, total = layers.rows(layers.Counter({fast: 3, slow: 2}), 1, results)
    assert first[:3] == ["conv 3x3/1, 4² x 1 to 4² x 1", "2", "2.00 / 2.00"] and second[1] == "3"
    assert total[:3] == ["all networks", "5", "7.00 / 7.00"]


def _record(side, wall):
    numbers = {"images_per_s": 1 / wall, "wall_s_per_step": wall, "cpu_s_per_step": 2 * wall, "gflop_per_step": 3.0}
    numbers |= {f"{clock}_s_quartiles": [0.9 * wall, 1.1 * wall] for clock in ("wall", "cpu")}
    numbers |= {"fraction_of_matmul_peak": 0.5, "peak_memory_mb": 700, "compile_s": 9.0, "device": "cpu"}
    return {
        "side": side,
        "config": "c",
        "batch_size": 1,
        "image_size": 8,
        "dtype": "float32",
        "version": side,
    } | numbers


def _without_measuring(monkeypatch, load, *records):
    monkeypatch.setattr(machine, "load", lambda: load)
    monkeypatch.setattr(table, "product", lambda dtype: ("cpu", 100.0))
    monkeypatch.setattr(step, "measure", lambda *args: [_record("gan_xla", 0.1), _record("torch", 0.2), *records])


def test_the_table_is_written_between_its_marks(tmp_path, monkeypatch):
    pytest.importorskip("torch")
    path = tmp_path / "RESULTS.md"
    path.write_text("before\n<!-- table: cpu -->\nold\n<!-- end -->\nafter\n")
    failed = {name: x for name, x in _record("torch.compile", 1.0).items() if name in ("side", "config", "image_size")}
    failed |= {"batch_size": 1, "dtype": "float32", "error": "InvalidCxxCompiler: a | b"}
    _without_measuring(monkeypatch, 0.03, failed)
    assert common.run(table.main, ["--quick", f"--output={path}"]) == 0
    text = path.read_text()
    assert text.startswith("before\n<!-- table: cpu -->\n") and text.endswith("|\n<!-- end -->\nafter\n")
    assert "old" not in text and machine.processor() in text and "100 GFLOP/s in float32" in text
    assert "; other processes used 0.03 cores when it began; " in text and "medians and quartiles of 3 steps" in text
    line = "| torch | 5 | 200 (180 to 220) | 400 (180 to 220) | 0.50 | 0.50 | 3 | 50% | 700 | 9.0 |"
    assert text.count(line) == len(table.CPU)
    assert "| torch.compile | InvalidCxxCompiler: a / b |" in text
    path.write_text("<!-- table: gpu -->\n")
    with pytest.raises(UserError, match="has no <!-- end --> after it"):
        table.insert(path, "gpu", "text")


@pytest.mark.parametrize(
    ("config", "steps", "cycles"), [("discogan", 15, 15), ("stargan", 15, 5), ("stargan", 60, 12), ("stargan", 3, 3)]
)
def test_a_table_has_enough_cycles_for_quartiles(config, steps, cycles):
    assert table.cycles(Workload(config, 1, 64), steps) == cycles


def test_no_table_is_written_on_a_busy_machine_unless_asked_for(tmp_path, monkeypatch, capsys):
    pytest.importorskip("torch")
    path = tmp_path / "RESULTS.md"
    _without_measuring(monkeypatch, 1.4)
    assert common.run(table.main, [f"--output={path}"]) == 2 and not path.exists()
    error = capsys.readouterr().err
    assert (
        error.startswith("error: other processes use 1.40 cores") and "add --busy" in error and error.count("\n") == 1
    )
    assert common.run(table.main, ["--busy", f"--output={path}"]) == 0
    says = "**on a busy machine: other processes used 1.40 cores when it began**"
    assert says in path.read_text() and says in capsys.readouterr().out
    assert "medians and quartiles of 15 steps" in path.read_text()


def test_fewer_steps_than_quartiles_take_are_refused(capsys):
    with pytest.raises(SystemExit):
        table.main(["--steps=14"])
    assert "14 are too few for quartiles; 15 or more" in capsys.readouterr().err


def test_the_load_is_what_others_use_of_our_cores(tmp_path, monkeypatch):
    """Columns: user, nice, system, idle, iowait, irq, softirq, steal, guest, guest_nice."""
    stat, tick = tmp_path / "stat", os.sysconf("SC_CLK_TCK")
    monkeypatch.setattr(machine, "cores", lambda: [0, 2])
    busy = lambda ticks: f"{ticks} 0 0 999 9 0 0 0 0 0"
    stat.write_text(f"cpu  {busy(9)}\ncpu0 {busy(tick)}\ncpu1 {busy(5 * tick)}\ncpu2 1 2 3 4 5 6 7 8 9 10\nintr 5\n")
    assert machine.worked(stat) == pytest.approx(1 + (1 + 2 + 3 + 6 + 7 + 8) / tick)
    assert machine.load(0.01, stat) == 0, "nothing was used meanwhile"
    stat.write_text("cpu0 0 0 0 0 0 0 0 0 0 0\n")
    assert machine.load(0.01, stat) is None and machine.load(0.01, tmp_path / "none") is None
    assert machine.describe(None, anyway=False) == "what other processes used is not known"


def test_the_product_is_of_large_matrices():
    contestant = jax_side.product("float32")
    contestant.calls["product"]()
    size = 2048 if jax.default_backend() == "cpu" else 8192
    assert contestant.facts()["gflop"] == 2 * size**3 / 1e9


def test_what_is_timed_takes_turns_after_a_call_before():
    called = []
    found = describing.turns({name: lambda name=name: called.append(name) for name in "ab"}, rounds=2)
    assert called == ["a", "b"] * 3 and found.keys() == {"a", "b"} and all(len(times) == 2 for times in found.values())
