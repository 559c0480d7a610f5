"""Every layout and calibration of a trained network, scored on all test images as its artifact.

    python -m benchmarks.low_bits.schemes STUDY JOURNAL [--seeds 3] [--only WORD] [--set k=v]...

The study names data and a teacher, trained or loaded; the teacher is what is quantized. A seed is
another 128 calibration images. Each outcome is a line of JOURNAL, and one that is there is not made
again, so it can be interrupted and run again; benchmarks.low_bits.document makes the tables.
"""

import argparse
import json
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks.script import run_script
from objectives import Verdict, Workbench
from objectives.runtimes import runtime_named
from spaces import scheme_named
from studies import load_study

WEIGHT_ONLY = tuple(f"int{bits}_weight_only" for bits in (8, 4, 3, 2))
BLOCKS = (*(f"int{bits}_block32" for bits in (4, 3, 2)), "int4_per_tensor")
PER_TENSOR = ("int8_static_per_tensor", "w4a8_per_tensor")
OBSERVERS = ("moving_average", "percentile_99.9", "percentile_99.99", "percentile_99.999", "mse")
BOTH = "refined+bias_corrected"


def names() -> Iterator[str]:
    """Yield the schemes of the tables."""
    yield from ("fp32", "fp16", "bf16", "int8_dynamic")
    yield from ("int7_weight_only", "int6_weight_only", "int5_weight_only")
    for preset in WEIGHT_ONLY:
        words = ("mse", "bias_corrected", "gpfq", "adaround", "quantease", "refined", BOTH)
        yield from (preset, *(f"{preset}+{word}" for word in words))
    for preset in BLOCKS:
        yield from (preset, *(f"{preset}+{word}" for word in ("refined", BOTH)))
    for preset, learned in (("int8_static", ()), ("w4a8", ("gpfq", "adaround", "quantease"))):
        words = (*OBSERVERS, "bias_corrected", *learned, "refined", BOTH)
        yield from (preset, *(f"{preset}+{word}" for word in words))
    for preset in PER_TENSOR:
        words = ("equalized", "bias_corrected", "equalized+bias_corrected", "refined", BOTH)
        yield from (preset, *(f"{preset}+{word}" for word in words))


def main() -> None:
    """Make what the journal does not have."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("study")
    parser.add_argument("journal", type=Path)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--only", default="", help="schemes whose names have this in them")
    parser.add_argument("--names", default="", help="these schemes alone, with commas between")
    parser.add_argument("--set", dest="overrides", action="append", default=[])
    options = parser.parse_args()
    there = set()
    if options.journal.is_file():
        lines = map(json.loads, options.journal.read_text().splitlines())
        there = {(line["network"], line["scheme"], line["seed"]) for line in lines}
    for seed in range(options.seeds):
        overrides = [*options.overrides, f"data.split_seed={seed}"]
        setup = load_study(options.study, overrides).setup()
        network = setup.teacher.network
        every = options.names.split(",") if options.names else names()
        wanted = [name for name in every if options.only in name]
        missing = [name for name in wanted if (network.key, name, seed) not in there]
        if not missing:
            continue
        with (
            tempfile.TemporaryDirectory() as folder,
            Workbench(setup, Path(folder)) as bench,
            options.journal.open("a") as journal,
        ):
            teacher = bench.teacher(lambda _: Verdict.GO_ON)
            runtime = runtime_named(setup.runtime)
            calibration = bench.data.calibration(network.image_size)
            images, labels = (
                bench.data.images("test", network.image_size),
                bench.data.labels("test"),
            )
            template, artifact = bench.template(network), Path(folder, runtime.file_name)
            for name in missing:
                # Anew for each, so that none profits from what another one remembers.
                writer = runtime.writer(template, teacher.weights, calibration)
                begun = time.process_time()
                writer.write(scheme_named(name), artifact)
                seconds = time.process_time() - begun
                logits = runtime.logits(artifact, images, threads=1)
                line = {
                    "network": network.key,
                    "scheme": name,
                    "seed": seed,
                    "accuracy": round(100 * float((logits.argmax(1) == labels).mean()), 4),
                    "images": len(images),
                    "bytes": artifact.stat().st_size,
                    "seconds": round(seconds, 3),
                }
                print(json.dumps(line), flush=True)
                journal.write(json.dumps(line) + "\n")
                journal.flush()


if __name__ == "__main__":
    run_script(main)
