"""How a student learns from its teacher: one small dataclass of settings a method, one a file.

What a method computes stands under the same name in objectives.training.methods.
"""

from collections.abc import Mapping

from spaces.methods.attention import Attention
from spaces.methods.crd import Crd
from spaces.methods.dist import Dist
from spaces.methods.dkd import Dkd
from spaces.methods.dml import Dml
from spaces.methods.features import FeatureMethod
from spaces.methods.hint import Hint
from spaces.methods.label_smoothing import LabelSmoothing
from spaces.methods.logit import Logit
from spaces.methods.logit_std import LogitStd
from spaces.methods.method import Method, NoTeacher, Softened
from spaces.methods.multi_level import MultiLevel
from spaces.methods.rkd import Rkd
from spaces.methods.wttm import Wttm

METHODS: Mapping[str, type[Method]] = {
    "none": NoTeacher,
    "logit": Logit,
    "logit_std": LogitStd,
    "dkd": Dkd,
    "dist": Dist,
    "wttm": Wttm,
    "label_smoothing": LabelSmoothing,
    "hint": Hint,
    "attention": Attention,
    "rkd": Rkd,
    "crd": Crd,
    "multi_level": MultiLevel,
    "dml": Dml,
}
"""By name, as a study file has it under `distill.method`."""

__all__ = [
    "METHODS",
    "Attention",
    "Crd",
    "Dist",
    "Dkd",
    "Dml",
    "FeatureMethod",
    "Hint",
    "LabelSmoothing",
    "Logit",
    "LogitStd",
    "Method",
    "MultiLevel",
    "NoTeacher",
    "Rkd",
    "Softened",
    "Wttm",
]
