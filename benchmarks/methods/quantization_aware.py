"""Adapters that learn with the network seen through their layout, against adapters that do not.

    python -m benchmarks.methods.quantization_aware STUDY --work WORK [--seeds 1] [--epochs 3]
        [--layouts w4,w3,w2,w4a8] [--rank 8] [--set key=value]...

The teacher of the study, trained or loaded, is adapted once as it is and once through each layout,
by each seed, with the same epochs. Prints a row a layout: test accuracy of the artifact of the
network untouched, after the plain adapter and after the one that saw the layout; what the latter
has above the plain one, paired by seed; and its seconds beside the plain one's. What is trained is
kept in WORK, so it can be interrupted and run again.
"""

import sys
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from statistics import mean

from benchmarks.methods.outcomes import nearest_scheme, spread, study_parser
from benchmarks.script import run_script
from objectives import TrainedStudent, Verdict, Workbench, check_setup
from objectives.chain import WEIGHTS, StageWork, handler_of
from objectives.training import Sized, TeacherSignal, TrainingMethod
from spaces import (
    ANY_LAYOUT,
    Adapt,
    Distill,
    NoTeacher,
    Scheme,
    StudentConfig,
    Views,
    digest,
    essence,
)
from studies import load_study

_LAYOUTS = "w4,w3,w2,w4a8"


def main() -> None:
    """Train what is missing and print the table."""
    parser = study_parser(__doc__, 1)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--rank", type=int, default=8)
    parser.add_argument("--learning-rate", type=float, default=0.001)
    parser.add_argument("--layouts", default=_LAYOUTS)
    options = parser.parse_args()
    setup = load_study(options.study, options.overrides).setup()
    schemes = {layout: nearest_scheme(layout) for layout in options.layouts.split(",")}
    check_setup(setup, (), (one.name for one in schemes.values()))
    shape = Adapt(epochs=options.epochs, rank=options.rank, learning_rate=options.learning_rate)
    print(*_HEAD, sep="\n", flush=True)
    with Workbench(setup, options.work) as bench:
        pair = _Pair(bench, shape, range(options.seeds))
        for layout, scheme in schemes.items():
            print(pair.row(layout, scheme), flush=True)


_HEAD = (
    "| layout | untouched | plain adapter | through the layout | above plain | seconds |",
    "| --- | --- | --- | --- | --- | --- |",
)


class _NoTeachers:
    """What a stage asks that learns from labels alone: nobody."""

    def signal(self, name: str, method: TrainingMethod, views: Views) -> TeacherSignal:
        """Raise AssertionError."""
        raise AssertionError(f"{method} asks {name}, with {views}")

    def weights(self, name: str) -> Path:
        """Raise AssertionError."""
        raise AssertionError(f"a stage begins with {name}")

    def copy(self, name: str, method: TrainingMethod) -> Sized:
        """Raise AssertionError."""
        raise AssertionError(f"{method} takes {name}")


class _Pair:
    """One trained network, adapted with and without a layout in view."""

    def __init__(self, bench: Workbench, shape: Adapt, seeds: range) -> None:
        self._bench = bench
        self._shape = shape
        self._seeds = seeds
        self._teacher = bench.teacher(lambda _: Verdict.GO_ON)

    def row(self, layout: str, scheme: Scheme) -> str:
        """Return the row of one layout."""
        untouched = self._score(self._teacher.weights, scheme)
        plain = [self._adapted(ANY_LAYOUT, seed) for seed in self._seeds]
        aware = [self._adapted(layout, seed) for seed in self._seeds]
        before = [self._score(weights, scheme) for weights, _ in plain]
        after = [self._score(weights, scheme) for weights, _ in aware]
        gains = [b - a for a, b in zip(before, after, strict=True)]
        cost = sum(seconds for _, seconds in aware) / sum(seconds for _, seconds in plain)
        cells = [f"`{layout}`", f"{untouched:.2f}", *map(_told, (before, after))]
        return f"| {' | '.join([*cells, f'{mean(gains):+.2f}', f'{cost:.2f}x'])} |"

    def _adapted(self, layout: str, seed: int) -> tuple[Path, float]:
        """Return the weights of the network adapted through a layout, and the seconds it took."""
        bench, stage = self._bench, replace(self._shape, layout=layout)
        network = bench.setup.teacher.network
        student = StudentConfig(network, (Distill(method=NoTeacher()), stage), seed)
        weights, ground = self._teacher.weights, bench.ground

        work = StageWork(student, weights, _NoTeachers(), ground, bench.data.classes)
        key = digest("adapted teacher", bench.keys.teacher(), essence(student))

        def after(epoch: int, result: object, reused: bool) -> bool:
            if not reused:
                print(f"{layout} {seed}: epoch {epoch}, {result}", file=sys.stderr, flush=True)
            return True

        handler = handler_of(stage.kind)
        with ExitStack() as leases:
            entry = bench.cache.obtain(
                key, lambda draft: handler.build(stage, work, draft, after), leases
            )
        if entry is None:
            raise TypeError("a stage stopped that nobody had told to")
        return entry.path(WEIGHTS), sum(one["seconds"] for one in entry.notes["results"])

    def _score(self, weights: Path, scheme: Scheme) -> float:
        trained = TrainedStudent(key="", weights=weights, accuracy=0.0)
        network = self._bench.setup.teacher.network
        return 100 * self._bench.evaluate(trained, network, scheme, "test").accuracy


def _told(values: list[float]) -> str:
    return f"{mean(values):.2f}{spread(values, 1)}"


if __name__ == "__main__":
    run_script(main)
