"""What a kind of stage is to the workbench, and what handlers share."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Protocol, TypeVar

from torch import nn

from objectives.chain.cache import Draft
from objectives.models import initialised_model, load_weights, save_weights
from objectives.seeding import derived_seed
from objectives.training import (
    AfterEpoch,
    EpochResult,
    TeacherSignal,
    TrainingGround,
    TrainingMethod,
    TrainingRun,
    seen_through,
    training_method,
)
from spaces import ANY_LAYOUT, INTEGER_LAYOUTS, Stage, StudentConfig

WEIGHTS = "weights.safetensors"
"""What every stage leaves in its cache entry: the whole network's state dict."""

AskTeacher = Callable[[TrainingMethod], TeacherSignal]
"""Gets the teacher ready for a method; called only when a stage that needs it really trains."""

Kind_contra = TypeVar("Kind_contra", bound=Stage, contravariant=True)


@dataclass(frozen=True)
class StageWork:
    """What a handler works with: the student as far as the stage, and where it is trained."""

    student: StudentConfig
    """Its last stage is the one to train."""
    parent: Path | None
    """Weights of the stage before; None for a first stage."""
    ask_teacher: AskTeacher
    ground: TrainingGround
    classes: int

    def network(self) -> nn.Module:
        """Return the network with the parent's weights, or with fresh ones of its seed."""
        network = self.student.network
        seed = derived_seed("weights", self.student.seed)
        model = initialised_model(network, self.classes, seed)
        if self.parent is not None:
            load_weights(model, self.parent, network.key)
        return model

    def through_its_layout(self, model: nn.Module) -> AbstractContextManager[None]:
        """Let `model` compute inside as the layout stores it for which the stage trains, if any."""
        key = self.student.stages[-1].trained_for
        if key == ANY_LAYOUT:
            return nullcontext()
        images = self.ground.calibration(self.student.network.image_size)
        return seen_through(model, INTEGER_LAYOUTS[key], images)

    def run(self, *, freeze_statistics: bool = False) -> TrainingRun:
        """Return how the stage trains: by its own method, or as the stage before it does."""
        student = self.student
        stage, settings = student.stages[-1], student.teaching(len(student.stages) - 1)
        method = training_method(settings)
        return TrainingRun(
            stage.kind,
            stage,
            student.seed,
            student.network.image_size,
            method,
            self.ask_teacher(method) if settings.needs_teacher else None,
            freeze_statistics=freeze_statistics,
        )


class StageHandler(Protocol[Kind_contra]):
    """Trains one kind of stage."""

    @property
    def code_version(self) -> int:
        """Raised by whoever changes what the stage computes: older entries are not found then."""
        ...

    @property
    def libraries(self) -> Sequence[str]:
        """Distributions beside torch and torchvision whose versions decide the result."""
        ...

    def build(self, stage: Kind_contra, work: StageWork, draft: Draft, after: AfterEpoch) -> bool:
        """Train the stage and publish it in `draft`; False when `after` stopped it."""
        ...


def publishing(draft: Draft, results: Sequence[EpochResult]) -> AbstractContextManager[Path]:
    """Give the folder of the stage's entry, with its epochs as notes."""
    notes = {"results": [asdict(each) for each in results], "accuracy": results[-1].accuracy}
    return draft.publishing(notes)


def publish(draft: Draft, results: Sequence[EpochResult], model: nn.Module) -> None:
    """Publish a network that is all that a stage leaves."""
    with publishing(draft, results) as folder:
        save_weights(model, folder / WEIGHTS)
