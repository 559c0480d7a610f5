"""Deep mutual learning (Zhang, Xiang, Hospedales and Lu, CVPR 2018, section 3.2)."""

from collections.abc import Mapping
from dataclasses import replace
from typing import ClassVar

from torch import Tensor

from objectives.data import Batch, resized
from objectives.training.methods.added import AddedTraining
from objectives.training.methods.divergences import softened_divergence
from objectives.training.methods.method import MakeNetwork, Seen
from spaces import Dml


class DmlTraining(AddedTraining):
    """CE(S) + weight * T^2 * KL(p || s), and CE(P) + weight * T^2 * KL(s || p), mean over images.

    s, p [b, classes] are the softmax of the logits S of the student and P of its peer over T
    (equations 3 to 6, at T = 1). What a network is to agree with is a constant to it, so each half
    moves one network. Both take one step of one optimizer, from predictions of the same weights;
    in algorithm 1 the peer takes its step after the student's, from the student's new predictions.
    The peer draws its own dropout and has its own batch norm statistics, which are thrown away. It
    sees the student's images; the teacher as peer sees those of the teacher.
    """

    settings: Dml
    asks_teacher: ClassVar[bool] = False

    def take_networks(self, sibling: MakeNetwork, teacher: MakeNetwork) -> None:
        """Take the peer."""
        makers: Mapping[str, MakeNetwork] = {"fresh": sibling, "teacher": teacher}
        self.peer, self._image_size = makers[self.settings.peer]()

    def forward(self, student: Seen, teacher: Seen | None, batch: Batch, epoch: int) -> Tensor:  # noqa: ARG002
        """Return the sum of both networks' losses."""
        images = batch.images
        if self.settings.needs_teacher and batch.teacher_images is not None:
            images = batch.teacher_images
        peer = Seen(self.peer(resized(images, self._image_size)))
        ours = super().forward(student, _fixed(peer), batch, epoch)
        return ours + super().forward(peer, _fixed(student), batch, epoch)

    def added(self, student: Tensor, teacher: Tensor, labels: Tensor, epoch: int) -> Tensor:  # noqa: ARG002
        """Return what one of both learns from the other, in the place of the teacher."""
        divergence = softened_divergence(student, teacher, self.settings.temperature)
        return self.settings.weight * divergence


def _fixed(seen: Seen) -> Seen:
    return replace(seen, logits=seen.logits.detach())
