"""`--format=savedmodel`: a directory for TensorFlow, TensorFlow Serving and what reads SavedModels."""

import json
from pathlib import Path

from gan_xla.export import program
from gan_xla.inference.model import Model

PLATFORMS = ("cpu", "cuda", "tpu")


def write(model: Model, output: Path, *, direction: str | None, batch: int | None, size: int | None) -> None:
    """Writes the directory `output`: a function `serving_default` of named inputs, and `Program.about` as about.json.

    TensorFlow runs the same StableHLO program as JAX, by its operation XlaCallModule.
    """
    import tensorflow as tf
    from jax.experimental import jax2tf

    made = program.make(model, direction, batch, size)
    shapes = [str(x.shape) for x in made.inputs.values()]
    call = jax2tf.convert(
        made.call,
        polymorphic_shapes=shapes,
        polymorphic_constraints=made.constraints,
        with_gradient=False,
        native_serialization_platforms=PLATFORMS,
    )
    specs = [
        tf.TensorSpec([length if isinstance(length, int) else None for length in array.shape], array.dtype, name)
        for name, array in made.inputs.items()
    ]
    module = tf.Module()

    def named(*arrays):
        results = call(*arrays)
        return results if isinstance(results, dict) else dict.fromkeys(made.outputs, results)

    module.call = tf.function(named, input_signature=specs, autograph=False)
    tf.saved_model.save(module, str(output), signatures=module.call)
    (output / "about.json").write_text(json.dumps(made.about, indent=1))
