"""How each kind of stage is trained: one handler a kind, one a file.

What a kind's settings are stands under the same name in spaces.stages.
"""

from collections.abc import Mapping
from typing import Any

from objectives.chain.handlers.adapt import AdaptHandler
from objectives.chain.handlers.distill import DistillHandler
from objectives.chain.handlers.handler import AsksTeachers, ChecksNetworks, StageHandler, StageWork
from objectives.chain.handlers.prune import PruneHandler
from objectives.chain.handlers.quantize_aware import QuantizeAwareHandler
from spaces import UnknownNameError

HANDLERS: Mapping[str, StageHandler[Any]] = {
    "distill": DistillHandler(),
    "adapt": AdaptHandler(),
    "quantize_aware": QuantizeAwareHandler(),
    "prune": PruneHandler(),
}
"""By kind of stage."""


def handler_of(kind: str) -> StageHandler[Any]:
    """Return the handler of a kind of stage; raises UnknownNameError with the known kinds."""
    if kind not in HANDLERS:
        raise UnknownNameError("kind of stage", kind, tuple(HANDLERS))
    return HANDLERS[kind]


__all__ = ["HANDLERS", "AsksTeachers", "ChecksNetworks", "StageHandler", "StageWork", "handler_of"]
