"""One worker's bench: the chain run stage by stage through the cache, and its artifacts scored."""

import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

import numpy as np
import torch
from numpy.typing import NDArray

from objectives.chain.artifacts import TEMPLATES, Artifacts
from objectives.chain.cache import Draft, Entry, Sharing, StageCache
from objectives.chain.codes import learn_codes
from objectives.chain.epoch_reporter import EpochReporter, StageBuild, reported_entry
from objectives.chain.handlers import StageWork, handler_of
from objectives.chain.handlers.handler import WEIGHTS
from objectives.chain.keys import StageKeys
from objectives.chain.teachers import Teachers
from objectives.chain.torch_settings import settle_torch
from objectives.data import Data, load_data
from objectives.metrics import evaluation
from objectives.models import loaded_model
from objectives.results import (
    Evaluation,
    OnEpoch,
    StageRecord,
    StoppedStudent,
    TrainedStudent,
    TrainedTeacher,
    Verdict,
)
from objectives.runtimes import LearnsCodes, MeasuresLayers, Template, runtime_named
from objectives.training import (
    AfterEpoch,
    TrainingGround,
    channel_importance,
    losses_of_channels,
    losses_of_weights,
)
from spaces import (
    OWN_TEACHER,
    WHOLE,
    InputError,
    LayerLosses,
    LayerSensitivity,
    Network,
    Prune,
    Removes,
    Scheme,
    StudentConfig,
    StudySetup,
    student_key,
)

_MAX_CACHE_BYTES = 20 * 2**30


class Workbench:
    """Trains and scores what a study asks for; one per process, since it settles torch's threads.

    The last student (and the teacher) stay protected in the cache until another is trained or the
    bench is closed. shared: where stages of other machines are found, and put for them.
    Raises InputError when the data is not there, the device is not, or the cache cannot be written.
    """

    def __init__(
        self,
        setup: StudySetup,
        cache_dir: Path,
        *,
        max_cache_bytes: int = _MAX_CACHE_BYTES,
        shared: Sharing | None = None,
    ) -> None:
        settle_torch(setup)
        self.setup = setup
        self.data: Data = load_data(setup.data)
        self.keys = StageKeys(setup, self.data)
        self.cache = StageCache(cache_dir / "stages", max_cache_bytes, shared)
        self.runtime = runtime_named(setup.runtime)
        templates = cache_dir / TEMPLATES
        self._artifacts = Artifacts(
            self.runtime, self.data, templates, setup.threads, setup.sensitivity
        )
        self._teachers = Teachers(setup, self.data, self.keys, self.cache, lambda: self.ground)
        self._student_leases = ExitStack()

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
        self._teachers.close()

    def teacher(self, on_epoch: OnEpoch) -> TrainedStudent:
        """Return the study's teacher, trained or loaded when the cache has none.

        Verdicts are ignored: nothing can be done without a teacher.
        """
        return self._teachers.own(on_epoch)

    def named_teacher(self, name: str, on_epoch: OnEpoch) -> TrainedTeacher:
        """Return a teacher of the study as `teacher` does, with those that it rests on."""
        return self._teachers.made(name, on_epoch)

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
        for name in config.teachers:
            self._teachers.made(name, lambda _: Verdict.GO_ON)
        records: tuple[StageRecord, ...] = ()
        leaves: dict[str, Path] = {}
        bases: dict[str, Path] = {}
        parent: Entry | None = None
        done = 0
        for student in config.prefixes:
            stage = student.stages[-1]
            key = self.keys.stage(student)
            reporter = EpochReporter(stage.kind, stage.epochs, done, config.total_epochs, on_epoch)
            build = self._builder(student, parent)
            entry = reported_entry(self.cache, key, reporter, build, leases)
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
            work = StageWork(student, base, self._teachers, self.ground, self.data.classes)
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
        cheap: its folded weights and calibration are remembered, and codes that were learned lie in
        the cache.
        """
        begun = time.perf_counter()
        writer, spent_before = self._artifacts.writer(student.weights, network), 0.0
        # Weights of no stage have no key: their codes are learned when they are written.
        learned = scheme.calibration.looks_at_layers and student.stages
        if learned and isinstance(writer, LearnsCodes):
            key = self.keys.codes(student.stages[-1].key, scheme)
            spent_before = learn_codes(writer, scheme, self.cache, key)
        found = self._artifacts.run(student.weights, network, scheme, split, keep)
        scored = evaluation(
            found.logits,
            self.data.labels(split),
            self.teacher_log_probabilities(split),
            split=split,
            size_bytes=found.size_bytes,
        )
        seconds = spent_before + time.perf_counter() - begun
        return replace(scored, seconds=seconds, compressed_bytes=found.compressed_bytes)

    def sensitivity(
        self, student: TrainedStudent, network: Network, images: int
    ) -> Sequence[LayerSensitivity]:
        """Return what each layer loses alone with few bits, on so many validation images.

        Raises InputError where the runtime cannot tell.
        """
        writer = self._artifacts.writer(student.weights, network)
        if not isinstance(writer, MeasuresLayers):
            raise InputError(f"runtime {self.runtime.name} cannot measure layers: use onnxruntime")
        return writer.sensitivity(self.data.images("validation", network.image_size)[:images])

    def pruning_losses(
        self, student: TrainedStudent, network: Network, what: Removes, images: int
    ) -> Sequence[LayerLosses]:
        """Return what each layer loses alone when it is pruned, on so many validation images.

        Raises InputError where the network cannot be pruned, or is already.
        """
        if network.pruned != WHOLE:
            raise InputError(f"{network.in_words} is pruned already: take a student that is not")
        model = loaded_model(network, student.weights, self.data.classes).eval()
        seen = torch.from_numpy(self.data.images("validation", network.image_size)[:images])
        if what == "weights":
            return list(losses_of_weights(model, seen))
        size = network.image_size
        importance = channel_importance(Prune(), model, size, self.ground, self.setup.seed)
        return list(losses_of_channels(model, size, seen, importance))

    def teacher_log_probabilities(
        self, split: Literal["validation", "test"], name: str = OWN_TEACHER
    ) -> NDArray[np.float64]:
        """Return a float teacher's log probabilities on a split, [n, classes]."""
        return self._teachers.log_probabilities(name, split)

    @cached_property
    def ground(self) -> TrainingGround:
        """The images where training happens; made when something really trains."""
        return TrainingGround(self.data, self.setup.device, self.setup.measure)

    def template(self, network: Network) -> Template:
        """Return the network's template, exported when the cache folder has none."""
        return self._artifacts.template(network)
