"""Distillation of relations among images."""

from dataclasses import dataclass
from typing import ClassVar

from spaces.methods.features import FeatureMethod
from spaces.settings import Number, Setting, setting


@dataclass(frozen=True)
class Rkd(FeatureMethod):
    """Logit, and the differences of distances and angles among embeddings (Park et al. 2019)."""

    kind: ClassVar[str] = "rkd"

    distance_weight: float = setting(
        25.0, Setting("distance weight", Number(least=0, most=100_000))
    )
    """Of the difference of distances between two images."""
    angle_weight: float = setting(50.0, Setting("angle weight", Number(least=0, most=100_000)))
    """Of the difference of angles among three images."""
