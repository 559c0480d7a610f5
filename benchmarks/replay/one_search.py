"""Replay a search on a recorded table against a simulated clock: hundreds of trials in seconds.

    python -m benchmarks.replay.one_search benchmarks/tables/digits_mobilenet.parquet \
        --sampler tpe --pruner known_costs --workers 8 --seed 0 --trials 200 [--least-gain 0.01] \
        [--budget-s 3600] [--alone]

The program's own engine searches; see simulation.py. `--alone` leaves out our stage cache, offers
and baselines, as a plain Optuna study has none.
"""

import argparse
import math
from pathlib import Path

from benchmarks.replay.simulation import Strategy, simulate
from benchmarks.replay.trace import End, Trace
from benchmarks.script import run_script
from benchmarks.tables import Table, load_table, problem_of
from search.strategy import Parts, parts_named

SHARES = (0.9, 0.95, 0.99)
"""Of the true hypervolume: what the compute is stated to."""

ENDS: tuple[End, ...] = ("trained", "audited", "stopped", "paused")


def main() -> None:
    """Replay one search and print what came of it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("table", type=Path, help="a file that benchmarks.tables.record made")
    parser.add_argument("--sampler", default="ehvi", help="as `search.run --sampler`")
    parser.add_argument("--pruner", default="freeze_thaw", help="as `search.run --pruner`")
    parser.add_argument("--workers", type=int, default=1, help="simulated workers")
    parser.add_argument("--seed", type=int, default=0, help="of the search, not of the students")
    parser.add_argument("--trials", type=int, default=200, help="sampled trials")
    parser.add_argument("--least-gain", type=float, default=0.0, help="as `search.run`'s")
    parser.add_argument("--budget-s", type=float, default=math.inf, help="simulated seconds")
    parser.add_argument("--alone", action="store_true", help="no stage cache, offers or baselines")
    options = parser.parse_args()
    table = load_table(options.table)
    strategy = named_strategy(
        options.sampler,
        options.pruner,
        ours=not options.alone,
        least_gain_per_hour=options.least_gain,
        workers=options.workers,
    )
    trace = simulate(
        table,
        strategy,
        workers=options.workers,
        seed=options.seed,
        trials=options.trials,
        budget_s=options.budget_s,
    )
    print(summary(trace, table))


def named_strategy(
    sampler: str,
    pruner: str,
    *,
    ours: bool = True,
    least_gain_per_hour: float = 0.0,
    workers: int = 1,
) -> Strategy:
    """Return the strategy of the program's sampler and pruner of these names.

    ours: with stage cache, offers and baselines. least_gain_per_hour: what ends the search early;
    its hour is one of `workers`. Raises UnknownNameError.
    """

    def parts(table: Table, seed: int, trials: int) -> Parts:
        return parts_named(
            sampler,
            pruner,
            problem_of(table),
            trials=trials,
            seed=seed,
            startup=table.config.sampler.startup,
            delta=table.config.pruning.delta,
            audit_share=table.config.pruning.audit_share,
            least_gain_per_hour=least_gain_per_hour,
            workers=workers,
        )

    name = f"{sampler} + {pruner}" + ("" if ours else " alone")
    return Strategy(name, parts, offers=ours, shares=ours, baselines=ours)


def summary(trace: Trace, table: Table) -> str:
    """Return a few lines on a trace."""
    growth, whole = trace.growth(table), table.true_hypervolume
    best = growth[-1].hypervolume if growth else 0.0
    kinds = (*table.config.chain.stages, "evaluate")
    spent = ", ".join(f"{work} {trace.seconds_of(work):.0f}" for work in kinds)
    lines = [
        f"{trace.strategy} on {trace.table}, seed {trace.seed}, {trace.workers} workers:",
        f"{trace.trials} trials, {len(trace.points)} points, {trace.wall_s:.1f} s of wall-clock",
        f"compute {trace.compute_s:.0f} s: {spent}",
        f"ended at {trace.end_s:.0f} s, {trace.useful_share:.1%} of the workers' time useful",
        ", ".join(f"{trace.ended(end)} {end}" for end in ENDS) + " students",
        f"hypervolume {best:.4f} of {whole:.4f}: {best / whole:.1%}",
    ]
    for share in SHARES:
        step = trace.reached(share, table)
        when = "never" if step is None else f"{step.compute_s:.0f} s of compute"
        lines.append(f"  {share:.0%} reached: {when}")
    regrets = trace.regrets(table)
    lines.append(
        f"accuracy regret over the {len(regrets)} members of the true front: "
        f"mean {regrets.mean():.2%}, largest {regrets.max():.2%}"
    )
    for kind, made in trace.decisions.items():
        milliseconds = 1e3 * made.seconds / made.calls
        lines.append(f"{kind}: {made.calls} calls, {milliseconds:.2f} ms each")
    return "\n".join(lines)


if __name__ == "__main__":
    run_script(main)
