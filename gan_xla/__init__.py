"""GAN image translation and synthesis in JAX and Flax."""

import os

__version__ = "0.2.0"

# gan_xla.configs, which a wheel has inside the package, stands beside it in a checkout, installed or not.
if not os.path.isdir(os.path.join(__path__[0], "configs")):
    __path__.append(os.path.dirname(__path__[0]))


def load(workdir, checkpoint="last", number=0, average=True):
    """The trained model of a run, for inference; see `gan_xla.inference.loading.load`."""
    # Imported here so that `import gan_xla` starts no backend and costs nothing.
    from gan_xla.inference import loading

    return loading.load(workdir, checkpoint, number, average)


def load_all(workdir, checkpoint="last"):
    """The trained models of a run of many seeds; see `gan_xla.inference.loading.load_all`."""
    from gan_xla.inference import loading

    return loading.load_all(workdir, checkpoint)
