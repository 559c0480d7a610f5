"""The training split where training happens, given out in batches."""

from collections.abc import Iterator

import torch
from torch import Tensor

from objectives.data.batch import Batch
from objectives.data.colour_jitter import ColourChange
from objectives.data.dataset import Data, Device
from objectives.data.mixing import mixed
from objectives.data.views import augmentation_of
from objectives.seeding import generator
from spaces import AS_DATA, Views

AS_ALWAYS = Views()
"""Changed as the data says, not mixed, and the teacher sees what the student sees."""


class TrainingImages:
    """The training split on its device, given out in batches."""

    def __init__(self, data: Data, device: Device) -> None:
        train = data.splits["train"]
        self._data = data
        self._images = train.images.to(device)
        self.labels = train.labels.to(device)
        """int64 [n]."""
        self._views: dict[int, Tensor] = {}
        weights = data.class_weights
        self._class_weights = None if weights is None else weights.to(device)

    def __len__(self) -> int:
        return len(self.labels)

    def steps(self, batch_size: int) -> int:
        """Return how many batches `batches` yields."""
        full, left = divmod(len(self), batch_size)
        return full + (left > 1)

    def view_of_epoch(self, epoch: int) -> int | None:
        """Return which fixed view `epoch` (from 1) shows; None when it draws its own."""
        views = self._data.fixed_views
        return (epoch - 1) % views if views else None

    def batches(
        self, epoch: int, batch_size: int, draws: torch.Generator, views: Views = AS_ALWAYS
    ) -> Iterator[Batch]:
        """Yield one epoch's batches in an order (and with shifts) taken from `draws`, a fresh one.

        Whatever the views, the order is the same, and so are the shifts of one augmentation:
        colours, mixtures and the teacher's own views have draws of their own, by the seed of
        `draws`. A last batch of a single image is left out: batch norm cannot learn from one.
        """
        view = self.view_of_epoch(epoch) if views.augment == AS_DATA else None
        images = self._images if view is None else self._view(view)
        augment = augmentation_of(views, self._data)
        teachers, colours, mixtures = (
            generator(purpose, draws.initial_seed()) for purpose in ("teacher", "colours", "mix")
        )
        order = torch.randperm(len(self), generator=draws)
        for chosen in torch.split(order, batch_size):
            if len(chosen) < 2:
                return
            positions = chosen.to(images.device)
            ours = images[positions]
            if view is None and augment is not None:
                ours = augment(ours, draws)
            theirs = ours
            if views.teacher_view != "same":
                theirs = self._images[positions]
            if views.teacher_view == "own" and augment is not None:
                theirs = augment(theirs, teachers)
            ours, theirs = _coloured(ours, theirs, views, colours)
            batch = Batch(
                self._data.normalise(ours),
                self.labels[positions],
                positions,
                self._class_weights,
                None if theirs is ours else self._data.normalise(theirs),
            )
            yield mixed(batch, views, mixtures)

    def _view(self, number: int) -> Tensor:
        if number not in self._views:
            self._views[number] = self._data.view(number).to(self._images.device)
        return self._views[number]


def _coloured(
    ours: Tensor, theirs: Tensor, views: Views, draws: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Return what student and teacher see, with their colours changed; equal ones stay one."""
    if not (views.jitter or views.teacher_jitter):
        return ours, theirs
    drawn = ColourChange.drawn(len(ours), draws)
    changed = drawn(ours, views.jitter)
    if theirs is ours and views.teacher_jitter == views.jitter:
        return changed, changed
    if views.teacher_view != "same":
        drawn = ColourChange.drawn(len(ours), draws)
    return changed, drawn(theirs, views.teacher_jitter)
