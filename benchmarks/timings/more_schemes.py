"""Seconds that one more scheme of a trained student costs, against exporting the student anew.

    python -m benchmarks.timings.more_schemes [--width 1.0] [--students 3]

Each scheme is filled, loaded and scored on 360 images (as many as digits' validation split has) by
onnxruntime on one thread. A student's first static scheme includes calibration on 128 images.
"""

import tempfile
import warnings
from collections import defaultdict
from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.script import run_script
from benchmarks.timings.harness import Action, TablePrinter, Times, parser_of, timed
from objectives.models import initialised_model, save_weights
from objectives.runtimes import runtime_named
from spaces import SCHEMES, Float32, Network

CLASSES = 10
IMAGE_SIZE = 32
ANEW = "full export, fp32"


def main() -> None:
    """Print the table."""
    parser = parser_of(__doc__)
    parser.add_argument("--width", type=float, default=1.0, help="of MobileNetV2")
    parser.add_argument("--students", type=int, default=3, help="sets of weights to repeat with")
    options = parser.parse_args()
    torch.set_num_threads(1)
    network = Network("mobilenet_v2", options.width, image_size=IMAGE_SIZE)
    graph_s, seconds = measured(network, options.students)
    printer = TablePrinter(as_json=options.json)
    printer.head(
        {"what": "", "seconds": ".2f", "full export is slower by": ".0f"},
        words=f"{network.key}: float graph exported once, {graph_s:.1f} s",
    )
    times = {what: Times(taken) for what, taken in seconds.items()}
    for what, its in times.items():
        printer.row(what, its.median_s, times[ANEW].over(its))


def measured(network: Network, students: int) -> tuple[float, dict[str, list[float]]]:
    """Return the seconds to the graph, and by what was done those of every student."""
    random = np.random.default_rng(0)
    calibration = _images(random, 128)
    images = _images(random, 360)
    runtime = runtime_named("onnxruntime")
    seconds: dict[str, list[float]] = defaultdict(list)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        weights, artifact = folder / "weights.safetensors", folder / "model.onnx"
        graph_s, template = timed(lambda: runtime.template(network, CLASSES, folder))

        def scored(write: Action) -> float:
            return timed(lambda: (write(), runtime.logits(artifact, images, threads=1)))[0]

        for seed in range(students):
            model = initialised_model(network, CLASSES, seed).eval()
            save_weights(model, weights)
            folded_s, writer = timed(lambda: runtime.writer(template, weights, calibration))
            seconds["weights read and folded"].append(folded_s)
            for scheme_name, scheme in SCHEMES.items():
                seconds[scheme_name].append(scored(partial(writer.write, scheme, artifact)))
            seconds[ANEW].append(scored(partial(export_anew, model, artifact)))
    return graph_s, seconds


def _images(random: np.random.Generator, count: int) -> NDArray[np.float32]:
    return random.standard_normal((count, 3, IMAGE_SIZE, IMAGE_SIZE), dtype=np.float32)


def export_anew(model: torch.nn.Module, path: Path) -> None:
    """Export the student as a script without a template would."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        program = torch.onnx.export(
            model,
            (torch.zeros(2, 3, IMAGE_SIZE, IMAGE_SIZE),),
            dynamo=True,
            verbose=False,
            dynamic_shapes=({0: torch.export.Dim("batch", min=1)},),
        )
    if program is None:
        raise RuntimeError("torch.onnx.export returned nothing")
    program.model.metadata_props["layout"] = Float32().key  # What the runtime asks a file.
    program.save(path)


if __name__ == "__main__":
    run_script(main)
