"""What single students of a study come to: trained to their end, scored under every scheme."""

import argparse
import json
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from math import nan
from pathlib import Path
from statistics import stdev
from typing import Generic, TypeVar

from objectives import EpochReport, OnEpoch, TrainedStudent, Verdict, Workbench
from spaces import (
    METHODS,
    SCHEMES,
    Declared,
    InputError,
    NoTeacher,
    Scheme,
    Space,
    StudentConfig,
    Value,
    digest,
    essence,
)
from spaces import scheme_named as scheme

METHOD = "distill.method"


@dataclass(frozen=True)
class Outcome:
    """What one student came to."""

    accuracies: Mapping[str, float]
    """On test, in [0, 1], by scheme; the float network's is that of fp32."""
    seconds: float
    """Of the CPU, for training its last stage; of the clock, where another process had a part."""
    validation: float = nan
    """Accuracy of the float network on validation; NaN in journals that did not have it."""


_NAMES = ("key", "who")
"""Of a line of a journal, beside the outcome."""


Kept = TypeVar("Kept")


class Journal(Generic[Kept]):
    """A file with a line of JSON a student, the last of each counts."""

    def __init__(self, path: Path, kept: type[Kept] = Outcome) -> None:
        self._path = path
        self._kept = kept
        self._path.parent.mkdir(parents=True, exist_ok=True)

    def outcome(self, key: str) -> Kept | None:
        """Return what the student of that key came to; None when there is no such line."""
        return self._by("key").get(key)

    def by_name(self) -> dict[str, Kept]:
        """Return what every student came to, by what `write` called it."""
        return self._by("who")

    def _by(self, name: str) -> dict[str, Kept]:
        lines = self._path.read_text("utf-8").splitlines() if self._path.exists() else []
        found = {}
        for line in lines:
            try:
                row = json.loads(line)
            except ValueError:  # Its writer was killed.
                continue
            found[row[name]] = self._kept(**{key: row[key] for key in row if key not in _NAMES})
        return found

    def write(self, key: str, who: str, outcome: Kept) -> None:
        """Append a line."""
        with self._path.open("a", encoding="utf-8") as file:
            # The line before it may have been cut short.
            file.write("\n" + json.dumps({"key": key, "who": who, **asdict(outcome)}))


def study_parser(doc: str, seeds: int | None, **more: str) -> argparse.ArgumentParser:
    """Return a parser of what all these scripts ask: a study, a folder to work in, settings.

    doc: the script's; seeds: how many by default; more: further options that take a text, with
    their help.
    """
    parser = argparse.ArgumentParser(description=doc.splitlines()[0])
    parser.add_argument("study", help="a built-in study's name or a file")
    parser.add_argument("--work", type=Path, required=True, help="folder of the stage cache")
    parser.add_argument("--seeds", type=int, default=seeds)
    for name, words in more.items():
        parser.add_argument(f"--{name}", help=words)
    parser.add_argument("--set", action="append", default=[], dest="overrides")
    return parser


def tell(who: str) -> OnEpoch:
    """Return what prints the epochs of `who` that are trained now."""

    def on_epoch(report: EpochReport) -> Verdict:
        if not report.reused:
            print(
                f"{who}: {report.stage} {report.epoch}/{report.epochs}, {report.accuracy:.4f}",
                file=sys.stderr,
                flush=True,
            )
        return Verdict.GO_ON

    return on_epoch


def outcome_of(
    bench: Workbench, journal: Journal, student: StudentConfig, schemes: Sequence[str], who: str
) -> Outcome:
    """Return what the student came to, from the journal as far as that has it."""
    key = digest(essence(student), bench.data.fingerprint)
    known = journal.outcome(key)
    scored = dict(known.accuracies) if known else {}
    missing = [name for name in dict.fromkeys(["fp32", *schemes]) if name not in scored]
    if known and not missing:
        return known
    last_s, said = time.process_time(), tell(who)
    of_stage, reused = dict.fromkeys((stage.kind for stage in student.stages), 0.0), set[str]()

    def on_epoch(report: EpochReport) -> Verdict:
        nonlocal last_s
        of_stage[report.stage] += time.process_time() - last_s
        last_s = time.process_time()
        if report.reused:
            reused.add(report.stage)
        return said(report)

    trained = bench.train_student(student, on_epoch)
    if not isinstance(trained, TrainedStudent):
        raise TypeError("a student stopped that nobody had told to")
    for name in missing:
        scored[name] = bench.evaluate(trained, student.deployed, scheme(name), "test").accuracy
    last = trained.stages[-1]
    seconds = last.seconds if last.stage in reused else of_stage[last.stage]
    outcome = Outcome(scored, known.seconds if known else seconds, trained.accuracy)
    journal.write(key, who, outcome)
    return outcome


def student_of(space: Space, answers: Mapping[str, Value]) -> StudentConfig:
    """Return the student of these settings, of the space's first network.

    What `answers` do not say has its method's own default, where the space has that, or the first
    value. Raises InputError where the space does not have an answer.
    """
    for name, value in answers.items():
        if name not in space.keys or value not in space.values(name):
            had = ", ".join(map(str, space.values(name))) if name in space.keys else "nothing"
            raise InputError(f"{name} must be what the study has, {had}, got {value}")
    plain = METHODS[str(answers.get(METHOD, NoTeacher.kind))]()

    def ask(name: str, declared: Declared) -> Value:
        values = space.values(name)
        default = getattr(plain, declared.name, None)
        return answers.get(name, default if default in values else values[0])

    return space.chain(ask).student


def spread(values: Sequence[float], by: int) -> str:
    """Return ` ± d`, the standard deviation over the root of `by`; nothing for one value."""
    return f" ± {stdev(values) / by**0.5:.2f}" if len(values) > 1 else ""


def nearest_scheme(layout: str) -> Scheme:
    """Return the scheme of a layout, by its key, whose codes are the nearest ones."""
    for one in SCHEMES.values():
        if one.layout.key == layout:
            return one
    known = ", ".join(one.layout.key for one in SCHEMES.values())
    raise InputError(f"layouts must be of {known}, got {layout!r}")
