"""[bounds] of a study file."""

import math
from typing import TYPE_CHECKING

from pydantic import Field

from studies.tables import Table

if TYPE_CHECKING:
    from objectives.fronts import Bounds, Costs


class BoundsTable(Table):
    """[bounds]: below what a point is worth nothing to the study."""

    accuracy_of_teacher: float = Field(0.9, gt=0, le=1)
    """Accuracy floor as a share of the teacher's."""
    size_of_teacher: float | None = Field(None, ge=1e-6, le=1e3)
    """Most bytes, as a share of the teacher's fp32 file."""
    latency_of_teacher: float | None = Field(None, ge=1e-6, le=1e3)
    """Longest latency, as a share of the teacher's as fp32."""
    size_mb: float | None = Field(None, ge=1e-6, le=1e6)
    """Most megabytes (10^6 bytes); beside size_of_teacher the tighter of both counts."""
    latency_ms: float | None = Field(None, ge=1e-6, le=1e6)
    """Longest latency of one image; beside latency_of_teacher the tighter of both counts."""

    def of(self, accuracy: float, teacher: "Costs") -> "Bounds":
        """Return the bounds for a teacher of that accuracy and those costs as fp32."""
        from objectives.fronts import Bounds, accuracy_floor

        sizes = [
            *([] if self.size_mb is None else [self.size_mb * 1e6]),
            *([] if self.size_of_teacher is None else [self.size_of_teacher * teacher.size_bytes]),
        ]
        latencies = [
            *([] if self.latency_ms is None else [self.latency_ms]),
            *(
                []
                if self.latency_of_teacher is None
                else [self.latency_of_teacher * teacher.latency_ms]
            ),
        ]
        return Bounds(
            accuracy_floor(self.accuracy_of_teacher, accuracy),
            min(sizes, default=math.inf),
            min(latencies, default=math.inf),
        )
