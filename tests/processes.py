"""Run by test_processes, once for each process: the training command.

python processes.py 32|64 [COORDINATOR COUNT ID] -- FLAGS OF gan_xla.main
"""

import sys

import jax
import jax.numpy as jnp

from gan_xla import main
from gan_xla.training import train

create = train.create


def create64(*args):
    state = create(*args)
    return jax.tree.map(lambda x: x.astype(jnp.float64) if jnp.issubdtype(x.dtype, jnp.floating) else x, state)


if sys.argv[1] == "64":
    jax.config.update("jax_enable_x64", True)
    train.create = create64
split = sys.argv.index("--")
where = sys.argv[2:split]
if where:
    flags = ("--coordinator", "--num_processes", "--process_id")
    where = ["--distributed", *(f"{flag}={value}" for flag, value in zip(flags, where))]
sys.exit(main.main(["main", *where, *sys.argv[split + 1 :]]))
