"""A Gaussian process over students: what is known of some says what to expect of others.

Rasmussen and Williams 2006, chapters 2 and 5. The covariance of two outcomes is

    signal * alike(settings, other settings) + shared_1 * [same family of kind 1] + ... (+ own)

so that students with similar settings are alike, students of one family share a random effect, and
each outcome has noise of its own, which no other outcome tells. Families are all students made from
one checkpoint, and those of one parent whose last stage is of one kind: what an adapter does to a
checkpoint, another rank of it does too, and the checkpoint itself does not tell. How alike
settings are is a sum of Matern 5/2 correlations: of all settings together, and of blocks of them
by themselves, so that what a recipe is seen to do at one width is expected of it at the others
(additive kernels: Duvenaud et al. 2011).
"""

from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_factor, cho_solve, cholesky, solve_triangular
from scipy.optimize import minimize

Floats = NDArray[np.float64]

_SQRT5: Final = 5**0.5
_BELIEF: Final = 3.0
"""Outcomes' worth of belief in the scale that is assumed."""
_FAR: Final = 5.0
"""Standard deviations of the priors within which parameters lie: a first step of the climb can go
so far that a covariance has no numbers any more."""
_TOGETHER: Final = 0.4
"""Share of the signal that all settings explain together; blocks of them have equal parts of the
rest."""
_BLOCK: Final = 400
"""Outcomes that are predicted together: arrays of them against what is known stay in a cache."""


@dataclass(frozen=True)
class Covariance:
    """Parameters of the covariance; variances are of the standardised outcome."""

    signal: float
    """Variance that settings explain."""
    shared: tuple[float, ...]
    """Variance that outcomes of one family share, by kind of family."""
    own: float
    """Variance of an outcome's own noise."""
    lengths: tuple[float, ...]
    """Distance, per feature, over which settings stay alike; features lie in [0, 1]."""
    blocks: tuple[tuple[int, ...], ...] = ()
    """Features, by column, that explain something by themselves."""

    @property
    def parts(self) -> list[tuple[float, list[int]]]:
        """The shares of the signal, and the columns that explain each."""
        whole = list(range(len(self.lengths)))
        if not self.blocks:
            return [(1.0, whole)]
        share = (1 - _TOGETHER) / len(self.blocks)
        return [(_TOGETHER, whole), *((share, list(block)) for block in self.blocks)]

    def between(self, a: Floats, families_a: Floats, b: Floats, families_b: Floats) -> Floats:
        """Return [n, m] of n features [n, d] against m features [m, d], own noise left out."""
        between: Floats = np.zeros((len(a), len(b)))
        for variance, of_a, of_b in zip(self.shared, families_a.T, families_b.T, strict=True):
            related = np.isin(of_a, of_b)  # In a wide space, few; NaN equals nothing.
            between[related] += variance * (of_a[related, None] == of_b)
        scaled_a, scaled_b = a / self.lengths, b / self.lengths
        for share, columns in self.parts:
            distance = _distance(scaled_a[:, columns], scaled_b[:, columns])
            alike = _matern(distance)
            alike *= self.signal * share
            between += alike
        return between

    def prior(self, families: Floats) -> Floats:
        """Return [n], the variances before anything is known, own noise left out."""
        prior: Floats = self.signal + ~np.isnan(families) @ np.array(self.shared)
        return prior


@dataclass(frozen=True)
class Outcomes:
    """What is known: one row an outcome."""

    features: Floats
    """[n, d] in [0, 1]."""
    families: Floats
    """[n, k]: the number of the family an outcome is of, by kind; NaN where it is of none."""
    values: Floats
    """[n]."""
    noise: Floats
    """[n]: variance of the error with which a value is known, 0 where it was seen."""
    scale: float
    """Standard deviation of values that is assumed before there are many."""

    @property
    def centre(self) -> float:
        """The mean of the values."""
        return float(np.mean(self.values))

    @property
    def spread(self) -> float:
        """The standard deviation of the values; of a few it is mostly what is assumed."""
        count = len(self.values)
        squares = count * float(np.var(self.values)) + _BELIEF * self.scale**2
        return float((squares / (count + _BELIEF)) ** 0.5)


class GaussianProcess:
    """The process, conditioned on outcomes."""

    def __init__(self, covariance: Covariance, known: Outcomes) -> None:
        """Condition on `known`, of which there must be at least one."""
        self._covariance = covariance
        self._known = known
        self._mean, self._scale = known.centre, known.spread
        gram = covariance.between(known.features, known.families, known.features, known.families)
        gram[np.diag_indices_from(gram)] += covariance.own + known.noise / self._scale**2 + 1e-8
        self._factor = cholesky(gram, lower=True)
        self._weights = cho_solve((self._factor, True), (known.values - self._mean) / self._scale)

    def predict(self, features: Floats, families: Floats) -> tuple[Floats, Floats]:
        """Return mean and variance, [m] each, of new outcomes, their own noise included."""
        blocks = [slice(at, at + _BLOCK) for at in range(0, len(features), _BLOCK)]
        parts = [self._predict(features[block], families[block]) for block in blocks]
        means, variances = zip(*parts, strict=True)
        return np.concatenate(means), np.concatenate(variances)

    def _predict(self, features: Floats, families: Floats) -> tuple[Floats, Floats]:
        across = self._covariance.between(
            features, families, self._known.features, self._known.families
        )
        mean = self._mean + self._scale * (across @ self._weights)
        explained = np.sum(solve_triangular(self._factor, across.T, lower=True) ** 2, axis=0)
        prior = self._covariance.prior(families)
        variance = np.maximum(prior - explained, 1e-9) + self._covariance.own
        return mean, self._scale**2 * variance

    def covariance_of(self, features: Floats, families: Floats) -> float:
        """Return the covariance of two new outcomes, [2, d]; own noise is not common to them."""
        known = self._known
        across = self._covariance.between(features, families, known.features, known.families)
        prior = self._covariance.between(features[:1], families[:1], features[1:], families[1:])
        common = prior[0, 0] - across[0] @ cho_solve((self._factor, True), across[1])
        return float(self._scale**2 * common)


def fit(known: Outcomes, start: Covariance) -> Covariance:
    """Return the covariance under which `known` is most plausible, within weak priors.

    The log marginal likelihood (equation 5.8) plus log-normal priors around `start`, climbed by
    L-BFGS from there: with few outcomes the priors decide, with many the outcomes.
    """
    values = (known.values - known.centre) / known.spread
    noise = known.noise / known.spread**2 + 1e-8
    squares = (known.features[:, None, :] - known.features[None, :, :]) ** 2
    same = (known.families[:, None] == known.families[None]).astype(np.float64)
    kinds = len(start.shared)
    centre = np.log([start.signal, start.own, *start.shared, *start.lengths])
    spread = np.array([*[0.7] * (2 + kinds), *[0.8] * len(start.lengths)])

    def loss(logs: Floats) -> tuple[float, Floats]:
        signal, own = np.exp(logs[:2])
        shared, lengths = np.split(np.exp(logs[2:]), [kinds])
        scaled = squares / lengths**2
        alike = np.zeros(squares.shape[:2])
        by_length = np.zeros_like(squares)
        for share, columns in start.parts:
            distance = np.sqrt(np.maximum(scaled[:, :, columns].sum(axis=2), 1e-30))
            alike += share * _matern(distance)
            falling = (5 / 3) * share * (1 + _SQRT5 * distance) * np.exp(-_SQRT5 * distance)
            by_length[:, :, columns] += falling[:, :, None] * scaled[:, :, columns]
        gram = signal * alike + same @ shared
        gram[np.diag_indices_from(gram)] += own + noise
        factor = cho_factor(gram, lower=True)
        inverse = cho_solve(factor, np.eye(len(values)))
        weights = inverse @ values
        slope = 0.5 * (inverse - np.outer(weights, weights))
        gradient = np.array(
            [
                signal * np.sum(slope * alike),
                own * np.trace(slope),
                *(shared * np.einsum("ij,ijk->k", slope, same)),
                *(signal * np.einsum("ij,ijd->d", slope, by_length)),
            ]
        )
        off = (logs - centre) / spread
        fitted = 0.5 * values @ weights + np.log(np.diag(factor[0])).sum()
        return float(fitted + 0.5 * off @ off), gradient + off / spread

    bounds = list(zip(centre - _FAR * spread, centre + _FAR * spread, strict=True))
    best = minimize(
        loss, centre, jac=True, method="L-BFGS-B", bounds=bounds, options={"maxiter": 40}
    )
    signal, own, *rest = map(float, np.exp(best.x))
    return replace(
        start, signal=signal, own=own, shared=tuple(rest[:kinds]), lengths=tuple(rest[kinds:])
    )


def _distance(a: Floats, b: Floats) -> Floats:
    """Return [n, m] of a [n, d] against b [m, d].

    In place, like the next: most of a choice is these two.
    """
    squares: Floats = a @ (-2 * b.T)
    squares += np.sum(a**2, axis=1)[:, None]
    squares += np.sum(b**2, axis=1)
    np.maximum(squares, 0, out=squares)
    return np.sqrt(squares, out=squares)


def _matern(distance: Floats) -> Floats:
    """Matern 5/2 correlation (equation 4.17)."""
    scaled = _SQRT5 * distance
    matern = scaled**2
    matern /= 3
    matern += scaled
    matern += 1
    np.negative(scaled, out=scaled)
    matern *= np.exp(scaled, out=scaled)
    return matern
