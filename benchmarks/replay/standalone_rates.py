"""What the stand-alone pruner's stops cost: python -m benchmarks.replay.standalone_rates.

Studies are simulated, so that a stopped trial's own end is known; size and latency are drawn
beforehand. A bound is `wrong` when a stopped trial would have ended beyond it, which the pruner
promises for at most delta. A member of the *true* front is one that no trial of the study dominates
when all run to their ends. Of the two kinds of curves, `alike` rise to their ends by shapes that
differ within bounds; `any pace` ones are jittery and log-normal in their pace, so that a few bloom
very late: what nobody can tell from a bad trial in time.
"""

import argparse
from dataclasses import dataclass
from itertools import product

import numpy as np
import optuna
from numpy.typing import NDArray

from benchmarks.script import run_script
from objectives.fronts import nondominated
from search.stopping import KnownCostStopper, WatchedAttr

STEPS = 20
DIRECTIONS = ("maximize", "minimize", "minimize")


def _any_pace(draws: np.random.Generator) -> NDArray[np.float64]:
    """Return a value by step: what is left to be gained shrinks as the learning rate anneals."""
    progress = np.arange(1, STEPS + 1) / STEPS
    final, pace = 0.6 + 0.35 * draws.beta(3, 2), draws.lognormal(1.0, 0.5)
    rising = final * (1 - np.exp(-pace * progress * 3) * (1 - progress) ** 0.5)
    return np.asarray(rising + draws.normal(0, 0.01, STEPS) * (1 - progress))


def _alike(draws: np.random.Generator) -> NDArray[np.float64]:
    """Return a value by step: what is left depends on how late it learns alone."""
    ahead, late = 1 - np.arange(1, STEPS + 1) / STEPS, draws.uniform()
    return np.asarray(draws.uniform() - (0.2 + late) * ahead ** (1 + late))


CURVES = {"alike": _alike, "any pace": _any_pace}


@dataclass(frozen=True)
class Rates:
    """Counts over one study."""

    stopped: int
    wrong: int
    """Stopped trials whose final value lies beyond the bound."""
    members: int
    """Of the true front."""
    members_stopped: int
    epochs: float
    """Share of all epochs that were trained."""


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--studies", type=int, default=40)
    parser.add_argument("--trials", type=int, default=150)
    parser.add_argument("--deltas", type=float, nargs="+", default=[0.1])
    options = parser.parse_args()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    print("| curves | delta | studies | stopped | bound wrong | front members stopped | trained |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for name, delta in product(CURVES, options.deltas):
        rates = [simulated(name, seed, options.trials, delta) for seed in range(options.studies)]
        stopped, wrong = sum(r.stopped for r in rates), sum(r.wrong for r in rates)
        members = sum(r.members for r in rates)
        lost = sum(r.members_stopped for r in rates)
        print(
            f"| {name} | {delta:.0%} | {len(rates)} | {stopped} | {wrong / max(stopped, 1):.1%} "
            f"| {lost} of {members}: {lost / members:.1%} "
            f"| {np.mean([r.epochs for r in rates]):.0%} |",
            flush=True,
        )


def simulated(curves_like: str, seed: int, trials: int, delta: float) -> Rates:
    """Return the rates of one study."""
    draws = np.random.default_rng(seed)
    curves = np.array([CURVES[curves_like](draws) for _ in range(trials)])
    known = np.column_stack([draws.integers(1, 9, trials) * 100, draws.integers(1, 9, trials)])
    curves = curves + 0.02 * np.log2(known[:, :1] / 100)
    sampler = optuna.samplers.RandomSampler(seed=seed)
    study = optuna.create_study(directions=DIRECTIONS, sampler=sampler)
    stopper = KnownCostStopper(study, 0, delta=delta, seed=seed)
    wrong, stopped, trained = 0, [], 0
    for number, (curve, costs) in enumerate(zip(curves, known, strict=True)):
        trial = study.ask()
        watch = stopper.watch(trial, costs.tolist())
        for step, value in enumerate(curve.tolist(), start=1):
            trained += 1
            if watch.should_stop(value, step / STEPS):
                break
        else:
            study.tell(trial, [curve[-1], *costs.tolist()])
            continue
        study.tell(trial, state=optuna.trial.TrialState.PRUNED)
        stopped.append(number)
        wrong += curve[-1] > study.trials[number].user_attrs[WatchedAttr.RULING]["bound"]
    members = nondominated(np.column_stack([-curves[:, -1], known]).astype(np.float64))
    return Rates(
        len(stopped),
        wrong,
        int(members.sum()),
        int(members[stopped].sum()),
        trained / (trials * STEPS),
    )


if __name__ == "__main__":
    run_script(main)
