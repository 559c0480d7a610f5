"""What ours come to: a table's rows made by a study, or read from a journal that is there."""

import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

from benchmarks.methods.outcomes import Journal, student_of, tell
from benchmarks.sources.published import HERE, ROOT, Row, Scale, Source, Table, study_of
from objectives import CostTable, TrainedStudent, Workbench, check_setup, measure_study_costs
from spaces import Network, StudentConfig, StudySetup, digest, essence, scheme_named
from studies import load_study

MADE = HERE / "small.jsonl"
"""What the rows of the small scale came to that were made for these tables."""
_SENSITIVITY_IMAGES = 512
_PROCESSES, _CALLS = 3, 200


@dataclass(frozen=True)
class Figures:
    """What one row came to, of one seed; None: nobody measured it."""

    accuracy: float
    """On test, in [0, 1], of the artifact under the row's scheme."""
    size_bytes: int | None = None
    f1: float | None = None
    kl: float | None = None
    """From the teacher, in nats."""
    latency_ms: float | None = None
    """One image, on one thread."""
    teacher_ms: float | None = None
    """Of the teacher as an fp32 file, in the same minutes."""
    flops: int | None = None


Found = dict[str, list[Figures]]
"""By a row's label, one of each seed."""


def name_of(source: Source, table: Table, scale: str, row: Row, seed: int) -> str:
    """Return what the journal calls a row of a seed."""
    return f"{source.name} {table.name} {scale}: {row.label} {seed}"


def read_found(source: Source, table: Table, scale: str) -> Found:
    """Return what the journals kept here have of a table, in the order of its rows."""
    if scale == "small" and table.small is None:
        return {}
    asked = table.scale(scale)
    if asked.journals:
        known = {row.label: list(_known(asked, row)) for row in table.rows if row.known}
        return {label: figures for label, figures in known.items() if figures}
    made, found = Journal(MADE, Figures).by_name(), Found()
    for row in table.rows:
        names = [name_of(source, table, scale, row, seed) for seed in asked.seeds]
        of_row = [made[name] for name in names if name in made]
        if of_row:
            found[row.label] = of_row
    return found


def _known(scale: Scale, row: Row) -> Iterator[Figures]:
    """Yield what journals of methods (`logit 0`), or of schemes, have of a row."""
    for journal in scale.journals:
        for text in (ROOT / journal).read_text("utf-8").splitlines():
            line = json.loads(text) if text else {}
            who = str(line.get("who", ""))
            if row.known in {who, who.rpartition(" ")[0]}:
                # A sparse file holds the numbers that the dense one holds.
                yield Figures(line["accuracies"][row.scheme.removesuffix("_sparse")])
            elif f"{line.get('network')} {line.get('scheme')}" == row.known:
                yield Figures(line["accuracy"] / 100, line["bytes"])


class Maker:
    """Makes the rows of one table at one scale, as far as a journal does not have them."""

    def __init__(
        self,
        source: Source,
        table: Table,
        scale: str,
        work: Path,
        overrides: Sequence[str] = (),
        journal: Path | None = None,
    ) -> None:
        self._named = (source, table, scale)
        self._shows = set(table.shows)
        self._scale = table.scale(scale)
        self._work = work
        config = load_study(study_of(self._scale), [*self._scale.set, *overrides])
        self._setup: StudySetup = config.setup()
        self._space = config.search_space()
        self._journal = Journal(journal or work / "sources.jsonl", Figures)

    def make(self, rows: Sequence[Row], seeds: int | None = None) -> Found:
        """Return what every row of ours came to; of the scale's seeds, or the first so many."""
        ours = [row for row in rows if row.ours]
        students = {row.label: student_of(self._space, row.answers) for row in ours if row.answers}
        check_setup(self._setup, self._space.networks, self._space.schemes, self._space.tried)
        setup, found = self._with_sensitivity(ours), Found()
        with Workbench(setup, self._work) as bench:
            costs = cache(lambda: self._costs(bench, ours, students))
            for seed in self._scale.seeds[:seeds]:
                for row in ours:
                    student = students.get(row.label)
                    if student is None and row.label in found:
                        continue  # The teacher has one seed.
                    of_seed = None if student is None else replace(student, seed=seed)
                    made = self._made(bench, row, of_seed, seed, costs)
                    found.setdefault(row.label, []).append(made)
        return found

    def _with_sensitivity(self, rows: Sequence[Row]) -> StudySetup:
        """Return the setup with what bits by layer need, measured of the teacher."""
        if self._setup.sensitivity or not any("by_layer" in row.scheme for row in rows):
            return self._setup
        with Workbench(self._setup, self._work) as bench:
            teacher, network = bench.teacher(tell("teacher")), self._setup.teacher.network
            layers = bench.sensitivity(teacher, network, _SENSITIVITY_IMAGES)
        return replace(self._setup, sensitivity=tuple(layers))

    def _network(self, student: StudentConfig | None) -> Network:
        return self._setup.teacher.network if student is None else student.deployed

    def _costs(
        self, bench: Workbench, rows: Sequence[Row], students: Mapping[str, StudentConfig]
    ) -> CostTable | None:
        """Measure the latencies of a table that shows them."""
        if not self._shows & {"latency", "flops"}:
            return None
        networks = [self._network(students.get(row.label)) for row in rows]
        return measure_study_costs(
            bench,
            list(dict.fromkeys([self._setup.teacher.network, *networks])),
            list(dict.fromkeys(row.scheme for row in rows)),
            processes=_PROCESSES,
            calls=_CALLS,
            on_progress=lambda words: print(words, file=sys.stderr, flush=True),
        )

    def _made(
        self,
        bench: Workbench,
        row: Row,
        student: StudentConfig | None,
        seed: int,
        costs: Callable[[], CostTable | None],
    ) -> Figures:
        who, itself = name_of(*self._named, row, seed), bench.keys.teacher()
        named = itself if student is None else essence(student)
        key = digest(who, named, itself, row.scheme, bench.data.fingerprint)
        known = self._journal.outcome(key)
        if known is not None:
            return known
        trained = bench.teacher(tell("teacher"))
        if student is not None:
            ended = bench.train_student(student, tell(f"{row.label} {seed}"))
            if not isinstance(ended, TrainedStudent):
                raise TypeError("a student stopped that nobody had told to")
            trained = ended
        network = self._network(student)
        scored = bench.evaluate(trained, network, scheme_named(row.scheme), "test")
        figures = Figures(scored.accuracy, scored.size_bytes, scored.f1, scored.kl_to_teacher)
        measured = costs()
        if measured is not None:
            cost = measured.of(network.key, row.scheme)
            whole = measured.of(measured.teacher, "fp32")
            figures = replace(
                figures, latency_ms=cost.median_ms, teacher_ms=whole.median_ms, flops=cost.flops
            )
        self._journal.write(key, who, figures)
        return figures
