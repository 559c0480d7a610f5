"""What one simulated search is measured by: one compact JSON line a run."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal, TypedDict

import numpy as np
from numpy.typing import NDArray

from benchmarks.replay.trace import FoundPoint, Step, Trace
from benchmarks.tables import Table, TablePoint
from objectives.fronts import Losses, losses_of

SHARES = (0.9, 0.95, 0.99)
"""Of the true hypervolume: what the compute is stated to. A search ends at the last of them."""

GRID: NDArray[np.float64] = np.geomspace(1e-3, 10, 81)
"""Of the anytime curves: compute as a share of that of the whole table."""

RunEnd = Literal["reached", "budget", "trials"]
RunKey = tuple[str, str, str, int, int]
"""Strategy, table, the table file's digest, seed and number of workers."""


@dataclass(frozen=True)
class RunRecord:
    """One run. Seconds are simulated, but for `wall_s` and those of `decisions`."""

    strategy: str
    table: str
    digest: str
    """Of the table's file."""
    seed: int
    workers: int
    end: RunEnd
    """What ended it: 99 % of the true hypervolume, the budget of compute, or its own trials."""
    compute_s: tuple[float | None, ...]
    """By share of SHARES: compute until it was reached, None if it was not."""
    time_s: tuple[float | None, ...]
    """Likewise, on the simulated clock."""
    spent_s: float
    """Compute of the whole run."""
    hypervolume: tuple[float, ...]
    """On GRID, as a share of the true one; it ends where the run does."""
    regret_mean: tuple[float, ...]
    """Likewise: accuracy missing, on average over the members of the true front."""
    regret_max: tuple[float, ...]
    """Likewise, of the worst member."""
    stops: "Stops"
    useful_share: float
    """Of the workers' time until the end."""
    decisions: dict[str, "Timing"]
    """By kind."""
    trials: int
    points: int
    wall_s: float
    """Of simulating."""
    commit: str
    """Of the code that ran; + when files differed from it."""

    @property
    def key(self) -> RunKey:
        """What identifies it."""
        return self.strategy, self.table, self.digest, self.seed, self.workers

    def line(self) -> str:
        """Return it as a line of JSON."""
        return json.dumps(_rounded(asdict(self)), separators=(",", ":"))


class Timing(TypedDict):
    """Wall-clock time of one kind of the strategy's own decisions."""

    calls: int
    ms: float


@dataclass(frozen=True)
class Stops:
    """Students by what became of them; a student counts by how its last trial ended.

    A front member is a student with at least one point on the table's true front. `entering` and
    `entered` count students with a point that reaches the floor and is neither beaten nor equalled
    by what other students had when it was stopped, or ended: as in reports.audit.
    """

    front: int
    """Front members in the table."""
    front_met: int
    """Front members that the search began to train."""
    front_stopped: int
    """Front members stopped for good."""
    front_lost: int
    """Of these, those that no found point equals or beats in all they have on the front."""
    front_paused: int
    """Front members left paused."""
    stopped: int
    """Students stopped for good."""
    stopped_entering: int
    """Of these, those that would have entered the front of their time, under any scheme."""
    audited: int
    """Students that ran on to check the rule."""
    audited_entered: int
    """Of these, those that entered the front of their time."""


def record_of(line: str) -> RunRecord:
    """Return the run that a line of JSON holds."""
    values: dict[str, Any] = json.loads(line)
    values["stops"] = Stops(**values["stops"])
    for name, value in values.items():
        if isinstance(value, list):
            values[name] = tuple(value)
    return RunRecord(**values)


def measured(
    trace: Trace,
    table: Table,
    *,
    digest: str,
    commit: str,
    whole_s: float,
    baselines: bool,
    out_of_budget: bool,
) -> RunRecord:
    """Return what `trace` comes to, until it reached 99 % of the true hypervolume.

    whole_s: see benchmarks.tables.whole_table_s. baselines: whether the search knew the teacher's
    points. out_of_budget: whether it was the budget that ended the trace.
    """
    steps = trace.growth(table)
    decisions: dict[str, Timing] = {
        kind: {
            # Optuna asks a sampler several times a trial, which is one decision.
            "calls": max(trace.trials, 1) if kind == "sampler" else made.calls,
            "ms": 1e3 * made.seconds,
        }
        for kind, made in trace.decisions.items()
    }
    reached = [_first(steps, share * table.true_hypervolume) for share in SHARES]
    if reached[-1] is not None:
        trace = cut(trace, reached[-1].time_s)
    spent_s = trace.compute_s
    compute = GRID[whole_s * GRID <= spent_s] * whole_s
    grown = np.array([0.0, *(step.hypervolume for step in steps)]) / table.true_hypervolume
    at = np.searchsorted([step.compute_s for step in steps], compute + 1e-9, side="right")
    regrets = _regrets(trace, table, compute)
    return RunRecord(
        strategy=trace.strategy,
        table=table.name,
        digest=digest,
        seed=trace.seed,
        workers=trace.workers,
        end="reached" if reached[-1] else "budget" if out_of_budget else "trials",
        compute_s=tuple(None if step is None else step.compute_s for step in reached),
        time_s=tuple(None if step is None else step.time_s for step in reached),
        spent_s=spent_s,
        # The last value is that of the end, which lies between two values of the grid.
        hypervolume=(*grown[at].tolist(), float(grown[len(_within(steps, spent_s))])),
        regret_mean=tuple(regrets.mean(axis=1).tolist()),
        regret_max=tuple(regrets.max(axis=1).tolist()),
        stops=stops(trace, table, baselines=baselines),
        useful_share=trace.useful_share,
        decisions=decisions,
        trials=trace.trials,
        points=len(trace.points),
        wall_s=trace.wall_s,
        commit=commit,
    )


def cut(trace: Trace, time_s: float) -> Trace:
    """Return what was until `time_s`; work under way counts in part, decisions count all."""
    return replace(
        trace,
        spent=tuple(
            replace(piece, seconds=min(piece.seconds, time_s - piece.begin_s))
            for piece in trace.spent
            if piece.begin_s < time_s
        ),
        points=tuple(point for point in trace.points if point.time_s <= time_s),
        endings=tuple(ending for ending in trace.endings if ending.time_s <= time_s),
        end_s=min(trace.end_s, time_s),
    )


def stops(trace: Trace, table: Table, *, baselines: bool) -> Stops:
    """Return what became of the students of a trace."""
    last = {ending.student: ending for ending in trace.endings}
    met = {piece.student for piece in trace.spent} | last.keys()
    front = {point.student for point in table.front}
    stopped = {key: ending for key, ending in last.items() if ending.end == "stopped"}
    paused = {key for key, ending in last.items() if ending.end == "paused"}
    audited = {ending.student: ending for ending in trace.endings if ending.end == "audited"}
    before = _Before(trace, table, baselines=baselines)
    by_student: dict[str, list[TablePoint]] = {key: [] for key in stopped}
    for point in table.outcomes:
        if point.student in stopped:
            by_student[point.student].append(point)
    of_front = {
        key: [point for point in table.front if point.student == key]
        for key in front & set(stopped)
    }
    own: dict[str, list[FoundPoint]] = {key: [] for key in audited}
    for found in trace.points:
        if found.student in audited:
            own[found.student].append(found)
    return Stops(
        front=len(front),
        front_met=len(front & met),
        front_stopped=len(of_front),
        front_lost=sum(before.enters(key, its, trace.end_s) for key, its in of_front.items()),
        front_paused=len(front & paused),
        stopped=len(stopped),
        stopped_entering=sum(
            before.enters(key, by_student[key], ending.time_s) for key, ending in stopped.items()
        ),
        audited=len(audited),
        audited_entered=sum(
            before.enters(key, own[key], ending.time_s) for key, ending in audited.items()
        ),
    )


class _Before:
    """What was found by when, and whether a student's points would have entered its front."""

    def __init__(self, trace: Trace, table: Table, *, baselines: bool) -> None:
        self._objectives = table.config.objectives
        self._floor = table.reference.accuracy_floor
        self._students = np.array([point.student for point in trace.points])
        self._times = np.array([point.time_s for point in trace.points])
        self._losses = losses_of(trace.points, self._objectives)
        self._teacher = _teacher_losses(table) if baselines else self._losses[:0]

    def enters(
        self, student: str, points: Sequence[TablePoint | FoundPoint], time_s: float
    ) -> bool:
        """Say whether one of `points` is good for the front of the others at `time_s`."""
        others = (self._times <= time_s) & (self._students != student)
        known = np.concatenate([self._losses[others], self._teacher])
        reaching = [point for point in points if point.accuracy >= self._floor]
        return any(
            not (known <= losses).all(axis=1).any()
            for losses in losses_of(reaching, self._objectives)
        )


def _teacher_losses(table: Table) -> Losses:
    teacher = table.costs.teacher
    points = []
    for scheme, accuracy in table.teacher["validation"].items():
        cost = table.costs.of(teacher, scheme)
        points.append(TablePoint(teacher, scheme, accuracy, cost.size_bytes, cost.latency_ms))
    return losses_of(points, table.config.objectives)


def _regrets(trace: Trace, table: Table, compute_s: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return [compute_s and the end, members of the front], as Trace.regrets of each compute."""
    floor = table.reference.accuracy_floor
    members = losses_of(table.front, table.config.objectives)
    points = losses_of(trace.points, table.config.objectives)
    within = (points[None, :, 1:] <= members[:, None, 1:]).all(axis=2)
    had = np.where(within, 1 - points[None, :, 0], floor)
    had = np.concatenate([np.full((len(members), 1), floor), had], axis=1)
    best = np.maximum.accumulate(had, axis=1)
    spent = np.maximum.accumulate(trace.compute_at([point.time_s for point in trace.points]))
    at = np.searchsorted(spent, compute_s + 1e-9, side="right")
    return np.asarray(1 - members[None, :, 0] - best[:, [*at, -1]].T)


def _first(steps: Sequence[Step], wanted: float) -> Step | None:
    # A front found whole has the true hypervolume but for rounding.
    return next((step for step in steps if step.hypervolume >= wanted - 1e-12), None)


def _within(steps: Sequence[Step], spent_s: float) -> list[Step]:
    return [step for step in steps if step.compute_s <= spent_s + 1e-9]


def _rounded(value: Any) -> Any:
    if isinstance(value, float):
        return float(f"{value:.6g}")
    if isinstance(value, dict):
        return {name: _rounded(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_rounded(inner) for inner in value]
    return value
