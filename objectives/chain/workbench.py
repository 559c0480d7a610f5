"""One worker's bench: the chain run stage by stage through the cache, and its artifacts scored."""

import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from objectives.chain.artifacts import TEMPLATES, Artifacts
from objectives.chain.cache import Draft, Entry, StageCache
from objectives.chain.epoch_reporter import EpochReporter
from objectives.chain.handlers import StageWork, handler_of
from objectives.chain.handlers.handler import WEIGHTS
from objectives.chain.keys import StageKeys
from objectives.chain.teacher import build_teacher, teacher_network
from objectives.chain.torch_settings import settle_torch
from objectives.data import Data, RecordedImages, load_data, recorded_images, resized
from objectives.metrics import evaluation, log_probabilities
from objectives.results import (
    EpochReport,
    Evaluation,
    OnEpoch,
    StageRecord,
    StoppedStudent,
    TrainedStudent,
    Verdict,
)
from objectives.runtimes import Template, runtime_named
from objectives.training import (
    AfterEpoch,
    AskedTeacher,
    EpochResult,
    RecordedTeacher,
    Sized,
    TeacherSignal,
    TrainingGround,
    TrainingMethod,
    logits_of,
    recorded_logits,
)
from spaces import Network, Scheme, StudentConfig, StudySetup, TrainTeacher, Views, student_key

_LOGITS = "logits.safetensors"
_MAX_CACHE_BYTES = 20 * 2**30

StageBuild = Callable[[Draft, AfterEpoch], bool]


class Workbench:
    """Trains and scores what a study asks for; one per process, since it settles torch's threads.

    The last student (and the teacher) stay protected in the cache until another is trained or the
    bench is closed. Raises InputError when the data is not there, the device is not, or the cache
    cannot be written.
    """

    def __init__(
        self, setup: StudySetup, cache_dir: Path, *, max_cache_bytes: int = _MAX_CACHE_BYTES
    ) -> None:
        settle_torch(setup)
        self.setup = setup
        self.data: Data = load_data(setup.data)
        self.keys = StageKeys(setup, self.data)
        self.cache = StageCache(cache_dir / "stages", max_cache_bytes)
        self.runtime = runtime_named(setup.runtime)
        templates = cache_dir / TEMPLATES
        self._artifacts = Artifacts(self.runtime, self.data, templates, setup.threads)
        self._teacher: tuple[TrainedStudent, nn.Module] | None = None
        self._recorded: dict[RecordedImages, RecordedTeacher] = {}
        self._teacher_says: dict[str, NDArray[np.float64]] = {}
        self._student_leases = ExitStack()
        self._leases = ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let the cache drop what this bench protected."""
        self._student_leases.close()
        self._leases.close()

    def teacher(self, on_epoch: OnEpoch) -> TrainedStudent:
        """Return the study's teacher, trained or loaded when the cache has none.

        Verdicts are ignored: nothing can be done without a teacher.
        """
        if self._teacher is not None:
            return self._teacher[0]
        weights = self.setup.teacher.weights
        epochs = weights.schedule.epochs if isinstance(weights, TrainTeacher) else 0
        reporter = EpochReporter(
            "teacher", epochs, 0, epochs, lambda report: _go_on(on_epoch, report)
        )
        entry = self._stage(
            self.keys.teacher(),
            reporter,
            lambda draft, after: build_teacher(
                self.setup, self.ground, self.data.classes, draft, after
            ),
            self._leases,
        )
        if entry is None:
            raise AssertionError("a teacher's training is never stopped")
        teacher = TrainedStudent(
            key=entry.key,
            weights=entry.path(WEIGHTS),
            accuracy=entry.notes["accuracy"],
            stages=(reporter.record(entry.key),),
            remark=entry.notes.get("read", ""),
        )
        model, _ = teacher_network(self.setup, teacher.weights, self.data.classes)
        model.to(self.setup.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self._teacher = (teacher, model.eval())
        return teacher

    def train_student(
        self, config: StudentConfig, on_epoch: OnEpoch
    ) -> TrainedStudent | StoppedStudent:
        """Train a student stage by stage, or whatever of it the cache does not have.

        Every epoch is reported once and in order, reused ones too. Raises DivergedError.
        """
        leases = ExitStack()
        try:
            student = self._train_student(config, on_epoch, leases)
        except BaseException:
            leases.close()
            raise
        self._student_leases.close()
        self._student_leases = leases
        return student

    def _train_student(
        self, config: StudentConfig, on_epoch: OnEpoch, leases: ExitStack
    ) -> TrainedStudent | StoppedStudent:
        if config.needs_teacher:
            self.teacher(lambda _: Verdict.GO_ON)
        records: tuple[StageRecord, ...] = ()
        leaves: dict[str, Path] = {}
        bases: dict[str, Path] = {}
        parent: Entry | None = None
        done = 0
        for student in config.prefixes:
            stage = student.stages[-1]
            key = self.keys.stage(student)
            reporter = EpochReporter(stage.kind, stage.epochs, done, config.total_epochs, on_epoch)
            entry = self._stage(key, reporter, self._builder(student, parent), leases)
            records = (*records, reporter.record(key))
            if entry is None:
                return StoppedStudent(student_key(config), reporter.last_report, records)
            leaves |= {name: entry.path(name) for name in stage.left}
            if parent is not None:
                bases |= dict.fromkeys(stage.left, parent.path(WEIGHTS))
            done += stage.epochs
            parent = entry
        if parent is None:
            raise AssertionError("a student has at least one stage")
        return TrainedStudent(
            student_key(config),
            parent.path(WEIGHTS),
            parent.notes["accuracy"],
            records,
            leaves=leaves,
            bases=bases,
        )

    def _builder(self, student: StudentConfig, parent: Entry | None) -> StageBuild:
        """Return what trains the last stage of `student` on the weights of `parent`."""
        stage = student.stages[-1]

        def build(draft: Draft, after: AfterEpoch) -> bool:
            base = None if parent is None else parent.path(WEIGHTS)
            work = StageWork(
                student, base, self._signal_for, self._copy_teacher, self.ground, self.data.classes
            )
            return handler_of(stage.kind).build(stage, work, draft, after)

        return build

    def evaluate(
        self,
        student: TrainedStudent,
        network: Network,
        scheme: Scheme,
        split: Literal["validation", "test"],
        keep: Path | None = None,
    ) -> Evaluation:
        """Write the student's artifact under `scheme`, weigh it, and score it by its runtime.

        The artifact stays at `keep` when that is given. Further schemes of the same student are
        cheap: its folded weights and calibration are remembered.
        """
        begun = time.perf_counter()
        found = self._artifacts.run(student.weights, network, scheme, split, keep)
        scored = evaluation(
            found.logits,
            self.data.labels(split),
            self.teacher_log_probabilities(split),
            split=split,
            size_bytes=found.size_bytes,
        )
        return replace(scored, seconds=time.perf_counter() - begun)

    def teacher_log_probabilities(
        self, split: Literal["validation", "test"]
    ) -> NDArray[np.float64]:
        """Return the float teacher's log probabilities on a split, [n, classes]."""
        if split not in self._teacher_says:
            logits = self._teacher_logits(
                split, lambda teacher: logits_of(teacher, self._teachers_images(split))
            )
            self._teacher_says[split] = log_probabilities(logits.numpy())
        return self._teacher_says[split]

    @cached_property
    def ground(self) -> TrainingGround:
        """The images where training happens; made when something really trains."""
        return TrainingGround(self.data, self.setup.device, self.setup.measure)

    def _stage(
        self, key: str, reporter: EpochReporter, build: StageBuild, leases: ExitStack
    ) -> Entry | None:
        """Return the stage's entry, every epoch reported; None when a verdict stopped it."""
        entry = self.cache.obtain(key, lambda draft: build(draft, reporter), leases)
        if entry is None:
            return None
        results = [EpochResult(**result) for result in entry.notes["results"]]
        for epoch, result in enumerate(results[reporter.reported :], reporter.reported + 1):
            if not reporter(epoch, result, reused=True):
                break
        return None if reporter.stopped else entry

    def _signal_for(self, method: TrainingMethod, views: Views) -> TeacherSignal:
        """Return what tells `method` of the teacher: recorded logits, where they serve."""
        teacher, size = self._teacher_model(), self.setup.teacher.network.image_size
        of = recorded_images(views, self.data)
        if of is None or method.teacher_taps(teacher, size):
            return AskedTeacher(teacher, size, method)
        if of not in self._recorded:
            device = self.setup.device
            logits = self._teacher_logits(
                of, lambda teacher: recorded_logits(of, teacher, size, self.data, device)
            )
            self._recorded[of] = RecordedTeacher(logits.to(device))
        return self._recorded[of]

    def _copy_teacher(self) -> Sized:
        weights = self.teacher(lambda _: Verdict.GO_ON).weights
        return teacher_network(self.setup, weights, self.data.classes)

    def _teacher_model(self) -> nn.Module:
        self.teacher(lambda _: Verdict.GO_ON)
        if self._teacher is None:
            raise AssertionError("the teacher was just made ready")
        return self._teacher[1]

    def _teacher_logits(self, images: str, compute: Callable[[nn.Module], Tensor]) -> Tensor:
        def build(draft: Draft) -> bool:
            logits = compute(self._teacher_model()).cpu()
            with draft.publishing({}) as folder:
                save_file({"logits": logits.contiguous()}, folder / _LOGITS)
            return True

        with ExitStack() as leases:
            entry = self.cache.obtain(self.keys.teacher_logits(images), build, leases)
            if entry is None:
                raise AssertionError("computing logits is never stopped")
            return load_file(entry.path(_LOGITS))["logits"]

    def _teachers_images(self, split: Literal["validation", "test"]) -> Tensor:
        images = self.data.tensor(split, self.setup.device)
        return resized(images, self.setup.teacher.network.image_size)

    def template(self, network: Network) -> Template:
        """Return the network's template, exported when the cache folder has none."""
        return self._artifacts.template(network)


def _go_on(on_epoch: OnEpoch, report: EpochReport) -> Verdict:
    on_epoch(report)
    return Verdict.GO_ON
