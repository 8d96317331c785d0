"""Everything that a run consists of at one moment, and how it begins."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import flax.struct
import jax
import jax.numpy as jnp
import ml_collections
import optax
from etils import epath

from gan_xla import gans
from gan_xla.contract import Gan, Net, Pair
from gan_xla.errors import UserError
from gan_xla.run import image_pool


@flax.struct.dataclass
class Player:
    """One side of the game with its optimiser's memory.

    Attributes:
      params, stats: as `contract.Net`.
      opt_state: the optimiser's.
      ema: `contract.Net` of the exponential moving averages of both, or None.
    """

    params: Any
    stats: Any
    opt_state: Any
    ema: Net | None = None

    def best(self) -> Net:
        """What to use after training: the averages where they are kept."""
        return Net(self.params, self.stats) if self.ema is None else self.ema


@flax.struct.dataclass
class TrainState:
    """All that a bitwise resume needs; data are a function of `step`.

    Attributes:
      step: number of turns played, int32 [].
      gen, disc: the two players.
      pool: the image pool of methods that have one, else None.
      early: steps by which the present phase began before its planned start, int32 [].
      key: the run's root key, uint32 key data; the step's key is fold_in(key, step).
      skipped: updates that were not made because a loss or gradient was not finite, int32 [].
      rollbacks: times that the run went back to a checkpoint for such an update, int32 [].
    """

    step: jax.Array
    gen: Player
    disc: Player
    pool: image_pool.Pool | None
    early: jax.Array
    key: jax.Array
    skipped: jax.Array
    rollbacks: jax.Array


class Optimizer(NamedTuple):
    """How one player learns.

    Attributes:
      transform: gradient transformation of unit step size.
      by_element: whether an update depends on the gradient of its own element alone, and on none of others.
      learning_rate: step -> step size.
      rates: factors of it for single networks, by name.
      ema_decay: of the exponential moving average of the parameters; 0 keeps none.
      ema_warmup: share of the steps of a phase so far that the average spans at most; 0 for any.
      clip: largest absolute value of a parameter; 0 for any (WGAN, Arjovsky et al. 2017: 0.01).
    """

    transform: optax.GradientTransformation
    by_element: bool
    learning_rate: Callable[[jax.Array], jax.Array]
    rates: Mapping[str, float]
    ema_decay: float
    ema_warmup: float
    clip: float

    def applied(self, params: Any, updates: Any, step: jax.Array) -> Any:
        """The parameters after updates of unit step size.

        Raises:
          UserError: `rates` names a network that there is not.
        """
        rate = self.learning_rate(step)
        if not self.rates:
            return optax.apply_updates(params, jax.tree.map(lambda u: -rate * u, updates))
        if unknown := self.rates.keys() - params.keys():
            raise UserError(f"optimizer.gen.rates.{min(unknown)}: the networks are {', '.join(params)}")
        factors = {name: rate * self.rates.get(name, 1.0) for name in params}
        scaled = {name: jax.tree.map(lambda u, name=name: -factors[name] * u, updates[name]) for name in params}
        return optax.apply_updates(params, scaled)

    def decay(self, steps: jax.Array) -> jax.Array | float:
        """Of the average, after so many `steps` of the phase: it spans 1 + ema_warmup * steps of them to begin with."""
        if not self.ema_warmup:
            return self.ema_decay
        return jnp.minimum(self.ema_decay, 1 - 1 / (1 + self.ema_warmup * steps))


def _schedule(fields: dict, steps: int) -> Callable[[jax.Array], jax.Array]:
    """The learning rate of a player by the number of steps before."""
    rate, start, warmup = fields["learning_rate"], fields["decay_start"], fields["warmup"]
    decays = {
        "constant": lambda step: 1.0,
        "linear": lambda step: jnp.clip((1 - step / steps) / (1 - start), 0, 1),
        "halving": lambda step: 0.5 ** (step // (start * steps)),
        "cosine": lambda step: (1 + jnp.cos(jnp.pi * jnp.clip((step / steps - start) / (1 - start), 0, 1))) / 2,
    }
    if fields["schedule"] not in decays:
        raise UserError(f"optimizer.schedule={fields['schedule']!r} is unknown; use one of {', '.join(decays)}")
    if fields["schedule"] == "halving" and not start:
        raise UserError(
            "optimizer.decay_start=0.0: halving is after every such share of the steps; set more, such as 0.1"
        )
    decay = decays[fields["schedule"]]
    if not warmup:
        return lambda step: rate * decay(step)
    return lambda step: rate * decay(step) * jnp.minimum((step + 1) / warmup, 1)


def _optimizer(fields: dict, steps: int) -> Optimizer:
    scale = {"adam": lambda: optax.scale_by_adam(b1=fields["b1"], b2=fields["b2"]), "sgd": optax.identity}
    if fields["name"] not in scale:
        raise UserError(f"optimizer.name={fields['name']!r} is unknown; use one of {', '.join(scale)}")
    clip = optax.clip_by_global_norm(fields["grad_clip"]) if fields["grad_clip"] else optax.identity()
    decay = optax.add_decayed_weights(fields["weight_decay"]) if fields["weight_decay"] else optax.identity()
    ema_decay = fields.get("ema_decay", 0.0)
    if not 0 <= ema_decay < 1:
        raise UserError(f"optimizer.gen.ema_decay={ema_decay} must be 0 (none) or below 1, such as 0.999")
    return Optimizer(
        optax.chain(clip, decay, scale[fields["name"]]()),
        not fields["grad_clip"],
        _schedule(fields, steps),
        dict(fields.get("rates", {})),
        ema_decay,
        fields.get("ema_warmup", 0.0),
        fields.get("clip", 0.0),
    )


def optimizers(config: ml_collections.ConfigDict, steps: int) -> Pair:
    """The players' optimisers from the config's `optimizer` section.

    Weight decay is coupled (added to the gradient before Adam), as in PyTorch's `Adam` and the papers' recipes.
    Schedules: "constant"; "linear" and "cosine": constant until the share `decay_start` of `steps`, then to zero;
    "halving": half of it after every such share; over the first `warmup` steps the rate rises from zero. `config.gen`
    and `config.disc` override fields per player; `grad_clip` is the largest norm of all gradients of a player together,
    0 for any; `config.gen.rates` are factors for single networks; `config.gen.ema_decay` is the decay of the
    generators' moving average, `ema_warmup` how it begins.

    Returns:
      Pair of `Optimizer`.
    Raises:
      UserError: unknown name or schedule.
    """
    common = {k: v for k, v in config.items() if k not in ("gen", "disc")}

    def side(name: str) -> Optimizer:
        return _optimizer({**common, **{k: v for k, v in config[name].items() if v is not None}}, steps)

    return Pair(side("gen"), side("disc"))


def reset(state: TrainState) -> TrainState:
    """The state, of one seed or of several, with optimisers that remember nothing: all that they do begins at 0."""
    gen, disc = (
        player.replace(opt_state=jax.tree.map(jnp.zeros_like, player.opt_state)) for player in (state.gen, state.disc)
    )
    return state.replace(gen=gen, disc=disc)


def create(gan: Gan, optimizer: Pair, seed: int, count: int = 1) -> TrainState:
    """The state before the first step; a function of the method and the seed alone.

    With a `count` above 1 the states of the seeds seed, seed + 1, ..., each leaf [count, ...].
    """

    def player(net: Net, side: Optimizer) -> Player:
        # The state is donated to the step, so the averages need buffers of their own.
        ema = jax.tree.map(jnp.copy, net) if side.ema_decay else None
        return Player(net.params, net.stats, side.transform.init(net.params), ema)

    # As one program it is kept in the compilation cache; drawn one by one, a hundred tensors
    # take half a minute on a CPU, every time.
    @jax.jit
    def made(root):
        root, key = jax.random.split(root)
        nets = gan.init(key)
        return TrainState(
            step=jnp.zeros((), jnp.int32),
            gen=player(nets.gen, optimizer.gen),
            disc=player(nets.disc, optimizer.disc),
            pool=image_pool.create(gan.pool) if gan.pool else None,
            early=jnp.zeros((), jnp.int32),
            key=jax.random.key_data(root),
            skipped=jnp.zeros((), jnp.int32),
            rollbacks=jnp.zeros((), jnp.int32),
        )

    if count == 1:
        return made(jax.random.key(seed))
    return jax.jit(jax.vmap(lambda seed: made(jax.random.key(seed))))(jnp.arange(count, dtype=jnp.uint32) + seed)


def of_run(config: ml_collections.ConfigDict, workdir: epath.PathLike) -> tuple[Gan, TrainState]:
    """The method of the run in `workdir`, whose config this is, and the shapes of its state.

    Raises:
      UserError: no model can be made of the config.
    """
    try:
        gan = gans.build(config)
        optimizer = optimizers(config.optimizer, config.train.steps)
        return gan, jax.eval_shape(lambda: create(gan, optimizer, config.seed, config.train.num_seeds))
    except UserError:
        raise
    except Exception as error:  # config.json may be anybody's: fields can be missing, or of any type
        reason = f"{type(error).__name__}: {error}".partition("\n")[0]
        raise UserError(
            f"{workdir}/config.json: no model can be made of it ({reason}); restore it from the run's command"
        ) from error
