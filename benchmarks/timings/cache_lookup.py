"""How long a look-up in the stage cache takes: python -m benchmarks.timings.cache_lookup.

Entries are as the chain leaves them: a folder with a model's bytes and its curve, sealed with
checksums. A `hit` is StageCache.obtain of a finished stage up to its leased entry; loading weights
into a network is not in it. The `first hit` of a process reads every byte, to verify checksums. A
`miss` is how long it takes until the builder is called. `has` asks without a lease.
"""

import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from hashlib import sha256
from pathlib import Path
from statistics import median

import numpy as np

from benchmarks.script import run_script
from objectives.chain import Draft, StageCache

ENTRIES = 300
WEIGHTS_BYTES = 1_000_000
"""Of MobileNetV2 at width 0.25 in floats; only the first hit's time depends on it."""
EPOCHS = 20


def main() -> None:
    """Print the table."""
    with tempfile.TemporaryDirectory() as folder:
        made = StageCache(Path(folder), max_bytes=2**40)
        keys = [sha256(str(number).encode()).hexdigest() for number in range(ENTRIES)]
        for key in keys:
            with ExitStack() as leases:
                made.obtain(key, _build, leases)
        cache = StageCache(Path(folder), max_bytes=2**40)
        absent = [sha256(key.encode()).hexdigest() for key in keys]
        print(f"{ENTRIES} entries of {WEIGHTS_BYTES / 1e6:.0f} MB\n")
        print("| look-up | median ms | slowest ms |\n| --- | --- | --- |")
        for words, times in {
            "first hit, checksums read": [_hit_ms(cache, key) for key in keys],
            "hit": [_hit_ms(cache, key) for key in keys],
            "miss": [_miss_ms(cache, key) for key in absent],
            "has": [_timed_ms(lambda key=key: cache.has(key)) for key in [*keys, *absent]],  # type: ignore[misc]
        }.items():
            print(f"| {words} | {median(times):.2f} | {max(times):.2f} |")


def _build(draft: Draft) -> bool:
    curve = [[epoch / EPOCHS, 0.9] for epoch in range(1, EPOCHS + 1)]
    with draft.publishing({"accuracy": 0.9, "curve": curve, "seconds": 12.0}) as folder:
        weights = np.random.default_rng(0).bytes(WEIGHTS_BYTES)
        (folder / "weights.safetensors").write_bytes(weights)
    return True


def _hit_ms(cache: StageCache, key: str) -> float:
    with ExitStack() as leases:
        return _timed_ms(lambda: cache.obtain(key, _build, leases))


def _miss_ms(cache: StageCache, key: str) -> float:
    begun = time.perf_counter()
    called = []

    def not_built(draft: Draft) -> bool:  # noqa: ARG001
        called.append(time.perf_counter())
        return False

    with ExitStack() as leases:
        cache.obtain(key, not_built, leases)
    return (called[0] - begun) * 1e3


def _timed_ms(action: Callable[[], object]) -> float:
    begun = time.perf_counter()
    action()
    return (time.perf_counter() - begun) * 1e3


if __name__ == "__main__":
    run_script(main)
