"""A simulated clock: workers are greenlets, and the one whose time comes next runs. No threads."""

import heapq
from collections.abc import Callable, Sequence

from greenlet import getcurrent, greenlet

from spaces import DistilfrontError


class Parked(list[greenlet]):
    """Workers that wait until somebody wakes them, in the order in which they came."""


class Clock:
    """Runs tasks side by side in simulated seconds.

    Only `spend` and `park` let another task run, so nothing between two of them is ever torn
    apart. Tasks whose times are equal run in the order in which they asked: a simulation depends
    on nothing but what its tasks do.
    """

    def __init__(self) -> None:
        self.now = 0.0
        """Seconds since the tasks began."""
        self._hub = getcurrent()
        self._turns = 0
        self._queue: list[tuple[float, int, greenlet]] = []

    def run(self, tasks: Sequence[Callable[[], None]]) -> None:
        """Run `tasks` until all have ended; what one raises is raised here.

        Raises DistilfrontError when tasks are left that nobody will wake.
        """
        self._hub = getcurrent()
        started = [greenlet(task) for task in tasks]
        for task in started:
            self._at(self.now, task)
        while self._queue:
            self.now, _, task = heapq.heappop(self._queue)
            task.switch()
        asleep = sum(not task.dead for task in started)
        if asleep:
            raise DistilfrontError(f"{asleep} workers wait and nobody is left to wake them")

    def spend(self, seconds: float) -> None:
        """Let the task that calls be busy for `seconds`."""
        self._at(self.now + seconds, getcurrent())
        self._hub.switch()

    def park(self, where: Parked) -> None:
        """Let the task that calls wait until `where` is woken."""
        where.append(getcurrent())
        self._hub.switch()

    def wake(self, where: Parked) -> None:
        """Have all tasks in `where` run on, now."""
        for task in where:
            self._at(self.now, task)
        where.clear()

    def _at(self, time_s: float, task: greenlet) -> None:
        self._turns += 1
        heapq.heappush(self._queue, (time_s, self._turns, task))
