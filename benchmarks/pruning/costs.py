"""Bytes, FLOPs and latency of a pruned network beside the whole one, in one run.

    python -m benchmarks.pruning.costs STUDY JOURNAL [--amounts 0.3,0.5,0.7] [--multiples 1,4,8]
        [--calls 300] [--set key=value]...

The network is that of the study's teacher; its weights do not matter. Appends a line a network and
scheme of the study to JOURNAL. All are timed in turn, on one thread. Give it a machine that does
nothing else; benchmarks.pruning.document makes the table.
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
from spaces import Pruned
from studies import load_study


def main() -> None:
    """Measure and print a line an artifact."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("study")
    parser.add_argument("journal", type=Path)
    parser.add_argument("--amounts", default="0.3,0.5,0.7")
    parser.add_argument("--multiples", default="1,4,8")
    parser.add_argument("--calls", type=int, default=300)
    parser.add_argument("--set", dest="overrides", action="append", default=[])
    options = parser.parse_args()
    config = load_study(options.study, options.overrides)
    setup, schemes = config.setup(), config.search_space().schemes
    whole = setup.teacher.network
    pruned = [
        replace(whole, pruned=Pruned(float(amount), int(multiple)))
        for amount in options.amounts.split(",")
        for multiple in options.multiples.split(",")
    ]
    with tempfile.TemporaryDirectory() as folder, Workbench(setup, Path(folder)) as bench:
        table = measure_study_costs(
            bench,
            [whole, *pruned],
            schemes,
            processes=3,
            calls=options.calls,
            on_progress=lambda words: print(words, file=sys.stderr, flush=True),
        )
    before = {cost.layout: cost for cost in table.costs if cost.network == whole.key}
    with options.journal.open("a", encoding="utf-8") as journal:
        for cost in table.costs:
            line = {
                "network": cost.network,
                "layout": cost.layout,
                "device": table.device,
                "bytes": cost.size_bytes,
                "flops": cost.flops,
                "ms": round(cost.median_ms, 5),
                "of_whole": round(cost.median_ms / before[cost.layout].median_ms, 3),
                "flops_of_whole": round(cost.flops / before[cost.layout].flops, 3),
            }
            print(json.dumps(line), flush=True)
            journal.write(json.dumps(line) + "\n")


if __name__ == "__main__":
    run_script(main)
