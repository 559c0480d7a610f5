"""What methods of distillation compute, one a file; their settings are in spaces.methods."""

from collections.abc import Callable, Mapping
from typing import Any

from objectives.training.methods.attention import AttentionTraining
from objectives.training.methods.crd import CrdTraining
from objectives.training.methods.dist import DistTraining
from objectives.training.methods.dkd import DkdTraining
from objectives.training.methods.dml import DmlTraining
from objectives.training.methods.hint import HintTraining
from objectives.training.methods.label_smoothing import LabelSmoothingTraining
from objectives.training.methods.labels import labels_loss
from objectives.training.methods.logit import LogitTraining
from objectives.training.methods.logit_std import LogitStdTraining
from objectives.training.methods.method import MakeNetwork, Seen, Sized, TrainingMethod
from objectives.training.methods.multi_level import MultiLevelTraining
from objectives.training.methods.no_teacher import NoTeacherTraining
from objectives.training.methods.rkd import RkdTraining
from objectives.training.methods.wttm import WttmTraining
from spaces import Method, UnknownNameError

METHODS: Mapping[str, Callable[[Any], TrainingMethod]] = {
    "none": NoTeacherTraining,
    "logit": LogitTraining,
    "logit_std": LogitStdTraining,
    "dkd": DkdTraining,
    "dist": DistTraining,
    "wttm": WttmTraining,
    "label_smoothing": LabelSmoothingTraining,
    "hint": HintTraining,
    "attention": AttentionTraining,
    "rkd": RkdTraining,
    "crd": CrdTraining,
    "multi_level": MultiLevelTraining,
    "dml": DmlTraining,
}
"""By the kind of their settings."""


def training_method(settings: Method) -> TrainingMethod:
    """Return the method of these settings; an unknown one raises and never trains as another."""
    if settings.kind not in METHODS:
        raise UnknownNameError("method", settings.kind, tuple(METHODS))
    return METHODS[settings.kind](settings)


__all__ = [
    "METHODS",
    "MakeNetwork",
    "Seen",
    "Sized",
    "TrainingMethod",
    "labels_loss",
    "training_method",
]
