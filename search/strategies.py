"""How a study searches: sampler, pruner and scheduler, by the names that the commands take."""

from dataclasses import dataclass

from optuna.samplers import BaseSampler

from search.freeze_thaw import FreezeThaw, FreezeThawPruner, FreezeThawSampler
from search.outlook import Ground
from search.pruning import Pruner, pruner_named
from search.samplers import sampler_named
from search.scheduler import NewFirst, Scheduler
from search.sobol import SobolSampler
from spaces import UnknownNameError

PRUNERS = ("freeze_thaw", "known_costs", "none")


@dataclass(frozen=True)
class Parts:
    """What chooses and stops, made for one study."""

    sampler: BaseSampler
    pruner: Pruner
    scheduler: Scheduler


def parts_named(
    sampler: str,
    pruner: str,
    ground: Ground,
    *,
    trials: int,
    seed: int,
    startup: int = 10,
    delta: float = 0.1,
    audit_share: float = 0.2,
) -> Parts:
    """Return the parts of these names; raises UnknownNameError with the known ones.

    trials: sampled ones, in all. startup: complete students before Optuna's samplers learn.
    delta, audit_share: of the rule that stops students for good.
    """
    if pruner not in PRUNERS:
        raise UnknownNameError("pruner", pruner, PRUNERS)
    stopping = pruner_named(
        "known_costs" if pruner == "freeze_thaw" else pruner,
        delta=delta,
        audit_share=audit_share,
        seed=seed,
        objectives=ground.objectives,
        accuracy_floor=ground.reference.accuracy_floor,
    )
    search = FreezeThaw(ground, trials, seed)
    scheduler: Scheduler = NewFirst()
    if pruner == "freeze_thaw":
        stopping, scheduler = FreezeThawPruner(search, stopping), search
    if sampler == "ehvi":
        return Parts(FreezeThawSampler(search, SobolSampler(seed)), stopping, scheduler)
    return Parts(sampler_named(sampler, seed, startup), stopping, scheduler)
