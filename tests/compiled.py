"""`nets.init` and `nets.apply` as one program each: called as they are, every operation is compiled by itself."""

from functools import partial

import jax

from gan_xla import nets

init = partial(jax.jit, static_argnums=0)(nets.init)
apply = partial(jax.jit, static_argnums=(0, 3), static_argnames="features")(nets.apply)
