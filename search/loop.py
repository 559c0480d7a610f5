"""The loop every worker runs: claim a trial, train its student, add its points."""

import logging
from collections.abc import Callable
from dataclasses import dataclass, field

import optuna
from optuna.artifacts import FileSystemArtifactStore

from objectives import (
    CostTable,
    DivergedError,
    EpochReport,
    Evaluation,
    StoppedStudent,
    TrainedStudent,
    Verdict,
    Workbench,
)
from reports import StudySummary, save_trial_note, upload_trial_artifacts
from search.events import EpochEnded, Event, PointAdded, TrialBegan, TrialEnded
from search.ledger import Ledger
from search.lifeline import Lifeline
from search.offers import offers
from search.pruning import Audit, Pause, Pruner, Stop, as_record
from spaces import SCHEMES, ChainConfig, LoRA, Scheme, Space, scheme_name, suggest
from studies import StudyConfig
from studies.records import (
    HistoryReader,
    LostTrialError,
    add_epoch,
    add_offer,
    complete,
    describe,
    fail,
    is_baseline,
    prune,
)

log = logging.getLogger(__name__)

WAIT_S = 1.0
"""How often a worker without a trial looks whether another's has come free."""

Emit = Callable[[Event], None]


class ReleasedError(Exception):
    """The worker was asked to stop: the trial under way is for the next one to go on with."""


@dataclass(frozen=True)
class Bench:
    """What a trial needs of the study: settled before the first one, the same for all."""

    config: StudyConfig
    study: optuna.Study
    workbench: Workbench
    costs: CostTable
    pruner: Pruner
    accuracy_floor: float
    """Accuracy below which a point is worth nothing."""
    artifacts: FileSystemArtifactStore
    """Where the files that the dashboard shows of a trial are kept."""

    @property
    def space(self) -> Space:
        """The study's search space."""
        return self.config.search_space()


@dataclass
class _Watch:
    """Follows one student in training: records its curve and asks the pruner."""

    bench: Bench
    trial: optuna.Trial
    chain: ChainConfig
    reader: HistoryReader
    lifeline: Lifeline
    emit: Emit
    baseline: bool
    """True for a student that every report compares with: it runs to its end."""
    curve: list[tuple[float, float]] = field(default_factory=list)
    stop: Stop | Pause | None = None
    audit: Audit | None = None

    def __call__(self, report: EpochReport) -> Verdict:
        """Take one epoch's report and say whether the student goes on."""
        self.curve.append((report.progress, report.accuracy))
        add_epoch(self.trial, report.progress, report.accuracy)
        self.emit(
            EpochEnded(
                trial=self.trial.number,
                stage=report.stage,
                epoch=report.epoch,
                epochs=report.epochs,
                progress=report.progress,
                accuracy=report.accuracy,
                reused=report.reused,
            )
        )
        if report.reused or report.progress >= 1:
            return Verdict.GO_ON  # Nothing would be saved.
        if self.lifeline.stopping:
            raise ReleasedError
        if self.audit is not None or self.baseline:
            return Verdict.GO_ON
        ruling = self.bench.pruner.rule(
            self.reader.read(),
            self.chain,
            self.curve,
            self.bench.costs,
            _schemes(self.bench.space),
            self.bench.workbench.data.images_in("validation"),
        )
        if isinstance(ruling, Audit):
            self.audit = ruling
        if isinstance(ruling, Stop | Pause):
            self.stop = ruling
            return Verdict.STOP
        return Verdict.GO_ON


class Worker:
    """Runs trials of one study until as many as asked for have ended."""

    def __init__(self, bench: Bench, ledger: Ledger, lifeline: Lifeline, emit: Emit) -> None:
        self._bench = bench
        self._ledger = ledger
        self._lifeline = lifeline
        self._emit = emit
        self._reader = HistoryReader(bench.study)

    def run(self, total: int) -> None:
        """Claim and run trials until `total` sampled ones have ended, or a stop is asked for."""
        self._protect_front()
        while not self._lifeline.stopping:
            trial = self._ledger.claim(total)
            if trial is None:
                if self._ledger.ended() >= total:
                    return
                # Others run the last ones; should one of them die, its trial comes free.
                self._lifeline.wait(WAIT_S)
                continue
            self._run_trial(trial)
            self._protect_front()

    def _run_trial(self, trial: optuna.Trial) -> None:
        bench = self._bench
        try:
            try:
                chain = suggest(trial, bench.space, bench.config.settled())
                describe(trial, chain)
                self._emit(TrialBegan(trial.number, in_words(chain), self._ledger.retry_of(trial)))
                state, words = self._train(trial, chain)
            except ReleasedError:
                self._ledger.release(trial)
                state, words = "interrupted", "goes on from here when the study is run again"
            except DivergedError as error:
                fail(bench.study, trial, "diverged", str(error))
                state, words = "failed", str(error)
            except LostTrialError:
                raise
            except Exception as error:  # A fault belongs to its trial; the study goes on.
                log.exception("trial %d failed", trial.number)
                reason = f"{type(error).__name__}: {' '.join(str(error).split())}"
                fail(bench.study, trial, "error", reason)
                state, words = "failed", reason
        except LostTrialError as error:
            state, words = "interrupted", str(error)
        if state != "interrupted":
            self._note(trial.number)
        self._emit(TrialEnded(trial.number, state, words))

    def _train(self, trial: optuna.Trial, chain: ChainConfig) -> tuple[str, str]:
        bench = self._bench
        watch = _Watch(
            bench, trial, chain, self._reader, self._lifeline, self._emit, is_baseline(trial)
        )
        student = bench.workbench.train_student(chain.student, watch)
        if isinstance(student, StoppedStudent):
            if watch.stop is None:
                raise RuntimeError("a student stopped that nobody had told to")
            self._upload(trial, watch, None)
            prune(bench.study, trial, student.stages, as_record(watch.stop))
            return "pruned", watch.stop.reason.words
        own = self._evaluate(student, chain)
        offered = self._offer(trial, chain, student)
        # Its own point last: a worker that dies before this leaves a trial that is gone on with,
        # and none that ended without its offers.
        self._upload(trial, watch, own)
        latency_ms = self._latency_ms(chain, chain.scheme)
        audited = None if watch.audit is None else as_record(watch.audit)
        complete(bench.study, trial, own, latency_ms, student.stages, audited)
        self._emit(_point(trial.number, chain.scheme, "sampled", own, latency_ms))
        return "complete", f"accuracy {student.accuracy:.4f}, {1 + offered} points"

    def _offer(self, trial: optuna.Trial, chain: ChainConfig, student: TrainedStudent) -> int:
        """Add every further scheme of the student that could enter the front; return how many."""
        bench = self._bench
        added = 0
        while not self._lifeline.stopping:
            worth = offers(
                self._reader.read(),
                chain,
                student.accuracy,
                bench.costs,
                _schemes(bench.space),
                objectives=bench.config.objectives,
                accuracy_floor=bench.accuracy_floor,
            )
            if not worth:
                return added
            scheme = SCHEMES[worth[0].scheme]
            offered = ChainConfig(chain.student, scheme)
            evaluation = self._evaluate(student, offered)
            latency_ms = self._latency_ms(chain, scheme)
            add_offer(bench.study, trial, offered, evaluation, latency_ms)
            self._emit(_point(trial.number, scheme, "offered", evaluation, latency_ms))
            added += 1
        raise ReleasedError

    def _evaluate(self, student: TrainedStudent, chain: ChainConfig) -> Evaluation:
        evaluation = self._bench.workbench.evaluate(
            student, chain.student.architecture, chain.scheme, "validation"
        )
        expected = self._bench.costs.of(
            chain.student.architecture.key, scheme_name(chain.scheme)
        ).size_bytes
        if evaluation.size_bytes != expected:
            raise RuntimeError(
                f"the artifact has {evaluation.size_bytes} bytes and the cost table "
                f"{expected}: the table does not hold for it"
            )
        return evaluation

    def _upload(self, trial: optuna.Trial, watch: _Watch, evaluation: Evaluation | None) -> None:
        upload_trial_artifacts(
            trial,
            self._bench.artifacts,
            curve=watch.curve,
            evaluation=evaluation,
            classes=self._bench.workbench.data.class_names,
        )

    def _note(self, number: int) -> None:
        """Say in words, for the dashboard, what became of a trial and of its offers."""
        study = self._bench.study
        history = self._reader.read()
        summary = StudySummary.of(study.study_name, study.user_attrs, history)
        offered = [point.number for point in history.points if point.offered_by == number]
        for noted in (number, *offered):
            save_trial_note(study, summary, noted)

    def _protect_front(self) -> None:
        """Have the stage cache keep what the front's students, and the teacher, are made of."""
        study, workbench = self._bench.study, self._bench.workbench
        history = self._reader.read()
        front = StudySummary.of(study.study_name, study.user_attrs, history).front
        chosen = {member.point.student for member in front}
        students = [student for student in history.students if student.key in chosen]
        stages = [stage for student in students for stage in student.stages]
        workbench.cache.keep = frozenset(
            [workbench.keys.teacher(), *(str(stage["key"]) for stage in stages)]
        )

    def _latency_ms(self, chain: ChainConfig, scheme: Scheme) -> float:
        architecture = chain.student.architecture.key
        return self._bench.costs.of(architecture, scheme_name(scheme)).latency_ms


def in_words(chain: ChainConfig) -> str:
    """Return a chain's settings in a few words."""
    student = chain.student
    parts = [f"width {student.architecture.width:g}"]
    if student.method.alpha > 0:
        temperature = getattr(student.method, "temperature", 0.0)
        parts.append(f"alpha {student.method.alpha:g} at T {temperature:g}")
    else:
        parts.append("without the teacher")
    parts.append(f"lr {student.schedule.learning_rate:g}")
    if isinstance(student.adaptation, LoRA):
        parts.append(f"LoRA rank {student.adaptation.rank} on {student.adaptation.targets}")
    return ", ".join([*parts, scheme_name(chain.scheme)])


def _schemes(space: Space) -> list[str]:
    return [str(name) for name in space.scheme.values]


def _point(
    trial: int, scheme: Scheme, origin: str, evaluation: Evaluation, latency_ms: float
) -> PointAdded:
    return PointAdded(
        trial=trial,
        scheme=scheme_name(scheme),
        origin=origin,
        accuracy=evaluation.accuracy,
        size_bytes=evaluation.size_bytes,
        latency_ms=latency_ms,
    )
