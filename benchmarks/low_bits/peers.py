"""Our artifacts beside those of onnxruntime, NNCF and torchao: same weights, same images, one run.

    python -m benchmarks.low_bits.peers STUDY JOURNAL [--only WORD] [--set k=v]...

The study names data and a teacher, trained or loaded; the teacher is what is quantized. The table
goes to standard output, and a line for each of its rows to JOURNAL, where the last one of a
network, tool and settings counts.

Columns, onnxruntime on one thread running every file:
- accuracy on all test images. What follows ± is the standard error of its distance to the float
  file's, counted over the images that one of the two gets right and the other does not.
- bytes of the file, without the notes on sources that torch's exporter leaves in its files.
- latency of one image over the float file's, all files timed in turn in fresh processes.
- seconds of the processor from weights and calibration images to the file, imports left out. The
  float export happens once an architecture and counts in the two float rows alone. torchao exports
  every set of weights anew, and its rows count that.

A tool that is not installed gets a row that says so. NNCF is in the extra `bench`, XNNPACKQuantizer
in `executorch`. All rows use the full 8 bits of activations and weights, as is recommended for
processors with VNNI; on older x86 processors onnxruntime's kernels may saturate.
"""

import argparse
import json
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from benchmarks.low_bits.peer_tools import tools
from benchmarks.low_bits.tool import Start, Tool, export, missing, quiet
from benchmarks.script import run_script
from objectives import Verdict, Workbench
from objectives.costs import Candidate, measure_costs
from objectives.models import initialised_model, load_weights
from objectives.runtimes import ArtifactWriter, runtime_named
from spaces import Network
from studies import load_study

RUNTIME = "onnxruntime"
EXPORT = "torch.onnx.export"
_REASON = 100
"""Characters that are left of an error."""


@dataclass(frozen=True)
class Made:
    """A file and what making it took."""

    tool: str
    settings: str
    path: Path
    seconds: float


@dataclass(frozen=True)
class Failed:
    """A row without a file, and why."""

    tool: str
    settings: str
    reason: str


@dataclass(frozen=True)
class Row:
    """A line of the journal; numbers are None where there is a `reason`."""

    network: str
    tool: str
    settings: str
    accuracy: float | None = None
    """In percent."""
    accuracy_error: float | None = None
    """Standard error of the accuracy's distance to the float file's, image by image."""
    images: int | None = None
    """Scored."""
    bytes: int | None = None
    latency_ms: float | None = None
    float_latency_ms: float | None = None
    seconds: float | None = None
    """Of the processor."""
    reason: str = ""


def make(tool: Tool, start: Start, path: Path, already: float = 0.0) -> Made | Failed:
    """Let a tool write `path`; `already` are the seconds of what it stands on."""
    lacking = missing(tool.packages)
    if lacking:
        return Failed(tool.tool, tool.settings, f"not installed: {', '.join(lacking)}")
    try:
        with quiet():
            tool.load()
            begun = time.process_time()
            tool.write(start, path)
            seconds = already + time.process_time() - begun
    except Exception as error:  # noqa: BLE001  (a tool raises what it likes)
        return Failed(tool.tool, tool.settings, f"fails: {_in_short(error)}")
    return Made(tool.tool, tool.settings, path, seconds)


def logits(path: Path, images: NDArray[np.float32], batch: int = 32) -> NDArray[np.float32]:
    """Return [n, classes] of `images` [n, 3, h, w], by onnxruntime on one thread."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 4
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    image = session.get_inputs()[0].name
    starts = range(0, len(images), batch)
    runs = [session.run(None, {image: images[at : at + batch]})[0] for at in starts]
    return np.concatenate(runs)


def score(
    outcomes: Sequence[Made | Failed],
    network: str,
    images: NDArray[np.float32],
    labels: NDArray[np.int64],
) -> list[tuple[Row, Path | None]]:
    """Return rows without latencies, each with its file unless there is none that runs.

    The first outcome is the float file.
    """
    rows: list[tuple[Row, Path | None]] = []
    float_right: NDArray[np.bool_] | None = None
    for made in outcomes:
        row = Row(network, made.tool, made.settings)
        if isinstance(made, Failed):
            rows.append((replace(row, reason=made.reason), None))
            continue
        try:
            right = logits(made.path, images).argmax(1) == labels
        except Exception as error:  # noqa: BLE001  (onnxruntime's errors have no class in common)
            reason = f"onnxruntime refuses the file: {_in_short(error)}"
            rows.append((replace(row, reason=reason), None))
            continue
        float_right = right if float_right is None else float_right
        differing = int((right != float_right).sum())
        scored = replace(
            row,
            accuracy=round(100 * float(right.mean()), 4),
            accuracy_error=round(100 * differing**0.5 / len(images), 4),
            images=len(images),
            bytes=made.path.stat().st_size,
            seconds=round(made.seconds, 3),
        )
        rows.append((scored, made.path))
    return rows


def timed(
    rows: Sequence[tuple[Row, Path | None]], network: Network, calls: int, processes: int
) -> list[Row]:
    """Return the rows with latencies; the first one's file is the float one."""
    layouts = ["fp32", *(f"{row.tool} {row.settings}" for row, _ in rows[1:])]
    candidates = [
        Candidate(network, layout, path, flops=0, parameters=0)
        for layout, (_, path) in zip(layouts, rows, strict=True)
        if path is not None
    ]
    table = measure_costs(candidates, network.key, RUNTIME, calls=calls, processes=processes)
    medians = {cost.layout: round(cost.median_ms, 5) for cost in table.costs}
    return [
        replace(row, latency_ms=medians[layout], float_latency_ms=medians["fp32"])
        if layout in medians
        else row
        for layout, (row, _) in zip(layouts, rows, strict=True)
    ]


def markdown(rows: Sequence[Row]) -> str:
    """Return the table."""
    lines = [
        "| tool | settings | accuracy | bytes | latency / float | seconds |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for row in rows:
        if row.accuracy is None or not row.latency_ms or not row.float_latency_ms:
            cells = [row.reason, "", "", ""]
        else:
            ratio = row.latency_ms / row.float_latency_ms
            accuracy = f"{row.accuracy:.2f} ± {row.accuracy_error:.2f}"
            cells = [accuracy, f"{row.bytes:,}", f"{ratio:.2f}", f"{row.seconds:.1f}"]
        lines.append(f"| {' | '.join([row.tool, f'`{row.settings}`', *cells])} |")
    return "\n".join(lines)


def compare(
    study: str, overrides: Sequence[str], only: str, calls: int, processes: int
) -> list[Row]:
    """Return the rows of a study's teacher, the float file's first."""
    setup = load_study(study, overrides).setup()
    network = setup.teacher.network
    runtime = runtime_named(RUNTIME)
    with tempfile.TemporaryDirectory() as folder, Workbench(setup, Path(folder)) as bench:
        teacher = bench.teacher(lambda _: Verdict.GO_ON)
        calibration = bench.data.calibration(network.image_size)
        model = initialised_model(network, bench.data.classes, seed=0)
        load_weights(model, teacher.weights, network.key)
        float_file = Path(folder, "float.onnx")
        with quiet():
            begun = time.process_time()
            export(model.eval(), network.image_size, float_file)
            exported = time.process_time() - begun
            begun = time.process_time()
            template = runtime.template(network, bench.data.classes, Path(folder))
            prepared = time.process_time() - begun

        def writer() -> ArtifactWriter:
            return runtime.writer(template, teacher.weights, calibration)

        start = Start(model, float_file, calibration, writer)
        wanted = [tool for tool in tools() if only in f"{tool.tool} {tool.settings}"]
        outcomes: list[Made | Failed] = [Made(EXPORT, "fp32", float_file, exported)]
        for number, tool in enumerate(wanted):
            already = prepared if tool.settings == "fp32" else 0.0
            outcomes.append(make(tool, start, Path(folder, f"{number}.onnx"), already))
        images, labels = bench.data.images("test", network.image_size), bench.data.labels("test")
        rows = score(outcomes, network.key, images, labels)
        return timed(rows, network, calls, processes)


def _in_short(error: Exception) -> str:
    """Return an error on one line that a table can hold: its end, where the cause stands."""
    words = " ".join(str(error).split()).replace("|", "/") or type(error).__name__
    return words if len(words) <= _REASON else f"…{words[-_REASON:]}"


def main() -> None:
    """Compare, print the table and add its rows to the journal."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("study")
    parser.add_argument("journal", type=Path)
    parser.add_argument("--only", default="", help="tools and settings that have this in them")
    parser.add_argument("--set", dest="overrides", action="append", default=[])
    parser.add_argument("--calls", type=int, default=400, help="timed calls of a process")
    parser.add_argument("--processes", type=int, default=5, help="fresh ones that time everything")
    options = parser.parse_args()
    rows = compare(options.study, options.overrides, options.only, options.calls, options.processes)
    with options.journal.open("a") as journal:
        journal.writelines(json.dumps(asdict(row)) + "\n" for row in rows)
    print(markdown(rows))


if __name__ == "__main__":
    run_script(main)
