"""`--format=onnx`: one file for ONNX Runtime and other engines, on servers, phones and in browsers."""

import json
from pathlib import Path
from types import ModuleType
from typing import Any

import jax

import gan_xla
from gan_xla.errors import UserError
from gan_xla.export import program
from gan_xla.export.onnx_graph import Graph
from gan_xla.inference.model import Model

OPSETS = range(16, 24)  # from LeakyRelu of any number type; to what the tests have run
OPSET = 17


def write(
    model: Model, output: Path, *, direction: str | None, batch: int | None, size: int | None, opset: int = OPSET
) -> None:
    """Writes the file `output`; `Program.about` is in its metadata_props, values other than text as JSON."""
    output.write_bytes(content(model, direction=direction, batch=batch, size=size, opset=opset))


def content(model: Model, *, direction: str | None, batch: int | None, size: int | None, opset: int = OPSET) -> bytes:
    """The bytes of the file.

    Raises:
      UserError: unknown opset, no package onnx, or a network of operations that cannot be translated.
    """
    if opset not in OPSETS:
        raise UserError(f"--opset={opset}: use one of {OPSETS.start} to {OPSETS.stop - 1}")
    onnx = _library()
    made = program.make(model, direction, batch, size)
    graph, results = _graph(onnx, made)

    def values(named):
        kind = onnx.helper.np_dtype_to_tensor_dtype
        return [onnx.helper.make_tensor_value_info(name, kind(x.dtype), _lengths(x.shape)) for name, x in named.items()]

    exported = onnx.helper.make_model(
        onnx.helper.make_graph(graph.nodes, "gan_xla", values(made.inputs), values(results), graph.initializers),
        opset_imports=[onnx.helper.make_opsetid("", opset)],
        producer_name="gan_xla",
        producer_version=gan_xla.__version__,
    )
    exported.ir_version = onnx.helper.find_min_ir_version_for(exported.opset_import)
    about = {name: x if isinstance(x, str) else json.dumps(x) for name, x in made.about.items() if x is not None}
    onnx.helper.set_model_props(exported, about)
    onnx.checker.check_model(exported, full_check=True)
    return exported.SerializeToString()


def _library() -> ModuleType:
    try:
        import onnx
    except ImportError as error:
        raise UserError("--format=onnx needs the package onnx: pip install 'gan_xla[onnx]'") from error
    return onnx


def _lengths(shape: tuple[Any, ...]) -> list[int | str]:
    return [length if isinstance(length, int) else str(length) for length in shape]


def _graph(onnx: ModuleType, made: program.Program) -> tuple[Graph, dict[str, jax.ShapeDtypeStruct]]:
    """The graph, and what its results are."""
    closed, shapes = jax.make_jaxpr(made.call, return_shape=True)(*made.inputs.values())
    graph = Graph(onnx, made.inputs)
    for name, output in zip(made.outputs, graph.run(closed.jaxpr, closed.consts, list(made.inputs)), strict=True):
        graph.add("Identity", output, name=name)
    return graph, dict(zip(made.outputs, jax.tree.leaves(shapes), strict=True))
