"""How long the main job takes from nothing, and whether it shows what it must.

    python -m benchmarks.timings.main_job [--study kd_lora_q] [--set key=value]...

Runs `python -m search.run` in a fresh folder (no cache) and prints a Markdown table: seconds in
all and per phase, distinct students, points, stopped students, and the best int8 student against
the teacher.
"""

import csv
import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.script import run_script
from benchmarks.timings.harness import TablePrinter, parser_of, stopwatch

MILESTONES = (
    ("every network is built and tried", r"^Exporting |^Distilfront \S+: .* workers?$"),
    ("graphs are exported", r"^Distilfront \S+: .* workers?$"),
    ("workers have begun", r"worker \d+: "),
    ("the teacher is trained", r"teacher epoch (\d+)/\1,"),
    ("costs are measured", r"scoring the teacher as"),
    ("the first trial begins", r"trial \d+ begins"),
)
"""What happens before the first trial, and the line that tells of it; each after those before."""


def main() -> None:
    """Run the job and print the table."""
    parser = parser_of(__doc__)
    parser.add_argument("--study", default="kd_lora_q")
    parser.add_argument("--set", action="append", default=[], dest="overrides")
    arguments = parser.parse_args()
    overrides = [part for item in arguments.overrides for part in ("--set", item)]
    with tempfile.TemporaryDirectory() as runs_dir:
        command = ["--study", arguments.study, "--runs-dir", runs_dir]
        passed = stopwatch()
        first_s: float | None = None
        reached_s: list[float] = []
        with subprocess.Popen(
            [sys.executable, "-u", "-m", "search.run", *command, *overrides],
            stdout=subprocess.PIPE,
            text=True,
        ) as job:
            for line in job.stdout or ():
                elapsed_s = passed()
                print(line, end="", file=sys.stderr)
                first_s = elapsed_s if first_s is None else first_s
                while MILESTONES[len(reached_s) :] and re.search(
                    MILESTONES[len(reached_s)][1], line.strip()
                ):
                    reached_s.append(elapsed_s)
        total_s = passed()
        if job.returncode:
            sys.exit(job.returncode)
        status = json.loads(
            subprocess.run(
                [sys.executable, "-m", "search.status", *command, "--json"],
                check=True,
                capture_output=True,
                text=True,
            ).stdout
        )
        report = Path(runs_dir, arguments.study, "report")
        teacher = json.loads((report / "report.json").read_text("utf-8"))["teacher"]
        with (report / "points.csv").open(newline="") as file:
            points = list(csv.DictReader(file))
    printer = TablePrinter(as_json=arguments.json)
    printer.head({"what": "", "figure": ""})
    rows = {
        "seconds in all": f"{total_s:.0f}",
        "seconds to the first line": f"{first_s or 0:.1f}",
        **{
            f"seconds until {words}": f"{at_s:.0f}"
            for (words, _), at_s in zip(MILESTONES, reached_s, strict=False)
        },
        "sampled trials": status["sampled"]["ended"],
        "distinct students trained to the end": status["distinct_students"],
        "students stopped / paused": " / ".join(
            str(status["sampled"][end]) for end in ("pruned", "paused")
        ),
        "points": status["points"],
        "front": status["front"],
        "hypervolume": f"{status['hypervolume']:.4f}",
        "training seconds spent / saved by stopping / by pausing / by reuse": " / ".join(
            f"{status['seconds'][name]:.0f}"
            for name in ("spent", "saved_by_stopping", "saved_by_pausing", "saved_by_reuse")
        ),
        "best int8_static student against the teacher, points": _int8_gap(points, teacher),
    }
    for what, figure in rows.items():
        printer.row(what, figure)


def _int8_gap(points: list[dict[str, str]], teacher: dict[str, float]) -> str:
    students = [
        float(point["accuracy"])
        for point in points
        if point["scheme"] == "int8_static" and point["origin"] != "baseline"
    ]
    return f"{100 * (max(students) - teacher['accuracy']):+.2f}" if students else "none"


if __name__ == "__main__":
    run_script(main)
