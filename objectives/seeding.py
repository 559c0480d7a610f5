"""Random numbers that depend on what they are for, never on what was drawn before."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from spaces import digest


def derived_seed(*purpose: object) -> int:
    """Return a 63-bit seed that `purpose` (plain JSON values) alone decides."""
    return int(digest(*purpose)[:16], 16) >> 1


def generator(*purpose: object) -> torch.Generator:
    """Return a fresh CPU generator seeded by `purpose`."""
    return torch.Generator().manual_seed(derived_seed(*purpose))


@contextmanager
def seeded(*purpose: object) -> Iterator[None]:
    """Let torch's global generators (dropout, initial weights) draw from `purpose` inside.

    They are put back afterwards.
    """
    devices = range(torch.cuda.device_count()) if torch.cuda.is_available() else ()
    with torch.random.fork_rng(devices=list(devices)):
        torch.manual_seed(derived_seed(*purpose))
        yield
