"""How good predictions are, from logits."""

from typing import Literal

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import confusion_matrix, precision_recall_fscore_support

from objectives.results import Evaluation

Floats = NDArray[np.float32] | NDArray[np.float64]

_BINS = 15
"""Of confidence, as Guo et al. have them."""


def log_probabilities(logits: Floats) -> NDArray[np.float64]:
    """Return log softmax over classes, [n, classes], in float64."""
    shifted = logits.astype(np.float64) - logits.max(axis=1, keepdims=True)
    result: NDArray[np.float64] = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    return result


def mean_divergence(of: NDArray[np.float64], to: NDArray[np.float64]) -> float:
    """Return the mean over images of KL(of || to) in nats, from log probabilities [n, classes]."""
    return float(np.mean(np.sum(np.exp(of) * (of - to), axis=1)))


def mutual_information(teacher: NDArray[np.float64], student: NDArray[np.float64]) -> float:
    """Return I(T; S) of two predicted classes in bits, from log probabilities [n, classes].

    Plug-in: p(t, s) is the mean over images of P(t | image) P'(s | image), the classes being drawn
    from the two softmax outputs apart; I = sum p(t, s) log2(p(t, s) / (p(t) p(s))). At most the
    log2 of the classes. With few images a class it is too high, more so for confident networks.
    It is of outputs: what an intermediate teacher is said to have more of is information that its
    features hold on the input (Wang et al. 2022, Efficient KD from Model Checkpoints).
    """
    joint = np.exp(teacher).T @ np.exp(student) / len(teacher)
    apart = np.outer(joint.sum(axis=1), joint.sum(axis=0))
    there = joint > 0
    return max(0.0, float(np.sum(joint[there] * np.log2(joint[there] / apart[there]))))


def calibration_error(
    log_probability: NDArray[np.float64], labels: NDArray[np.int64], bins: int = _BINS
) -> float:
    """Return the expected calibration error of log probabilities [n, classes], in [0, 1].

    Sum over bins of confidence, equally wide and closed above, of the share of the images in the
    bin times |accuracy - mean confidence| there (Guo et al. 2017, eq. 3).
    """
    confidence = np.exp(log_probability.max(axis=1))
    right = log_probability.argmax(axis=1) == labels
    bin_of = np.clip(np.ceil(confidence * bins).astype(np.int64) - 1, 0, bins - 1)
    gaps = np.bincount(bin_of, weights=right - confidence, minlength=bins)
    return float(np.abs(gaps).sum() / len(labels))


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
    says = log_probabilities(logits)
    return Evaluation(
        split=split,
        images=len(labels),
        accuracy=float(np.mean(predicted == labels)),
        f1=float(f1),
        precision=float(precision),
        recall=float(recall),
        kl_to_teacher=mean_divergence(teacher, says),
        confusion=tuple(tuple(int(count) for count in row) for row in counts),
        size_bytes=size_bytes,
        seconds=seconds,
        mutual_information=mutual_information(teacher, says),
        calibration_error=calibration_error(says, labels),
    )
