"""What the own gradients on small maps save: a training step with and without them.

    python -m benchmarks.timings.training_step [--image-size 32] [--batch-size 64] [--steps 10]

One thread; the two are interleaved in one process, so the ratio holds on a busy machine too.
"""

import argparse
import statistics
import time

import torch
from torch.nn.functional import cross_entropy

from benchmarks.script import run_script
from objectives.models import build_model, speed_up_small_maps
from spaces import Architecture

NETWORKS = (
    Architecture("mobilenet_v2", width=0.25),
    Architecture("mobilenet_v2"),
    Architecture("resnet18"),
)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--image-size", type=int, default=32)
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--steps", type=int, default=10)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    images = torch.randn(arguments.batch_size, 3, arguments.image_size, arguments.image_size)
    images = images.to(memory_format=torch.channels_last)
    labels = torch.randint(0, 10, (arguments.batch_size,))
    print("| network | torch, ms a step | ours, ms a step | ratio |\n| --- | --- | --- | --- |")
    for architecture in NETWORKS:
        plain = build_model(architecture, 10).to(memory_format=torch.channels_last).train()
        ours = build_model(architecture, 10).to(memory_format=torch.channels_last).train()
        speed_up_small_maps(ours)
        times: dict[str, list[float]] = {"plain": [], "ours": []}
        for step in range(arguments.steps + 2):
            for name, model in (("plain", plain), ("ours", ours)):
                taken_ms = _step_ms(model, images, labels)
                if step >= 2:
                    times[name].append(taken_ms)
        torch_ms, ours_ms = (statistics.median(times[name]) for name in ("plain", "ours"))
        print(
            f"| {architecture.key} | {torch_ms:.0f} | {ours_ms:.0f} | {torch_ms / ours_ms:.2f} |",
            flush=True,
        )


def _step_ms(model: torch.nn.Module, images: torch.Tensor, labels: torch.Tensor) -> float:
    begun = time.perf_counter()
    model.zero_grad(set_to_none=True)
    cross_entropy(model(images), labels).backward()
    return (time.perf_counter() - begun) * 1e3


if __name__ == "__main__":
    run_script(main)
