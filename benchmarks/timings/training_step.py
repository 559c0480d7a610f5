"""What the own gradients on small maps save: a training step with and without them.

    python -m benchmarks.timings.training_step [--image-size 32] [--batch-size 64] [--steps 10]

One thread; the two are interleaved in one process, so the ratio holds on a busy machine too.
"""

from functools import partial

import torch
from torch.nn.functional import cross_entropy

from benchmarks.script import run_script
from benchmarks.timings.harness import TablePrinter, in_turns, parser_of
from objectives.models import build_model, speed_up_small_maps
from spaces import Network

NETWORKS = (
    Network("mobilenet_v2", width=0.25),
    Network("mobilenet_v2"),
    Network("resnet18"),
)


def main() -> None:
    """Print the table."""
    parser = parser_of(__doc__)
    parser.add_argument("--image-size", type=int, default=32)
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--steps", type=int, default=10)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    images = torch.randn(arguments.batch_size, 3, arguments.image_size, arguments.image_size)
    images = images.to(memory_format=torch.channels_last)
    labels = torch.randint(0, 10, (arguments.batch_size,))
    printer = TablePrinter(as_json=arguments.json)
    printer.head(
        {"network": "", "torch, ms a step": ".0f", "ours, ms a step": ".0f", "ratio": ".2f"}
    )
    for network in NETWORKS:
        plain = build_model(network, 10).to(memory_format=torch.channels_last).train()
        ours = build_model(network, 10).to(memory_format=torch.channels_last).train()
        speed_up_small_maps(ours)
        steps = {
            name: partial(_step, model, images, labels)
            for name, model in (("torch", plain), ("ours", ours))
        }
        times = in_turns(steps, arguments.steps, warm_up=2)
        printer.row(
            network.key,
            times["torch"].median_ms,
            times["ours"].median_ms,
            times["torch"].over(times["ours"]),
        )


def _step(model: torch.nn.Module, images: torch.Tensor, labels: torch.Tensor) -> None:
    model.zero_grad(set_to_none=True)
    cross_entropy(model(images), labels).backward()


if __name__ == "__main__":
    run_script(main)
