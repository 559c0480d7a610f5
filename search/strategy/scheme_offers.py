"""Which further schemes of a trained student could still enter the front, best first."""

import math
from dataclasses import dataclass

from objectives.costs import Cost
from search.problem import SearchProblem
from search.stopping import CostIncumbent, StoppingStatistics
from spaces import ChainConfig, student_key
from studies.records import History


@dataclass(frozen=True)
class Offer:
    """A scheme worth evaluating for a student that is trained already."""

    scheme: str
    cost: Cost
    optimistic_accuracy: float
    """The float network's accuracy less the scheme's optimistic loss, at most 1."""
    incumbent: CostIncumbent | None
    """What it must beat; None when nothing is as small and as fast yet."""

    @property
    def gain(self) -> float:
        """Accuracy by which it would, at best, beat the incumbent; infinite without one."""
        if self.incumbent is None:
            return math.inf
        return self.optimistic_accuracy - self.incumbent.merit


def offers(
    history: History, chain: ChainConfig, accuracy: float, problem: SearchProblem
) -> tuple[Offer, ...]:
    """Return the offers to the student of `chain`, whose float network reached `accuracy`.

    A scheme can enter only when its optimistic accuracy is above its incumbent's: with equal
    accuracy at an equal or higher cost it would be dominated or a duplicate. Its own scheme and
    those under which the student is a point already are left out. Largest gain first, of equal
    gains the smaller artifact. Ask again after each evaluation: it may settle the others.
    """
    statistics = StoppingStatistics(problem)
    statistics.update(history)
    done = statistics.schemes_of(student_key(chain.student)) | {chain.scheme.name}
    candidates = []
    files = chain.student.files
    for scheme in problem.affordable(files):
        cost = problem.costs.of(files.network, scheme)
        best = min(1.0, accuracy - statistics.optimistic_loss(scheme, files.layout))
        offer = Offer(scheme, cost, best, statistics.incumbent_at(statistics.costs_of(cost)))
        if scheme not in done and offer.gain > 0:
            candidates.append(offer)
    return tuple(sorted(candidates, key=lambda offer: (-offer.gain, offer.cost.size_bytes)))
