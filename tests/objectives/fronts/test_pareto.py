import itertools
import subprocess
import sys
from dataclasses import dataclass

import numpy as np
import pytest

from objectives.fronts.pareto import ReferencePoint, hypervolume, knee, losses_of, nondominated
from spaces import DistilfrontError, InputError


@dataclass(frozen=True)
class Result:
    accuracy: float
    size_bytes: int
    latency_ms: float


REFERENCE = ReferencePoint(accuracy_floor=0.5, size_bytes=100, latency_ms=10.0)


def dominated_by_definition(losses, i):
    return any((other <= losses[i]).all() and (other < losses[i]).any() for other in losses)


@pytest.mark.parametrize("objectives", [2, 3])
@pytest.mark.parametrize("seed", range(20))
def test_the_front_is_what_the_definition_says_with_ties_and_duplicates(seed, objectives):
    rng = np.random.default_rng(seed)
    losses = rng.integers(0, 5, size=(rng.integers(1, 60), objectives)).astype(float)

    expected = [not dominated_by_definition(losses, i) for i in range(len(losses))]

    assert nondominated(losses).tolist() == expected


def test_all_duplicates_of_a_member_are_members():
    assert nondominated(np.array([[1.0, 2.0], [1.0, 2.0], [1.0, 3.0]])).tolist() == [
        True,
        True,
        False,
    ]


def test_no_points_have_an_empty_front_and_no_volume():
    assert nondominated(np.zeros((0, 3))).tolist() == []
    assert hypervolume([], REFERENCE) == 0


def test_a_nan_is_an_error_and_never_passes():
    with pytest.raises(DistilfrontError, match="NaN"):
        nondominated(np.array([[0.1, np.nan]]))
    with pytest.raises(DistilfrontError, match="NaN"):
        hypervolume([Result(float("nan"), 1, 1.0)], REFERENCE)


def test_losses_turn_accuracy_alone_and_keep_the_study_order():
    result = Result(0.75, 40, 2.0)

    assert losses_of([result]).tolist() == [[0.25, 40, 2.0]]
    assert losses_of([result], ("accuracy", "latency_ms")).tolist() == [[0.25, 2.0]]


def test_hypervolume_of_one_point_is_its_box():
    half_everywhere = Result(accuracy=0.75, size_bytes=50, latency_ms=5.0)

    assert hypervolume([half_everywhere], REFERENCE) == pytest.approx(0.125)
    assert hypervolume([half_everywhere], REFERENCE, ("accuracy", "size_bytes")) == 0.25
    assert hypervolume([Result(1.0, 0, 0.0)], REFERENCE) == pytest.approx(1)


@pytest.mark.parametrize(
    "worthless", [Result(0.5, 1, 0.1), Result(0.9, 100, 0.1), Result(0.9, 1, 20.0)]
)
def test_what_is_no_better_than_the_reference_earns_nothing(worthless):
    assert hypervolume([worthless], REFERENCE) == 0


@pytest.mark.parametrize("seed", range(20))
def test_hypervolume_is_the_share_of_dominated_cells(seed):
    # Points on a grid of ten steps an axis: the volume is a count of cells.
    rng = np.random.default_rng(seed)
    steps = rng.integers(0, 13, size=(rng.integers(1, 12), 3))
    results = [Result(1 - 0.05 * a, int(10 * s), float(latency)) for a, s, latency in steps]

    cells = sum(
        any(all(step <= cell) for step in steps)
        for cell in map(np.array, itertools.product(range(10), repeat=3))
    )

    assert hypervolume(results, REFERENCE) == pytest.approx(cells / 1000)


@pytest.mark.parametrize(
    ("floor", "size", "latency"), [(1.0, 1, 1), (-0.1, 1, 1), (0.5, 0, 1), (0.5, 1, float("nan"))]
)
def test_an_impossible_reference_cannot_be_built(floor, size, latency):
    with pytest.raises(InputError):
        ReferencePoint(floor, size, latency)


def test_the_knee_bends_most():
    #  Both ends are dear in one way; the third point costs little in either.
    assert knee(np.array([[0.00, 1000.0], [0.40, 10.0], [0.02, 30.0]])) == 2


def test_the_knee_counts_halvings_wherever_they_start():
    losses = np.array([[0.0, 64.0], [0.1, 8.0], [0.2, 1.0]])
    scaled = losses * [1, 1000]

    assert knee(losses) == knee(scaled) == 1


def test_the_knee_is_on_the_front_and_ties_go_to_the_accurate_then_the_early():
    assert knee(np.array([[0.5, 5.0], [0.1, 1.0], [0.1, 1.0]])) == 1
    assert knee(np.array([[0.2, 1.0], [0.1, 2.0]])) == 1
    with pytest.raises(DistilfrontError):
        knee(np.zeros((0, 3)))


def test_pareto_needs_no_torch():
    program = "import sys, objectives.fronts.pareto; sys.exit('torch' in sys.modules)"

    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
