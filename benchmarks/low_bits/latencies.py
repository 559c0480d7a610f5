"""Bytes and latency of every layout, run by every runtime that is installed.

    python -m benchmarks.low_bits.latencies STUDY JOURNAL [--calls 300] [--set key=value]...

The network is that of the study's teacher; its weights do not matter. Appends a line a layout and
runtime to JOURNAL: bytes, and milliseconds an image beside those of fp32 in the same run, on one
thread. Give it a machine that does nothing else; benchmarks.low_bits.document makes the table.
"""

import argparse
import json
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

from benchmarks.script import run_script
from objectives import Workbench
from objectives.costs import measure_study_costs
from objectives.runtimes import RUNTIMES, runtime_named
from spaces import SCHEMES, InputError
from studies import load_study


def main() -> None:
    """Measure and print a line an artifact."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("study")
    parser.add_argument("journal", type=Path)
    parser.add_argument("--calls", type=int, default=300)
    parser.add_argument("--set", dest="overrides", action="append", default=[])
    options = parser.parse_args()
    setup = load_study(options.study, options.overrides).setup()
    for name in RUNTIMES:
        try:
            runtime = runtime_named(name)
        except InputError as error:
            print(error, file=sys.stderr)
            continue
        with (
            tempfile.TemporaryDirectory() as folder,
            Workbench(replace(setup, runtime=name), Path(folder)) as bench,
        ):
            table = measure_study_costs(
                bench,
                [setup.teacher.network],
                [scheme for scheme in SCHEMES if scheme in runtime.schemes()],
                processes=3,
                calls=options.calls,
                on_progress=lambda words: print(words, file=sys.stderr, flush=True),
            )
        whole = next(cost for cost in table.costs if cost.layout == "fp32").median_ms
        with options.journal.open("a") as journal:
            for cost in table.costs:
                line = {
                    "network": cost.network,
                    "runtime": name,
                    "device": table.device,
                    "layout": cost.layout,
                    "bytes": cost.size_bytes,
                    "ms": round(cost.median_ms, 5),
                    "ratio": round(cost.median_ms / whole, 3),
                }
                print(json.dumps(line), flush=True)
                journal.write(json.dumps(line) + "\n")


if __name__ == "__main__":
    run_script(main)
