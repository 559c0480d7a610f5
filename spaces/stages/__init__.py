"""The steps of training that a study can chain: one dataclass a kind, one a file.

How a kind is trained stands under the same name in objectives.chain.handlers.
"""

from collections.abc import Mapping

from spaces.stages.adapt import Adapt, RankPattern, TargetLayers
from spaces.stages.adapters import ADAPTERS, Adapter
from spaces.stages.distill import Distill
from spaces.stages.prune import Prune, Removes
from spaces.stages.quantize_aware import QuantizeAware
from spaces.stages.stage import (
    ANY_LAYOUT,
    BASE_WEIGHTS,
    NO_WEIGHTS,
    OWN_TEACHER,
    Leaf,
    Prior,
    Stage,
)

STAGES: Mapping[str, type[Stage]] = {
    "distill": Distill,
    "adapt": Adapt,
    "quantize_aware": QuantizeAware,
    "prune": Prune,
}
"""By kind, as a study file has it under `chain.stages`."""

DEFAULT_CHAIN = ("distill", "adapt")
"""Of a study that names no stages: a kind that is added changes none."""

__all__ = [
    "ADAPTERS",
    "ANY_LAYOUT",
    "BASE_WEIGHTS",
    "DEFAULT_CHAIN",
    "NO_WEIGHTS",
    "OWN_TEACHER",
    "STAGES",
    "Adapt",
    "Adapter",
    "Distill",
    "Leaf",
    "Prior",
    "Prune",
    "QuantizeAware",
    "RankPattern",
    "Removes",
    "Stage",
    "TargetLayers",
]
