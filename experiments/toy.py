"""DiscoGAN's toy experiment (Kim et al. 2017, section 3.1 and figure 4): who covers all target modes?

  python -m experiments.toy [--scale=cpu|gpu] [--seeds=N]

Trains DiscoGAN, a GAN with one-way reconstruction and a standard GAN from 5 source modes to 10 target modes, many
seeds of each as one program, and counts the modes that translated held-out points reach, at ten moments of
the training and at its end. Run again, it resumes, and skips what is finished. Writes scores.json, scores.md, modes.png
(the median seed of each over D_B's level sets, as in the paper's figure) and time.png.
"""

from argparse import Namespace
from collections.abc import Mapping, Sequence
from pathlib import Path

import jax
import numpy as np

import gan_xla
from experiments import driver
from experiments.common import figure, median, publish, run, table
from gan_xla import nets
from gan_xla.data.sources import gmm
from gan_xla.evaluation.metrics import mixture
from gan_xla.inference.model import Model

OBJECTIVES = {"discogan": "DiscoGAN", "gan_recon": "GAN with reconstruction", "gan": "standard GAN"}
SCALES = {"cpu": driver.Scale("", {"train.steps": 10_000, "train.batch_size": 64}), "gpu": driver.PAPER}
MOMENTS = 10
FEW = 2000  # points that tell the modes before the end
LIMIT = 3.0  # of the figure's axes
CENTRES = gmm.modes("B")
SOURCES = len(gmm.modes("A"))


def sources(points: np.ndarray) -> np.ndarray:
    """The source mode of each of the first test points."""
    return np.arange(len(points)) % SOURCES


def measure(translated: np.ndarray, sigma: float = gmm.SIGMA) -> dict:
    """The numbers of one run from the translations [n, 2] of the first n test points; sigma of the modes."""
    mapped = mixture.mode_map(translated, sources(translated), CENTRES, sigma)
    covered = mixture.covered_modes(translated, CENTRES, sigma)
    return {
        "covered": covered,
        "high_quality": mixture.high_quality_share(translated, CENTRES, sigma),
        "spread": float(mixture.spread(mapped).mean()),
        "shared": mixture.shared_modes(mapped),
        # Fewer target than source modes: some sources must have met in one mode, or left all of them.
        "collapsed": covered < SOURCES,
    }


def moment(translated: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(covered modes, bool [modes]; the mode that each source mostly reaches, -1 for none, int [sources])."""
    near = mixture.near(translated, CENTRES, gmm.SIGMA)
    mapped = mixture.mode_map(translated, sources(translated), CENTRES, gmm.SIGMA)
    return near.mean(axis=0) >= mixture.SHARE, np.where(mapped.max(axis=1) > 0, mapped.argmax(axis=1), -1)


def history(workdir: Path, steps: Sequence[int], points: np.ndarray) -> dict[str, list]:
    """What the seeds of a run do over time.

    Returns:
      steps [t]; covered [seeds, t], the number of modes; and between each moment and the next [seeds, t - 1]: lost and
      gained, the number of modes, and moved, the share of sources that mostly reach another mode than before.
    """
    found = [[moment(model.translate(points)) for model in gan_xla.load_all(workdir, step)] for step in steps]
    covered = np.array([[modes for modes, _ in seeds] for seeds in found]).swapaxes(0, 1)  # [seeds, t, modes]
    reached = np.array([[targets for _, targets in seeds] for seeds in found]).swapaxes(0, 1)
    return {
        "steps": list(steps),
        "covered": covered.sum(axis=-1).tolist(),
        "lost": (covered[:, :-1] & ~covered[:, 1:]).sum(axis=-1).tolist(),
        "gained": (~covered[:, :-1] & covered[:, 1:]).sum(axis=-1).tolist(),
        "moved": (reached[:, :-1] != reached[:, 1:]).mean(axis=-1).tolist(),
    }


def summarise(runs: Sequence[Mapping], over_time: Mapping[str, list]) -> dict:
    """Means, extremes and counts over the seeds of one objective; oscillation in the second half of the training."""
    covered = [result["covered"] for result in runs]
    late = slice((len(over_time["steps"]) - 1) // 2, None)
    return {
        "seeds": len(runs),
        "covered_mean": float(np.mean(covered)),
        "covered_sd": float(np.std(covered, ddof=1)) if len(runs) > 1 else 0.0,
        "covered_min": min(covered),
        "covered_max": max(covered),
        "all_covered_seeds": sum(count == len(CENTRES) for count in covered),
        "collapsed_seeds": sum(result["collapsed"] for result in runs),
        **{
            f"{name}_mean": float(np.mean([one[name] for one in runs])) for name in ("high_quality", "spread", "shared")
        },
        "lost_late": float(np.mean(np.array(over_time["lost"])[:, late])),
        "moved_late": float(np.mean(np.array(over_time["moved"])[:, late])),
    }


def report(summary: Mapping[str, Mapping], interval: int) -> str:
    """The markdown table; `interval`: steps between two moments."""
    header = [
        "objective",
        "modes covered",
        "least, most",
        "seeds with all 10",
        "collapsed seeds",
        "points within 3 sigma",
    ]
    header += ["targets of a source", "targets of several sources"]
    header += [f"modes lost in {interval} steps", f"sources that changed target in {interval} steps"]
    rows = [
        [
            OBJECTIVES[name],
            f"{s['covered_mean']:.1f} ± {s['covered_sd']:.1f}",
            f"{s['covered_min']}, {s['covered_max']}",
            f"{s['all_covered_seeds']} of {s['seeds']}",
            f"{s['collapsed_seeds']} of {s['seeds']}",
            f"{s['high_quality_mean']:.0%}",
            f"{s['spread_mean']:.2f}",
            f"{s['shared_mean']:.2f}",
            f"{s['lost_late']:.2f}",
            f"{s['moved_late']:.1%}",
        ]
        for name, s in summary.items()
    ]
    return table(header, rows)


def level_sets(model: Model, cells: int = 200) -> tuple[np.ndarray, np.ndarray]:
    """(axis [cells], sigmoid of D_B over the square of that axis [cells, cells])."""
    module = nets.build(model.config.model.discriminator, "Discriminator", size=0, axis_name=None)
    axis = np.linspace(-LIMIT, LIMIT, cells, dtype=np.float32)
    grid = np.stack(np.meshgrid(axis, axis), axis=-1).reshape(-1, 2)
    params, stats = model.variables["disc"]
    (logits, _), _ = nets.apply(module, (params["D_B"], stats["D_B"]), grid, "running")
    return axis, np.asarray(jax.nn.sigmoid(logits)).reshape(cells, cells)


def draw_modes(path: Path, models: Mapping[str, Model], titles: Mapping[str, str], points: np.ndarray) -> None:
    """Source points and, for each objective, their translations over D_B's level sets; targets as crosses."""
    with figure(path, 1, 1 + len(models), (4 * (1 + len(models)), 4.2)) as axes:
        panels = [("source points", points, None)]
        panels += [(titles[name], model.translate(points), level_sets(model)) for name, model in models.items()]
        for ax, (title, shown, levels) in zip(axes, panels, strict=True):
            if levels:
                axis, values = levels
                ax.contourf(axis, axis, values, levels=np.linspace(0, 1, 11), cmap="Greys", alpha=0.6)
            ax.scatter(*shown.T, c=sources(shown), cmap="tab10", vmin=0, vmax=9, s=2, linewidths=0)
            ax.scatter(*CENTRES.T, c="black", marker="x", s=60)
            ax.set(title=title, xlim=(-LIMIT, LIMIT), ylim=(-LIMIT, LIMIT), aspect="equal", xticks=[], yticks=[])


def draw_time(path: Path, histories: Mapping[str, Mapping[str, list]]) -> None:
    """Covered modes, and sources that change their target, over the training: means and quartiles of the seeds."""
    with figure(path, 1, 2, (9, 3.4)) as axes:
        for name, found in histories.items():
            covered, moved = np.array(found["covered"]), np.array(found["moved"])
            low, high = np.quantile(covered, (0.25, 0.75), axis=0)
            (line,) = axes[0].plot(found["steps"], covered.mean(axis=0), label=OBJECTIVES[name])
            axes[0].fill_between(found["steps"], low, high, alpha=0.2, color=line.get_color(), linewidth=0)
            axes[1].plot(found["steps"][1:], moved.mean(axis=0))
        axes[0].set(xlabel="step", ylabel="modes covered", ylim=(0, len(CENTRES)))
        axes[1].set(xlabel="step", ylabel="sources that changed target", ylim=(0, None))
        axes[0].legend()


def plan(options: Namespace) -> dict[str, driver.Run]:
    """A run of all seeds for each objective."""
    fields = {"train.num_seeds": options.seeds, **SCALES[options.scale].fields, **driver.fields_of(options)}
    train = driver.Run("toy_gmm", fields, options.workdir).configured().train
    calls = max(train.steps // train.steps_per_call // MOMENTS, 1)
    fields |= dict.fromkeys(("train.checkpoint_every", "train.keep_every"), calls * train.steps_per_call)
    return {
        name: driver.Run("toy_gmm", {"loss.objective": name, **fields}, options.workdir / name) for name in OBJECTIVES
    }


def main(argv: Sequence[str] | None = None) -> None:
    """Trains, measures, prints the table and writes the results.

    Raises:
      UserError: as `driver.train`.
    """
    options = driver.parser("toy", __doc__, seeds=50).parse_args(argv)
    planned = plan(options)
    driver.train(planned.values(), options)
    points = gmm.points("A", "test")
    record, histories, models, titles = {}, {}, {}, {}
    for name, one in planned.items():
        interval, steps = one.fields["train.keep_every"], one.configured().train.steps
        histories[name] = history(one.workdir, range(interval, steps + 1, interval), points[:FEW])
        found = gan_xla.load_all(one.workdir)
        runs = [measure(model.translate(points)) for model in found]
        record[name] = {"summary": summarise(runs, histories[name]), "seeds": runs, "history": histories[name]}
        seed = median([(result["covered"], result["high_quality"]) for result in runs])
        models[name], titles[name] = found[seed], f"{OBJECTIVES[name]}\nmedian seed: {runs[seed]['covered']} modes"
    text = report({name: found["summary"] for name, found in record.items()}, interval)
    about = {"scale": options.scale, "config": models["discogan"].config.to_dict()}
    publish(options.output, about | {"objectives": record}, text + "\n", {})
    draw_modes(options.output / "modes.png", models, titles, points)
    draw_time(options.output / "time.png", histories)


if __name__ == "__main__":
    raise SystemExit(run(main))
