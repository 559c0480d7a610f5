"""What mixing, colour jitter and views of the teacher's own cost: a training step with and without.

    python -m benchmarks.timings.views_step [--image-size 32] [--batch-size 64] [--steps 20]

The student is a cifar_resnet20 that learns from the labels; what the teacher would see is made too,
the teacher itself is not run. One thread; the alternatives are measured in turns.
"""

from collections.abc import Iterator
from functools import partial
from itertools import count

import torch

from benchmarks.script import run_script
from benchmarks.timings.harness import TablePrinter, in_turns, parser_of
from objectives.data import Batch, Data, TrainingImages, load_data
from objectives.models import build_model, speed_up_small_maps
from objectives.seeding import generator
from objectives.training import labels_loss
from spaces import DataConfig, Network, Views

VIEWS = {
    "as always": Views(),
    "mixup": Views(mix="mixup"),
    "cutmix": Views(mix="cutmix"),
    "jitter": Views(jitter=1, teacher_jitter=1),
    "jitter of the student alone": Views(jitter=1),
    "the teacher's own view": Views(teacher_view="own"),
    "randaugment": Views(augment="shift+randaugment"),
    "mixup, jitter, own view": Views(mix="mixup", jitter=1, teacher_jitter=1, teacher_view="own"),
}


def main() -> None:
    """Print the table."""
    parser = parser_of(__doc__)
    parser.add_argument("--image-size", type=int, default=32)
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--steps", type=int, default=20)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    data = load_data(DataConfig("digits", arguments.image_size, augment="shift"))
    model = build_model(Network("cifar_resnet20"), 10).to(memory_format=torch.channels_last).train()
    speed_up_small_maps(model)
    batches = {name: _batches(data, views, arguments.batch_size) for name, views in VIEWS.items()}
    alone = {name: partial(next, given) for name, given in batches.items()}
    steps = {name: partial(_step, model, given) for name, given in batches.items()}
    alone_times = in_turns(alone, arguments.steps, warm_up=2)
    times = in_turns(steps, arguments.steps, warm_up=2)
    printer = TablePrinter(as_json=arguments.json)
    printer.head({"views": "", "its batch, ms": ".1f", "step, ms": ".1f", "ratio": ".2f"})
    for name in VIEWS:
        batch_ms, ratio = alone_times[name].median_ms, times[name].over(times["as always"])
        printer.row(name, batch_ms, times[name].median_ms, ratio)


def _batches(data: Data, views: Views, batch_size: int) -> Iterator[Batch]:
    images = TrainingImages(data, "cpu")
    for epoch in count(1):
        yield from images.batches(epoch, batch_size, generator("timing", epoch), views)


def _step(model: torch.nn.Module, batches: Iterator[Batch]) -> None:
    batch = next(batches)
    model.zero_grad(set_to_none=True)
    labels_loss(model(batch.images), batch).backward()  # type: ignore[no-untyped-call]


if __name__ == "__main__":
    run_script(main)
