"""Train a study's teacher, to be quantized afterwards.

    python -m benchmarks.low_bits.train STUDY WEIGHTS --work WORK [--set key=value]...

Writes the weights to WEIGHTS (safetensors). What is trained is kept in WORK, so it can be
interrupted and run again.
"""

import argparse
import shutil
import sys
from pathlib import Path

from benchmarks.script import run_script
from objectives import EpochReport, Verdict, Workbench
from studies import load_study


def main() -> None:
    """Train it."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("study")
    parser.add_argument("weights", type=Path)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--set", dest="overrides", action="append", default=[])
    options = parser.parse_args()
    setup = load_study(options.study, options.overrides).setup()

    def told(report: EpochReport) -> Verdict:
        words = f"epoch {report.epoch} of {report.epochs}: {report.accuracy:.4f}"
        print(f"{words}, {report.seconds:.0f} s", file=sys.stderr, flush=True)
        return Verdict.GO_ON

    with Workbench(setup, options.work) as bench:
        teacher = bench.teacher(told)
        shutil.copyfile(teacher.weights, options.weights)
        print(f"validation accuracy {teacher.accuracy:.4f}")


if __name__ == "__main__":
    run_script(main)
