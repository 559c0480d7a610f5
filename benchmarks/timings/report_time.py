"""How long a report takes: python -m benchmarks.timings.report_time [--trials N ...].

Studies are made up (made_up.py) and lie in real SQLite files; the command is
`python -m search.report` in a process of its own, from its start to its end.
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.script import run_script
from benchmarks.timings import made_up
from benchmarks.timings.harness import TablePrinter, parser_of, timed
from reports import StudySummary, advise, front_table, write_report
from search.cli import open_existing
from spaces import to_dict
from studies import StudyConfig, StudyFolder, create_or_resume, load_study, open_storage
from studies.records import StudyAttr, read_history


def main() -> None:
    """Print the table."""
    parser = parser_of(__doc__)
    parser.add_argument("--trials", type=int, nargs="+", default=[1_000, 10_000])
    options = parser.parse_args()
    config, printer = load_study("kd_lora_q"), TablePrinter(as_json=options.json)
    figures = ("the command s", "its CPU s", "reading s", "page, CSV, JSON s", "page MB")
    printer.head({"trials": ",", "front": "d", **dict.fromkeys(figures, ".1f")})
    for trials in options.trials:
        with tempfile.TemporaryDirectory() as runs_dir:
            printer.row(trials, *_figures(config, Path(runs_dir), trials))


def _figures(config: StudyConfig, runs_dir: Path, trials: int) -> tuple[float, ...]:
    make_study(config, runs_dir, trials)
    whole_s, cpu_s = timed(lambda: _command(config.name, runs_dir))
    reading_s, summary = timed(lambda: _read(config.name, runs_dir))
    writing_s, page = timed(lambda: _write(summary, runs_dir / "again"))
    page_mb = page.stat().st_size / 1e6
    return len(summary.front), whole_s, cpu_s, reading_s, writing_s, page_mb


def make_study(config: StudyConfig, runs_dir: Path, trials: int) -> None:
    """Make a study of so many trials where the commands look for it, with a teacher and costs."""
    folder = StudyFolder(runs_dir, config.name)
    folder.path.mkdir(parents=True)
    storage = open_storage(folder.database)
    study = create_or_resume(config, storage)
    problem = made_up.problem_of(config)
    costs = problem.costs
    study.set_user_attr(StudyAttr.COSTS.value, to_dict(costs))
    teacher = {"key": "teacher", "architecture": costs.teacher, "accuracy": 0.95, "seconds": 60.0}
    study.set_user_attr(StudyAttr.TEACHER.value, teacher | {"stages": []})
    drawn, distributions = made_up.chains(config, trials // 5)
    past = made_up.history(config, drawn, trials)
    made_up.write(storage, config.name, made_up.trials_of(problem.space, past, distributions))
    storage.engine.dispose()


def _command(study: str, runs_dir: Path) -> float:
    """Run it and return the CPU seconds that it took."""
    before = os.times()
    command = [sys.executable, "-m", "search.report", "--study", study, "--runs-dir", str(runs_dir)]
    subprocess.run(command, check=True, capture_output=True)
    after = os.times()
    return sum(after[2:4]) - sum(before[2:4])


def _read(study: str, runs_dir: Path) -> StudySummary:
    session = open_existing(study, runs_dir, None)
    history = read_history(session.study, session.storage)
    return StudySummary.of(study, session.study.user_attrs, history)


def _write(summary: StudySummary, out: Path) -> Path:
    front_table(summary, 140)
    advise(summary)
    return write_report(summary, out)


if __name__ == "__main__":
    run_script(main)
