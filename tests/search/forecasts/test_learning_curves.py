"""What unfinished training says of its end."""

from dataclasses import replace

import numpy as np
import pytest

from objectives import StageRecord
from search.forecasts.learning_curves import (
    CurveExtrapolator,
    epochs_left,
    log_error,
    progress_of,
    seconds_an_epoch,
)
from spaces import Adapt, ChainConfig, student_key
from studies.records import History, Running, Stopped, Student
from tests.search import fabricated
from tests.search.fabricated import IMAGES

CURVE = [(0.1 * i, 0.5 + 0.04 * i) for i in range(1, 11)]


def ended(chain: ChainConfig, curve, stages=()) -> Student:
    when = fabricated.history(np.random.default_rng(0), 1).points[0].completed
    return Student(0, student_key(chain.student), chain, tuple(curve), tuple(stages), None, when,
                   curve[-1][1])  # fmt: skip


def stopped(chain: ChainConfig, curve) -> Stopped:
    when = fabricated.history(np.random.default_rng(0), 1).points[0].completed
    ruling = fabricated.ruling()
    return Stopped(1, student_key(chain.student), chain, tuple(curve), (), ruling, when)


def adapting(chain: ChainConfig) -> ChainConfig:
    adapt = Adapt(epochs=3, learning_rate=0.01, rank=4, targets="classifier")
    stages = (*chain.student.stages, adapt)
    return replace(chain, student=replace(chain.student, stages=stages))


def test_a_checkpoint_is_as_far_as_the_furthest_that_shares_it():
    chain = fabricated.chain(0)
    further = adapting(chain)
    curve = [(i / 13, 0.5 + 0.03 * i) for i in range(1, 13)]
    history = History(students=(), stopped=(stopped(chain, CURVE[:4]), stopped(further, curve)))
    progress = checkpoints, adapted = progress_of(history)
    one = checkpoints[student_key(chain.student)]
    assert one.accuracies == tuple(accuracy for _, accuracy in curve[:10])
    assert one.ended
    assert epochs_left(chain.student, progress) == (0,)
    two = adapted[student_key(further.student)]
    assert two.accuracies == tuple(a for _, a in curve[10:])
    assert not two.ended
    assert epochs_left(further.student, progress) == (0, 1)
    assert (one.student, two.student) == (chain.student, further.student)
    assert further.student.prefix(1) == chain.student


def test_what_runs_counts_as_far_as_it_got():
    chain = fabricated.chain(0)
    running = Running(5, None, tuple(CURVE[:2]), student_key(chain.student), chain)
    progress = progress_of(History(running=(running,)))
    assert not progress[0][student_key(chain.student)].ended
    assert epochs_left(chain.student, progress) == (8,)
    assert epochs_left(adapting(chain).student, progress) == (8, 3)


def test_a_whole_stage_reads_as_what_it_ended_with():
    extrapolator = CurveExtrapolator([], 10, IMAGES, fall=1.2, noise=0.5)
    reading = extrapolator.read([accuracy for _, accuracy in CURVE])
    assert reading.value == pytest.approx(log_error(0.9, IMAGES))
    assert reading.noise == 0


def test_many_stages_outvote_what_was_assumed():
    """Where every curve loses 0.5 from epoch 5 on, plus noise, a reading says so."""
    draws = np.random.default_rng(1)
    curves = []
    for _ in range(200):
        end = draws.uniform(-3.0, -1.5)
        logs = [end + 0.1 * (10 - epoch) + 0.05 * draws.normal() for epoch in range(1, 10)]
        curves.append([1 + 1 / (2 * IMAGES) - np.exp(log) for log in (*logs, end)])
    extrapolator = CurveExtrapolator(curves, 10, IMAGES, fall=3.0, noise=2.0)
    reading = extrapolator.read(curves[0][:5])
    assert reading.value == pytest.approx(log_error(curves[0][4], IMAGES) - 0.5, abs=0.1)
    assert reading.noise == pytest.approx(0.05**2, abs=0.05)
    assumed = CurveExtrapolator([], 10, IMAGES, fall=3.0, noise=2.0).read(curves[0][:5])
    assert assumed.noise > 5 * reading.noise


def test_a_network_that_was_never_trained_is_priced_by_its_flops():
    stage = StageRecord("distill", "", 40.0, 0.0, 10)
    history = History(students=(ended(fabricated.chain(0, 0.5), CURVE, [stage]),))
    flops = {"mobilenet_v2@0.5": 100, "mobilenet_v2@1": 200}
    paces = seconds_an_epoch(history, flops, ("distill", "adapt"))
    assert paces["mobilenet_v2@0.5"]["distill"] == pytest.approx(4.0)
    assert paces["mobilenet_v2@1"]["distill"] == pytest.approx(4.0 * 2**0.7)
