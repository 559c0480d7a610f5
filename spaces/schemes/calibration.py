"""Which numbers are in a file: it changes neither its bytes nor its latency."""

from dataclasses import dataclass

from spaces.settings import Number, Setting, Settings, setting


@dataclass(frozen=True)
class Calibration(Settings):
    """How ranges and codes are chosen for a layout."""

    percentile: float = setting(100.0, Setting("percentile", Number(above=50, most=100)))
    """Share of calibration values inside an activation's range; 100 is min-max."""
