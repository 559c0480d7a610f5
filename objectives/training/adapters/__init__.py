"""What methods of adapting a student compute, one a file; their settings are in spaces.stages."""

from collections.abc import Callable, Mapping

from objectives.training.adapters.adapter import Adaptation
from objectives.training.adapters.classifier_only import ClassifierOnly
from objectives.training.adapters.dora import Dora
from objectives.training.adapters.full import Full
from objectives.training.adapters.loha import Loha
from objectives.training.adapters.lokr import Lokr
from objectives.training.adapters.lora import Lora
from objectives.training.adapters.pissa import Pissa
from objectives.training.adapters.rslora import RsLora
from objectives.training.adapters.targets import target_layers
from spaces import Adapt, UnknownNameError

ADAPTERS: Mapping[str, Callable[[Adapt], Adaptation]] = {
    "lora": Lora,
    "rslora": RsLora,
    "dora": Dora,
    "pissa": Pissa,
    "loha": Loha,
    "lokr": Lokr,
    "full": Full,
    "classifier_only": ClassifierOnly,
}
"""By the name that spaces.ADAPTERS has."""


def adaptation(settings: Adapt) -> Adaptation:
    """Return the method of these settings; an unknown one raises and never trains as another."""
    if settings.method not in ADAPTERS:
        raise UnknownNameError("adapter", settings.method, tuple(ADAPTERS))
    return ADAPTERS[settings.method](settings)


__all__ = ["ADAPTERS", "Adaptation", "adaptation", "target_layers"]
