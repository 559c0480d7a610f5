"""How a student learns from its teacher: one small dataclass of settings a method, one a file.

What a method computes stands under the same name in objectives.training.methods.
"""

from collections.abc import Mapping

from spaces.methods.attention import Attention
from spaces.methods.crd import Crd
from spaces.methods.features import FeatureMethod
from spaces.methods.hint import Hint
from spaces.methods.logit import Logit
from spaces.methods.logit_std import LogitStd
from spaces.methods.method import Method, NoTeacher, Softened
from spaces.methods.rkd import Rkd

METHODS: Mapping[str, type[Method]] = {
    "none": NoTeacher,
    "logit": Logit,
    "logit_std": LogitStd,
    "hint": Hint,
    "attention": Attention,
    "rkd": Rkd,
    "crd": Crd,
}
"""By name, as a study file has it under `distill.method`."""

__all__ = [
    "METHODS",
    "Attention",
    "Crd",
    "FeatureMethod",
    "Hint",
    "Logit",
    "LogitStd",
    "Method",
    "NoTeacher",
    "Rkd",
    "Softened",
]
