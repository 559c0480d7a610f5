"""How a study searches: sampler, pruner and scheduler, by the names that the commands take."""

from dataclasses import dataclass

from optuna.samplers import BaseSampler

from search.problem import SearchProblem
from search.stopping import Pruner, pruner_named
from search.strategy.freeze_thaw import FreezeThaw, FreezeThawPruner, FreezeThawSampler
from search.strategy.next_hour import NextHour
from search.strategy.samplers import sampler_named
from search.strategy.scheduler import Enough, NewFirst, Scheduler
from search.strategy.sobol import SobolSampler
from spaces import UnknownNameError
from studies.records import HistoryReader

PRUNERS = ("freeze_thaw", "known_costs", "none")


@dataclass(frozen=True)
class Parts:
    """What chooses and stops, made for one study."""

    sampler: BaseSampler
    pruner: Pruner
    scheduler: Scheduler
    enough: Enough | None = None
    """What ends the study before its trials are used up; None where nothing does."""


def parts_named(
    sampler: str,
    pruner: str,
    problem: SearchProblem,
    *,
    trials: int,
    seed: int,
    startup: int = 10,
    delta: float = 0.1,
    audit_share: float = 0.2,
    least_gain_per_hour: float = 0.0,
    workers: int = 1,
    reader: HistoryReader | None = None,
) -> Parts:
    """Return the parts of these names; raises UnknownNameError with the known ones.

    trials: sampled ones, in all. startup: complete students before Optuna's samplers learn.
    delta, audit_share: of the rule that stops students for good. least_gain_per_hour: what the
    next hour of `workers` must be expected to add, as a share of the hypervolume. reader: of the
    study, where somebody has one that reads it quickly.
    """
    if pruner not in PRUNERS:
        raise UnknownNameError("pruner", pruner, PRUNERS)
    stopping = pruner_named(
        "known_costs" if pruner == "freeze_thaw" else pruner,
        problem,
        delta=delta,
        audit_share=audit_share,
        seed=seed,
    )
    search = FreezeThaw(problem, trials, seed)
    scheduler: Scheduler = NewFirst()
    enough: Enough | None = None
    if least_gain_per_hour > 0:
        # It looks at other moments than the search does, which remembers one forecast at a time.
        own = FreezeThaw(problem, trials, seed)
        enough = NextHour(own, workers=workers, least=least_gain_per_hour).is_not_worth_it
    if pruner == "freeze_thaw":
        stopping, scheduler = FreezeThawPruner(search, stopping, enough), search
    if sampler == "ehvi":
        return Parts(
            FreezeThawSampler(search, SobolSampler(seed), reader), stopping, scheduler, enough
        )
    return Parts(sampler_named(sampler, seed, startup), stopping, scheduler, enough)
