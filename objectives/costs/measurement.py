"""Costs of artifacts on this machine: bytes, latency, multiply-adds, parameters."""

import json
import os
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from objectives.costs import device_profile
from objectives.costs.profile_results import cost_table, read_results
from objectives.costs.table import CostTable
from spaces import DistilfrontError, Network


@dataclass(frozen=True)
class Candidate:
    """An artifact that stands for every set of weights of its network in its layout."""

    network: Network
    layout: str
    path: Path
    flops: int
    parameters: int


def measure_costs(
    candidates: Sequence[Candidate],
    teacher: str,
    runtime: str,
    *,
    processes: int = 3,
    calls: int = 200,
    warmup: int = 20,
    threads: int = 1,
    on_progress: Callable[[str], None] | None = None,
) -> CostTable:
    """Weigh and time `candidates`, the teacher (its network key) as fp32 among them.

    Each process is fresh and runs all artifacts in interleaved blocks with the teacher; see
    device_profile for how, and profile_results.cost_table for what is made
    of it. `on_progress` is told in words how far it is. Raises DistilfrontError when timing fails.
    """
    manifest = profile_manifest(
        candidates,
        {candidate.path: str(candidate.path.resolve()) for candidate in candidates},
        teacher=teacher,
        runtime=runtime,
        processes=processes,
        calls=calls,
        warmup=warmup,
        threads=threads,
    )
    with tempfile.TemporaryDirectory(prefix="distilfront-") as folder:
        path, out = Path(folder, "manifest.json"), Path(folder, "costs.json")
        path.write_text(json.dumps(manifest))
        # -P: the modules beside the program must not stand in for the library's.
        command = [sys.executable, "-P", device_profile.__file__, "--manifest", str(path)]
        with (
            Path(folder, "errors").open("w+", encoding="utf-8", errors="replace") as errors,
            subprocess.Popen(
                [*command, "--out", str(out)],
                stdout=subprocess.PIPE,
                stderr=errors,
                encoding="utf-8",
                errors="replace",
                env={**os.environ, "PYTHONIOENCODING": "utf-8"},
            ) as timing,
        ):
            for line in timing.stdout or ():
                if on_progress is not None:
                    on_progress(line.strip())
            if timing.wait() != 0:
                errors.seek(0)
                reason = (errors.read().strip().splitlines() or ["no reason given"])[0]
                raise DistilfrontError(f"latencies could not be measured: {reason}")
        return cost_table(read_results(out), imported=False)


def profile_manifest(
    candidates: Sequence[Candidate], files: Mapping[Path, str], **settings: str | int
) -> dict[str, object]:
    """Return what device_profile reads; `files` names each candidate's file for it."""
    artifacts = [
        {
            "network": candidate.network.key,
            "layout": candidate.layout,
            "image_size": candidate.network.image_size,
            "file": files[candidate.path],
            "flops": candidate.flops,
            "parameters": candidate.parameters,
        }
        for candidate in candidates
    ]
    return {"format": device_profile.FORMAT, **settings, "artifacts": artifacts}


def flops_and_parameters(model: nn.Module, image_size: int) -> tuple[int, int]:
    """Return the multiply-adds of one image, as fvcore counts them, and the parameters."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # tracing warns of shapes that become constants
        from fvcore.nn import FlopCountAnalysis

        training = model.training
        device = next(model.parameters()).device
        images = torch.zeros(1, 3, image_size, image_size, device=device)
        analysis = FlopCountAnalysis(model.eval(), images)
        analysis.unsupported_ops_warnings(False)
        analysis.uncalled_modules_warnings(False)
        flops = int(analysis.total())
        model.train(training)
    return flops, sum(parameter.numel() for parameter in model.parameters())
