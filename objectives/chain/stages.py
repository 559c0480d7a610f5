"""The stages that train: from a parent checkpoint to a checkpoint, resumable after every epoch."""

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import assert_never

from torch import Tensor
from torch.nn.functional import cross_entropy

from objectives.chain.cache import Draft
from objectives.data import Batch
from objectives.models import initialised_model, load_weights, save_weights
from objectives.seeding import derived_seed, seeded
from objectives.training import (
    AfterEpoch,
    Loss,
    TeacherSignal,
    TrainingGround,
    TrainingRun,
    attach_adapter,
    distillation_loss,
    logits_of,
    merge_adapter,
    save_adapter,
    share_right,
    train,
)
from spaces import (
    Distillation,
    Foundation,
    LoadTeacher,
    LoRA,
    Method,
    PlainTraining,
    StudentConfig,
)

WEIGHTS = "weights.safetensors"
ADAPTER = "adapter"
"""Names of a stage's results in its cache entry."""

AskTeacher = Callable[[], TeacherSignal]
"""Gets the teacher ready; called only when a stage that needs it really trains."""


def build_teacher(
    foundation: Foundation, ground: TrainingGround, classes: int, draft: Draft, after: AfterEpoch
) -> bool:
    """Train or load the teacher and publish it."""
    config = foundation.teacher
    seed = derived_seed("weights", foundation.seed)
    model = initialised_model(config.architecture, classes, seed)
    if isinstance(config.weights, LoadTeacher):
        load_weights(model, Path(config.weights.path), config.architecture.key)
        model.to(ground.device)
        accuracy = share_right(logits_of(model, ground.validation), ground.validation_labels)
        results: list[dict[str, float]] = []
    else:
        run = TrainingRun("teacher", config.weights.schedule, foundation.seed, _plain_loss)
        trained = train(model, run, ground, draft, after)
        if trained is None:
            return False
        results, accuracy = [asdict(result) for result in trained], trained[-1].accuracy
    with draft.publishing({"results": results, "accuracy": accuracy}) as folder:
        save_weights(model, folder / WEIGHTS)
    return True


def build_distilled(
    student: StudentConfig,
    ask: AskTeacher,
    ground: TrainingGround,
    classes: int,
    draft: Draft,
    after: AfterEpoch,
) -> bool:
    """Train the student by its method and publish it; False when `after` stopped it."""
    seed = derived_seed("weights", student.seed)
    model = initialised_model(student.architecture, classes, seed)
    run = TrainingRun("distill", student.schedule, student.seed, _loss(student.method, ask))
    results = train(model, run, ground, draft, after)
    if results is None:
        return False
    notes = {"results": [asdict(r) for r in results], "accuracy": results[-1].accuracy}
    with draft.publishing(notes) as folder:
        save_weights(model, folder / WEIGHTS)
    return True


def build_adapted(
    student: StudentConfig,
    lora: LoRA,
    distilled: Path,
    ask: AskTeacher,
    ground: TrainingGround,
    classes: int,
    draft: Draft,
    after: AfterEpoch,
) -> bool:
    """Train adapters on the distilled weights, publish them and the merged network."""
    model = initialised_model(student.architecture, classes, seed=0)
    load_weights(model, distilled, student.architecture.key)
    with seeded("adapter", student.seed):
        adapted = attach_adapter(model, lora)
    run = TrainingRun(
        "adapt", lora.schedule, student.seed, _loss(student.method, ask), freeze_statistics=True
    )
    results = train(adapted, run, ground, draft, after)
    if results is None:
        return False
    notes = {"results": [asdict(r) for r in results], "accuracy": results[-1].accuracy}
    with draft.publishing(notes) as folder:
        save_adapter(adapted, folder / ADAPTER)
        save_weights(merge_adapter(adapted), folder / WEIGHTS)
    return True


def _plain_loss(logits: Tensor, batch: Batch, epoch: int) -> Tensor:  # noqa: ARG001 - a Loss
    return cross_entropy(logits, batch.labels)


def _loss(method: Method, ask: AskTeacher) -> Loss:
    match method:
        case PlainTraining():
            return _plain_loss
        case Distillation():
            return _distillation_loss(method, ask())
        case _:
            assert_never(method)


def _distillation_loss(method: Distillation, signal: TeacherSignal) -> Loss:

    def loss(logits: Tensor, batch: Batch, epoch: int) -> Tensor:
        return distillation_loss(
            logits,
            signal(batch, epoch),
            batch.labels,
            temperature=method.temperature,
            alpha=method.alpha,
        )

    return loss
