"""Times the artifacts of a manifest on the machine it runs on and writes costs.json.

A program of its own, copied into every bundle as profile.py: it needs Python 3.8, NumPy and the
artifacts' runtime, and nothing of this project. A study on this machine runs the same program.

Every process is fresh and loads all artifacts. In each round every artifact, the teacher's among
them, runs one block of calls, in a new order: a machine that slows down for a second (other work,
heat, frequency) slows a block or two of each, and medians over calls leave that out. Garbage
collection is off while calls are timed.
"""

from __future__ import annotations

import argparse
import gc
import io
import json
import os
import platform
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

FORMAT = 2
BLOCK = 10
"""Timed calls in a row."""
SETTLE = 2
"""Untimed calls before them: the caches still hold another artifact's weights."""


def main() -> int:
    """Time what the command line names; return the exit code."""
    here = Path(__file__).resolve().parent
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--manifest", type=Path, default=here / "manifest.json")
    parser.add_argument("--out", type=Path, default=here / "costs.json")
    parser.add_argument("--process", type=int, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # A path may have what the terminal lacks.
            stream.reconfigure(errors="backslashreplace")
    try:
        manifest = json.loads(arguments.manifest.read_text())
        folder = arguments.manifest.parent
        if arguments.process is not None:
            written: Any = time_artifacts(manifest, folder, arguments.process)
        else:
            written = profile(manifest, arguments.manifest)
            print(f"wrote {arguments.out}", flush=True)
        arguments.out.write_text(json.dumps(written, indent=1))
    except subprocess.CalledProcessError:
        return 2  # the process has said why
    except Exception as error:  # noqa: BLE001  (a runtime raises what it likes)
        words = " ".join(str(error).split()) or type(error).__name__
        print(f"profile: {words}", file=sys.stderr)
        return 2
    return 0


def profile(manifest: dict[str, Any], path: Path) -> dict[str, Any]:
    """Return the manifest with each artifact's timings in every process, and the device's words."""
    count = manifest["processes"]
    timings = []
    for number in range(count):
        with tempfile.TemporaryDirectory() as folder:
            out = Path(folder) / "timings.json"
            # -P: a module beside this file must not stand in for one of the library's.
            safe = ["-P"] if sys.version_info >= (3, 11) else []
            command = [sys.executable, *safe, __file__, "--manifest", str(path)]
            subprocess.run([*command, "--process", str(number), "--out", str(out)], check=True)
            timings.append(json.loads(out.read_text()))
    artifacts = [
        {
            **{key: value for key, value in artifact.items() if key != "file"},
            "size_bytes": (path.parent / artifact["file"]).stat().st_size,
            "timings": [process[number] for process in timings],
        }
        for number, artifact in enumerate(manifest["artifacts"])
    ]
    return {**manifest, "device": fingerprint(manifest["runtime"]), "artifacts": artifacts}


def time_artifacts(manifest: dict[str, Any], folder: Path, process: int) -> list[dict[str, float]]:
    """Return the median and 95th percentile of every artifact's calls in this process."""
    artifacts = manifest["artifacts"]
    calls = [
        open_artifact(
            manifest["runtime"],
            folder / artifact["file"],
            random_image(artifact["image_size"]),
            manifest["threads"],
        )
        for artifact in artifacts
    ]
    for call in calls:
        time_calls(call, manifest["warmup"])
    rounds = max(1, round(manifest["calls"] / BLOCK))
    order = list(range(len(calls)))
    shuffled = random.Random(process)
    blocks = np.empty((len(calls), rounds, BLOCK))
    for number in range(rounds):
        if number % max(1, rounds // 4) == 0:
            share = f"process {process + 1} of {manifest['processes']}, {100 * number // rounds} %"
            print(f"timing {len(calls)} artifacts: {share}", flush=True)
        shuffled.shuffle(order)
        for artifact in order:
            blocks[artifact, number] = block_ms(calls[artifact])
    return [
        {"median_ms": float(np.median(raw)), "p95_ms": float(np.percentile(raw, 95))}
        for raw in blocks
    ]


def random_image(size: int) -> np.ndarray[Any, np.dtype[np.float32]]:
    """Return an image [1, 3, size, size], the same every time."""
    return np.random.default_rng(0).standard_normal((1, 3, size, size), dtype=np.float32)


def block_ms(call: Callable[[], object]) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Return the milliseconds of one block of calls."""
    time_calls(call, SETTLE)
    return np.array(time_calls(call, BLOCK)) / 1e6


def time_calls(call: Callable[[], object], count: int) -> list[int]:
    """Return the nanoseconds of each of `count` calls."""
    gc.disable()
    try:
        taken = []
        for _ in range(count):
            begun = time.perf_counter_ns()
            call()
            taken.append(time.perf_counter_ns() - begun)
        return taken
    finally:
        gc.enable()


def open_artifact(
    runtime: str, path: Path, image: np.ndarray[Any, np.dtype[np.float32]], threads: int
) -> Callable[[], object]:
    """Load an artifact and return what runs it once on `image` [1, 3, h, w]."""
    if runtime == "onnxruntime":
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        providers = ["CPUExecutionProvider"]
        session = onnxruntime.InferenceSession(str(path), options, providers=providers)
        feed = {session.get_inputs()[0].name: image}
        return lambda: session.run(None, feed)
    if runtime == "executorch":
        import torch
        from executorch.extension.pybindings import portable_lib

        portable_lib._unsafe_reset_threadpool(threads)  # noqa: SLF001  (there is no other way)
        module = portable_lib._load_for_executorch(str(path))  # noqa: SLF001
        inputs = [torch.from_numpy(image)]
        return lambda: module.forward(inputs)
    if runtime == "openvino":
        # Its import sends usage data, and without this module it does not.
        sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
        import openvino

        core = openvino.Core()
        model = core.read_model(path)
        model.reshape(list(image.shape))
        settings = {
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_NUM_THREADS": threads,
            "INFERENCE_PRECISION_HINT": "f32",
            "DYNAMIC_QUANTIZATION_GROUP_SIZE": 0,
            "ENABLE_CPU_PINNING": False,
        }
        request = core.compile_model(model, "CPU", settings).create_infer_request()
        request.set_input_tensor(openvino.Tensor(image))
        infer: Callable[[], object] = request.infer
        return infer
    raise ValueError(
        f"the manifest's runtime must be onnxruntime, executorch or openvino, got {runtime!r}"
    )


def fingerprint(runtime: str) -> dict[str, str]:
    """Return what tells one device from another, as far as latency goes."""
    from importlib.metadata import version

    return {
        "processor": processor_name(),
        "cores": str(os.cpu_count()),
        "system": f"{platform.system()} {platform.machine()}",
        "runtime": f"{runtime} {version(runtime)}",
    }


def processor_name() -> str:
    """Return the processor's name as the system knows it."""
    if platform.system() == "Darwin":
        command = ["sysctl", "-n", "machdep.cpu.brand_string"]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
    information = Path("/proc/cpuinfo")
    if information.is_file():
        lines = [line.partition(":") for line in information.read_text().splitlines()]
        known = {key.strip(): value.strip() for key, _, value in lines}
        for key in ("model name", "Model", "Hardware"):
            if known.get(key):
                return known[key]
    return platform.processor() or platform.machine()


if __name__ == "__main__":
    sys.exit(main())
