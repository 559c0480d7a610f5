"""The labels' part of every method's loss."""

from torch import Tensor
from torch.nn.functional import cross_entropy

from objectives.data import Batch


def labels_loss(logits: Tensor, batch: Batch, *, smoothing: float = 0.0) -> Tensor:
    """Return the cross-entropy of logits [b, classes] with the labels of `batch`.

    The mean is over images, by the weights of their classes where there are any. Of mixed images it
    is share * CE(logits, labels) + (1 - share) * CE(logits, labels of the others), as in mixup
    (Zhang et al. 2018) and CutMix (Yun et al. 2019). smoothing: the share of a label that all
    classes have alike.
    """

    def of(labels: Tensor) -> Tensor:
        weights = batch.class_weights
        return cross_entropy(logits, labels, weight=weights, label_smoothing=smoothing)

    if batch.mixed is None:
        return of(batch.labels)
    share = batch.mixed.share
    return share * of(batch.labels) + (1 - share) * of(batch.mixed.labels)
