"""How sure a place on the front is, when part of every accuracy is noise. No torch.

An accuracy is what one training, with one seed, got right of n images. Another seed would have got
something else, so the points of the front may be there by chance. What is asked here is whether the
recipe belongs there: whether, with the noise of seeds averaged out, no other point beats it.

The noise is taken to be normal on log odds. Its variance after one training is a binomial's and a
little more; most of it is the student's, common to all its schemes, and some is the
scheme's own. That some images are hard for everybody moves all points alike and decides nothing.
Sizes and latencies are known, and latencies that cannot be told apart are equal already.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr  # scipy.stats takes a second to import

from spaces import DistilfrontError, scheme_named

Floats = NDArray[np.float64]

DRAWS = 4000
"""Of all accuracies at once: a probability of one half is then known to 0.8 points (one sigma)."""

SEED_SD = 0.02
"""One training's variance in log odds: SEED_SD² + 1 / (n p (1 - p)), a binomial's and a little.

The binomial's alone is what the recorded tables show between seeds, whether 360 images are 97 %
right or 1000 are 40 % (benchmarks.tables.front_probability; a decision record has the figures).
SEED_SD is what would be left with any number of images: with n = 10,000 at 70 % both make 0.6
points, where published students spread by about 0.5."""

_OWN_FINE, _OWN_COARSE = 0.04, 1.0
"""Variance of a scheme's own over that of the training: from 8 bits a weight on, and below.

From the same tables: between seeds, an artifact's log odds differ from those of the fp32 file of
the same student by 0.01 to 0.1 under 8 bits and more, and by 0.35 under 4."""

_PRIOR_STUDENTS = 4.0
"""How many repeated trainings the numbers above weigh against those of the study itself."""

_AT_ONCE = 1_000_000
"""Numbers drawn at once, to be kind to the memory."""

_SURE = 5.0
"""Standard deviations of a difference beyond which it is not doubted (3 in 10 million)."""


@dataclass(frozen=True)
class Scored:
    """What is known of a point."""

    student: str
    """Key of the student: what points of one training share."""
    scheme: str
    """Name in spaces.SCHEMES."""
    accuracies: tuple[float, ...]
    """Under the study's seed, and under each further one on which it was repeated."""
    costs: tuple[float, ...]
    """What is minimised beside: one number or two, known without error."""

    def __post_init__(self) -> None:
        if not self.accuracies or not all(0 <= value <= 1 for value in self.accuracies):
            raise DistilfrontError(
                f"a point has one or more accuracies in [0, 1], got {self.accuracies}"
            )


@dataclass(frozen=True)
class Beliefs:
    """What is believed of the recipes behind points, in log odds; every array is [points]."""

    mean: Floats
    common_sd: Floats
    """Of the noise that a student's points share."""
    own_sd: Floats
    """Of what each scheme adds to it."""
    costs: Floats
    """[points, costs]."""
    student: NDArray[np.intp]
    """Equal for points of one student."""
    recipe: NDArray[np.intp]
    """Equal for points of one student under one scheme."""

    @classmethod
    def of(cls, points: Sequence[Scored], images: int) -> "Beliefs":
        """Return what `points`, one or more, say; `images` are those of the validation split."""
        odds = [log_odds(point.accuracies, images) for point in points]
        mean = np.array([values.mean() for values in odds])
        share = np.array([_own_share(point.scheme) for point in points])
        once = _variance_once(mean, images)
        once *= _scale(points, odds, once * (1 + share))
        common_sd = np.sqrt(once / np.array([len(point.accuracies) for point in points]))
        return cls(
            mean,
            common_sd,
            common_sd * np.sqrt(share),
            np.array([point.costs for point in points], dtype=np.float64),
            _numbered([point.student for point in points]),
            _numbered([f"{point.student} {point.scheme}" for point in points]),
        )

    def only(self, which: NDArray[np.bool_]) -> "Beliefs":
        """Return those of the points that `which`, [points], names."""
        return Beliefs(
            self.mean[which],
            self.common_sd[which],
            self.own_sd[which],
            self.costs[which],
            _numbered(self.student[which]),
            _numbered(self.recipe[which]),
        )

    @property
    def sd(self) -> Floats:
        """How far each recipe's log odds may lie from `mean`: one standard deviation."""
        return np.hypot(self.common_sd, self.own_sd)

    def draw(self, draws: int, generator: np.random.Generator) -> Floats:
        """Return log odds that the recipes might have, [draws, points]."""
        common = generator.standard_normal((draws, self.student.max() + 1))[:, self.student]
        own = generator.standard_normal((draws, self.recipe.max() + 1))[:, self.recipe]
        drawn: Floats = self.mean + self.common_sd * common + self.own_sd * own
        return drawn

    def beaten_by(self, index: int) -> Floats:
        """Return each point's probability of beating point `index`; 0 where it costs more."""
        same = self.student == self.student[index]
        shared = 2 * np.where(same, self.common_sd * self.common_sd[index], 0)
        spread = np.sqrt(np.maximum(0, self.sd**2 + self.sd[index] ** 2 - shared))
        ahead = self.mean - self.mean[index]
        other = self.recipe != self.recipe[index]
        no_dearer = (self.costs <= self.costs[index]).all(axis=1)
        wins = ndtr(np.divide(ahead, spread, out=np.zeros_like(ahead), where=other))
        beaten: Floats = np.where(no_dearer & other, wins, 0.0)
        return beaten


def front_probabilities(
    points: Sequence[Scored], images: int, *, draws: int = DRAWS
) -> NDArray[np.float64]:
    """Return each point's probability of being on the front of recipes, [points].

    The share of draws in which no other point is as good in everything and better in something;
    the same for the same points in the same order. No points give none.
    """
    if not points:
        return np.zeros(0)
    everyone = Beliefs.of(points, images)
    counting = contenders(everyone)
    beliefs, cells = everyone.only(counting), Cells(everyone.costs[counting])
    generator = np.random.default_rng(0)
    times = np.zeros(len(beliefs.mean))
    at_once = max(1, _AT_ONCE // len(beliefs.mean))
    for begin in range(0, draws, at_once):
        drawn = beliefs.draw(min(at_once, draws - begin), generator)
        times += cells.on_front(drawn).sum(axis=0)
    shares = np.zeros(len(points))
    shares[counting] = times / draws
    return shares


def contenders(beliefs: Beliefs) -> NDArray[np.bool_]:
    """Return [points], False for those that are as good as sure to be beaten.

    By one point that costs no more: the difference is more than five of its standard deviations.
    """
    solid = beliefs.mean - 2 * beliefs.sd
    order = np.argsort(solid, kind="stable")
    best = Cells(beliefs.costs).best_at_most(solid[None])[0]
    # Whoever has the same value is as good a rival, whatever it costs.
    rival = order[np.searchsorted(solid[order], best)]
    behind = beliefs.mean[rival] - beliefs.mean
    mask: NDArray[np.bool_] = behind <= _SURE * np.hypot(beliefs.sd, beliefs.sd[rival])
    return mask


class Cells:
    """Points by what they cost, for fronts of many draws of their accuracies."""

    def __init__(self, costs: Floats) -> None:
        """`costs`: [points, costs]."""
        self._costs, self._of = np.unique(costs, axis=0, return_inverse=True)
        self._of = self._of.ravel()
        self._order = np.argsort(self._of, kind="stable")
        self._starts = np.searchsorted(self._of[self._order], np.arange(len(self._costs)))

    @cached_property
    def _no_dearer(self) -> list[NDArray[np.intp]]:
        """Cells that cost no more than each, itself among them."""
        return [np.flatnonzero((self._costs <= cost).all(axis=1)) for cost in self._costs]

    def best_at_most(self, goodness: Floats) -> Floats:
        """Return the best `goodness`, [draws, points], among points that cost no more than each."""
        best = np.maximum.reduceat(goodness[:, self._order], self._starts, axis=1)
        columns = [best[:, cells].max(axis=1) for cells in self._no_dearer]
        found: Floats = np.stack(columns, axis=1)[:, self._of]
        return found

    def on_front(self, goodness: Floats) -> NDArray[np.bool_]:
        """Return [draws, points], True where no point that costs no more is better."""
        mask: NDArray[np.bool_] = goodness >= self.best_at_most(goodness)
        return mask


def log_odds(accuracies: Sequence[float] | Floats, images: int) -> Floats:
    """Return ln(right / wrong), half an image added to both: no accuracy has infinite ones."""
    right = np.asarray(accuracies, dtype=np.float64) * images
    odds: Floats = np.log((right + 0.5) / (images - right + 0.5))
    return odds


def _variance_once(odds: Floats, images: int) -> Floats:
    """Return the variance of a training's log odds around those of its recipe."""
    accuracy = 1 / (1 + np.exp(-odds))
    variance: Floats = SEED_SD**2 + 1 / (images * accuracy * (1 - accuracy))
    return variance


def _scale(points: Sequence[Scored], odds: Sequence[Floats], variance: Floats) -> float:
    """Return by how much the study's own repeats say that `variance` is to be multiplied.

    A variance with a scaled inverse chi-squared prior: the mean of squares over degrees of
    freedom, the prior's among them. The points of a student tell of one draw and share it.
    """
    squares: dict[str, list[tuple[float, int]]] = {}
    for point, values, expected in zip(points, odds, variance, strict=True):
        if len(values) > 1:
            square = float(((values - values.mean()) ** 2).sum() / expected)
            squares.setdefault(point.student, []).append((square, len(values) - 1))
    found = [np.mean(each, axis=0) for each in squares.values()]
    total, freedom = np.sum(found, axis=0) if found else (0.0, 0.0)
    return float((_PRIOR_STUDENTS + total) / (_PRIOR_STUDENTS + freedom))


def _own_share(scheme: str) -> float:
    return _OWN_FINE if scheme_named(scheme).layout.weight_bits >= 8 else _OWN_COARSE


def _numbered(names: Sequence[str] | NDArray[np.intp]) -> NDArray[np.intp]:
    """Return a number for each name, 0 and up, the same for equal names."""
    numbers: NDArray[np.intp] = np.unique(names, return_inverse=True)[1].ravel()
    return numbers
