"""Seconds that one more scheme of a trained student costs, against exporting the student anew.

    python -m benchmarks.timings.more_schemes [--width 1.0] [--students 3]

Each scheme is filled, loaded and scored on 360 images (as many as digits' validation split has) by
onnxruntime on one thread. A student's first static scheme includes calibration on 128 images.
"""

import argparse
import tempfile
import time
import warnings
from pathlib import Path
from statistics import median

import numpy as np
import torch

from benchmarks.script import run_script
from objectives.models import initialised_model, save_weights
from objectives.runtimes import runtime_named
from spaces import SCHEMES, Architecture

CLASSES = 10
IMAGE_SIZE = 32


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--width", type=float, default=1.0, help="of MobileNetV2")
    parser.add_argument("--students", type=int, default=3, help="sets of weights to repeat with")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    architecture = Architecture("mobilenet_v2", arguments.width)
    random = np.random.default_rng(0)
    calibration = random.standard_normal((128, 3, IMAGE_SIZE, IMAGE_SIZE), dtype=np.float32)
    images = random.standard_normal((360, 3, IMAGE_SIZE, IMAGE_SIZE), dtype=np.float32)
    runtime = runtime_named("onnxruntime")
    seconds: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        begun = time.perf_counter()
        template = runtime.template(architecture, CLASSES, IMAGE_SIZE, folder)
        print(f"{architecture.key}: float graph exported once, {time.perf_counter() - begun:.1f} s")
        for seed in range(arguments.students):
            model = initialised_model(architecture, CLASSES, seed).eval()
            save_weights(model, folder / "weights.safetensors")
            begun = time.perf_counter()
            filler = runtime.filler(template, folder / "weights.safetensors", calibration)
            seconds.setdefault("weights read and folded", []).append(time.perf_counter() - begun)
            for scheme_name, scheme in SCHEMES.items():
                begun = time.perf_counter()
                filler.write(scheme, folder / "model.onnx")
                runtime.logits(folder / "model.onnx", images, threads=1)
                seconds.setdefault(scheme_name, []).append(time.perf_counter() - begun)
            begun = time.perf_counter()
            export_anew(model, folder / "anew.onnx")
            runtime.logits(folder / "anew.onnx", images, threads=1)
            seconds.setdefault("full export, fp32", []).append(time.perf_counter() - begun)
    anew = median(seconds["full export, fp32"])
    for what, taken in seconds.items():
        print(f"{what:<24}{median(taken):7.2f} s{anew / median(taken):8.0f} times as fast")


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
    program.save(path)


if __name__ == "__main__":
    run_script(main)
