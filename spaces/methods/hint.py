"""Distillation of hints."""

from dataclasses import dataclass, replace
from typing import ClassVar, Self

from spaces.methods.features import FeatureMethod
from spaces.settings import Number, Setting, setting


@dataclass(frozen=True)
class Hint(FeatureMethod):
    """Logit, and weight * the squared difference of regressed maps (FitNets, Romero 2015)."""

    kind: ClassVar[str] = "hint"

    weight: float = setting(100.0, Setting("weight", Number(above=0, most=100_000)))
    """Of the squared difference, mean over its values."""
    first_share: float = setting(0.0, Setting("first share", Number(least=0, below=1)))
    """Share of a stage's epochs, from its first on, in which the hint is all that is learned, as
    published, at least one of several; afterwards there is none, and the learning rate begins anew.
    0: it is learned throughout, beside everything else."""

    @property
    def at_once(self) -> Self:
        """The hint throughout."""
        return replace(self, first_share=0.0)
