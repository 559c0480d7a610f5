"""What every student is expected to end with before any likeness to others counts.

Wider students err less, and an adapter takes errors away, most of a wide network: by how much
differs between studies, that it is so does not. A process that expects all students to end alike
takes a recipe that fails at the largest width for the width's fault, and does not come back to it.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, get_args

import numpy as np
from numpy.typing import NDArray

from search.prospects import Progress, log_error
from spaces import LoRA, StudentConfig, TargetLayers

Floats = NDArray[np.float64]

_WIDENING = 0.06
"""Log error that e times the FLOPs take away, as a share of what there is to learn; like what
follows, what recorded tables had in common (docs/decisions)."""


@dataclass(frozen=True)
class _Adapting:
    """What is believed of adapters before any was seen: by log FLOPs, they change log errors so."""

    widest: float
    """At the widest network, as a share of what there is to learn."""
    widest_sd: float
    slope: float
    """With e times the FLOPs: an adapter of a wider network has more to adapt."""
    slope_sd: float
    noise: float
    """Standard deviation of one adapted student from that line."""


_ADAPTING: Final = {"classifier": _Adapting(-0.01, 0.01, 0.0, 0.003, 0.02)}
_OTHERWISE: Final = _Adapting(-0.07, 0.04, -0.015, 0.015, 0.04)
"""Of adapters in any other layers."""


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
        self._to_learn = to_learn
        self._log_flops = {name: math.log(count / most) for name, count in flops.items()}
        seen: dict[str, list[tuple[float, float]]] = {}
        for one in adapted:
            if isinstance(lora := one.student.adaptation, LoRA) and one.epochs_left == (0, 0):
                before, after = (log_error(s[-1], images) for s in (one.distill, one.adapt))
                place = self._log_flops[one.student.architecture.key]
                seen.setdefault(lora.targets, []).append((place, (after - before) / to_learn))
        self._lines = {
            targets: _line(_ADAPTING.get(targets, _OTHERWISE), seen.get(targets, ()))
            for targets in get_args(TargetLayers)
        }

    def of(self, students: Sequence[StudentConfig]) -> Floats:
        """Return [n] expected log errors, above that of the widest without an adapter."""
        return np.array([self._of(student) for student in students], dtype=np.float64)

    def _of(self, student: StudentConfig) -> float:
        place = self._log_flops[student.architecture.key]
        share = -_WIDENING * place
        if isinstance(student.adaptation, LoRA):
            widest, slope = self._lines[student.adaptation.targets]
            share += widest + slope * place
        return self._to_learn * share


def _line(believed: _Adapting, seen: Sequence[tuple[float, float]]) -> tuple[float, float]:
    """Return the change at the widest network, and by log FLOPs, once changes were `seen`.

    seen: pairs of log FLOPs, those of the widest being 0, and change. Bayesian linear regression
    (Bishop 2006, equations 3.50 and 3.51).
    """
    prior = np.array([believed.widest, believed.slope])
    doubt = np.array([believed.widest_sd, believed.slope_sd]) ** 2
    places, changes = np.array(seen, dtype=np.float64).reshape(-1, 2).T
    design = np.stack([np.ones_like(places), places], axis=1)
    precision = np.diag(1 / doubt) + design.T @ design / believed.noise**2
    weighed = prior / doubt + design.T @ changes / believed.noise**2
    widest, slope = np.linalg.solve(precision, weighed)
    return float(widest), float(slope)
