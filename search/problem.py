"""What a search is given: everything that is settled before a study's first trial."""

from dataclasses import dataclass
from functools import cached_property

from objectives import CostTable
from objectives.fronts import OBJECTIVES, ReferencePoint
from spaces import Space


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

    @property
    def schemes(self) -> tuple[str, ...]:
        """Names of the schemes a student can be offered to."""
        return self.space.schemes

    @cached_property
    def flops(self) -> dict[str, int]:
        """Those of every network of the space, by its key; at least 1: their ratios are taken.

        A network has none where nothing in it is an operation that is counted.
        """
        names = [network.key for network in self.space.networks]
        return {name: max(1, self.costs.of(name, self.schemes[0]).flops) for name in names}
