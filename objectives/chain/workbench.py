"""One worker's bench: the chain run stage by stage through the cache, and its artifacts scored."""

import os
import shutil
import tempfile
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
from threadpoolctl import threadpool_limits
from torch import Tensor, nn

from objectives.chain.cache import Draft, Entry, StageCache
from objectives.chain.epoch_reporter import StageWatch
from objectives.chain.keys import StageKeys
from objectives.chain.stages import ADAPTER, WEIGHTS, build_adapted, build_distilled, build_teacher
from objectives.data import Data, load_data
from objectives.metrics import evaluation, log_probabilities
from objectives.models import build_model, load_weights
from objectives.results import (
    EpochReport,
    Evaluation,
    OnEpoch,
    StageRecord,
    StoppedStudent,
    TrainedStudent,
    Verdict,
)
from objectives.runtimes import Filler, Template, runtime_named
from objectives.training import (
    AfterEpoch,
    AskedTeacher,
    EpochResult,
    RecordedTeacher,
    TeacherSignal,
    TrainingGround,
    logits_of,
    logits_on_views,
)
from spaces import (
    Architecture,
    Distillation,
    Foundation,
    InputError,
    LoRA,
    Scheme,
    StudentConfig,
    TrainTeacher,
    student_key,
)

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
        self, foundation: Foundation, cache_dir: Path, *, max_cache_bytes: int = _MAX_CACHE_BYTES
    ) -> None:
        _settle(foundation)
        self.foundation = foundation
        self.data: Data = load_data(foundation.data)
        self.keys = StageKeys(foundation, self.data)
        self.cache = StageCache(cache_dir / "stages", max_cache_bytes)
        self._templates_dir = cache_dir / "templates"
        self.runtime = runtime_named(foundation.runtime)
        self._templates: dict[str, Template] = {}
        self._filler: tuple[Path, Filler] | None = None
        self._teacher: tuple[TrainedStudent, nn.Module] | None = None
        self._signal: TeacherSignal | None = None
        self._images: dict[str, NDArray[np.float32]] = {}
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
        weights = self.foundation.teacher.weights
        epochs = weights.schedule.epochs if isinstance(weights, TrainTeacher) else 0
        watch = StageWatch("teacher", epochs, 0, epochs, lambda report: _go_on(on_epoch, report))
        entry = self._stage(
            self.keys.teacher(),
            watch,
            lambda draft, after: build_teacher(
                self.foundation, self.ground, self.data.classes, draft, after
            ),
            self._leases,
        )
        if entry is None:
            raise AssertionError("a teacher's training is never stopped")
        teacher = TrainedStudent(
            key=entry.key,
            weights=entry.path(WEIGHTS),
            adapter=None,
            accuracy=entry.notes["accuracy"],
            stages=(watch.record(entry.key),),
        )
        model = build_model(self.foundation.teacher.architecture, self.data.classes)
        load_weights(model, teacher.weights, self.foundation.teacher.architecture.key)
        model.to(self.foundation.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self._teacher = (teacher, model.eval())
        return teacher

    def train_student(
        self, config: StudentConfig, on_epoch: OnEpoch
    ) -> TrainedStudent | StoppedStudent:
        """Distil and adapt a student, or whatever of it the cache does not have.

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
        if isinstance(config.method, Distillation):
            self.teacher(lambda _: Verdict.GO_ON)
        total = config.total_epochs
        classes = self.data.classes
        distill_watch = StageWatch("distill", config.schedule.epochs, 0, total, on_epoch)
        key = self.keys.distill(config)
        distilled = self._stage(
            key,
            distill_watch,
            lambda draft, after: build_distilled(
                config, self._teacher_signal, self.ground, classes, draft, after
            ),
            leases,
        )
        records: tuple[StageRecord, ...] = (distill_watch.record(key),)
        if distilled is None:
            return StoppedStudent(student_key(config), distill_watch.last_report, records)
        entry, adapter = distilled, None
        if isinstance(lora := config.adaptation, LoRA):
            begin = config.schedule.epochs
            adapt_watch = StageWatch("adapt", lora.schedule.epochs, begin, total, on_epoch)
            key = self.keys.adapt(config, lora)
            adapted = self._stage(
                key,
                adapt_watch,
                lambda draft, after: build_adapted(
                    config,
                    lora,
                    distilled.path(WEIGHTS),
                    self._teacher_signal,
                    self.ground,
                    classes,
                    draft,
                    after,
                ),
                leases,
            )
            records = (*records, adapt_watch.record(key))
            if adapted is None:
                return StoppedStudent(student_key(config), adapt_watch.last_report, records)
            entry, adapter = adapted, adapted.path(ADAPTER)
        return TrainedStudent(
            student_key(config), entry.path(WEIGHTS), adapter, entry.notes["accuracy"], records
        )

    def evaluate(
        self,
        student: TrainedStudent,
        architecture: Architecture,
        scheme: Scheme,
        split: Literal["validation", "test"],
        keep: Path | None = None,
    ) -> Evaluation:
        """Write the student's artifact under `scheme`, weigh it, and score it by its runtime.

        The artifact stays at `keep` when that is given. Further schemes of the same student are
        cheap: its folded weights and calibration are remembered.
        """
        begun = time.perf_counter()
        filler = self._filler_of(student.weights, architecture)
        with tempfile.TemporaryDirectory(prefix="distilfront-") as folder:
            artifact = Path(folder) / self.runtime.file_name
            filler.write(scheme, artifact)
            weight = artifact.stat().st_size
            logits = self.runtime.logits(
                artifact, self._images_of(split), threads=self.foundation.threads
            )
            if keep is not None:
                _move(artifact, keep)
        scored = evaluation(
            logits,
            self.data.labels(split),
            self.teacher_log_probabilities(split),
            split=split,
            size_bytes=weight,
        )
        return replace(scored, seconds=time.perf_counter() - begun)

    def teacher_log_probabilities(
        self, split: Literal["validation", "test"]
    ) -> NDArray[np.float64]:
        """Return the float teacher's log probabilities on a split, [n, classes]."""
        if split not in self._teacher_says:
            logits = self._teacher_logits(
                split, lambda teacher: logits_of(teacher, self._split_tensor(split))
            )
            self._teacher_says[split] = log_probabilities(logits.numpy())
        return self._teacher_says[split]

    @cached_property
    def ground(self) -> TrainingGround:
        """The images where training happens; made when something really trains."""
        return TrainingGround(self.data, self.foundation.device)

    def _stage(
        self, key: str, watch: StageWatch, build: StageBuild, leases: ExitStack
    ) -> Entry | None:
        """Return the stage's entry, every epoch reported; None when a verdict stopped it."""
        entry = self.cache.obtain(key, lambda draft: build(draft, watch), leases)
        if entry is None:
            return None
        results = [EpochResult(**result) for result in entry.notes["results"]]
        for epoch, result in enumerate(results[watch.reported :], watch.reported + 1):
            if not watch(epoch, result, reused=True):
                break
        return None if watch.stopped else entry

    def _teacher_signal(self) -> TeacherSignal:
        if self._signal is None:
            device = self.foundation.device
            if self.data.fixed_views:
                logits = self._teacher_logits(
                    "views", lambda teacher: logits_on_views(teacher, self.data, device)
                )
                self._signal = RecordedTeacher(logits.to(device))
            else:
                self._signal = AskedTeacher(self._teacher_model())
        return self._signal

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

    def _split_tensor(self, split: Literal["validation", "test"]) -> Tensor:
        return self.data.tensor(split, self.foundation.device)

    def _images_of(self, split: Literal["validation", "test"]) -> NDArray[np.float32]:
        if split not in self._images:
            self._images[split] = self.data.images(split)
        return self._images[split]

    def template(self, architecture: Architecture) -> Template:
        """Return the architecture's template, exported when the cache folder has none."""
        if architecture.key not in self._templates:
            self._templates[architecture.key] = self.runtime.template(
                architecture, self.data.classes, self.data.config.image_size, self._templates_dir
            )
        return self._templates[architecture.key]

    def _filler_of(self, weights: Path, architecture: Architecture) -> Filler:
        if self._filler is None or self._filler[0] != weights:
            template = self.template(architecture)
            filler = self.runtime.filler(template, weights, self.data.calibration())
            self._filler = (weights, filler)
        return self._filler[1]


def _go_on(on_epoch: OnEpoch, report: EpochReport) -> Verdict:
    on_epoch(report)
    return Verdict.GO_ON


def _settle(foundation: Foundation) -> None:
    torch.set_num_threads(foundation.threads)
    # NumPy's and SciPy's too: beside another worker's training, a small factorization on threads
    # that wait for each other takes many times as long as on one.
    threadpool_limits(limits=foundation.threads, user_api="blas")
    if foundation.device == "cuda":
        if not torch.cuda.is_available():
            raise InputError("device cuda is asked for, but torch finds none: use device cpu")
        torch.backends.cudnn.deterministic = True
        torch.backends.cudnn.benchmark = False


def _move(artifact: Path, keep: Path) -> None:
    """Put the artifact in place whole: the rename is within one folder."""
    keep.parent.mkdir(parents=True, exist_ok=True)
    aside = keep.with_name(f".{keep.name}.{os.getpid()}")
    shutil.copyfile(artifact, aside)
    aside.replace(keep)
