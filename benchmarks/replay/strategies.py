"""Every strategy that is compared, by name: ours, ours without one ingredient, and the peers.

Peers stand twice: as people run them, and with our stage cache, offers and baselines, so that
what sampling and stopping earn by themselves is seen.
"""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import optuna
from optuna.samplers import BaseSampler

from benchmarks.peers import (
    FinishTheBest,
    MOASHAPruner,
    MultiMetricPruner,
    OnceGPSampler,
    PauseAfterFewEpochs,
    Ranking,
    multi_metric_module,
    require_syne_tune,
)
from benchmarks.replay.one_search import named_strategy
from benchmarks.replay.running import Family, StrategyEntry
from benchmarks.replay.simulation import Strategy
from benchmarks.tables import Table
from search.stopping import NoPruner, Pruner
from search.strategy import NewFirst, Parts, StudentSampler, learners_of, sampler_named
from spaces import InputError

FEW_EPOCHS = 2
"""After so many all students are paused in "few epochs, then finish the best"."""
FEW_TRIALS = 100
"""So many are begun before the best are finished, one after the other."""
GRACE_EPOCHS = 2
"""MOASHA's first rung."""
SLOW_SEEDS = 10
"""Optuna's GP takes most of a second a trial."""

Stopping = Callable[[Table], Pruner]
Sampling = Callable[[int], BaseSampler]


def strategies(registry: Path | None = None) -> dict[str, StrategyEntry]:
    """Return all by name; `registry` is the folder of the OptunaHub registry, for its pruner."""
    return {
        **_ours(),
        **_ablations(),
        **_peers("plain", registry),
        **_peers("given ours", registry),
    }


def _ours() -> dict[str, StrategyEntry]:
    words = "freeze-thaw by expected hypervolume per second; cache, offers, baselines"
    return {"ours": StrategyEntry(_program("ehvi", "freeze_thaw"), "ours", words)}


def _ablations() -> dict[str, StrategyEntry]:
    found = {
        "ours, nothing stopped": (_program("ehvi", "none"), "no student is paused or stopped"),
        "ours, stopping only": (_program("ehvi", "known_costs"), "no student is paused"),
        "ours, TPE samples": (_program("tpe", "freeze_thaw"), "Optuna's TPE draws new students"),
        "ours, random samples": (_program("random", "freeze_thaw"), "new students at random"),
        "ours, as it was": (_program("tpe", "known_costs"), "TPE, and stopping at a level"),
        "ours, no offers": (
            _program("ehvi", "freeze_thaw", offers=False),
            "only a student's own scheme is evaluated",
        ),
        "ours, no cache": (
            _program("ehvi", "freeze_thaw", shares=False),
            "no trial reuses what another trained",
        ),
        "ours, no baselines": (
            _program("ehvi", "freeze_thaw", baselines=False),
            "does not begin with the students every report compares with",
        ),
    }
    return {
        name: StrategyEntry(strategy, "ablation", words)
        for name, (strategy, words) in found.items()
    }


def _program(
    sampler: str,
    pruner: str,
    *,
    offers: bool = True,
    shares: bool = True,
    baselines: bool = True,
) -> Strategy:
    whole = named_strategy(sampler, pruner)
    return replace(whole, offers=offers, shares=shares, baselines=baselines)


def _peers(family: Family, registry: Path | None) -> dict[str, StrategyEntry]:
    ours = family == "given ours"
    suffix = " + our cache and offers" if ours else ""

    def entry(
        words: str,
        sampling: Sampling,
        stopping: Stopping,
        *,
        seeds: int | None = None,
        probe: Callable[[], object] = lambda: None,
    ) -> StrategyEntry:
        def parts(table: Table, seed: int, trials: int) -> Parts:  # noqa: ARG001
            return Parts(sampling(seed), stopping(table), NewFirst())

        strategy = Strategy(words, parts, ours, ours, ours)
        return StrategyEntry(strategy, family, words, seeds, _skipped(probe))

    def to_the_end(table: Table) -> Pruner:  # noqa: ARG001
        return NoPruner()

    def moasha(ranking: Ranking) -> Stopping:
        def make(table: Table) -> Pruner:
            longest = max(student.config.total_epochs for student in table.students.values())
            return MOASHAPruner(
                table.costs,
                max_epochs=longest,
                ranking=ranking,
                grace_epochs=GRACE_EPOCHS,
                objectives=table.config.objectives,
            )

        return make

    def multi_metric(table: Table) -> Pruner:
        return MultiMetricPruner(_registered(registry), table.costs)

    found = {
        "random": entry("random, every trial to its end", _sampler("random", ours), to_the_end),
        "TPE": entry("Optuna's TPE, every trial to its end", _sampler("tpe", ours), to_the_end),
        "NSGA-II": entry("Optuna's NSGA-II, likewise", _sampler("nsgaii", ours), to_the_end),
        "GP": entry(
            "Optuna's GP, likewise, its acquisition once a choice",
            _sampler("gp", ours),
            to_the_end,
            seeds=SLOW_SEEDS,
        ),
        "few epochs": _few_epochs(family),
        "MultiMetric": entry(
            "TPE, OptunaHub's MultiMetricPruner",
            _sampler("tpe", ours),
            multi_metric,
            probe=lambda: _registered(registry),
        ),
        "MOASHA": entry(
            "Syne Tune's, as it is",
            _sampler("random", ours),
            moasha("as_it_is"),
            probe=require_syne_tune,
        ),
        "MOASHA, mended": entry(
            "Syne Tune's with its ranking mended",
            _sampler("random", ours),
            moasha("layers"),
            probe=require_syne_tune,
        ),
    }
    return {name + suffix: made for name, made in found.items()}


def _registered(registry: Path | None) -> Path:
    if registry is None:
        raise InputError("the registry's folder is not given: --registry DIR")
    multi_metric_module(registry, quick=True)
    return registry


def _few_epochs(family: Family) -> StrategyEntry:
    ours = family == "given ours"

    def parts(table: Table, seed: int, trials: int) -> Parts:
        scheduler = FinishTheBest(trials, table.costs, objectives=table.config.objectives)
        return Parts(_sampler("random", ours)(seed), PauseAfterFewEpochs(FEW_EPOCHS), scheduler)

    words = f"{FEW_TRIALS} at random, {FEW_EPOCHS} epochs each, then the best to their ends"
    return StrategyEntry(Strategy(words, parts, ours, ours, ours), family, words, trials=FEW_TRIALS)


def _sampler(name: str, ours: bool) -> Sampling:
    """Return Optuna's sampler, as it is, or in our view of the study: students, not points."""
    plain: dict[str, Sampling] = {
        "random": lambda seed: optuna.samplers.RandomSampler(seed=seed),
        "tpe": lambda seed: optuna.samplers.TPESampler(seed=seed),
        "nsgaii": lambda seed: optuna.samplers.NSGAIISampler(seed=seed, population_size=20),
        "gp": OnceGPSampler,
    }
    if not ours:
        return plain[name]
    if name == "gp":
        learner = replace(learners_of()[name], make=OnceGPSampler)
        return lambda seed: StudentSampler(learner, seed)
    return lambda seed: sampler_named(name, seed)


def _skipped(probe: Callable[[], object]) -> str | None:
    """Return why a peer cannot run here, None when it can."""
    try:
        probe()
    except InputError as error:
        return str(error)
    return None
