"""How long a look-up in the stage cache takes: python -m benchmarks.timings.cache_lookup.

Entries are as the chain leaves them: a folder with a model's bytes and its curve, sealed with
checksums. A `hit` is StageCache.obtain of a finished stage up to its leased entry; loading weights
into a network is not in it. The `first hit` of a process reads every byte, to verify checksums. A
`miss` is how long it takes until the builder is called. `has` asks without a lease.
"""

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from functools import partial
from hashlib import sha256
from pathlib import Path

import numpy as np

from benchmarks.script import run_script
from benchmarks.timings.harness import (
    Action,
    TablePrinter,
    Times,
    measure,
    parser_of,
    stopwatch,
)
from objectives.chain import Draft, StageCache

ENTRIES = 300
WEIGHTS_BYTES = 1_000_000
"""Of MobileNetV2 at width 0.25 in floats; only the first hit's time depends on it."""
EPOCHS = 20


def main() -> None:
    """Print the table."""
    printer = TablePrinter(as_json=parser_of(__doc__).parse_args().json)
    with tempfile.TemporaryDirectory() as folder:
        made = StageCache(Path(folder), max_bytes=2**40)
        keys = [sha256(str(number).encode()).hexdigest() for number in range(ENTRIES)]
        for key in keys:
            with ExitStack() as leases:
                made.obtain(key, _build, leases)
        cache = StageCache(Path(folder), max_bytes=2**40)
        absent = [sha256(key.encode()).hexdigest() for key in keys]
        printer.head(
            {"look-up": "", "median ms": ".2f", "slowest ms": ".2f"},
            words=f"{ENTRIES} entries of {WEIGHTS_BYTES / 1e6:.0f} MB",
        )
        for words, times in {
            "first hit, checksums read": measure(_hits(cache, keys)),
            "hit": measure(_hits(cache, keys)),
            "miss": Times([_miss_s(cache, key) for key in absent]),
            "has": measure(partial(cache.has, key) for key in [*keys, *absent]),
        }.items():
            printer.row(words, times.median_ms, times.slowest_ms)


def _build(draft: Draft) -> bool:
    curve = [[epoch / EPOCHS, 0.9] for epoch in range(1, EPOCHS + 1)]
    with draft.publishing({"accuracy": 0.9, "curve": curve, "seconds": 12.0}) as folder:
        weights = np.random.default_rng(0).bytes(WEIGHTS_BYTES)
        (folder / "weights.safetensors").write_bytes(weights)
    return True


def _hits(cache: StageCache, keys: Sequence[str]) -> Iterator[Action]:
    for key in keys:
        with ExitStack() as leases:
            yield partial(cache.obtain, key, _build, leases)


def _miss_s(cache: StageCache, key: str) -> float:
    called_s: list[float] = []
    passed = stopwatch()

    def not_built(draft: Draft) -> bool:  # noqa: ARG001
        called_s.append(passed())
        return False

    with ExitStack() as leases:
        cache.obtain(key, not_built, leases)
    return called_s[0]


if __name__ == "__main__":
    run_script(main)
