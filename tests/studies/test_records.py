import time
from collections.abc import Sequence

import optuna
import pytest
from optuna.storages import RDBStorage
from optuna.trial import TrialState

from objectives import Evaluation, StageRecord
from objectives.costs.table import Cost, CostTable
from spaces import (
    SCHEMES,
    ChainConfig,
    DistilfrontError,
    scheme_named,
    student_key,
    to_dict,
)
from studies import create_or_resume, load_study
from studies.records import (
    Attr,
    HistoryReader,
    LostTrialError,
    Paused,
    RecordedRuling,
    Replicate,
    Stopped,
    StudyAttr,
    add_baseline,
    add_epoch,
    add_offer,
    complete,
    costs_of,
    describe,
    fail,
    prune,
    read_history,
    record_replicate,
    replicates_of,
)

STAGES = (StageRecord("distill", "ab", seconds=3.0, seconds_reused=1.0, epochs=2),)
RULING = {"words": "could not reach trial 3", "progress": 0.5, "bound": 0.5}
RULED = RecordedRuling("could not reach trial 3", 0.5, RULING)


def evaluation(accuracy: float, size_bytes: int) -> Evaluation:
    return Evaluation(
        split="validation",
        images=4,
        accuracy=accuracy,
        f1=accuracy,
        precision=accuracy,
        recall=accuracy,
        kl_to_teacher=0.1,
        confusion=((2, 1), (0, 1)),
        size_bytes=size_bytes,
        seconds=0.5,
    )


def new_study(storage: RDBStorage, objectives: Sequence[str] | None = None) -> optuna.Study:
    overrides = [] if objectives is None else [f"objectives={list(objectives)}"]
    return create_or_resume(load_study("kd_lora_q", overrides), storage)


def begun(study: optuna.Study) -> tuple[optuna.Trial, ChainConfig]:
    config = load_study("kd_lora_q")
    trial = study.ask()
    chain = config.search_space().suggest(trial)
    describe(trial, chain)
    return trial, chain


def other_scheme(chain: ChainConfig) -> ChainConfig:
    scheme = next(scheme for scheme in SCHEMES.values() if scheme != chain.scheme)
    return ChainConfig(chain.student, scheme)


def test_points_of_older_studies_lack_what_was_not_computed_then(storage: RDBStorage) -> None:
    study = new_study(storage)
    add_baseline(study, "teacher", "fp32", evaluation(0.9, 9000), 2.0)
    (new,) = study.get_trials()
    recorded = dict(new.user_attrs[Attr.EVALUATION])
    del recorded["mutual_information"], recorded["calibration_error"]
    new.user_attrs[Attr.EVALUATION.value] = recorded
    study.add_trial(new)
    _, old = read_history(study).points
    assert old.evaluation == evaluation(0.9, 9000)
    assert (old.evaluation.mutual_information, old.evaluation.calibration_error) == (None, None)


def test_what_is_written_is_read_back(storage: RDBStorage) -> None:
    study = new_study(storage)
    finished, chain = begun(study)
    add_epoch(finished, 0.5, 0.25)
    add_epoch(finished, 1.0, 0.75)
    complete(study, finished, evaluation(0.7, 1000), 0.5, STAGES, audited=RULING)
    offered = other_scheme(chain)
    add_offer(study, finished, offered, evaluation(0.6, 500), 0.25)
    add_baseline(study, "teacher quantized directly", "w4a8", evaluation(0.9, 9000), 2.0)
    stopped, stopped_chain = begun(study)
    add_epoch(stopped, 0.5, 0.125)
    prune(study, stopped, STAGES, RULING)
    failed, _ = begun(study)
    fail(study, failed, "diverged", "loss is NaN in epoch 2")
    running, _ = begun(study)
    add_epoch(running, 0.25, 0.1)
    study.enqueue_trial({"network.width": 0.5})

    history = read_history(study)
    own, offer, baseline = history.points
    key = student_key(chain.student)
    assert (own.number, own.origin, own.student, own.chain) == (0, "sampled", key, chain)
    assert (own.accuracy, own.size_bytes, own.latency_ms) == (0.7, 1000, 0.5)
    assert own.evaluation == evaluation(0.7, 1000)
    assert (offer.origin, offer.offered_by, offer.student) == ("offered", 0, key)
    assert (offer.accuracy, offer.size_bytes, offer.latency_ms) == (0.6, 500, 0.25)
    assert offer.chain == offered
    assert scheme_named(offer.scheme) == offered.scheme
    assert (baseline.origin, baseline.student, baseline.chain) == ("baseline", "teacher", None)
    assert (baseline.baseline, baseline.scheme) == ("teacher quantized directly", "w4a8")
    assert baseline.latency_ms == 2.0

    (student,) = history.students
    assert (student.number, student.key, student.accuracy) == (0, key, 0.75)
    assert student.curve == ((0.5, 0.25), (1.0, 0.75))
    assert student.audited == RULED
    assert student.stages == STAGES
    (pruned,) = history.stopped
    assert (pruned.chain, pruned.ruling) == (stopped_chain, RULED)
    assert (history.pruned, history.paused) == (history.stopped, ())
    assert pruned.curve == ((0.5, 0.125),)
    (failure,) = history.failed
    assert (failure.kind, failure.reason) == ("diverged", "loss is NaN in epoch 2")
    assert [run.curve for run in history.running] == [((0.25, 0.1),), ()]
    assert history.ended == 3


def test_an_offer_has_the_students_parameters_and_its_own_scheme(storage: RDBStorage) -> None:
    study = new_study(storage)
    trial, chain = begun(study)
    offered = other_scheme(chain)
    add_offer(study, trial, offered, evaluation(0.6, 500), 0.25)
    added = study.get_trials()[1]
    assert added.state == TrialState.COMPLETE
    key = "quantize.scheme"
    assert {**added.params, key: trial.params[key]} == trial.params
    assert scheme_named(added.params[key]) == offered.scheme
    assert added.distributions == trial.distributions


@pytest.mark.parametrize(
    ("objectives", "values"),
    [
        (("accuracy", "size_bytes", "latency_ms"), [0.7, 1000.0, 0.5]),
        (("accuracy", "size_bytes"), [0.7, 1000.0]),
        (("accuracy", "latency_ms"), [0.7, 0.5]),
    ],
)
def test_a_point_has_three_objectives_whichever_the_study_chose(
    storage: RDBStorage, objectives: tuple[str, ...], values: list[float]
) -> None:
    study = new_study(storage, objectives)
    trial, chain = begun(study)
    add_epoch(trial, 1.0, 0.75)
    costs = tuple(
        Cost(network, scheme.layout.key, 1000, 0.5, 0.6, 0.01, latency_ms, 1, 1)
        for network, latency_ms in ((chain.student.network.key, 0.5), ("resnet18@1", 3))
        for scheme in SCHEMES.values()
    )
    table = CostTable(costs, "resnet18@1", "onnxruntime", {}, processes=3, calls=200, threads=1)
    study.set_user_attr(StudyAttr.COSTS.value, to_dict(table))
    assert costs_of(study) == table
    complete(study, trial, evaluation(0.7, 1000), 0.5, STAGES)
    add_baseline(study, "teacher", "fp32", evaluation(0.9, 9000), 3.0)
    assert study.get_trials()[0].values == values
    own, teacher = read_history(study).points
    assert (own.accuracy, own.size_bytes, own.latency_ms) == (0.7, 1000, 0.5)
    assert (teacher.accuracy, teacher.size_bytes, teacher.latency_ms) == (0.9, 9000, 3.0)


def test_a_ruling_that_does_not_say_how_far_a_student_was_stands_at_its_end(
    storage: RDBStorage,
) -> None:
    study = new_study(storage)
    trial, _ = begun(study)
    prune(study, trial, STAGES, {"words": "why"})
    (stopped,) = read_history(study).stopped
    assert stopped.ruling == RecordedRuling("why", 1.0, {"words": "why"})


def test_stopped_and_paused_trials_are_told_apart(storage: RDBStorage) -> None:
    study = new_study(storage)
    trials = [begun(study) for _ in range(4)]
    for (trial, _), paused in zip(trials, (False, True, True, False), strict=True):
        add_epoch(trial, 0.5, 0.25)
        prune(study, trial, STAGES, {**RULING, "paused": paused})
    history = read_history(study)
    assert [(type(trial), trial.number) for trial in history.pruned] == [
        (Stopped, 0),
        (Paused, 1),
        (Paused, 2),
        (Stopped, 3),
    ]
    assert [trial.number for trial in history.stopped] == [0, 3]
    assert [trial.number for trial in history.paused] == [1, 2]
    assert history.waiting == history.paused
    assert history.ruled_out == history.stopped
    # A trial that goes on with a paused one is the same sample again.
    again = study.ask()
    again.set_user_attr("resumes", 1)
    describe(again, trials[1][1])
    assert [trial.number for trial in read_history(study).waiting] == [2]
    prune(study, again, STAGES, {**RULING, "paused": False})
    history = read_history(study)
    assert [trial.number for trial in history.paused] == [1, 2]
    assert [trial.number for trial in history.waiting] == [2]
    assert sorted(trial.number for trial in history.ruled_out) == [0, 3, 4]
    assert history.pruned[-1].resumes == 1
    assert history.ended == 4


def test_a_running_trial_has_its_student_as_soon_as_it_is_described(storage: RDBStorage) -> None:
    study = new_study(storage)
    trial, chain = begun(study)
    study.ask()
    described, silent = read_history(study).running
    assert (described.number, described.chain) == (trial.number, chain)
    assert described.student == student_key(chain.student)
    assert (silent.student, silent.chain) == (None, None)


def test_interrupted_trials_have_not_ended(storage: RDBStorage) -> None:
    study = new_study(storage)
    for kind in ("interrupted", "error"):
        trial, _ = begun(study)
        fail(study, trial, kind, "why")
    assert read_history(study).ended == 1
    assert costs_of(study) is None


def test_a_trial_that_another_ended_is_lost_and_said_so(storage: RDBStorage) -> None:
    study = new_study(storage)
    trial, chain = begun(study)
    study.tell(trial.number, state=TrialState.FAIL)
    for write in (
        lambda: describe(trial, chain),
        lambda: add_epoch(trial, 1.0, 0.5),
        lambda: complete(study, trial, evaluation(0.7, 1000), 0.5, STAGES),
        lambda: prune(study, trial, STAGES, RULING),
        lambda: fail(study, trial, "error", "why"),
    ):
        with pytest.raises(LostTrialError, match="trial 0 was ended by another worker"):
            write()
    assert study.get_trials()[0].state == TrialState.FAIL


def test_a_complete_trial_without_a_curve_is_a_fault(storage: RDBStorage) -> None:
    study = new_study(storage)
    trial, _ = begun(study)
    complete(study, trial, evaluation(0.7, 1000), 0.5, ())
    with pytest.raises(DistilfrontError, match="trial 0 is complete but has no learning curve"):
        read_history(study)


def test_a_reader_sees_what_a_fresh_one_sees_whatever_the_order(storage: RDBStorage) -> None:
    study = new_study(storage)
    reader = HistoryReader(study)
    open_trials = [begun(study) for _ in range(6)]
    for number in (3, 1, 5, 0, 2):
        trial, _ = open_trials[number]
        add_epoch(trial, 1.0, 0.1 * number)
        if number % 2:
            complete(study, trial, evaluation(0.7, 1000 + number), 0.5, STAGES)
        else:
            prune(study, trial, STAGES, RULING)
        assert reader.read() == read_history(study)
    assert [point.number for point in reader.read().points] == [1, 3, 5]
    assert [stop.number for stop in reader.read().stopped] == [0, 2]


@pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")
def test_reading_again_parses_nothing_again() -> None:
    study = optuna.create_study(directions=["maximize", "minimize", "minimize"])
    study.set_metric_names(["accuracy", "size_bytes", "latency_ms"])
    trial, chain = begun(study)
    for number in range(1_000):
        add_offer(study, trial, chain, evaluation(0.5, number), 0.5)
    reader = HistoryReader(study)
    began = time.perf_counter()
    assert len(reader.read().points) == 1_000
    first_s = time.perf_counter() - began
    began = time.perf_counter()
    assert len(reader.read().points) == 1_000
    assert time.perf_counter() - began < first_s / 5


def test_replicates_come_back_and_the_history_knows_nothing_of_them(storage: RDBStorage) -> None:
    study = new_study(storage)
    begun(study)
    before = read_history(study)
    first = Replicate("b" * 64, 10, {"fp32": 0.9, "w4a8": 0.8}, 2.5)
    second = Replicate("a" * 64, 8, {"fp32": 0.7}, 1.5)
    for replicate in (first, second, Replicate("b" * 64, 9, {"fp32": 0.1}, 0.5)):
        record_replicate(study, replicate)
    third = Replicate("b" * 64, 9, {"fp32": 0.95, "w4a8": 0.9}, 2.0)
    record_replicate(study, third)
    again = optuna.load_study(study_name=study.study_name, storage=storage)
    assert replicates_of(again.user_attrs) == (second, third, first)
    assert read_history(again) == before
    assert replicates_of({StudyAttr.CONFIG: {}}) == ()
