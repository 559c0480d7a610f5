"""All teachers of a study at one worker's bench: each made once, and asked or looked up."""

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from objectives.chain.cache import Draft, StageCache
from objectives.chain.epoch_reporter import EpochReporter, reported_entry
from objectives.chain.handlers.handler import WEIGHTS
from objectives.chain.keys import StageKeys
from objectives.chain.teacher import build_teacher
from objectives.data import Data, RecordedImages, recorded_images
from objectives.measures import MEASURES, confusion
from objectives.metrics import log_probabilities
from objectives.models import loaded_model
from objectives.results import EpochReport, OnEpoch, TrainedStudent, TrainedTeacher, Verdict
from objectives.training import (
    AskedTeacher,
    MeanOfTeachers,
    RecordedTeacher,
    Sized,
    TeacherSignal,
    TrainingGround,
    TrainingMethod,
    layers_asked,
    logits_at,
    recorded_logits,
    single,
)
from spaces import (
    OWN_TEACHER,
    Ensemble,
    InputError,
    StudySetup,
    TeacherConfig,
    TrainTeacher,
    Views,
)

_LOGITS = "logits.safetensors"

SplitName = Literal["validation", "test"]


@dataclass(frozen=True)
class _Ready:
    model: nn.Module
    image_size: int
    """Of the images that it is given."""
    itself: TrainedStudent | None
    """None of an ensemble, which has no weights of its own."""


class Teachers:
    """Makes the teachers that are asked for, through the stage cache, and keeps them in memory."""

    def __init__(
        self,
        setup: StudySetup,
        data: Data,
        keys: StageKeys,
        cache: StageCache,
        ground: Callable[[], TrainingGround],
    ) -> None:
        """ground: where training happens, made when it is asked for."""
        self._setup = setup
        self._data = data
        self._keys = keys
        self._cache = cache
        self._ground = ground
        self._ready: dict[str, _Ready] = {}
        self._recorded: dict[tuple[str, RecordedImages], RecordedTeacher] = {}
        self._says: dict[tuple[str, SplitName], NDArray[np.float64]] = {}
        self._leases = ExitStack()

    def close(self) -> None:
        """Let the cache drop them."""
        self._leases.close()

    def own(self, on_epoch: OnEpoch) -> TrainedStudent:
        """Return the study's own teacher; see `made`."""
        itself = self._made(OWN_TEACHER, on_epoch).itself
        assert itself is not None
        return itself

    def made(self, name: str, on_epoch: OnEpoch) -> TrainedTeacher:
        """Return a teacher, made with those that it rests on when the cache has none.

        Verdicts are ignored: nothing can be done without a teacher. Raises UnknownNameError.
        """
        itself = self._made(name, on_epoch).itself
        if itself is not None:
            return TrainedTeacher(itself.key, itself.accuracy, itself.stages, itself.remark)
        labels = self._data.labels("validation")
        guesses = self.log_probabilities(name, "validation").argmax(1)
        right = MEASURES[self._setup.measure].of(confusion(labels, guesses, self._data.classes))
        return TrainedTeacher(self._keys.teacher(name), right, ())

    def signal(self, name: str, method: TrainingMethod, views: Views) -> TeacherSignal:
        """Return what tells `method` of a teacher: recorded logits, where they serve."""
        ready = self._made(name, _go_on)
        model, size = ready.model, ready.image_size
        of = recorded_images(views, self._data)
        if of is None or layers_asked(method, model, size):
            return AskedTeacher(model, size, method)
        if (name, of) not in self._recorded:
            device = self._setup.device
            logits = self._logits(
                name, of, lambda: recorded_logits(of, model, size, self._data, device)
            )
            self._recorded[name, of] = RecordedTeacher(logits.to(device))
        return self._recorded[name, of]

    def weights(self, name: str) -> Path:
        """Return the file with a teacher's weights; raises InputError of several networks."""
        itself = self._made(name, _go_on).itself
        if itself is None:
            raise InputError(f"teacher {name} is several networks, and has no weights of its own")
        return itself.weights

    def copy(self, name: str, method: TrainingMethod) -> Sized:
        """Return another network with a teacher's weights; raises InputError of several."""
        ready = self._made(name, _go_on)
        _, size = single((ready.model, ready.image_size), method.settings.kind)
        made = self._setup.teacher_named(name)
        assert isinstance(made, TeacherConfig)
        assert ready.itself is not None
        return loaded_model(made.network, ready.itself.weights, self._data.classes), size

    def log_probabilities(self, name: str, split: SplitName) -> NDArray[np.float64]:
        """Return a float teacher's log probabilities on a split, [n, classes]."""
        if (name, split) not in self._says:

            def compute() -> Tensor:
                ready = self._made(name, _go_on)
                images, device = self._data.splits[split].images, self._setup.device
                return logits_at(ready.model, ready.image_size, images, self._data, device)

            logits = self._logits(name, split, compute)
            self._says[name, split] = log_probabilities(logits.numpy())
        return self._says[name, split]

    def _made(self, name: str, on_epoch: OnEpoch) -> _Ready:
        if name not in self._ready:
            made = self._setup.teacher_named(name)
            if isinstance(made, Ensemble):
                members = [self._made(each, on_epoch) for each in made.members]
                model = MeanOfTeachers([(each.model, each.image_size) for each in members])
                # Each member resizes the images as they are held.
                self._ready[name] = _Ready(model.eval(), self._data.config.image_size, None)
            else:
                self._ready[name] = self._network(name, made, on_epoch)
        return self._ready[name]

    def _network(self, name: str, config: TeacherConfig, on_epoch: OnEpoch) -> _Ready:
        weights, network = config.weights, config.network
        if isinstance(weights, TrainTeacher) and weights.lesson is not None:
            self._made(weights.lesson.teacher, on_epoch)
        epochs = weights.epochs if isinstance(weights, TrainTeacher) else 0
        label = "teacher" if name == OWN_TEACHER else f"teacher {name}"
        reporter = EpochReporter(label, epochs, 0, epochs, lambda report: _go_on(report, on_epoch))

        def build(draft: Draft, after: Callable[..., bool]) -> bool:
            ground, seed = self._ground(), self._setup.seed
            return build_teacher(config, seed, self, ground, self._data.classes, draft, after)

        key = self._keys.teacher(name)
        entry = reported_entry(self._cache, key, reporter, build, self._leases)
        if entry is None:
            raise AssertionError("a teacher's training is never stopped")
        itself = TrainedStudent(
            key=entry.key,
            weights=entry.path(WEIGHTS),
            accuracy=entry.notes["accuracy"],
            stages=(reporter.record(entry.key),),
            remark=entry.notes.get("read", ""),
        )
        model = loaded_model(network, itself.weights, self._data.classes)
        model.to(self._setup.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        return _Ready(model.eval(), network.image_size, itself)

    def _logits(self, name: str, images: str, compute: Callable[[], Tensor]) -> Tensor:
        def build(draft: Draft) -> bool:
            logits = compute().cpu()
            with draft.publishing({}) as folder:
                save_file({"logits": logits.contiguous()}, folder / _LOGITS)
            return True

        with ExitStack() as leases:
            entry = self._cache.obtain(self._keys.teacher_logits(images, name), build, leases)
            if entry is None:
                raise AssertionError("computing logits is never stopped")
            return load_file(entry.path(_LOGITS))["logits"]


def _go_on(report: EpochReport, on_epoch: OnEpoch | None = None) -> Verdict:
    if on_epoch is not None:
        on_epoch(report)
    return Verdict.GO_ON
