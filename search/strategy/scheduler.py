"""Which paused student goes on, and when: the other half of pausing."""

from collections.abc import Callable
from typing import Protocol

from studies.records import History, Paused

Enough = Callable[[History], bool]
"""Says that nothing further is to be begun or resumed: what runs ends, and the study with it,
unless what it ends with changes the answer."""


class Scheduler(Protocol):
    """Says, whenever a worker is free, whether it resumes a paused student."""

    def resumption(self, history: History, *, new_allowed: bool) -> Paused | None:
        """Return one of `history.waiting` to go on with, or None for a new trial.

        new_allowed: whether a new trial may be sampled; when not, None says that no paused student
        is worth its remaining epochs, and the study is at its end once nothing runs.
        """
        ...


class NewFirst:
    """Samples all trials of the study, then finishes what was paused, the oldest first."""

    def resumption(self, history: History, *, new_allowed: bool) -> Paused | None:
        """Return the oldest paused trial once no new one is allowed."""
        return None if new_allowed else next(iter(history.waiting), None)
