"""One training run: epochs that can be interrupted anywhere and go on with the same bits."""

import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from objectives.data import AS_ALWAYS, Data, Device, TrainingImages, resized
from objectives.errors import DivergedError
from objectives.measures import MEASURES, confusion
from objectives.models import fit_to_save, speed_up_small_maps
from objectives.results import StageName
from objectives.seeding import generator, seeded
from objectives.training.checkpoints import Checkpoints
from objectives.training.float_accuracy import (
    BatchNorm,
    evaluating,
    fitting_statistics,
    logits_of,
    re_estimate_statistics,
)
from objectives.training.learning_rate import learning_rate
from objectives.training.methods import Seen, TrainingMethod
from objectives.training.optimizers import complete_momentum, optimizer_of
from objectives.training.taps import tapping
from objectives.training.teacher_signal import TeacherSignal
from spaces import Schedule, Views

_STATISTICS_IMAGES = 512
_CHECKPOINT = "checkpoint.safetensors"


@dataclass(frozen=True)
class EpochResult:
    """One finished epoch, as a checkpoint remembers it."""

    accuracy: float
    """Validation accuracy of the float network, or as its layout rounds it (seen_through)."""
    seconds: float


AfterEpoch = Callable[[int, EpochResult, bool], bool]
"""Told (epoch from 1, result, reused); True lets training go on."""


class TrainingGround:
    """The images of a study where training happens, held once per process and size."""

    def __init__(self, data: Data, device: Device, measure: str = "accuracy") -> None:
        """measure: what networks are judged by; see objectives.measures."""
        self.device: Device = device
        self._measure = MEASURES[measure]
        self.images = TrainingImages(data, device)
        self._data = data
        self._validation: dict[int, Tensor] = {}
        self._statistics: dict[int, Tensor] = {}

    def validation(self, image_size: int) -> Tensor:
        """Return the validation images [n, 3, image_size, image_size], normalised."""
        if image_size not in self._validation:
            images = self._data.tensor("validation", self.device)
            self._validation[image_size] = resized(images, image_size)
        return self._validation[image_size]

    def judged(self, logits: Tensor) -> float:
        """Return how good the logits [n, classes] of the validation images are, in [0, 1]."""
        predicted = logits.argmax(1).cpu().numpy()
        counts = confusion(self._data.labels("validation"), predicted, self._data.classes)
        return self._measure.of(counts)

    def calibration(self, image_size: int) -> Tensor:
        """Return the images that calibrate static layouts [n, 3, image_size, image_size]."""
        return torch.from_numpy(self._data.calibration(image_size)).to(self.device)

    def statistics_images(self, image_size: int) -> Tensor:
        """Return training images without augmentation, for batch-norm statistics."""
        if image_size not in self._statistics:
            train = self._data.splits["train"].images
            chosen = torch.randperm(len(train), generator=generator("statistics"))
            images = self._data.normalise(train[chosen[:_STATISTICS_IMAGES]].to(self.device))
            self._statistics[image_size] = resized(images, image_size)
        return self._statistics[image_size]


@dataclass(frozen=True)
class TrainingRun:
    """How one stage's network is trained."""

    stage: StageName
    schedule: Schedule
    seed: int
    image_size: int
    """Of what the network sees."""
    method: TrainingMethod
    teacher: TeacherSignal | None = None
    """None where the method needs none."""
    views: Views = AS_ALWAYS
    """What student and teacher see of the images."""
    freeze_statistics: bool = False
    """True when batch-norm statistics are no part of what is learned (adapters)."""
    until: int | None = None
    """Epoch of the schedule that is the last one all the same; None: all are trained."""
    refresh: Callable[[int], None] | None = None
    """Called with the epoch, from 1, before its batches and before it is scored: what depends on
    the weights is made anew, for a run that goes on as for one that went on."""
    begin: Callable[[], None] | None = None
    """Called when the first epoch begins, and counted in its seconds: changes, in place, the
    weights that it begins with. A run that goes on has them in its checkpoint."""


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
    run.method.epochs = run.schedule.epochs
    taps = run.method.student_taps(model, run.image_size)
    _prepare_method(model, taps, run, ground)
    learning = nn.ModuleDict({"model": model, "method": run.method})
    optimizer = optimizer_of(learning, run.schedule)
    results = _restore(learning, optimizer, draft)
    for number, result in enumerate(results, 1):
        if not after(number, result, True):
            return None
    epochs = run.until or run.schedule.epochs
    for epoch in range(len(results) + 1, epochs + 1):
        begun = time.perf_counter()
        if results:
            complete_momentum(optimizer)
        elif run.begin is not None:
            run.begin()
        _train_epoch(model, taps, optimizer, run, ground, epoch)
        last = epoch == epochs
        accuracy = _accuracy(model, run, ground, epoch, keep_statistics=last)
        result = EpochResult(accuracy, time.perf_counter() - begun)
        results.append(result)
        if not last:
            _save(learning, optimizer, draft, results)
        if not after(epoch, result, False) and not last:
            return None
    return results


def _prepare_method(
    model: nn.Module, taps: Sequence[str], run: TrainingRun, ground: TrainingGround
) -> None:
    """Let the method make what it learns, by one batch in evaluation mode: no statistics move."""
    if not run.method.learns:
        return
    draws = generator("method", run.seed, run.stage)
    batch = next(iter(ground.images.batches(1, run.schedule.batch_size, draws, run.views)))
    with seeded("method", run.seed, run.stage), evaluating(model), torch.no_grad():
        with tapping(model, taps) as tapped:
            student = Seen(model(resized(batch.images, run.image_size)), tapped)
        teacher = None if run.teacher is None else run.teacher(batch, 1)
        run.method.prepare(student, teacher, ground.images.labels)
    run.method.to(ground.device)


def _train_epoch(
    model: nn.Module,
    taps: Sequence[str],
    optimizer: torch.optim.Optimizer,
    run: TrainingRun,
    ground: TrainingGround,
    epoch: int,
) -> None:
    schedule = run.schedule
    draws = generator("batches", run.seed, run.stage, epoch)
    steps = ground.images.steps(schedule.batch_size)
    first, last = run.method.turn(epoch)
    if run.refresh is not None:
        run.refresh(epoch)
    # Looked at when the epoch has ended: to look at each would wait for the device every time.
    losses = torch.zeros(steps, device=ground.device)
    with seeded("dropout", run.seed, run.stage, epoch), tapping(model, taps) as tapped:
        run.method.train()
        _set_training_mode(model, freeze_statistics=run.freeze_statistics)
        batches = ground.images.batches(epoch, schedule.batch_size, draws, run.views)
        for number, batch in enumerate(batches):
            step, in_turn = (epoch - first) * steps + number, (last - first + 1) * steps
            rate = learning_rate(schedule, step, in_turn)
            for group in optimizer.param_groups:
                group["lr"] = rate
            student = Seen(model(resized(batch.images, run.image_size)), tapped)
            teacher = None if run.teacher is None else run.teacher(batch, epoch)
            loss = run.method(student, teacher, batch, epoch)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
            losses[number] = loss.detach()
    finite = losses.isfinite().cpu()
    if not finite.all():
        batch_of = (1 + int(finite.int().argmin()), steps)
        raise DivergedError(run.stage, epoch, schedule.learning_rate, batch_of)


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
            re_estimate_statistics(model, ground.statistics_images(run.image_size))
        elif not run.freeze_statistics:
            statistics.enter_context(
                fitting_statistics(model, ground.statistics_images(run.image_size))
            )
        if run.refresh is not None:
            run.refresh(epoch)
        logits = logits_of(model, ground.validation(run.image_size))
    if not bool(torch.isfinite(logits).all()):
        raise DivergedError(run.stage, epoch, run.schedule.learning_rate)
    return ground.judged(logits)


def _set_training_mode(model: nn.Module, *, freeze_statistics: bool) -> None:
    model.train()
    if freeze_statistics:
        for module in model.modules():
            if isinstance(module, BatchNorm):
                module.eval()


def _save(
    learning: nn.Module,
    optimizer: torch.optim.Optimizer,
    draft: Checkpoints,
    results: list[EpochResult],
) -> None:
    tensors = dict(_learned(learning))
    for index, state in optimizer.state_dict()["state"].items():
        tensors |= {
            f"optimizer.{index}.{name}": value for name, value in state.items() if value is not None
        }
    notes = {"results": [asdict(result) for result in results]}
    with draft.saving_checkpoint(len(results), notes) as folder:
        save_file(fit_to_save(tensors), folder / _CHECKPOINT)


def _restore(
    learning: nn.Module, optimizer: torch.optim.Optimizer, draft: Checkpoints
) -> list[EpochResult]:
    checkpoint = draft.checkpoint()
    if checkpoint is None:
        return []
    tensors = load_file(checkpoint.folder / _CHECKPOINT)
    with torch.no_grad():
        for name, value in _learned(learning).items():
            value.copy_(tensors[name])
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
    """Return what training changes: weights that learn, and buffers, of network and method."""
    return {
        name: value
        for name, value in model.state_dict(keep_vars=True).items()
        if not isinstance(value, nn.Parameter) or value.requires_grad
    }
