"""How good predictions are, from logits."""

from typing import Literal

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import confusion_matrix, precision_recall_fscore_support

from objectives.results import Evaluation

Floats = NDArray[np.float32] | NDArray[np.float64]


def log_probabilities(logits: Floats) -> NDArray[np.float64]:
    """Return log softmax over classes, [n, classes], in float64."""
    shifted = logits.astype(np.float64) - logits.max(axis=1, keepdims=True)
    result: NDArray[np.float64] = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    return result


def mean_divergence(of: NDArray[np.float64], to: NDArray[np.float64]) -> float:
    """Return the mean over images of KL(of || to) in nats, from log probabilities [n, classes]."""
    return float(np.mean(np.sum(np.exp(of) * (of - to), axis=1)))


def evaluation(
    logits: Floats,
    labels: NDArray[np.int64],
    teacher: NDArray[np.float64],
    *,
    split: Literal["validation", "test"],
    size_bytes: int,
    seconds: float = 0.0,
) -> Evaluation:
    """Return every measure of `logits` [n, classes]; `teacher` are its log probabilities.

    A class that is never predicted, or never there, counts as 0 in the macro averages.
    """
    classes = logits.shape[1]
    predicted = logits.argmax(axis=1)
    precision, recall, f1, _ = precision_recall_fscore_support(
        labels, predicted, labels=range(classes), average="macro", zero_division=0.0
    )
    counts = confusion_matrix(labels, predicted, labels=range(classes))
    return Evaluation(
        split=split,
        images=len(labels),
        accuracy=float(np.mean(predicted == labels)),
        f1=float(f1),
        precision=float(precision),
        recall=float(recall),
        kl_to_teacher=mean_divergence(teacher, log_probabilities(logits)),
        confusion=tuple(tuple(int(count) for count in row) for row in counts),
        size_bytes=size_bytes,
        seconds=seconds,
    )
