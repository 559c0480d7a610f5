"""What each layer of a reference student loses when it alone has few bits."""

from collections.abc import Mapping
from dataclasses import dataclass

WIDTHS = (8, 4, 3, 2)
"""Bits a weight that a layer can be given by its sensitivity."""
Losses = tuple[float, float, float, float]


@dataclass(frozen=True)
class LayerSensitivity:
    """A layer, and what it loses."""

    layer: str
    """Name of its weight in the network's state dict."""
    losses: Losses
    """Mean divergence from the float network, nats an image, by WIDTHS."""


def sensitivity_of(table: Mapping[str, Losses]) -> tuple[LayerSensitivity, ...]:
    """Return a study file's table as a setup has it."""
    return tuple(LayerSensitivity(layer, losses) for layer, losses in table.items())
