"""What a kind of stage is to the workbench, and what handlers share."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Protocol, TypeVar, cast, runtime_checkable

import torch
from torch import Tensor, nn

from objectives.chain.cache import Draft
from objectives.data import AS_ALWAYS
from objectives.models import (
    initialised_model,
    load_pretrained,
    load_weights,
    save_weights,
    speed_up_small_maps,
)
from objectives.seeding import derived_seed
from objectives.training import (
    AfterEpoch,
    EpochResult,
    Masks,
    Sized,
    TeacherSignal,
    TrainingGround,
    TrainingMethod,
    TrainingRun,
    masked,
    seen_through,
    training_method,
    zeros_of,
)
from spaces import (
    ANY_LAYOUT,
    INTEGER_LAYOUTS,
    NO_WEIGHTS,
    OWN_TEACHER,
    Network,
    Stage,
    StudentConfig,
    Views,
)

WEIGHTS = "weights.safetensors"
"""What every stage leaves in its cache entry: the whole network's state dict."""

Kind_contra = TypeVar("Kind_contra", bound=Stage, contravariant=True)


class AsksTeachers(Protocol):
    """The teachers of a study, by name: asked only when a stage that needs one really trains."""

    def signal(self, name: str, method: TrainingMethod, views: Views) -> TeacherSignal:
        """Return what tells `method` of a teacher that sees the images so."""
        ...

    def weights(self, name: str) -> Path:
        """Return the file with a teacher's weights; raises InputError of several networks."""
        ...

    def copy(self, name: str, method: TrainingMethod) -> Sized:
        """Return another network with a teacher's weights, for `method` to train on.

        Raises InputError where the teacher is several networks.
        """
        ...


@dataclass(frozen=True)
class StageWork:
    """What a handler works with: the student as far as the stage, and where it is trained."""

    student: StudentConfig
    """Its last stage is the one to train."""
    parent: Path | None
    """Weights of the stage before; None for a first stage."""
    teachers: AsksTeachers
    ground: TrainingGround
    classes: int

    def network(self, drawn: str = "weights") -> nn.Module:
        """Return the network with the parent's weights, or those that the stage begins with.

        drawn: other words draw other ones, where these are fresh.
        """
        network = self.begins_as
        seed = derived_seed(drawn, self.student.seed)
        model = initialised_model(network, self.classes, seed)
        pretrained = self.student.stages[-1].pretrained
        if self.parent is not None:
            load_weights(model, self.parent, network.key)
        elif pretrained == OWN_TEACHER:
            load_weights(model, self.teachers.weights(OWN_TEACHER), network.key)
        elif pretrained != NO_WEIGHTS:
            load_pretrained(model, network, pretrained, self.classes)
        return model

    @property
    def begins_as(self) -> Network:
        """The network that the stage before leaves."""
        before = len(self.student.stages) - 1
        return self.student.prefix(before).deployed if before else self.student.network

    @property
    def size(self) -> int:
        """Height and width of the images that the network sees."""
        return self.student.network.image_size

    @property
    def calibration(self) -> Tensor:
        """The images [n, 3, size, size] by which ranges of activations are known."""
        return self.ground.calibration(self.size)

    @cached_property
    def zeros(self) -> Masks:
        """What stays zero of a network whose weights were pruned; nothing of another."""
        sparse = self.begins_as.pruned.weights > 0
        return zeros_of(self.network(), self.calibration) if sparse else {}

    @contextmanager
    def as_stored(self, model: nn.Module) -> Iterator[None]:
        """Let `model` compute inside with its zeros, and as the layout has it that it is for."""
        key = self.student.stages[-1].trained_for
        if key != ANY_LAYOUT:
            with seen_through(model, INTEGER_LAYOUTS[key], self.calibration, self.zeros):
                yield
        elif self.zeros:
            with masked(model, self.calibration, self.zeros):
                yield
        else:
            yield

    @torch.no_grad()
    def with_its_zeros(self, model: nn.Module) -> nn.Module:
        """Let weights be zero that were before an adapter was merged; returns `model`."""
        for name, mask in self.zeros.items():
            cast("Tensor", model.get_submodule(name).weight).mul_(mask)
        return model

    def run(
        self,
        *,
        freeze_statistics: bool = False,
        refresh: Callable[[int], None] | None = None,
        begin: Callable[[], None] | None = None,
    ) -> TrainingRun:
        """Return how the stage trains: by its own method, or as the stage before it does."""
        student = self.student
        stage, last = student.stages[-1], len(student.stages) - 1
        settings, teacher = student.teaching(last), student.teacher(last)
        method = training_method(settings)
        views = stage if isinstance(stage, Views) else AS_ALWAYS
        size = self.size
        method.take_networks(
            lambda: self._ready((self.network("sibling"), size)),
            lambda: self._ready(self.teachers.copy(teacher, method)),
        )
        asks = settings.needs_teacher and method.asks_teacher
        return TrainingRun(
            stage.kind,
            stage,
            student.seed,
            size,
            method,
            self.teachers.signal(teacher, method, views) if asks else None,
            views,
            freeze_statistics=freeze_statistics,
            refresh=refresh,
            begin=begin,
        )

    def _ready(self, sized: Sized) -> Sized:
        """Return a network laid out as the training loop lays out the student."""
        model, size = sized
        speed_up_small_maps(model)
        model.to(self.ground.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        return model, size


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


@runtime_checkable
class ChecksNetworks(Protocol[Kind_contra]):
    """A StageHandler of which a stage's settings may not fit a network."""

    def check(self, stage: Kind_contra, model: nn.Module, image_size: int) -> None:
        """Raise InputError where they do not, before any training; the network is not changed."""
        ...


def publishing(draft: Draft, results: Sequence[EpochResult]) -> AbstractContextManager[Path]:
    """Give the folder of the stage's entry, with its epochs as notes."""
    notes = {"results": [asdict(each) for each in results], "accuracy": results[-1].accuracy}
    return draft.publishing(notes)


def publish(draft: Draft, results: Sequence[EpochResult], model: nn.Module) -> None:
    """Publish a network that is all that a stage leaves."""
    with publishing(draft, results) as folder:
        save_weights(model, folder / WEIGHTS)
