"""What every student is expected to end with before any likeness to others counts.

Wider students err less and an adapter takes errors away: by how much differs between studies, that
it is so does not. A process that expects all students to end alike takes a recipe that fails at the
largest width for the width's fault, and does not come back to it.
"""

import math
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from search.forecasts.learning_curves import Progress, log_error
from spaces import LoRA, StudentConfig

Floats = NDArray[np.float64]

_WIDENING = 0.06
"""Log error that e times the FLOPs take away, as a share of what there is to learn; like the next,
what recorded tables had in common (docs/decisions)."""
_ADAPTING = 0.025
"""Likewise, what an adapter takes away before any was seen to."""
_BELIEF = 2.0
"""Adapted students' worth of belief in that."""


class Trend:
    """Expected log errors, from which those that are seen deviate."""

    def __init__(
        self, flops: Mapping[str, int], to_learn: float, images: int, adapted: Iterable[Progress]
    ) -> None:
        """Learn what adapting takes away from students that were adapted to their ends.

        flops: by key of every architecture there is. to_learn: of the teacher, a log error (see
        Ground). images: of the validation split. What adapts other layers is another adapter.
        """
        most = max(flops.values())
        self._of_width = {
            name: _WIDENING * to_learn * math.log(most / count) for name, count in flops.items()
        }
        self._unseen = -_ADAPTING * to_learn
        seen: dict[str, list[float]] = {}
        for one in adapted:
            if isinstance(lora := one.student.adaptation, LoRA) and one.epochs_left == (0, 0):
                before, after = (log_error(s[-1], images) for s in (one.distill, one.adapt))
                seen.setdefault(lora.targets, []).append(after - before)
        self._of_adapting = {
            targets: (sum(changes) + _BELIEF * self._unseen) / (len(changes) + _BELIEF)
            for targets, changes in seen.items()
        }

    def of(self, students: Sequence[StudentConfig]) -> Floats:
        """Return [n] expected log errors, above that of the widest without an adapter."""
        return np.array([self._of(student) for student in students], dtype=np.float64)

    def _of(self, student: StudentConfig) -> float:
        change = 0.0
        if isinstance(student.adaptation, LoRA):
            change = self._of_adapting.get(student.adaptation.targets, self._unseen)
        return self._of_width[student.architecture.key] + change
