"""What every student is expected to end with before any likeness to others counts.

Larger students err less, and so do taught ones, and a later stage takes errors away: by how much
differs between studies, that it is so hardly does. A process that expects all students to end alike
takes a recipe that fails on the largest network for the network's fault, and does not come back to
it; and where few students were seen, it adapts the one that nobody taught, as that costs least.
"""

import math
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from search.forecasts.learning_curves import Progress, log_error
from spaces import Stage, StudentConfig, student_key

Floats = NDArray[np.float64]

_WIDENING = 0.06
"""Log error that e times the FLOPs take away, as a share of what there is to learn: what recorded
tables had in common (docs/decisions)."""
_BELIEF = 2.0
"""Students' worth of belief in what a stage is assumed to take away (spaces.Prior.gain)."""


class PriorMean:
    """Expected log errors, from which those that are seen deviate."""

    def __init__(
        self, flops: Mapping[str, int], to_learn: float, images: int, progress: Progress
    ) -> None:
        """Learn what later stages take away from students that were trained to their ends.

        flops: by key of every network there is. to_learn: of the teacher, a log error (see
        SearchProblem). images: of the validation split. Stages of another label are others.
        """
        most = max(flops.values())
        self._of_network = {
            name: _WIDENING * to_learn * math.log(most / count) for name, count in flops.items()
        }
        self._to_learn = to_learn
        seen: dict[tuple[str, str], list[float]] = {}
        for position, stages in enumerate(progress[1:], start=1):
            for one in stages.values():
                if one.ended:
                    parent = progress[position - 1][student_key(one.student.prefix(position))]
                    before, after = (
                        log_error(accuracies[-1], images)
                        for accuracies in (parent.accuracies, one.accuracies)
                    )
                    stage = one.student.stages[-1]
                    seen.setdefault((stage.kind, stage.label), []).append(after - before)
        self._seen = seen
        self._changes: dict[tuple[str, str], float] = {}

    def of(self, students: Sequence[StudentConfig]) -> Floats:
        """Return [n] expected log errors, above those of the largest, taught nothing."""
        return np.array([self._of(student) for student in students], dtype=np.float64)

    def _of(self, student: StudentConfig) -> float:
        change = sum(map(self._change, student.stages[1:]))
        if student.teaching(0).needs_teacher:
            change -= student.stages[0].prior.taught * self._to_learn
        return self._of_network[student.deployed.key] + change

    def _change(self, stage: Stage) -> float:
        key = stage.kind, stage.label
        if key not in self._changes:
            assumed, seen = -stage.prior.gain * self._to_learn, self._seen.get(key, ())
            self._changes[key] = (sum(seen) + _BELIEF * assumed) / (len(seen) + _BELIEF)
        return self._changes[key]
