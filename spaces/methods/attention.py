"""Distillation of where a network looks."""

from dataclasses import dataclass
from typing import ClassVar

from spaces.methods.features import FeatureMethod
from spaces.settings import Number, Setting, setting


@dataclass(frozen=True)
class Attention(FeatureMethod):
    """Logit, and weight * the squared difference of maps of attention (Zagoruyko 2017)."""

    kind: ClassVar[str] = "attention"

    weight: float = setting(1000.0, Setting("weight", Number(above=0, most=100_000)))
    """Of the squared differences, each mean over its values, summed over the layers."""
