"""Which public networks can be student or teacher: filled, under every scheme, as torch has them.

    python -m benchmarks.tables.network_coverage --out runs/networks.jsonl [--all] [--minutes 30]

Goes through torchvision's classification networks and thirty families of timm's (where timm is
installed), the smallest member of each family first, and with --all through the rest of
torchvision's. A network is tried in a process of its own, which ends after ten minutes. It goes on
where it was stopped. Then it writes docs/networks.md.
"""

import argparse
import json
import multiprocessing
import tempfile
import time
import warnings
from collections.abc import Iterable, Mapping, Sequence
from importlib.util import find_spec
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from onnx import numpy_helper

from benchmarks.script import run_script
from benchmarks.tables.network_families import FAMILIES, TIMM_FAMILIES, size_of
from objectives.models import initialised_model, known_models, save_weights
from objectives.runtimes import runtime_named
from spaces import SCHEMES, Network

PAGE = Path(__file__).parents[2] / "docs" / "networks.md"
CLASSES = 10
LIMIT_S = 600
"""After which a network counts as one that cannot."""
EQUAL = 1e-4
"""Of the largest logit: what rounding explains in most networks."""
ROUNDING = 3
"""Times that torch's own float32 is from its float64: what rounding explains in the others."""
HEAD = """# Networks

Which public networks can be student or teacher. Each was built for {classes} classes at the
smallest input that it works at, with random weights, exported once, filled with other weights,
written under every scheme and run by onnxruntime.

- *graph*: seconds of one core for the one export, with its check
- *in layers*: share of the parameters that schemes quantize
- *torch*, *export*: difference of the fp32 file from torch, and from an independent full export of
  the same weights; neither may be more than 1e-4, or than {rounding} times what torch's own
  float32 differs from its float64
- *8 bits*: largest difference of a scheme of 8 bits or more from fp32. Random weights enlarge it:
  trained ones say what a scheme costs

Differences are shares of the largest logit. `python -m benchmarks.tables.network_coverage` writes
this page. {count} networks were tried, {works} work with every scheme.

"""
COLUMNS = (
    "network", "input", "parameters", "graph, s", "layers", "in layers", "torch", "export",
    "8 bits", "schemes",
)  # fmt: skip


def main() -> None:
    """Try what has not been tried, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True, help="a line of JSON a network")
    parser.add_argument("--all", action="store_true", help="every network of torchvision's")
    parser.add_argument("--minutes", type=float, default=600, help="begin no network after that")
    options = parser.parse_args()
    options.out.parent.mkdir(parents=True, exist_ok=True)
    done = {row["network"]: row for row in read(options.out)}
    until = time.monotonic() + 60 * options.minutes
    for name in names(every=options.all):
        if name in done or time.monotonic() > until:
            continue
        done[name] = tried(name)
        with options.out.open("a") as lines:
            lines.write(json.dumps(done[name]) + "\n")
        print(line(done[name]), flush=True)
    left = [name for name in names(every=options.all) if name not in done]
    PAGE.write_text(page(done.values(), left))


def names(*, every: bool) -> list[str]:
    """Return the architectures to try, in their order."""
    listed = list(FAMILIES)
    if find_spec("timm"):
        listed += [f"timm:{name}" for name in TIMM_FAMILIES]
    else:
        print("timm is not installed: its families are left out (pip install 'distilfront[timm]')")
    if every:
        listed += [name for name in known_models() if size_of(name)]
    return list(dict.fromkeys(listed))


def read(path: Path) -> list[dict[str, Any]]:
    """Return the rows of earlier runs."""
    lines = path.read_text().splitlines() if path.is_file() else []
    return [json.loads(row) for row in lines]


def tried(name: str) -> dict[str, Any]:
    """Return what trying a network in its own process said."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=_try, args=(name, theirs))
    process.start()
    theirs.close()
    row: dict[str, Any] = {"network": name, "why": f"not done after {LIMIT_S} s"}
    try:
        if ours.poll(LIMIT_S):
            row = ours.recv()
    except EOFError:
        row["why"] = "its process died: out of memory?"
    process.kill()
    process.join()
    return row


def _try(name: str, to: Connection) -> None:
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    network = Network(name, image_size=size_of(name))
    row: dict[str, Any] = {"network": name, "input": network.image_size}
    try:
        row.update(facts(network))
    except Exception as error:  # noqa: BLE001 - whatever it is, it is the reason
        row["why"] = " ".join(str(error).split())[:300] or type(error).__name__
    to.send(row)


def facts(network: Network) -> dict[str, Any]:
    """Return the figures of a network's row."""
    runtime = runtime_named("onnxruntime")
    random = np.random.default_rng(0)
    shape = (32, 3, network.image_size, network.image_size)
    images = random.standard_normal(shape, dtype=np.float32)
    model = lively(initialised_model(network, CLASSES, seed=3), torch.from_numpy(images))
    images = images[:8]
    with torch.inference_mode():
        expected = model(torch.from_numpy(images)).numpy()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        weights, artifact = folder / "weights.safetensors", folder / "model.onnx"
        save_weights(model, weights)
        begun_s = time.process_time()
        template = runtime.template(network, CLASSES, folder)
        graph_s = time.process_time() - begun_s
        writer = runtime.writer(template, weights, images)
        logits = {}
        for key, scheme in SCHEMES.items():
            writer.write(scheme, artifact)
            logits[key] = runtime.logits(artifact, images, threads=1)
        writer.write(SCHEMES["int8_weight_only"], artifact)
        quantized = [
            numpy_helper.to_array(tensor).size
            for tensor in onnx.load(artifact).graph.initializer
            if tensor.name.endswith("_codes")
        ]
        exported = full_export(model, images, folder / "full.onnx")
    parameters = sum(each.numel() for each in model.parameters())
    far = {
        "torch": distance(logits["fp32"], expected),
        "export": distance(logits["fp32"], exported),
    }
    if max(far.values()) > EQUAL:
        with torch.inference_mode():
            exact = model.double()(torch.from_numpy(images).double()).numpy()
        far["rounding"] = distance(expected, exact)
    return {
        "parameters": parameters,
        "graph_s": graph_s,
        "layers": len(quantized),
        "in_layers": sum(quantized) / parameters,
        **far,
        "schemes": {key: distance(each, logits["fp32"]) for key, each in logits.items()},
    }


def lively(model: torch.nn.Module, images: torch.Tensor) -> torch.nn.Module:
    """Return the network with no tensor at its start of zeros or ones, and norms that fit it."""
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.numel() > 1 and bool((parameter == parameter.flatten()[0]).all()):
                parameter.add_(0.1 * torch.randn(parameter.shape, generator=generator))
        for module in model.modules():
            if isinstance(module, torch.nn.BatchNorm1d | torch.nn.BatchNorm2d):
                module.momentum = 1.0  # what this batch says
        model.train()(images)
    return model.eval()


def full_export(model: torch.nn.Module, images: np.ndarray, path: Path) -> np.ndarray:
    """Return the logits of torch's own export of `model`, run by onnxruntime."""
    batch = ({0: torch.export.Dim("batch", min=1)},)
    sample = (torch.from_numpy(images[:2]),)
    program = torch.onnx.export(model, sample, dynamo=True, verbose=False, dynamic_shapes=batch)
    assert program is not None
    program.model.metadata_props["layout"] = "fp32"  # what the runtime asks a file
    program.save(path)
    return runtime_named("onnxruntime").logits(path, images, threads=1)


def distance(got: np.ndarray, expected: np.ndarray) -> float:
    """Return the largest difference as a share of the largest logit."""
    return float(np.abs(got - expected).max() / np.abs(expected).max())


def fault(row: Mapping[str, Any]) -> str:
    """Return why the network of a row is not usable under every scheme, "" where it is."""
    if "why" in row:
        return str(row["why"])
    near = max(EQUAL, ROUNDING * row.get("rounding", 0))
    unequal = [f"{row[to]:.0e} from {to}" for to in ("torch", "export") if not row[to] <= near]
    broken = [f"{key} gives nan" for key, far in row["schemes"].items() if not np.isfinite(far)]
    return "; ".join(unequal + broken)


def line(row: Mapping[str, Any]) -> str:
    """Return a row of the table."""
    if "why" in row:
        return f"| {row['network']} | {row.get('input', '')} | {row['why']} |"
    far, worst = max(
        (far, key) for key, far in row["schemes"].items() if SCHEMES[key].layout.weight_bits >= 8
    )
    cells = [
        row["network"], f"{row['input']}", f"{row['parameters']:,}", f"{row['graph_s']:.1f}",
        f"{row['layers']}", f"{row['in_layers']:.1%}", f"{row['torch']:.0e}",
        f"{row['export']:.0e}", f"{far:.2f} ({worst})", fault(row) or "all",
    ]  # fmt: skip
    return f"| {' | '.join(cells)} |"


def page(rows: Iterable[Mapping[str, Any]], left: Sequence[str]) -> str:
    """Return docs/networks.md; `left` have not been tried."""
    rows = list(rows)
    there = [row for row in rows if "why" not in row]
    works = sum(not fault(row) for row in there)
    text = HEAD.format(rounding=ROUNDING, classes=CLASSES, count=len(rows), works=works)
    text += f"| {' | '.join(COLUMNS)} |\n|{' --- |' * len(COLUMNS)}\n"
    text += "".join(f"{line(row)}\n" for row in there)
    if len(there) < len(rows):
        text += "\n## Those that cannot\n\n| network | input | why |\n| --- | --- | --- |\n"
        text += "".join(f"{line(row)}\n" for row in rows if "why" in row)
    if left:
        text += f"\nNot tried yet: {', '.join(left)}.\n"
    return text


if __name__ == "__main__":
    run_script(main)
