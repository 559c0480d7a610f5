"""Which machine and runtime costs were measured on, and whether this is still the one. No torch."""

from collections.abc import Mapping

from objectives.costs import device_profile


def device_fingerprint(runtime: str = "onnxruntime") -> dict[str, str]:
    """Return what tells this machine and runtime from others: processor, cores, system, version."""
    return device_profile.fingerprint(runtime)


def difference(measured: Mapping[str, str], now: Mapping[str, str]) -> list[str]:
    """Return in words how the device `now` differs from the one that was measured."""
    return [
        f"{what} was {measured.get(what, 'unknown')}, is {now.get(what, 'unknown')}"
        for what in sorted({*measured, *now})
        if measured.get(what) != now.get(what)
    ]
