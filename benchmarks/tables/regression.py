"""A regression that says what it makes of rows that it has not seen (scikit-learn's)."""

import warnings
from collections.abc import Iterable, Sequence
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import ConstantKernel, Matern, WhiteKernel

from spaces import digest

Floats = NDArray[np.float64]


class Regression:
    """A Gaussian process (Rasmussen and Williams 2006, chapter 2) from features to several outputs.

    The covariance, a Matern 5/2 with a length a feature and noise, is the same for all outputs and
    that of greatest likelihood for all rows; what is known of the outputs may be less than all.
    """

    def __init__(
        self, features: Sequence[Sequence[float]], outputs: Sequence[Floats], groups: Iterable[str]
    ) -> None:
        """Fit to features [n][d] and outputs [n][m]; rows of a group are left out together."""
        raw = np.asarray(features, dtype=np.float64)
        self._varies = np.ptp(raw, axis=0) > 0
        self._mean = raw[:, self._varies].mean(axis=0)
        self._sd = raw[:, self._varies].std(axis=0)
        self._features = self._standardised(raw)
        self._outputs = np.asarray(outputs, dtype=np.float64)
        self._groups = np.asarray(list(groups))
        lengths = np.ones(self._features.shape[1])
        kernel = ConstantKernel() * Matern(lengths, nu=2.5) + WhiteKernel(0.1)
        with warnings.catch_warnings():
            # A setting that does not matter has a length as long as may be.
            warnings.simplefilter("ignore", ConvergenceWarning)
            self._all = GaussianProcessRegressor(kernel, normalize_y=True, random_state=0).fit(
                self._features, self._outputs
            )

    def predict(self, features: Sequence[Sequence[float]], without: str | None = None) -> Floats:
        """Return the outputs [k, m] expected at features [k][d], by all groups but `without`."""
        at = self._standardised(np.asarray(features, dtype=np.float64))
        return np.asarray(self._knowing(without).predict(at)).reshape(len(at), -1)

    def luck(self, names: Iterable[str]) -> Floats:
        """Return what was not foreseen of the rows that k names draw, [k, m]."""
        rows = [int(digest("luck", name)[:12], 16) % len(self._outputs) for name in names]
        return np.asarray(self._unforeseen[rows])

    @cached_property
    def _unforeseen(self) -> Floats:
        """Outputs less what is expected of them when their group is left out [n, m]."""
        found = np.empty_like(self._outputs)
        for group in np.unique(self._groups):
            mine = self._groups == group
            expected = self._knowing(group).predict(self._features[mine])
            found[mine] = self._outputs[mine] - np.asarray(expected).reshape(mine.sum(), -1)
        return found

    def _knowing(self, without: str | None) -> GaussianProcessRegressor:
        if without is None:
            return self._all
        rest = self._groups != without
        same = GaussianProcessRegressor(self._all.kernel_, optimizer=None, normalize_y=True)
        return same.fit(self._features[rest], self._outputs[rest])

    def _standardised(self, features: Floats) -> Floats:
        return np.asarray((features[:, self._varies] - self._mean) / self._sd)
