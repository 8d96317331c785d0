"""`--format=savedmodel`: a directory for TensorFlow, TensorFlow Serving and what reads SavedModels."""

import json
from pathlib import Path

from jax.extend.mlir.dialects import stablehlo

from gan_xla.errors import UserError
from gan_xla.export import program
from gan_xla.inference.model import Model

PLATFORMS = ("cpu", "cuda", "tpu")
# JAX and TensorFlow bring a StableHLO each, and JAX by itself writes what TensorFlow's may be too old to read. Programs
# in the first version of StableHLO that is stable can be read by all later ones.
STABLEHLO = "1.0.0"


def write(model: Model, output: Path, *, direction: str | None, batch: int | None, size: int | None) -> None:
    """Writes the directory `output`: a function `serving_default` of named inputs, and `Program.about` as about.json.

    TensorFlow runs the same StableHLO program as JAX, by its operation XlaCallModule.

    Raises:
      UserError: a network of operations that this version of StableHLO does not have.
    """
    from jax.experimental import jax2tf

    from gan_xla.tf import tf

    made = program.make(model, direction, batch, size)
    call = jax2tf.convert(
        made.call,
        polymorphic_shapes=[str(x.shape) for x in made.inputs.values()],
        polymorphic_constraints=made.constraints,
        with_gradient=False,
        native_serialization_platforms=PLATFORMS,
    )
    specs = [
        tf.TensorSpec([length if isinstance(length, int) else None for length in array.shape], array.dtype, name)
        for name, array in made.inputs.items()
    ]
    traced = tf.function(call, input_signature=specs, autograph=False).get_concrete_function()
    graph = _restate(traced.graph.as_graph_def())

    def run(*arrays):
        inputs = dict(zip(made.inputs, arrays, strict=True))
        results = tf.graph_util.import_graph_def(graph, inputs, [output.name for output in traced.outputs], name="")
        return dict(zip(made.outputs, results, strict=True))

    module = tf.Module()
    module.call = tf.function(run, input_signature=specs, autograph=False)
    tf.saved_model.save(module, str(output), signatures=module.call)
    (output / "about.json").write_text(json.dumps(made.about, indent=1))


def _restate(graph):
    """A GraphDef with its programs in `STABLEHLO`, and without its inputs, in whose place others come."""
    kept = [node for node in graph.node if node.op != "Placeholder"]
    for node in kept:
        if node.op == "XlaCallModule":
            text = stablehlo.deserialize_portable_artifact_str(node.attr["module"].s)
            try:
                node.attr["module"].s = stablehlo.serialize_portable_artifact_str(text, STABLEHLO)
            except ValueError as error:
                raise UserError(
                    f"--format=savedmodel: an operation of this network is younger than StableHLO {STABLEHLO}, which "
                    "TensorFlow reads; use --format=stablehlo"
                ) from error
    return type(graph)(node=kept, versions=graph.versions, library=graph.library)
