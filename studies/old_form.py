"""Study files of the form that had one chain written into it: what to write instead."""

from collections.abc import Iterator, Mapping
from typing import Any

from spaces import STAGES, Network
from spaces.settings import own_settings

_SPACE = {
    "width": "space.network.width",
    "alpha": "space.distill.alpha",
    "temperature": "space.distill.temperature",
    "learning_rate": "space.distill.learning_rate",
    "lora_rank": "space.adapt.rank",
    "lora_alpha": "space.adapt.lora_alpha",
    "lora_dropout": "space.adapt.dropout",
    "lora_targets": "space.adapt.targets",
    "lora_learning_rate": "space.adapt.learning_rate",
    "scheme": "space.quantize.scheme",
}
_TABLES = {"student": "space.network", "distill": "space.distill", "adapt": "space.adapt"}


def renamed_keys(values: Mapping[str, Any]) -> dict[str, str]:
    """Return every key of the old form that a study file has, with what it is called now."""
    return dict(_renamed(values))


def _renamed(values: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for table, now in _TABLES.items():
        content = values.get(table)
        kind = now.rpartition(".")[2]
        known = {declared.name for declared in own_settings(STAGES.get(kind, Network))}
        for key in content if isinstance(content, Mapping) else ():
            if key in known:
                yield f"{table}.{key}", f"{now}.{key}"
    space = values.get("space")
    for key, now in _SPACE.items():
        if isinstance(space, Mapping) and key in space:
            yield f"space.{key}", now
