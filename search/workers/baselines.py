"""The baselines of a study: simpler ways to the same end, in every study and every report."""

from dataclasses import dataclass, replace

from spaces import (
    ChainConfig,
    Distillation,
    Domain,
    NoAdapter,
    PlainTraining,
    Schedule,
    StudentConfig,
    architectures,
    scheme_named,
)
from studies import StudyConfig

TEACHER_ITSELF = "teacher"
TEACHER_QUANTIZED = "teacher quantized directly"
STUDENT_ALONE = "student without the teacher"
NOT_ADAPTED = "student distilled, not adapted"

_TEMPERATURE, _ALPHA = 4.0, 0.9
"""The published recipe of plain knowledge distillation (RepDistiller)."""


@dataclass(frozen=True)
class Baseline:
    """A student that leaves a step out."""

    words: str
    chain: ChainConfig
    late: bool = False
    """Whether it is trained when the search has had its trials: who looks at a report wants it,
    who looks for a front can do without (docs/decisions)."""


def student_baselines(config: StudyConfig) -> tuple[Baseline, ...]:
    """Return the students that leave a step out, in the order in which they are trained.

    Of every width (at most three, where there are many) the student without the teacher, so that
    a chosen point finds its own; of the widest also the student distilled and not adapted. All at
    rank 0, with the learning rate in the middle of its domain. The narrowest and the widest
    without the teacher come before the search, which learns from them, the others after it. A
    study whose space has no alpha 0 or no rank 0 has no such baseline.
    """
    space, settled = config.search_space(), config.settled()
    if 0 not in space.lora_rank.values:
        return ()
    networks = architectures(space, settled)
    if len(networks) > 4:
        networks = (networks[0], networks[len(networks) // 2], networks[-1])
    rates = sorted(float(rate) for rate in space.learning_rate.values)
    alone = StudentConfig(
        architecture=networks[0],
        method=PlainTraining(),
        schedule=_at_rate(settled.distill, rates[len(rates) // 2]),
        adaptation=NoAdapter(),
        seed=settled.seed,
    )
    scheme = scheme_named(str(space.scheme.values[0]))
    found = []
    if 0 in space.alpha.values:
        found = [
            Baseline(
                STUDENT_ALONE,
                ChainConfig(replace(alone, architecture=network), scheme),
                late=network not in (networks[0], networks[-1]),
            )
            for network in networks
        ]
    alpha = _nearest(space.alpha, _ALPHA)
    if alpha > 0:
        method = Distillation(_nearest(space.temperature, _TEMPERATURE), alpha)
        distilled = replace(alone, architecture=networks[-1], method=method)
        found.append(Baseline(NOT_ADAPTED, ChainConfig(distilled, scheme), late=bool(found)))
    return tuple(sorted(found, key=lambda one: one.late))


def _nearest(domain: Domain, wanted: float) -> float:
    return min((float(value) for value in domain.values), key=lambda value: abs(value - wanted))


def _at_rate(schedule: Schedule, rate: float) -> Schedule:
    return replace(schedule, learning_rate=rate)
