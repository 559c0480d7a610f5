"""Knowledge distillation of standardized logits."""

from dataclasses import dataclass
from typing import ClassVar

from spaces.methods.method import Softened


@dataclass(frozen=True)
class LogitStd(Softened):
    """As Logit, of logits less their mean over their deviation, row by row (Sun et al. 2024)."""

    kind: ClassVar[str] = "logit_std"
