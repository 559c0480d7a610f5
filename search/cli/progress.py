"""What the person who waits sees: a live view on a terminal, plain lines elsewhere."""

import time
from dataclasses import dataclass, field
from typing import Self

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from reports import counted
from search.cli.durations import in_words
from search.workers import EpochEnded, Event, Noted, PointAdded, Preparing, TrialBegan, TrialEnded

_PLAIN_EVERY_S = 5.0


@dataclass
class Pace:
    """How long trials take, and so how long the rest will.

    The mean over every ended trial of the study, stopped and reused ones included, is what the
    next ones will take on average; the trials under way count by what they have done.
    """

    workers: int
    durations_s: list[float] = field(default_factory=list)

    def left_s(self, remaining: int, under_way: list[tuple[float, float]]) -> float | None:
        """Return seconds left for `remaining` trials that have not ended.

        under_way: (seconds since it began, progress in [0, 1]) of each trial that has begun.
        Returns None while nothing is known.
        """
        mean_s = self._mean_s(under_way)
        if mean_s is None:
            return None
        waiting = max(0, remaining - len(under_way))
        begun_s = [max(0.0, mean_s * (1 - progress)) for _, progress in under_way]
        spread_s = (waiting * mean_s + sum(begun_s)) / max(1, min(self.workers, remaining))
        return max([spread_s, *begun_s])

    def _mean_s(self, under_way: list[tuple[float, float]]) -> float | None:
        if self.durations_s:
            return sum(self.durations_s) / len(self.durations_s)
        seen = [(seconds, progress) for seconds, progress in under_way if progress > 0]
        if not seen:
            return None
        return sum(seconds / progress for seconds, progress in seen) / len(seen)


@dataclass
class _Lane:
    """What one worker is at."""

    words: str = "starting"
    trial: int | None = None
    settings: str = ""
    began: float = 0.0
    progress: float = 0.0
    reused: str = ""
    """The last epoch that was reused, until an epoch is trained."""


class ProgressView:
    """Keeps what the events say and shows it until it is left.

    Use as a context manager; `total` and `ended` are sampled trials.
    """

    def __init__(
        self,
        console: Console,
        title: str,
        *,
        total: int,
        ended: int,
        points: int,
        stopped: int,
        pace: Pace,
    ) -> None:
        self._console = console
        self._title = title
        self._total, self._ended, self._points, self._stopped = total, ended, points, stopped
        self._pace = pace
        self._lanes: dict[int, _Lane] = {}
        self._start = time.monotonic()
        self._live: Live | None = None
        self._last_plain = 0.0
        self._notice = ""
        self._noted: set[str] = set()

    def __enter__(self) -> Self:
        if self._console.is_terminal:
            self._live = Live(self._render(), console=self._console, refresh_per_second=4)
            self._live.__enter__()
        else:
            self._console.print(self._title)
        return self

    def __exit__(self, *exception: object) -> None:
        if self._live is not None:
            self._live.update(self._render())
            self._live.__exit__(None, None, None)

    def notice(self, words: str) -> None:
        """Show `words` under everything else until the end."""
        self._notice = words
        self._line(words)
        self.tick()

    def say(self, words: str) -> None:
        """Show `words` once, above whatever moves."""
        self._line(words, live=True)

    def tick(self) -> None:
        """Bring the clock and the estimate up to date."""
        if self._live is not None:
            self._live.update(self._render())

    def take(self, worker: int, event: Event) -> None:
        """Take one event of one worker."""
        lane = self._lanes.setdefault(worker, _Lane())
        if isinstance(event, Preparing):
            lane.words, lane.trial, lane.reused = event.words, None, ""
            self._line(f"worker {worker}: {event.words}")
        elif isinstance(event, Noted):
            if event.words not in self._noted:
                self._noted.add(event.words)
                self.say(event.words)
        elif isinstance(event, TrialBegan):
            lane.trial, lane.settings = event.trial, event.words
            lane.began, lane.progress, lane.words = time.monotonic(), 0.0, "begins"
            lane.reused = ""
            before = event.goes_on_with
            again = "" if before is None else f" (goes on with trial {before})"
            self._line(f"trial {event.trial} begins{again}: {event.words}")
        elif isinstance(event, EpochEnded):
            self._take_epoch(lane, event)
        elif isinstance(event, PointAdded):
            self._points += 1
            self._line(
                f"trial {event.trial}: {event.scheme} ({event.origin}) accuracy "
                f"{event.accuracy:.4f}, {event.size_bytes / 1e6:.3f} MB, {event.latency_ms:.3g} ms"
            )
        elif isinstance(event, TrialEnded):
            self._take_end(lane, event)
        self.tick()

    def _take_epoch(self, lane: _Lane, event: EpochEnded) -> None:
        lane.progress = event.progress
        reused = " (reused)" if event.reused else ""
        lane.words = (
            f"{event.stage} epoch {event.epoch}/{event.epochs}{reused}, "
            f"accuracy {event.accuracy:.3f}"
        )
        now = time.monotonic()
        who = event.stage if event.trial is None else f"trial {event.trial}"
        if event.reused:
            lane.reused = f"{event.stage} epoch {event.epoch}/{event.epochs}"
        elif lane.reused:
            self._line(f"{who}: goes on after {lane.reused}, reused")
            lane.reused = ""
        if not event.reused and now - self._last_plain >= _PLAIN_EVERY_S:
            self._last_plain = now
            self._line(f"{who}: {lane.words}; {self._state()}")

    def _take_end(self, lane: _Lane, event: TrialEnded) -> None:
        if event.state != "interrupted":
            self._ended += event.counts
            self._pace.durations_s.append(time.monotonic() - lane.began)
        self._stopped += event.state == "stopped"
        if lane.reused and event.state == "complete":
            self._line(f"trial {event.trial}: nothing was left to train, all epochs were reused")
        lane.trial, lane.progress, lane.words = None, 0.0, f"trial {event.trial} {event.state}"
        lane.reused = ""
        self._line(f"trial {event.trial} {event.state}: {event.words}; {self._state()}")

    def _left(self) -> str:
        now = time.monotonic()
        under_way = [
            (now - lane.began, lane.progress)
            for lane in self._lanes.values()
            if lane.trial is not None
        ]
        seconds = self._pace.left_s(self._total - self._ended, under_way)
        return "" if seconds is None else f", about {in_words(seconds)} left"

    def _state(self) -> str:
        stopped = f", {self._stopped} stopped" if self._stopped else ""
        elapsed = in_words(time.monotonic() - self._start)
        return (
            f"{self._ended}/{counted(self._total, 'trial')}, "
            f"{counted(self._points, 'point')}{stopped}, "
            f"{elapsed} elapsed{self._left()}"
        )

    def _line(self, words: str, *, live: bool = False) -> None:
        if self._live is None or live:
            clock = time.strftime("%H:%M:%S")
            self._console.print(f"{clock} {words}", highlight=False, soft_wrap=True)

    def _render(self) -> Group:
        bar = Table.grid(padding=(0, 1))
        bar.add_row(
            ProgressBar(total=max(1, self._total), completed=self._ended, width=28), self._state()
        )
        lanes = Table.grid(padding=(0, 2))
        lanes.add_column(style="dim")
        lanes.add_column(min_width=9)
        lanes.add_column(min_width=34)
        lanes.add_column(style="dim", overflow="ellipsis", no_wrap=True)
        for index, lane in sorted(self._lanes.items()):
            trial = "" if lane.trial is None else f"trial {lane.trial}"
            settings = lane.settings if lane.trial is not None else ""
            lanes.add_row(f"worker {index}", trial, lane.words, settings)
        parts: list[RenderableType] = [Text(self._title, style="bold"), bar, lanes]
        if self._notice:
            parts.append(Text(self._notice, style="yellow"))
        return Group(*parts)
