"""What a search is given: everything that is settled before a study's first trial."""

import math
from dataclasses import dataclass
from functools import cached_property

from objectives import CostTable
from objectives.fronts import NO_BOUNDS, OBJECTIVES, Bounds, ReferencePoint
from spaces import FileKind, InputError, Space


@dataclass(frozen=True)
class SearchProblem:
    """A study as far as choosing and stopping need it."""

    space: Space
    costs: CostTable
    reference: ReferencePoint
    validation_images: int
    teacher_accuracy: float
    """Of the float network, on the validation split."""
    objectives: tuple[str, ...] = OBJECTIVES
    bounds: Bounds = NO_BOUNDS
    """Of costs: what lies beyond is neither offered nor trained to its end."""

    @property
    def schemes(self) -> tuple[str, ...]:
        """Names of the schemes a student can be offered to."""
        return self.space.schemes

    def affordable(self, files: FileKind) -> tuple[str, ...]:
        """Return the schemes under which students of that kind can be offered, within bounds."""
        return tuple(
            scheme
            for scheme in self.space.schemes_for(files.layout)
            if self.bounds.affords(self.costs.of(files.network, scheme))
        )

    @cached_property
    def flops(self) -> dict[str, int]:
        """Those of every network that is trained, by its key; at least 1: their ratios are taken.

        A network has none where nothing in it is an operation that is counted.
        """
        names = [network.key for network in self.space.networks_trained]
        return {name: max(1, self.costs.of(name, self.schemes[0]).flops) for name in names}


def check_bounds(problem: SearchProblem) -> None:
    """Raise InputError when no file that the study can make is within its bounds of cost."""
    space = problem.space
    kinds = [FileKind(one.key, layout) for one in space.networks for layout in space.layouts]
    if any(map(problem.affordable, kinds)):
        return
    costs = [
        problem.costs.of(files.network, scheme)
        for files in kinds
        for scheme in space.schemes_for(files.layout)
    ]
    limits = {"MB": problem.bounds.size_bytes / 1e6, "ms": problem.bounds.latency_ms}
    asked = [f"{most:g} {unit}" for unit, most in limits.items() if math.isfinite(most)]
    raise InputError(
        f"nothing that this study can make is within its [bounds] of {' and '.join(asked)}: the "
        f"smallest file has {min(cost.size_bytes for cost in costs) / 1e6:.3g} MB, the fastest "
        f"takes {min(cost.latency_ms for cost in costs):.3g} ms; loosen them, or search smaller "
        "networks"
    )
