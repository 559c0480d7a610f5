"""Bytes, latency and loading time of files with and without the weights that are zero.

    python -m benchmarks.low_bits.sparse STUDY JOURNAL [--calls 200] [--set key=value]...

The network is that of the study's teacher with shares of its weights zero: which ones does not
matter. Appends a line a share and scheme to JOURNAL: bytes, bytes of the file once gzip has packed
it, milliseconds an image beside the network's own fp32 file in the same run, and the least seconds
of three to open a session, on one thread. Give it a machine that does nothing else.
"""

import argparse
import gzip
import json
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import onnxruntime as ort

from benchmarks.script import run_script
from objectives import Workbench
from objectives.costs import measure_costs, write_candidates
from spaces import SCHEMES, Pruned
from studies import load_study

SHARES = (0.3, 0.5, 0.7, 0.9)


def main() -> None:
    """Measure and print a line an artifact."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("study")
    parser.add_argument("journal", type=Path)
    parser.add_argument("--calls", type=int, default=200)
    parser.add_argument("--set", dest="overrides", action="append", default=[])
    options = parser.parse_args()
    setup = load_study(options.study, options.overrides).setup()
    whole = setup.teacher.network
    networks = [whole, *(replace(whole, pruned=Pruned(weights=share)) for share in SHARES)]
    sparse = [one for one in SCHEMES.values() if one.layout.is_sparse]
    wanted = {layout for one in sparse for layout in (one.layout, one.layout.dense)}
    schemes = [name for name, one in SCHEMES.items() if one.layout in wanted]
    with (
        tempfile.TemporaryDirectory() as folder,
        Workbench(setup, Path(folder, "cache")) as bench,
    ):
        made = write_candidates(bench, networks, schemes, Path(folder))
        table = measure_costs(
            made,
            whole.key,
            setup.runtime,
            processes=3,
            calls=options.calls,
            on_progress=lambda words: print(words, file=sys.stderr, flush=True),
        )
        costs = {(cost.network, cost.layout): cost for cost in table.costs}
        with options.journal.open("a") as journal:
            for one in made:
                cost = costs[one.network.key, one.layout]
                line = {
                    "network": whole.key,
                    "zeros": one.network.pruned.weights,
                    "layout": one.layout,
                    "bytes": cost.size_bytes,
                    "gzip_bytes": len(gzip.compress(one.path.read_bytes(), 9)),
                    "ratio": round(cost.median_ms / costs[whole.key, "fp32"].median_ms, 3),
                    "load_s": round(min(_load_s(one.path) for _ in range(3)), 4),
                    "device": table.device,
                }
                print(json.dumps(line), flush=True)
                journal.write(json.dumps(line) + "\n")


def _load_s(path: Path) -> float:
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    begun = time.perf_counter()
    ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    return time.perf_counter() - begun


if __name__ == "__main__":
    run_script(main)
