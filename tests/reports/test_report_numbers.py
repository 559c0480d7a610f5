"""The numbers of the tables against hand-computed ones and brute-force twins."""

import csv
import io
import json
from dataclasses import replace
from datetime import timedelta

import pytest
from rich.console import Console

from objectives import StageRecord
from objectives.fronts import Bounds
from objectives.fronts.pareto import hypervolume
from reports import (
    StudySummary,
    audit_rate,
    front_table,
    growth,
    points_csv,
    report_json,
    row_of,
    savings,
    words,
)
from reports.figures import learning_curves
from reports.importances import importances
from reports.rows import baseline_rows, front_rows, teacher_row
from reports.stage_breakdown import stage_breakdown
from reports.tables import COLUMNS
from spaces import SCHEME_KEY, InputError, scheme_named
from studies.records import History, Paused, RecordedRuling, Replicate, Stopped, Student

OBJECTIVES = ("accuracy", "size_bytes", "latency_ms")


def test_a_row_is_what_one_computes_by_hand(make_point, make_summary):
    point = make_point(7, 0.9, 11_240_000, 2.2)
    summary = make_summary(History(points=(point,)))
    row = row_of(summary, point)
    # 324 of 360: (0.9 + z²/720 ± z sqrt(0.09/360 + z²/(4 360²))) / (1 + z²/360), z = 1.96
    assert row.accuracy_low == pytest.approx(0.86473, abs=1e-4)
    assert row.accuracy_high == pytest.approx(0.92692, abs=1e-4)
    assert row.size_bytes == 11_200_000 + 40_000
    assert row.compression == pytest.approx(44_840_000 / 11_240_000)
    assert row.median_ms == pytest.approx(3.4 * 0.64)
    assert row.p95_ms == pytest.approx(1.3 * 3.4 * 0.64)
    assert row.speed_up == pytest.approx(1 / 0.64)
    assert row.flops == 20 * 11_200_000
    assert row.test_accuracy is None
    teacher = teacher_row(summary)
    assert (teacher.compression, teacher.speed_up, teacher.images) == (1, 1, 360)


def test_test_scores_belong_to_their_front(summary):
    member = summary.front[0].point
    assert row_of(summary, member).test_accuracy == pytest.approx(member.accuracy - 0.004)
    assert teacher_row(summary).test_accuracy == pytest.approx(0.985)
    changed = History(points=summary.history.points[:1])
    other = StudySummary(
        summary.name, summary.config, "", summary.costs, summary.teacher, changed,
        summary.test_scores,
    )  # fmt: skip
    assert teacher_row(other).test_accuracy is None


def test_the_terminal_table_shows_front_teacher_and_baselines(summary):
    console = Console(width=160, file=io.StringIO(), record=True)
    console.print(front_table(summary, 160))
    text = console.export_text()
    assert "teacher, resnet18" in text
    assert "best student without the teacher" in text
    for member in summary.front:
        assert f"\n{member.point.number} " in text


def test_csv_holds_every_point_in_base_units(summary):
    rows = list(csv.DictReader(io.StringIO(points_csv(summary))))
    assert [int(row["trial"]) for row in rows] == sorted(summary.points)
    on_front = {int(row["trial"]) for row in rows if row["on_front"] == "True"}
    assert on_front == {number for m in summary.front for number in m.numbers}
    for row in rows:
        point = summary.points[int(row["trial"])]
        assert float(row["accuracy"]) == point.accuracy
        assert int(row["size_bytes"]) == point.size_bytes
        if point.chain:
            params = summary.space.params_of(point.chain)
            for name in set(summary.space.searched) - {SCHEME_KEY}:
                assert row[name] == str(params.get(name, "")), name
            assert float(row["network.width"]) == point.chain.student.network.width
            assert row["scheme"] == point.scheme


def test_json_is_json_and_agrees(summary):
    report = json.loads(json.dumps(report_json(summary)))
    assert [row["trial"] for row in report["front"]] == [m.point.number for m in summary.front]
    assert report["trials"]["sampled_ended"] == 40
    assert report["trials"]["failed"] == 1
    assert report["trials"]["points"] == len(summary.history.points)


def test_an_empty_study_has_empty_tables(make_summary):
    empty = make_summary(History())
    assert points_csv(empty) == ""
    assert report_json(empty)["front"] == []
    assert growth(empty) == ()
    assert importances(empty) == {}


def test_a_study_without_costs_is_refused():
    with pytest.raises(
        InputError, match="has nothing to report yet: it lacks its costs and teacher"
    ):
        StudySummary.of("young", {}, History())


def test_hypervolume_grows_as_brute_force_says(summary):
    points = sorted(summary.history.points, key=lambda point: (point.completed, point.number))
    after = [
        hypervolume(points[: i + 1], summary.reference, OBJECTIVES) for i in range(len(points))
    ]
    grown = [i for i, value in enumerate(after) if i == 0 or value > after[i - 1] + 1e-12]
    steps = growth(summary)
    assert [step.trial for step in steps] == [points[i].number for i in grown]
    assert [step.hypervolume for step in steps] == pytest.approx([after[i] for i in grown])
    assert all(step.ended <= 40 for step in steps)


def test_savings_by_hand(summary, make_point):
    chain = summary.history.students[0].chain
    when = summary.history.students[0].completed

    def stages(seconds, reused):
        return (
            StageRecord("teacher", "t", 99.0, 99.0, 4),
            StageRecord("distill", "d", seconds, reused, 8),
        )

    trained = Student(0, "a", chain, ((1.0, 0.9),), stages(100.0, 30.0), None, when, 0.9)
    late = RecordedRuling("", 0.25, {})
    audited = Student(1, "b", chain, ((1.0, 0.9),), stages(80.0, 0.0), late, when, 0.9)
    stopped = Stopped(
        2, "c", chain, ((0.2, 0.5),), stages(10.0, 0.0), RecordedRuling("", 0.2, {}), when
    )
    offered = make_point(3, 0.9, 10, 1.0, student="a", origin="offered")
    saved = savings(History((offered,), (trained, audited), (stopped,)))
    assert saved.trained_s == 100 + 80 + 10 - 30
    assert saved.reused_s == 30
    assert saved.stopping_s == pytest.approx(40)  # 10 s for a fifth, so 40 s for the rest
    assert saved.audit_s == pytest.approx(60)
    assert (saved.offered, saved.offers_s, saved.offering_s) == (1, 100, 0.7)


def test_audit_counts_who_entered_the_front_when_it_ended(summary, make_point):
    known = summary.history.students[0]

    def student(number, key):
        when = make_point(number, 0, 1, 1).completed
        ruling = RecordedRuling("", 0.5, {})
        return Student(number, key, known.chain, known.curve, (), ruling, when, 0.9)

    points = (
        make_point(0, 0.90, 100, 1.0, student="first"),
        make_point(1, 0.95, 100, 1.0, student="entered"),
        make_point(2, 0.90, 100, 1.0, student="equal"),
        make_point(3, 0.80, 200, 2.0, student="beaten"),
        make_point(4, 0.99, 100, 1.0, student="later"),
    )
    students = (student(1, "entered"), student(2, "equal"), student(3, "beaten"))
    rate = audit_rate(History(points, students), OBJECTIVES)
    assert (rate.entered, rate.audited) == (1, 3)
    assert rate.low == pytest.approx(0.0084, abs=1e-4)
    assert rate.high == pytest.approx(0.9057, abs=1e-4)
    assert audit_rate(History(points), OBJECTIVES).audited == 0
    assert audit_rate(History(points, students), OBJECTIVES, bounds=Bounds(0.96)).entered == 0


def test_the_breakdown_goes_stage_by_stage(summary):
    students = {student.key: student for student in summary.history.students}
    adapted = next(
        point
        for point in summary.history.points
        if point.chain
        and len(point.chain.student.stages) == 2
        and point.chain.student.needs_teacher
    )
    lines = stage_breakdown(summary, adapted)
    assert [line.stage for line in lines] == [
        "teacher", "student alone", "distilled", "adapted", "quantized",
    ]  # fmt: skip
    student = students[adapted.student]
    assert lines[2].accuracy == student.curve[7][1]
    assert lines[3].accuracy == student.accuracy
    assert lines[4].accuracy == adapted.accuracy
    assert lines[4].cost.layout == scheme_named(adapted.scheme).layout.key
    assert {line.cost.layout for line in lines[:4]} == {"fp32"}
    quantized = next(point for point in summary.history.points if point.chain is None)
    assert [line.stage for line in stage_breakdown(summary, quantized)] == ["teacher", "quantized"]


def test_importances_find_what_decides(summary):
    shares = importances(summary)
    assert list(shares) == list(OBJECTIVES)
    for objective, weights in shares.items():
        assert sum(weights.values()) == pytest.approx(1)
        if objective != "accuracy":
            assert set(weights) == {"network width", "quantize scheme"}
    assert importances(summary) == shares


def test_two_objectives_are_enough(fabricate):
    two = StudySummary.load(fabricate(objectives=("accuracy", "size_bytes")))
    for member in two.front:
        assert not any(
            other.accuracy >= member.point.accuracy
            and other.size_bytes <= member.point.size_bytes
            and (other.accuracy, other.size_bytes)
            != (member.point.accuracy, member.point.size_bytes)
            for other in two.history.points
        )
    assert growth(two)[-1].hypervolume > 0
    assert set(importances(two)) == {"accuracy", "size_bytes"}


def test_points_complete_in_time_not_in_number(make_point, make_summary):
    late = make_point(0, 0.95, 100, 1.0)
    early = make_point(1, 0.92, 100, 1.0, completed=late.completed - timedelta(hours=1))
    steps = growth(make_summary(History(points=(late, early))))
    assert [(step.trial, step.seconds) for step in steps] == [(1, 0.0), (0, 3600.0)]


def test_every_table_states_the_probability_of_being_on_the_front(summary):
    known = summary.front_probability
    assert set(known) == set(summary.points)
    csv_rows = csv.DictReader(io.StringIO(points_csv(summary)))
    assert {int(row["trial"]): float(row["front_probability"]) for row in csv_rows} == known
    report = report_json(summary)
    for row in report["front"]:
        assert row["front_probability"] == known[row["trial"]] > 0
    assert report["teacher"]["front_probability"] is None
    column = next(column for column in COLUMNS if column.title == "on front")
    assert [column.text(row) for row in front_rows(summary)] == [
        words.probability(known[member.point.number]) for member in summary.front
    ]


def test_what_is_worth_nothing_to_the_study_has_no_chance_of_its_front(make_point, make_summary):
    summary = make_summary(
        History(points=(make_point(0, 0.95, 100, 1.0), make_point(1, 0.3, 50, 1.0)))
    )
    column = next(column for column in COLUMNS if column.title == "on front")
    below, above = front_rows(summary)
    assert (below.trial, below.counts, column.text(below)) == (1, False, words.NOTHING)
    assert (above.trial, above.counts, column.text(above)) == (0, True, "100 %")


def test_students_of_one_baseline_are_told_apart_by_their_networks(summary, make_point):
    chains = {p.chain.student.network.width: p.chain for p in summary.history.points if p.chain}
    points = tuple(
        make_point(number, 0.9, 100 + number, 1.0, chain=chain, baseline="student alone")
        for number, chain in enumerate(chains.values())
    )
    titles = [row.title for row in baseline_rows(replace(summary, history=History(points)))]
    assert len(titles) >= 4
    for width, title in zip(chains, titles, strict=False):
        network = "mobilenet_v2" if width == 1 else f"mobilenet_v2 x{width:g}"
        assert title.startswith(f"{network}, student alone: ")


def test_a_paused_student_is_not_called_stopped(summary):
    student = summary.history.students[0]
    ruling = RecordedRuling("paused", 0.5, {})
    its = (student.chain, student.curve[:6], (), ruling, student.completed)
    history = History(paused=(Paused(0, "a", *its),), stopped=(Stopped(1, "b", *its),))
    figure = learning_curves(replace(summary, history=history), None)
    assert [trace.name for trace in figure.data if trace.mode == "lines"] == ["stopped", "paused"]
    marks = [trace.hovertemplate for trace in figure.data if trace.mode == "markers"]
    assert [words for words in marks if "paused" in words]


def test_one_is_no_plural():
    assert [words.counted(n, "trial") for n in (0, 1, 2)] == ["0 trials", "1 trial", "2 trials"]


def test_replicates_decide_between_two_points_of_equal_cost(make_point, make_summary):
    history = History(
        points=(
            make_point(0, 0.95, 100, 1.0, student="lucky"),
            make_point(1, 0.94, 100, 1.0, student="steady"),
        )
    )
    before = make_summary(history)
    assert before.front_probability[0] > 0.5
    attrs = {"lucky": 0.90, "steady": 0.95}
    replicates = tuple(
        Replicate(student, seed, {"int8_static": accuracy}, 1.0)
        for student, accuracy in attrs.items()
        for seed in (1, 2)
    )
    after = replace(before, replicates=replicates)
    assert after.front_probability[1] > 0.8
    assert [member.point.number for member in after.front] == [0]
    # What was not scored under a point's scheme says nothing of it.
    other = tuple(replace(each, accuracies={"w4a8": 0.5}) for each in replicates)
    assert replace(before, replicates=other).front_probability == before.front_probability
