"""DiscoGAN's toy experiment (Kim et al. 2017, section 3.1 and figure 4): who covers all target modes?

  python -m experiments.toy

Trains DiscoGAN, a GAN with one-way reconstruction and a standard GAN from 5 source modes to 10
target modes, several seeds each, and counts the modes that translated held-out points reach.
Run again, it resumes, and skips what is finished. Writes results.json and modes.png.
"""

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import jax
import numpy as np

from experiments.common import configure, median, run, table, trained
from gan_xla import nets
from gan_xla.data import gmm
from gan_xla.errors import UserError
from gan_xla.evaluation import mixture
from gan_xla.inference import Model

OBJECTIVES = {"discogan": "DiscoGAN", "gan_recon": "GAN with reconstruction", "gan": "standard GAN"}
LIMIT = 3.0  # of the figure's axes


def measure(translated: np.ndarray, sources: np.ndarray) -> dict:
    """The numbers of one run from translated test points [n, 2] and their source modes [n]."""
    centres = gmm.modes("B")
    mapped = mixture.mode_map(translated, sources, centres, gmm.SIGMA)
    covered = mixture.covered_modes(translated, centres, gmm.SIGMA)
    return {
        "covered": covered,
        "high_quality": mixture.high_quality_share(translated, centres, gmm.SIGMA),
        "spread": mixture.spread(mapped).tolist(),
        "shared": mixture.shared_modes(mapped),
        # Fewer target than source modes: some sources must have met in one mode, or left all of them.
        "collapsed": covered < len(gmm.modes("A")),
    }


def summarise(runs: Sequence[dict]) -> dict:
    """Means, extremes and counts over the seeds of one objective."""
    covered = [result["covered"] for result in runs]
    return {
        "covered_mean": float(np.mean(covered)),
        "covered_min": min(covered),
        "covered_max": max(covered),
        "all_covered_seeds": sum(count == len(gmm.modes("B")) for count in covered),
        "collapsed_seeds": sum(result["collapsed"] for result in runs),
        "high_quality_mean": float(np.mean([result["high_quality"] for result in runs])),
        "spread_mean": float(np.mean([result["spread"] for result in runs])),
        "shared_mean": float(np.mean([result["shared"] for result in runs])),
    }


def report(summary: Mapping[str, dict], seeds: int) -> str:
    """The markdown table."""
    header = (
        "objective",
        "modes covered: mean",
        "min",
        "max",
        "collapsed seeds",
        "points within 3 sigma",
        "targets per source",
        "targets shared",
    )
    rows = [
        (
            OBJECTIVES[name],
            f"{s['covered_mean']:.1f}",
            str(s["covered_min"]),
            str(s["covered_max"]),
            f"{s['collapsed_seeds']} of {seeds}",
            f"{s['high_quality_mean']:.0%}",
            f"{s['spread_mean']:.1f}",
            f"{s['shared_mean']:.1f}",
        )
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


def figure(path: Path, models: Mapping[str, Model], titles: Mapping[str, str], points: np.ndarray, sources: np.ndarray):
    """Source points and, for each objective, their translations over D_B's level sets; targets as crosses."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    fig, axes = pyplot.subplots(1, 1 + len(models), figsize=(4 * (1 + len(models)), 4.2), constrained_layout=True)
    panels = [("source points", points, None)]
    panels += [(titles[name], model.translate(points), level_sets(model)) for name, model in models.items()]
    for ax, (title, shown, levels) in zip(axes, panels, strict=True):
        if levels:
            axis, values = levels
            ax.contourf(axis, axis, values, levels=np.linspace(0, 1, 11), cmap="Greys", alpha=0.6)
        ax.scatter(*shown.T, c=sources, cmap="tab10", vmin=0, vmax=9, s=2, linewidths=0)
        ax.scatter(*gmm.modes("B").T, c="black", marker="x", s=60)
        ax.set(title=title, xlim=(-LIMIT, LIMIT), ylim=(-LIMIT, LIMIT), aspect="equal", xticks=[], yticks=[])
    fig.savefig(path, dpi=110, bbox_inches="tight")
    pyplot.close(fig)


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m experiments.toy", description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, help="steps of every run, a multiple of 50; default: the config's")
    parser.add_argument("--seeds", type=int, default=10, help="runs of every objective (default %(default)s)")
    parser.add_argument("--workdir", type=Path, default=Path("runs/toy"), help="for the runs (default %(default)s)")
    parser.add_argument(
        "--output", type=Path, default=Path("experiments/results/toy"), help="for the results (default %(default)s)"
    )
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> None:
    """Trains, measures, prints the table and writes the results.

    Raises:
      UserError: as `trained`.
    """
    args = _arguments(argv)
    if args.seeds < 1:
        raise UserError(f"--seeds={args.seeds} must be 1 or more")
    points = gmm.points("A", "test")
    sources = np.arange(len(points)) % len(gmm.modes("A"))
    results, models, titles = {}, {}, {}
    for objective, label in OBJECTIVES.items():
        trials = []
        for seed in range(args.seeds):
            overrides = {"loss.objective": objective, "seed": seed}
            config = configure("toy_gmm", overrides | ({"train.steps": args.steps} if args.steps else {}))
            model = trained(config, args.workdir / f"{objective}-seed{seed}", quiet=True)
            result = measure(model.translate(points), sources)
            trials.append((result, model))
            print(f"{label}, seed {seed}: {result['covered']} of {len(gmm.modes('B'))} modes", flush=True)
        results[objective] = [{"seed": seed, **result} for seed, (result, _) in enumerate(trials)]
        seed = median([(result["covered"], result["high_quality"]) for result, _ in trials])
        models[objective] = trials[seed][1]
        titles[objective] = f"{label}\nmedian seed: {trials[seed][0]['covered']} modes"
    summary = {objective: summarise(runs) for objective, runs in results.items()}
    args.output.mkdir(parents=True, exist_ok=True)
    record = {"steps": model.step, "config": model.config.to_dict(), "summary": summary, "runs": results}
    (args.output / "results.json").write_text(json.dumps(record, indent=1) + "\n")
    figure(args.output / "modes.png", models, titles, points, sources)
    print(f"\n{report(summary, args.seeds)}\n\nresults and figure in {args.output}")


if __name__ == "__main__":
    sys.exit(run(main))
