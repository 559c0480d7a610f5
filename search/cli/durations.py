"""Durations as people write them: 90s, 30m, 2h, 1h30m."""

import re

from spaces import InputError

_UNITS_S = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_LONGEST_S = 10 * 365 * 86400.0
_PART = re.compile(r"(\d+(?:\.\d+)?)([smhd])")


def parse_duration_s(text: str) -> float:
    """Return seconds of `text`, as `45s`, `30m`, `1h30m` or a bare number of seconds."""
    compact = text.strip().lower().replace(" ", "")
    parts = _PART.findall(compact)
    if parts and "".join(number + unit for number, unit in parts) == compact:
        seconds = sum(float(number) * _UNITS_S[unit] for number, unit in parts)
    else:
        try:
            seconds = float(compact)
        except ValueError:
            seconds = float("nan")
    if not 0 < seconds <= _LONGEST_S:
        raise InputError(
            "a duration must be a positive time of ten years at most, such as 45s, 30m or 1h30m, "
            f"got {text!r}"
        )
    return seconds


def in_words(seconds: float) -> str:
    """Return `seconds` as people say them: `45 s`, `3 min 20 s`, `2 h 05 min`."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
