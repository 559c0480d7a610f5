"""Which numbers are in a file: it changes neither its bytes nor its latency."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from spaces.settings import Flag, Setting, Settings, Word, setting

PERCENTILES: Mapping[str, float] = MappingProxyType(
    {f"percentile_{share}": float(share) for share in ("99.9", "99.99", "99.999")}
)
"""Observers that cut off the rest: half of it at each end."""
OBSERVERS: Mapping[str, str] = {
    "min_max": "from the smallest value seen to the largest",
    "moving_average": "the smallest and the largest of an image, on average over images",
    **{name: f"the central {share:g} % of the values seen" for name, share in PERCENTILES.items()},
    "mse": "where the squared error of rounding is least, of activations and of weights",
}
"""How ranges are chosen, in words. Ranges of weights are min-max by all of them but `mse`."""
ROUNDINGS: Mapping[str, str] = {
    "nearest": "each weight to the nearest code",
    "gpfq": "one weight after another, each making up for what the ones before it changed in the "
    "layer's output (Lybrand and Saab 2021)",
    "quantease": "as gpfq, then weight by weight and scale by scale until nothing betters the "
    "layer's output (Behdin et al. 2023)",
    "adaround": "up or down, learned for what the layer gives (Nagel et al. 2020)",
    "refined": "as adaround, then as quantease goes on from gpfq",
}
"""How codes of weights can be chosen, in words. All but the first look at calibration images."""


@dataclass(frozen=True)
class Calibration(Settings):
    """How ranges and codes are chosen for a layout."""

    observer: str = setting("min_max", Setting("ranges", Word(OBSERVERS)))
    """A name in OBSERVERS."""
    rounding: str = setting("nearest", Setting("rounding of weights", Word(ROUNDINGS)))
    """A name in ROUNDINGS."""
    equalized: bool = setting(False, Setting("equalized", Flag()))
    """Whether channels between two layers are scaled so that both have equal ranges of weights, as
    far as the network computes the same (Nagel et al. 2019, section 4.1)."""
    bias_corrected: bool = setting(False, Setting("bias corrected", Flag()))
    """Whether biases make up for what rounding changes in the mean of what a layer gives (Nagel et
    al. 2019, section 4.2, from calibration images)."""

    @property
    def looks_at_layers(self) -> bool:
        """Whether it rounds one layer after another, by what each reads on calibration images."""
        return self.rounding != "nearest" or self.bias_corrected


CALIBRATIONS: Mapping[str, Mapping[str, object]] = {
    "equalized": {"equalized": True},
    **{name: {"observer": name} for name in OBSERVERS if name != "min_max"},
    **{name: {"rounding": name} for name in ROUNDINGS if name != "nearest"},
    "bias_corrected": {"bias_corrected": True},
}
"""By the word that a scheme's name has after a `+`: fields of Calibration that it sets."""
