"""Contrastive distillation of embeddings."""

from dataclasses import dataclass
from typing import ClassVar

from spaces.methods.features import FeatureMethod
from spaces.settings import Number, Setting, setting


@dataclass(frozen=True)
class Crd(FeatureMethod):
    """Logit, and weight * the contrast of embeddings with other images' (Tian et al. 2020)."""

    kind: ClassVar[str] = "crd"
    needs_labels: ClassVar[bool] = True

    weight: float = setting(0.8, Setting("weight", Number(above=0, most=100_000)))
    """Of the contrast."""
    embedded: int = setting(128, Setting("embedded", Number(least=1, most=4096, whole=True)))
    """Values of an embedding in which student and teacher are compared."""
    negatives: int = setting(16384, Setting("negatives", Number(least=1, most=65_536, whole=True)))
    """Images of other classes with which each image is contrasted."""
    contrast_temperature: float = setting(
        0.07, Setting("contrast temperature", Number(least=0.02, most=10))
    )
    """By which likenesses of embeddings, in [-1, 1], are divided."""
    memory_momentum: float = setting(0.5, Setting("memory momentum", Number(least=0, below=1)))
    """What an image's remembered embedding keeps of itself whenever the image is seen."""
