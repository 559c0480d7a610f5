"""The surrogate that answers for students a recorded table has not."""

import math
from pathlib import Path

import numpy as np
import pytest

from benchmarks.replay.one_search import named_strategy
from benchmarks.replay.simulation import simulate
from benchmarks.tables import off_grid
from benchmarks.tables.off_grid import HEAD, row, widened
from benchmarks.tables.oracle_search import prefix_key
from benchmarks.tables.recorded import RecordedStage, RecordedStudent, Table, load_table, table_of
from benchmarks.tables.regression import Regression
from benchmarks.tables.surrogate import Surrogate
from spaces import InputError, StudentConfig, student_key
from studies import StudyConfig, parse_study
from tests.benchmarks import tiny_table

RECORDED = Path(__file__).parents[3] / "benchmarks" / "tables" / "digits_resnet.parquet"
SPACE = {
    "distill.alpha": [0.0, 0.4, 0.8],
    "distill.temperature": [2, 4, 8],
    "distill.learning_rate": [0.001, 0.005, 0.025],
    "adapt.rank": [0, 2, 8],
}


def study(space: dict[str, object] | None = None) -> StudyConfig:
    values = tiny_table.config().to_dict()
    for name, domain in {**SPACE, **(space or {})}.items():
        table, _, key = name.partition(".")
        values["space"][table][key] = domain
    return parse_study(values, "the tests")


def law(student: StudentConfig) -> RecordedStudent:
    """Make up a student whose accuracies follow from its settings alone."""
    distill, *adapts = student.stages
    softening = math.log(distill.method.temperature) if student.needs_teacher else 0.0
    rate = math.log(distill.learning_rate / 0.005)
    log = -0.8 - student.network.width + 0.06 * rate**2
    log -= 0.3 * distill.method.alpha * (1 + 0.2 * softening)
    stages = [stage([log + 0.2 * left for left in (2, 1, 0)], 20 * student.network.width)]
    for adapt in adapts:
        gain = 0.05 * math.log(adapt.rank)
        stages.append(stage([log - gain / 2, log - gain], 4.0))
        log -= gain
    scores = {"fp32": 1 - math.exp(log), "int8_static": 1 - math.exp(log + 0.05)}
    times = {"fp32": 2.0, "int8_static": 1.0}
    return RecordedStudent(student, tuple(stages), scores, scores, times)


def stage(logs: list[float], seconds: float) -> RecordedStage:
    return RecordedStage(tuple(1 - math.exp(log) for log in logs), (seconds,) * len(logs))


def made_up() -> Table:
    config, tiny = study(), tiny_table.table()
    students = [law(one) for one in config.search_space().students()]
    return table_of(config, tiny.costs, tiny.teacher, students, validation_images=2000, meta={})


TABLE = made_up()
SURROGATE = Surrogate(TABLE)
FINER = study(
    {
        "distill.alpha": {"low": 0.0, "high": 0.8, "step": 0.2},
        "distill.temperature": [2, 3, 4, 8],
        "distill.learning_rate": [0.001, 0.002, 0.005, 0.012, 0.025],
        "adapt.rank": [0, 2, 4, 8],
    }
)


def test_recorded_students_are_as_they_were_and_the_others_follow_the_law():
    wide = widened(SURROGATE, FINER, luck=False)
    assert wide.students.items() >= TABLE.students.items()
    assert wide.meta["surrogate"] == {"recorded": len(TABLE.students), "luck": False}
    between = [one for key, one in wide.students.items() if key not in TABLE.students]
    assert len(between) > len(TABLE.students)
    wrong = []
    for said in between:
        true = law(said.config)
        assert said.stages[0].seconds == pytest.approx(true.stages[0].seconds, rel=0.02)
        assert said.evaluation_seconds == pytest.approx(true.evaluation_seconds, rel=0.02)
        assert [len(one.accuracies) for one in said.stages] == [
            len(one.accuracies) for one in true.stages
        ]
        wrong.append(abs(said.accuracy - true.accuracy))
        wrong += [abs(said.validation[name] - true.validation[name]) for name in TABLE.schemes]
        wrong += [abs(said.test[name] - true.test[name]) for name in TABLE.schemes]
    assert np.mean(wrong) < 0.003
    assert max(wrong) < 0.015


def test_accuracies_are_shares_of_whole_images_and_students_of_one_distillation_share_it():
    wide = widened(SURROGATE, FINER)
    recorded = {prefix_key(student) for student in TABLE.students.values()}
    distills = {}
    for student in wide.students.values():
        answered: list[float] = []
        if student_key(student.config) not in TABLE.students:
            answered += student.validation.values()
        if prefix_key(student) not in recorded:
            answered += student.stages[0].accuracies
        for accuracy in answered:
            assert accuracy * TABLE.validation_images == pytest.approx(
                round(accuracy * TABLE.validation_images)
            )
        first = student.stages[0]
        assert distills.setdefault(student.config.prefix(1), first) == first


def test_luck_makes_a_wider_table_as_rough_as_the_recorded_one_and_is_drawn_by_the_settings():
    recorded = load_table(RECORDED)
    surrogate = Surrogate(recorded)
    values = recorded.config.to_dict()
    values["space"]["distill"]["alpha"] = {"low": 0.0, "high": 0.9, "step": 0.1}
    config = parse_study(values, "the tests")
    lucky, again = (widened(surrogate, config) for _ in range(2))
    smooth = widened(surrogate, config, luck=False)
    assert lucky.students == again.students
    new = [key for key in smooth.students if key not in recorded.students]

    def end(student):
        return math.log(1 - student.stages[0].accuracies[-1] + 1 / 720)

    luck = np.array([end(lucky.students[key]) - end(smooth.students[key]) for key in new])
    unforeseen = []
    prefixes = {prefix_key(one): one for one in recorded.students.values()}
    for prefix, one in prefixes.items():
        (said,) = surrogate.answers([one.config], luck=False, without=prefix)
        unforeseen.append(end(one) - end(said))
    assert luck.std() == pytest.approx(np.std(unforeseen), rel=0.25)


def test_the_program_searches_a_wider_table_like_any_other(tmp_path):
    wide = widened(SURROGATE, FINER)
    wide.save(tmp_path / "wide.parquet")
    loaded = load_table(tmp_path / "wide.parquet")
    assert loaded.students == wide.students
    traces = [
        simulate(table, named_strategy("ehvi", "freeze_thaw"), seed=3, trials=25)
        for table in (wide, loaded)
    ]
    assert traces[0].points == traces[1].points
    assert {point.student for point in traces[0].points} - set(TABLE.students)


@pytest.mark.parametrize(
    ("space", "words"),
    [
        ({"distill.alpha": [0.0, 0.9]}, "distill.alpha 0.9, only of 0 to 0.8"),
        ({"distill.learning_rate": [0.0005, 0.005]}, "rate 0.0005, only of 0.001 to 0.025"),
        ({"adapt.rank": [0, 1, 2]}, "adapt.rank 1.*, only of 2 to 8"),
        ({"network.width": [0.25, 0.4]}, "network.width 0.4, only of 0.25, 0.5"),
        ({"adapt.targets": ["classifier"]}, "adapt.targets classifier, only of dense"),
        ({"distill.epochs": 4}, "distill.epochs 4, only of 3"),
        ({"distill.batch_size": [32, 64]}, "a surrogate knows nothing of distill.batch_size"),
        ({"distill.method": ["logit", "none"]}, "students that are distilled by logits"),
    ],
)
def test_a_space_beyond_what_was_recorded_is_refused(space, words):
    with pytest.raises(InputError, match=words):
        widened(SURROGATE, study(space))


def test_a_study_of_other_images_is_refused():
    values = FINER.to_dict()
    values["data"]["validation_fraction"] = 0.3
    with pytest.raises(InputError, match="differs from tiny in more than its space"):
        widened(SURROGATE, parse_study(values, "the tests"))


def test_what_a_group_says_does_not_come_from_itself():
    rng = np.random.default_rng(0)
    features = rng.normal(size=(24, 2))
    outputs = np.stack([features[:, 0], features.sum(axis=1)], axis=1)
    groups = [str(i // 3) for i in range(24)]
    regression = Regression(features.tolist(), list(outputs), groups)
    expected = regression.predict(features[:3].tolist(), without="0")
    assert expected == pytest.approx(outputs[:3], abs=0.2)
    lucks = {tuple(luck) for luck in regression.luck([f"name {i}" for i in range(500)])}
    unforeseen = outputs[:3] - expected
    assert {tuple(luck) for luck in unforeseen} <= lucks
    assert len(lucks) == 24


@pytest.mark.long
def test_the_command_prints_errors_and_writes_a_table(tmp_path, monkeypatch, capsys):
    out = tmp_path / "wide.parquet"
    space = "space.distill.temperature={low=2, high=6, step=1}"
    monkeypatch.setattr("sys.argv", ["off_grid", str(RECORDED), "--out", str(out), "--set", space])
    off_grid.main()
    said = capsys.readouterr().out.splitlines()
    assert said[0] == HEAD
    assert said[2] == row(Surrogate(load_table(RECORDED)))
    wide = load_table(out)
    assert said[-1] == f"{out}: {len(wide.students):,} students"
    assert len(wide.students) == 4 * 3 * (1 + 2 * 5) * 5
