"""A chain that is trained at once, and one that is stopped in each stage and gone on with."""

from pathlib import Path

from objectives import TrainedStudent, Verdict
from objectives.chain.workbench import Workbench
from spaces import StudentConfig, StudySetup


def trained_whole_and_cut(
    setup: StudySetup, student: StudentConfig, folder: Path
) -> tuple[TrainedStudent, TrainedStudent]:
    """Return a student trained in one go, and one stopped after the first epoch of each stage.

    Each lies in a cache of its own; the second is trained by another workbench after every stop.
    """
    stops = [(stage.kind, 1) for stage in student.stages]
    both = []
    for name, stops_at in (("whole", [None]), ("cut", [*stops, None])):
        for stop_at in stops_at:

            def stopping(report, stop_at=stop_at):
                there = (report.stage, report.epoch) == stop_at
                return Verdict.STOP if there else Verdict.GO_ON

            with Workbench(setup, folder / name) as bench:
                trained = bench.train_student(student, stopping)
                assert isinstance(trained, TrainedStudent) == (stop_at is None)
        both.append(trained)
    whole, cut = both
    return whole, cut
