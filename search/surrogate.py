"""A Gaussian process over students: what is known of some says what to expect of others.

Rasmussen and Williams 2006, chapters 2 and 5. The covariance of two outcomes is

    signal * matern52(settings, other settings) + shared * [same distilled checkpoint] (+ own)

so that students with similar settings are alike, two adapters of one checkpoint share that
checkpoint's luck, and each outcome has a luck of its own, which no other outcome tells.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_factor, cho_solve
from scipy.optimize import minimize

Floats = NDArray[np.float64]

_SQRT5: Final = 5**0.5
_SCALE: Final = 0.9
"""Standard deviation of log errors that is assumed, worth _BELIEF outcomes."""
_BELIEF: Final = 3.0


@dataclass(frozen=True)
class Covariance:
    """Parameters of the covariance; variances are of the standardised outcome."""

    signal: float
    """Variance that settings explain."""
    shared: float
    """Variance that students of one distilled checkpoint share."""
    own: float
    """Variance of an outcome's own luck."""
    lengths: tuple[float, ...]
    """Distance, per feature, over which settings stay alike; features lie in [0, 1]."""

    def between(self, a: Floats, groups_a: Floats, b: Floats, groups_b: Floats) -> Floats:
        """Return [n, m] of n features [n, d] against m features [m, d], own luck left out."""
        same = groups_a[:, None] == groups_b[None, :]
        alike: Floats = self.signal * _matern(_distance(a, b, self.lengths)) + self.shared * same
        return alike


@dataclass(frozen=True)
class Outcomes:
    """What is known: one row an outcome."""

    features: Floats
    """[n, d] in [0, 1]."""
    groups: Floats
    """[n]: number of the distilled checkpoint."""
    values: Floats
    """[n]."""
    noise: Floats
    """[n]: variance of the error with which a value is known, 0 where it was seen."""


class Surrogate:
    """The process, conditioned on outcomes."""

    def __init__(self, covariance: Covariance, known: Outcomes) -> None:
        """Condition on `known`, of which there must be at least one."""
        self._covariance = covariance
        self._known = known
        self._mean, self._scale = _standard(known.values)
        gram = covariance.between(known.features, known.groups, known.features, known.groups)
        gram[np.diag_indices_from(gram)] += covariance.own + known.noise / self._scale**2 + 1e-8
        self._factor = cho_factor(gram, lower=True)
        self._weights = cho_solve(self._factor, (known.values - self._mean) / self._scale)

    def predict(self, features: Floats, groups: Floats) -> tuple[Floats, Floats]:
        """Return mean and variance, [m] each, of new outcomes, their own luck included."""
        across = self._covariance.between(
            features, groups, self._known.features, self._known.groups
        )
        mean = self._mean + self._scale * (across @ self._weights)
        explained = np.einsum("ij,ji->i", across, cho_solve(self._factor, across.T))
        prior = self._covariance.signal + self._covariance.shared
        variance = np.maximum(prior - explained, 1e-9) + self._covariance.own
        return mean, self._scale**2 * variance

    def covariance_of(self, features: Floats, groups: Floats) -> float:
        """Return the covariance of two new outcomes, [2, d]; own luck is not common to them."""
        known = self._known
        across = self._covariance.between(features, groups, known.features, known.groups)
        prior = self._covariance.between(features[:1], groups[:1], features[1:], groups[1:])
        common = prior[0, 0] - across[0] @ cho_solve(self._factor, across[1])
        return float(self._scale**2 * common)


def fit(known: Outcomes, start: Covariance) -> Covariance:
    """Return the covariance under which `known` is most plausible, within weak priors.

    The log marginal likelihood (equation 5.8) plus log-normal priors around `start`, climbed by
    L-BFGS from there: with few outcomes the priors decide, with many the outcomes.
    """
    mean, scale = _standard(known.values)
    values = (known.values - mean) / scale
    noise = known.noise / scale**2 + 1e-8
    squares = (known.features[:, None, :] - known.features[None, :, :]) ** 2
    same = (known.groups[:, None] == known.groups[None, :]).astype(np.float64)
    centre = np.log([start.signal, start.shared, start.own, *start.lengths])
    spread = np.array([0.7, 0.7, 0.7, *[0.8] * len(start.lengths)])

    def loss(logs: Floats) -> tuple[float, Floats]:
        signal, shared, own = np.exp(logs[:3])
        lengths = np.exp(logs[3:])
        scaled = squares / lengths**2
        distance = np.sqrt(np.maximum(scaled.sum(axis=2), 1e-30))
        alike = _matern(distance)
        gram = signal * alike + shared * same
        gram[np.diag_indices_from(gram)] += own + noise
        factor = cho_factor(gram, lower=True)
        inverse = cho_solve(factor, np.eye(len(values)))
        weights = inverse @ values
        slope = 0.5 * (inverse - np.outer(weights, weights))
        by_length = (5 / 3) * signal * (1 + _SQRT5 * distance) * np.exp(-_SQRT5 * distance)
        gradient = np.array(
            [
                signal * np.sum(slope * alike),
                shared * np.sum(slope * same),
                own * np.trace(slope),
                *np.einsum("ij,ijd->d", slope * by_length, scaled),
            ]
        )
        off = (logs - centre) / spread
        fitted = 0.5 * values @ weights + np.log(np.diag(factor[0])).sum()
        return float(fitted + 0.5 * off @ off), gradient + off / spread

    found = minimize(loss, centre, jac=True, method="L-BFGS-B", options={"maxiter": 40})
    signal, shared, own, *lengths = np.exp(found.x)
    return Covariance(float(signal), float(shared), float(own), tuple(map(float, lengths)))


def _standard(values: Floats) -> tuple[float, float]:
    """Return mean and scale; of a few values the scale is mostly what is assumed."""
    squares = len(values) * float(np.var(values)) + _BELIEF * _SCALE**2
    return float(np.mean(values)), (squares / (len(values) + _BELIEF)) ** 0.5


def _distance(a: Floats, b: Floats, lengths: Sequence[float]) -> Floats:
    scaled_a, scaled_b = a / lengths, b / lengths
    squares = (
        np.sum(scaled_a**2, axis=1)[:, None]
        + np.sum(scaled_b**2, axis=1)[None, :]
        - 2 * scaled_a @ scaled_b.T
    )
    distance: Floats = np.sqrt(np.maximum(squares, 0))
    return distance


def _matern(distance: Floats) -> Floats:
    """Matern 5/2 correlation (equation 4.17)."""
    scaled = _SQRT5 * distance
    return (1 + scaled + scaled**2 / 3) * np.exp(-scaled)
