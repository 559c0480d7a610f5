"""Hears the workers of a search to their end: replaces the dead, ends the late, obeys Ctrl-C."""

import signal
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from search.cli.options import EXIT_INTERRUPTED
from search.cli.progress import ProgressView
from search.workers import Launcher, TrialBegan, WorkerEvent, WorkerExit

_DEATHS = 3
"""Workers that may die in one place before they have begun a trial."""
_GRACE_S = 300.0
"""How long after its time is over an epoch may take."""


@dataclass
class Watch:
    """What one command does while its workers run."""

    launcher: Launcher
    view: ProgressView
    until_s: float
    """time.monotonic() after which workers are asked to stop, and later made to."""
    failed: list[WorkerExit] = field(default_factory=list)
    """Workers that nobody replaced, and that should not have ended."""
    interrupts: int = 0
    """How often somebody pressed Ctrl-C."""
    _idle_deaths: Counter[int] = field(default_factory=Counter)
    _is_late: bool = False
    _is_ended: bool = False

    def run(self, between: Callable[[], None]) -> None:
        """Return when no worker is left; `between` is called often."""
        while self.launcher.running:
            try:
                item = self.launcher.take()
                if isinstance(item, WorkerEvent):
                    self.view.take(item.worker, item.event)
                    if isinstance(item.event, TrialBegan):
                        self._idle_deaths[item.worker] = 0
                elif isinstance(item, WorkerExit):
                    self._take_leave(item)
                else:
                    self.view.tick()
                self._look_at_the_clock()
                between()
            except KeyboardInterrupt:
                self._interrupt()

    def _take_leave(self, item: WorkerExit) -> None:
        may_go = (self.interrupts or self._is_late) and item.code < 0
        if may_go or item.code in {0, EXIT_INTERRUPTED}:
            return
        if item.is_place_gone:
            self.view.say(f"worker {item.worker} is gone with its machine; it starts elsewhere")
            self.launcher.start(item.worker)
            return
        self._idle_deaths[item.worker] += item.code < 0
        # Deaths of one trial the claims count, so this comes to an end.
        if item.code < 0 and self._idle_deaths[item.worker] < _DEATHS:
            self.view.say(f"{death_of(item)}; another takes its place")
            self.launcher.start(item.worker)
        else:
            self.failed.append(item)

    def _look_at_the_clock(self) -> None:
        late_s = time.monotonic() - self.until_s
        if late_s >= 0 and not self._is_late:
            self._is_late = True
            self.launcher.ask_to_stop()
            self.view.notice("the time is over: stopping after the current epoch")
        if late_s >= _GRACE_S and not self._is_ended:
            self._is_ended = True
            self.view.say(f"no epoch ended within {_GRACE_S / 60:g} minutes: stopped at once")
            self.launcher.kill()

    def _interrupt(self) -> None:
        self.interrupts += 1
        if self.interrupts == 1:
            self.launcher.ask_to_stop()
            self.view.notice(
                "stopping after the current epoch; Ctrl-C again stops at once "
                "(nothing finished is lost either way)"
            )
        else:
            self.launcher.kill()


def death_of(item: WorkerExit) -> str:
    """Say how a worker went that a signal ended."""
    memory = " (out of memory?)" if item.code == -signal.SIGKILL else ""
    return f"worker {item.worker} was killed by {signal.Signals(-item.code).name}{memory}"
