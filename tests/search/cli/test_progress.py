import io

import pytest
from rich.console import Console

from search.cli.progress import Pace, ProgressView
from search.workers.events import EpochEnded, PointAdded, TrialBegan, TrialEnded, from_line, to_line


def test_the_time_left_is_the_mean_trial_times_what_remains_over_the_workers():
    pace = Pace(workers=2, durations_s=[10.0, 20.0, 30.0])
    assert pace.left_s(8, []) == pytest.approx(8 * 20 / 2)
    # Two are half done: 6 whole ones and 2 halves.
    assert pace.left_s(8, [(5.0, 0.5), (5.0, 0.5)]) == pytest.approx((6 * 20 + 2 * 10) / 2)


def test_the_last_trials_own_rest_bounds_the_time_left_from_below():
    pace = Pace(workers=4, durations_s=[20.0])
    assert pace.left_s(1, [(2.0, 0.1)]) == pytest.approx(18.0)


def test_before_any_trial_ended_the_progress_of_the_first_tells_the_time():
    pace = Pace(workers=1)
    assert pace.left_s(3, []) is None
    assert pace.left_s(3, [(5.0, 0.0)]) is None
    assert pace.left_s(3, [(5.0, 0.25)]) == pytest.approx(2 * 20 + 15)


def test_without_a_terminal_each_step_is_a_line():
    stream = io.StringIO()
    view = ProgressView(
        Console(file=stream, width=200),
        "study x",
        total=4,
        ended=1,
        points=3,
        stopped=0,
        pace=Pace(1, [10.0]),
    )
    with view:
        view.take(0, TrialBegan(1, "width 0.5", goes_on_with=0))
        view.take(0, EpochEnded(1, "distill", 1, 8, 0.1, 0.5, reused=False))
        view.take(0, PointAdded(1, "int8_static", "sampled", 0.97, 250_000, 0.31))
        view.take(0, TrialEnded(1, "stopped", "cannot matter"))
    lines = stream.getvalue().splitlines()
    assert lines[0] == "study x"
    assert "trial 1 begins (goes on with trial 0): width 0.5" in lines[1]
    assert "distill epoch 1/8, accuracy 0.500" in lines[2]
    assert "1/4 trials, 3 points" in lines[2]
    assert "int8_static (sampled) accuracy 0.9700, 0.250 MB, 0.31 ms" in lines[3]
    assert "2/4 trials, 4 points, 1 stopped" in lines[4]


def test_an_interrupted_trial_does_not_count_as_ended():
    stream = io.StringIO()
    with ProgressView(
        Console(file=stream, width=200),
        "x",
        total=2,
        ended=0,
        points=0,
        stopped=0,
        pace=Pace(1),
    ) as view:
        view.take(0, TrialBegan(0, "w"))
        view.take(0, TrialEnded(0, "interrupted", "stopped by you"))
    assert "0/2 trials" in stream.getvalue().splitlines()[-1]


def test_every_event_survives_the_pipe():
    for event in (
        TrialBegan(3, "a", None),
        EpochEnded(None, "teacher", 1, 2, 0.5, 0.25, reused=True),
        PointAdded(1, "fp32", "offered", 0.5, 10, 0.1),
    ):
        assert from_line(to_line(event)) == event
    with pytest.raises((ValueError, KeyError)):
        from_line("a library's warning")
