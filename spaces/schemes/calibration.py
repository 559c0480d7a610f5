"""Which numbers are in a file: it changes neither its bytes nor its latency."""

from collections.abc import Mapping
from dataclasses import dataclass

from spaces.settings import Number, Setting, Settings, Word, setting

ROUNDINGS: Mapping[str, str] = {
    "nearest": "each weight to the nearest code, the largest of a channel to the last",
    "gpfq": "one weight after another, each making up for what the ones before it changed in the "
    "layer's output (Lybrand and Saab 2021)",
    "quantease": "as gpfq, then weight by weight and scale by scale until nothing betters the "
    "layer's output (Behdin et al. 2023)",
}
"""How codes of weights can be chosen, in words. All but the first look at calibration images."""


@dataclass(frozen=True)
class Calibration(Settings):
    """How ranges and codes are chosen for a layout."""

    percentile: float = setting(100.0, Setting("percentile", Number(above=50, most=100)))
    """Share of calibration values inside an activation's range; 100 is min-max."""
    rounding: str = setting("nearest", Setting("rounding of weights", Word(ROUNDINGS)))
    """A name in ROUNDINGS."""


CALIBRATIONS: Mapping[str, Mapping[str, object]] = {
    name: {"rounding": name} for name in ROUNDINGS if name != "nearest"
}
"""By the word that a scheme's name has after a `+`: fields of Calibration that it sets."""
