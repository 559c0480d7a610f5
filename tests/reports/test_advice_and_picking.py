"""What is advised and what is picked: the same point, honest where there is none."""

import pytest

from reports import advise, goals, pick
from reports.front import front_of
from spaces import InputError
from studies.records import History

OBJECTIVES = ("accuracy", "size_bytes", "latency_ms")


def test_front_holds_what_nothing_beats_and_joins_equals(make_point):
    points = (
        make_point(0, 0.9, 100, 1.0),
        make_point(1, 0.9, 100, 1.0),
        make_point(2, 0.8, 100, 1.0),
        make_point(3, 0.95, 300, 2.0),
        make_point(4, 0.8, 50, 3.0),
    )
    front = front_of(points, OBJECTIVES)
    assert [member.numbers for member in front] == [(4,), (0, 1), (3,)]
    assert [m.numbers for m in front_of(points, OBJECTIVES[:2])] == [(4,), (0, 1), (3,)]
    assert front_of((), OBJECTIVES) == ()


def test_advice_is_the_pick_named_knee(summary):
    advice = advise(summary)
    assert advice.point is not None
    assert advice.point == pick(summary, "knee")
    assert advice.point.accuracy >= summary.floor
    assert advice.sentence.startswith(f"ship trial {advice.point.number}: ")
    assert "below the teacher" in advice.sentence
    assert "times smaller" in advice.sentence
    assert "times faster" in advice.sentence


def test_advice_says_what_it_compares(make_point, make_summary):
    # The teacher's int8 file: 11.24 MB of 44.84, 2.176 ms of 3.4, 0.9889 - 0.9829 = 0.6 points.
    point = make_point(7, 0.9829, 11_240_000, 2.2)
    summary = make_summary(History(points=(point,)))
    assert advise(summary).sentence == (
        "ship trial 7 (the teacher itself, int8 static): "
        "0.6 points below the teacher, 4 times smaller, 1.56 times faster"
    )
    (accuracy,) = goals(summary, point)  # Nobody asked for more.
    assert accuracy.met
    assert accuracy.asked == "at least 90 % of the teacher's accuracy"
    assert accuracy.reached == "99.4 % of it"


def test_the_ticks_are_the_bounds_that_the_study_sets(make_point, make_summary):
    point = make_point(7, 0.9829, 11_240_000, 2.2)
    bounds = {"size_of_teacher": 0.25, "size_mb": 11.3, "latency_of_teacher": 0.7, "latency_ms": 2}
    found = goals(make_summary(History(points=(point,)), bounds=bounds), point)
    assert [(goal.objective, goal.asked, goal.reached, goal.met) for goal in found[1:]] == [
        ("size_bytes", "at most 25 % of the teacher's size", "25.1 % of it", False),
        ("latency_ms", "at most 70 % of the teacher's latency", "64.7 % of it", True),
        ("size_bytes", "at most 11.3 MB", "11.2 MB", True),
        ("latency_ms", "at most 2.00 ms", "2.20 ms", False),
    ]


def test_what_is_beyond_a_bound_is_no_advice_and_no_pick(make_point, make_summary):
    points = (make_point(1, 0.95, 5_000_000, 1.0), make_point(2, 0.97, 20_000_000, 2.0))
    free = make_summary(History(points=points))
    bound = make_summary(History(points=points), bounds={"size_mb": 6})
    assert [summary.counts(points[1]) for summary in (free, bound)] == [True, False]
    assert pick(free, "accurate").number == 2
    assert pick(bound, "accurate").number == advise(bound).point.number == 1
    assert pick(bound, "accurate", max_size_bytes=30_000_000).number == 2
    assert bound.reference.size_bytes == 6e6
    assert bound.reference.latency_ms == free.reference.latency_ms == 3.4
    none = make_summary(History(points=points), bounds={"size_mb": 1, "latency_ms": 0.5})
    assert none.bounds.reference(none.teacher.cost).losses().tolist()[1:] == [1e6, 0.5]
    assert advise(none).point is None
    assert advise(none).sentence.startswith(
        "nothing to ship yet: no point has accuracy of at least 89.0 % and at most 1.00 MB and at "
        "most 0.500 ms; the most accurate is trial 2"
    )


def test_a_slower_and_better_point_is_called_so(make_point, make_summary):
    point = make_point(7, 0.9999, 44_840_000, 3.4, scheme="fp32")
    sentence = advise(make_summary(History(points=(point,)))).sentence
    assert sentence.endswith("1.1 points above the teacher, no smaller, no faster")


def test_the_teacher_as_it_is_is_no_advice_while_there_is_another(make_point, make_summary):
    # Of two places on a front both are as near to the ideal, and ties go to the more accurate.
    itself = make_point(0, 0.9889, 44_840_000, 3.4, scheme="fp32")
    quantized = make_point(1, 0.9829, 11_240_000, 2.2)
    assert advise(make_summary(History(points=(itself, quantized)))).point == quantized
    assert advise(make_summary(History(points=(itself,)))).point == itself


def test_advice_is_honest_when_nothing_is_good_enough(make_point, make_summary):
    assert advise(make_summary(History())).sentence == "nothing to ship yet: no trial is complete"
    poor = make_summary(History(points=(make_point(3, 0.7, 10, 1.0), make_point(4, 0.6, 9, 1.0))))
    advice = advise(poor)
    assert advice.point is None
    assert "no point reaches 89.0 % accuracy (0.9 of the teacher's)" in advice.sentence
    assert "trial 3" in advice.sentence
    assert "70.0 %" in advice.sentence


def test_the_studys_own_floor_counts(make_point, make_summary):
    points = (make_point(3, 0.7, 10, 1.0),)
    lenient = make_summary(History(points=points), bounds={"accuracy_of_teacher": 0.5})
    assert lenient.floor == pytest.approx(0.5 * 0.9889)
    assert advise(lenient).point == points[0]


def test_every_pick_is_the_best_of_its_kind(summary):
    members = [m.point for m in summary.front]
    good = [point for point in members if point.accuracy >= summary.floor]
    assert pick(summary, "accurate").accuracy == max(p.accuracy for p in members)
    assert pick(summary, "smallest").size_bytes == min(p.size_bytes for p in good)
    assert pick(summary, "fastest").latency_ms == min(p.latency_ms for p in good)
    number = summary.history.points[-1].number
    assert pick(summary, str(number)).number == number


def test_limits_narrow_the_choice(summary):
    members = [m.point for m in summary.front]
    limit = sorted(point.size_bytes for point in members)[len(members) // 2]
    chosen = pick(summary, "accurate", max_size_bytes=limit)
    assert chosen.accuracy == max(p.accuracy for p in members if p.size_bytes <= limit)
    assert pick(summary, "smallest", min_accuracy=0.0).size_bytes == min(
        p.size_bytes for p in members
    )


def test_picks_that_cannot_be_say_what_can(summary):
    with pytest.raises(InputError, match=r"unknown pick 'best': known are knee, accurate"):
        pick(summary, "best")
    with pytest.raises(InputError, match=r"trial 99999 .* is not complete: complete are 0 to "):
        pick(summary, "99999")
    with pytest.raises(InputError, match=r"accuracy of at least 99\.9 % and at most 10 kB"):
        pick(summary, "knee", min_accuracy=0.999, max_size_bytes=10_000)
    with pytest.raises(InputError, match=r"trial 0 has 98\.. %, 44\.8 MB, 3\.40 ms"):
        pick(summary, "0", max_latency_ms=1.0)


def test_nothing_complete_is_an_input_error(make_summary):
    with pytest.raises(InputError, match="has no complete trial"):
        pick(make_summary(History()), "knee")
    with pytest.raises(InputError, match="complete are none"):
        pick(make_summary(History()), "3")
