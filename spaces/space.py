"""The search space of a study, and the way from a trial to a chain and back."""

from dataclasses import dataclass, fields, replace
from typing import cast

from spaces.adaptation import LoRA, NoAdapter, TargetLayers
from spaces.architecture import Architecture
from spaces.chain_config import ChainConfig, StudentConfig
from spaces.distillation import Distillation, PlainTraining
from spaces.domains import Choice, Domain, TrialLike, Value
from spaces.errors import InputError
from spaces.quantization import SCHEMES, scheme_name, scheme_named
from spaces.training import Schedule


@dataclass(frozen=True)
class Space:
    """One domain per searched setting; a field's name is the Optuna parameter's name."""

    width: Domain
    """Channel multiplier of the student."""
    alpha: Domain
    """Weight of the teacher's part of the loss; 0 is plain training and has no temperature."""
    temperature: Domain
    """Softening of both distributions, asked for only when alpha > 0."""
    learning_rate: Domain
    """Peak learning rate of distilling."""
    lora_rank: Domain
    """Rank of the adapter; 0 skips the stage and the four settings below."""
    lora_alpha: Domain
    """Scale of the adapter's update."""
    lora_dropout: Domain
    """Dropout on the adapter's input."""
    lora_targets: Domain
    """Layers that carry an adapter."""
    lora_learning_rate: Domain
    """Peak learning rate of adapting."""
    scheme: Choice
    """Names of quantization schemes."""

    def __post_init__(self) -> None:
        for name in self.scheme.values:
            if name not in SCHEMES:
                raise InputError(
                    f"scheme {name!r} is not one of the known schemes {', '.join(SCHEMES)}"
                )


@dataclass(frozen=True)
class Settled:
    """What a study does not search: the student's network, the lengths of training and the seed."""

    architecture: Architecture
    """The student's network; its width is replaced by the sampled one."""
    distill: Schedule
    """Distilling; its learning rate is replaced by the sampled one."""
    adapt: Schedule
    """Adapting; its learning rate is replaced by the sampled one."""
    seed: int
    """Shared by all students of a study, so that comparisons are paired."""


def suggest(trial: TrialLike, space: Space, settled: Settled) -> ChainConfig:
    """Ask `trial` for every setting that applies and return the chain they describe."""
    width = float(space.width.suggest(trial, "width"))
    alpha = float(space.alpha.suggest(trial, "alpha"))
    method: PlainTraining | Distillation = PlainTraining()
    if alpha > 0:
        method = Distillation(float(space.temperature.suggest(trial, "temperature")), alpha)
    learning_rate = float(space.learning_rate.suggest(trial, "learning_rate"))
    rank = int(space.lora_rank.suggest(trial, "lora_rank"))
    adaptation: NoAdapter | LoRA = NoAdapter()
    if rank > 0:
        adaptation = LoRA(
            rank=rank,
            lora_alpha=float(space.lora_alpha.suggest(trial, "lora_alpha")),
            dropout=float(space.lora_dropout.suggest(trial, "lora_dropout")),
            targets=cast("TargetLayers", space.lora_targets.suggest(trial, "lora_targets")),
            schedule=replace(
                settled.adapt,
                learning_rate=float(space.lora_learning_rate.suggest(trial, "lora_learning_rate")),
            ),
        )
    student = StudentConfig(
        architecture=replace(settled.architecture, width=width),
        method=method,
        schedule=replace(settled.distill, learning_rate=learning_rate),
        adaptation=adaptation,
        seed=settled.seed,
    )
    return ChainConfig(student, scheme_named(space.scheme.suggest(trial, "scheme")))


def params_of(chain: ChainConfig) -> dict[str, Value]:
    """Return the Optuna parameters from which `suggest` makes `chain`."""
    student = chain.student
    params: dict[str, Value] = {
        "width": student.architecture.width,
        "alpha": student.method.alpha,
        "learning_rate": student.schedule.learning_rate,
        "lora_rank": student.adaptation.rank,
        "scheme": scheme_name(chain.scheme),
    }
    if isinstance(student.method, Distillation):
        params["temperature"] = student.method.temperature
    if isinstance(student.adaptation, LoRA):
        params |= {
            "lora_alpha": student.adaptation.lora_alpha,
            "lora_dropout": student.adaptation.dropout,
            "lora_targets": student.adaptation.targets,
            "lora_learning_rate": student.adaptation.schedule.learning_rate,
        }
    return params


def architectures(space: Space, settled: Settled) -> tuple[Architecture, ...]:
    """Return every architecture a student of this space can have, by ascending width."""
    widths = sorted(float(width) for width in space.width.values)
    return tuple(replace(settled.architecture, width=width) for width in widths)


def domains(space: Space) -> dict[str, Domain]:
    """Return the domains by parameter name, in the order in which they are asked."""
    return {field.name: getattr(space, field.name) for field in fields(space)}


__all__ = ["Settled", "Space", "architectures", "domains", "params_of", "suggest"]
