"""One training run: epochs that can be interrupted anywhere and go on with the same bits."""

import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import asdict, dataclass

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from objectives.data import Batch, Data, Device, TrainingImages
from objectives.errors import DivergedError
from objectives.models import speed_up_small_maps
from objectives.results import StageName
from objectives.seeding import generator, seeded
from objectives.training.checkpoints import Checkpoints
from objectives.training.float_accuracy import (
    BatchNorm,
    fitting_statistics,
    logits_of,
    re_estimate_statistics,
    share_right,
)
from objectives.training.learning_rate import learning_rate
from spaces import Schedule

_STATISTICS_IMAGES = 512
_CHECKPOINT = "checkpoint.safetensors"

Loss = Callable[[Tensor, Batch, int], Tensor]
"""From the network's logits [b, classes], the batch and the epoch (from 1) to a scalar."""


@dataclass(frozen=True)
class EpochResult:
    """One finished epoch, as a checkpoint remembers it."""

    accuracy: float
    """Validation accuracy of the float network."""
    seconds: float


AfterEpoch = Callable[[int, EpochResult, bool], bool]
"""Told (epoch from 1, result, reused); True lets training go on."""


class TrainingGround:
    """The images of a study where training happens, held once per process."""

    def __init__(self, data: Data, device: Device) -> None:
        self.device: Device = device
        self.images = TrainingImages(data, device)
        self.validation = data.tensor("validation", device)
        self.validation_labels = data.splits["validation"].labels.to(device)
        train = data.splits["train"].images
        chosen = torch.randperm(len(train), generator=generator("statistics"))
        self.statistics_images = data.normalise(train[chosen[:_STATISTICS_IMAGES]].to(device))
        """Training images without augmentation, for batch-norm statistics."""


@dataclass(frozen=True)
class TrainingRun:
    """How one stage's network is trained."""

    stage: StageName
    schedule: Schedule
    seed: int
    loss: Loss
    freeze_statistics: bool = False
    """True when batch-norm statistics are no part of what is learned (adapters)."""


def train(
    model: nn.Module,
    run: TrainingRun,
    ground: TrainingGround,
    draft: Checkpoints,
    after: AfterEpoch,
) -> list[EpochResult] | None:
    """Train `model` to the end of its schedule; returns its epochs, or None when `after` stopped.

    Goes on from the draft's last checkpoint and saves one after every epoch but the last. What an
    epoch draws depends on (seed, stage, epoch) alone: students of one seed see the same batches,
    which pairs their comparison, and a resumed run sees what an uninterrupted one saw.
    Raises DivergedError when the loss or the logits are no longer finite.
    """
    speed_up_small_maps(model)
    model.to(ground.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    optimizer = _optimizer(model, run.schedule)
    results = _restore(model, optimizer, draft)
    for number, result in enumerate(results, 1):
        if not after(number, result, True):
            return None
    for epoch in range(len(results) + 1, run.schedule.epochs + 1):
        begun = time.perf_counter()
        _train_epoch(model, optimizer, run, ground, epoch)
        last = epoch == run.schedule.epochs
        accuracy = _accuracy(model, run, ground, epoch, keep_statistics=last)
        result = EpochResult(accuracy, time.perf_counter() - begun)
        results.append(result)
        if not last:
            _save(model, optimizer, draft, results)
        if not after(epoch, result, False) and not last:
            return None
    return results


def _train_epoch(
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    run: TrainingRun,
    ground: TrainingGround,
    epoch: int,
) -> None:
    schedule = run.schedule
    draws = generator("batches", run.seed, run.stage, epoch)
    steps = ground.images.steps(schedule.batch_size)
    total = torch.zeros((), device=ground.device)
    with seeded("dropout", run.seed, run.stage, epoch):
        _set_training_mode(model, freeze_statistics=run.freeze_statistics)
        for number, batch in enumerate(ground.images.batches(epoch, schedule.batch_size, draws)):
            rate = learning_rate(schedule, (epoch - 1) * steps + number, schedule.epochs * steps)
            for group in optimizer.param_groups:
                group["lr"] = rate
            loss = run.loss(model(batch.images), batch, epoch)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            total += loss.detach()
    if not bool(torch.isfinite(total)):
        raise DivergedError(run.stage, epoch, schedule.learning_rate)


def _accuracy(
    model: nn.Module,
    run: TrainingRun,
    ground: TrainingGround,
    epoch: int,
    *,
    keep_statistics: bool,
) -> float:
    """Score on validation; the last epoch's re-estimated statistics stay in the network."""
    with ExitStack() as statistics:
        if not run.freeze_statistics and keep_statistics:
            re_estimate_statistics(model, ground.statistics_images)
        elif not run.freeze_statistics:
            statistics.enter_context(fitting_statistics(model, ground.statistics_images))
        logits = logits_of(model, ground.validation)
    if not bool(torch.isfinite(logits).all()):
        raise DivergedError(run.stage, epoch, run.schedule.learning_rate)
    return share_right(logits, ground.validation_labels)


def _set_training_mode(model: nn.Module, *, freeze_statistics: bool) -> None:
    model.train()
    if freeze_statistics:
        for module in model.modules():
            if isinstance(module, BatchNorm):
                module.eval()


def _optimizer(model: nn.Module, schedule: Schedule) -> torch.optim.Optimizer:
    learned = [weight for weight in model.parameters() if weight.requires_grad]
    rate, decay = schedule.learning_rate, schedule.weight_decay
    # Fused: one call a step in place of several for each of a few hundred weights.
    if schedule.optimizer == "sgd":
        return torch.optim.SGD(learned, rate, momentum=0.9, weight_decay=decay, fused=True)
    kind = torch.optim.AdamW if schedule.optimizer == "adamw" else torch.optim.Adam
    return kind(learned, rate, weight_decay=decay, fused=True)


def _save(
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    draft: Checkpoints,
    results: list[EpochResult],
) -> None:
    tensors = {f"model.{name}": value for name, value in _learned(model).items()}
    for index, state in optimizer.state_dict()["state"].items():
        tensors |= {
            f"optimizer.{index}.{name}": value for name, value in state.items() if value is not None
        }
    notes = {"results": [asdict(result) for result in results]}
    with draft.saving_checkpoint(len(results), notes) as folder:
        contiguous = {name: value.detach().cpu().contiguous() for name, value in tensors.items()}
        save_file(contiguous, folder / _CHECKPOINT)


def _restore(
    model: nn.Module, optimizer: torch.optim.Optimizer, draft: Checkpoints
) -> list[EpochResult]:
    checkpoint = draft.checkpoint()
    if checkpoint is None:
        return []
    tensors = load_file(checkpoint.folder / _CHECKPOINT)
    with torch.no_grad():
        for name, value in _learned(model).items():
            value.copy_(tensors[f"model.{name}"])
    weights = optimizer.param_groups[0]["params"]
    state: dict[int, dict[str, Tensor]] = {}
    for name, value in tensors.items():
        owner, _, rest = name.partition(".")
        if owner == "optimizer":
            index, _, what = rest.partition(".")
            weight = weights[int(index)]
            # Fused optimizers walk through memory: the state must lie as its weight does.
            laid_out = torch.empty_like(weight).copy_(value) if value.ndim else value
            state.setdefault(int(index), {})[what] = laid_out.detach()
    optimizer.load_state_dict({**optimizer.state_dict(), "state": state})
    return [EpochResult(**result) for result in checkpoint.notes["results"]]


def _learned(model: nn.Module) -> dict[str, Tensor]:
    """Return what training changes: weights that learn, and buffers."""
    return {
        name: value
        for name, value in model.state_dict(keep_vars=True).items()
        if not isinstance(value, nn.Parameter) or value.requires_grad
    }
