"""FitNets: hints for thin deep nets (Romero et al., ICLR 2015, section 2.2)."""

import torch
from torch import Tensor, nn
from torch.nn.functional import mse_loss

from objectives.data import Batch
from objectives.training.methods.features import MapTraining, Pairs
from objectives.training.methods.method import Seen
from spaces import Hint


class HintTraining(MapTraining):
    """weight * mean((r(S) - T)^2), summed over the layers compared, beside what Logit computes.

    S [b, c_s, h, w] and T [b, c_t, h, w] are maps of student and teacher, the larger one pooled to
    the smaller (equation 3, as a mean over all values); r is a regressor that is learned beside the
    student, a 1x1 convolution with batch norm. It is not rectified: not all maps of teachers are.

    Both parts are learned at once, as in the code of Tian et al. 2020, unless first_share says in
    how many epochs the hint is learned alone, by the student as far as its layer. Then the whole
    student learns what Logit computes, without the hint (algorithm 1), and the learning rate begins
    anew. The optimizer does not.
    """

    settings: Hint
    learns = True

    def chosen(self, network: nn.Module, image_size: int) -> tuple[str, ...]:
        """Return the last layer of the size halfway, as the middle layer in the paper."""
        ends = super().chosen(network, image_size)
        return (ends[len(ends) // 2],)

    def prepare(self, student: Seen, teacher: Seen | None, labels: Tensor) -> None:  # noqa: ARG002
        """Make the regressors."""
        self.regressors = nn.ModuleList(
            _regressor(ours.shape[1], theirs.shape[1])
            for ours, theirs in self.pairs(student, teacher)
        )

    def turn(self, epoch: int) -> tuple[int, int]:
        """Return the epochs of the hint, or those after them."""
        alone = epochs_of(self.settings.first_share, self.epochs)
        return (1, alone) if epoch <= alone else (alone + 1, self.epochs)

    def forward(self, student: Seen, teacher: Seen | None, batch: Batch, epoch: int) -> Tensor:
        """Return the loss of the hint, of the logits, or both."""
        if not self.settings.first_share:
            return super().forward(student, teacher, batch, epoch)
        if epoch <= epochs_of(self.settings.first_share, self.epochs):
            return self.compared(self.pairs(student, teacher), batch)
        return self.of_logits(student, teacher, batch, epoch)

    def compared(self, pairs: Pairs, batch: Batch) -> Tensor:  # noqa: ARG002
        """Return the weighed squared differences."""
        both = zip(self.regressors, pairs, strict=True)
        parts = [mse_loss(regress(ours), theirs) for regress, (ours, theirs) in both]
        return self.settings.weight * torch.stack(parts).sum()


def epochs_of(share: float, epochs: int) -> int:
    """Return the whole epochs of a share below 1: at least one is left, and one is in the share.

    Of a single epoch none is in the share.
    """
    return min(max(1, int(share * epochs + 1e-9)), epochs - 1) if share else 0


def _regressor(channels_in: int, channels: int) -> nn.Module:
    """Return a fresh one, from the global RNG."""
    convolution = nn.Conv2d(channels_in, channels, 1, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(channels))
