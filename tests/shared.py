"""What takes long to make and all tests share, made by whichever process comes first."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from objectives import FileLock


def made_once(
    factory: pytest.TempPathFactory, name: str, make: Callable[[Path], object] = Path.mkdir
) -> Path:
    """Return the folder `name` of this run of the tests, which `make` is to make, once."""
    here = factory.getbasetemp()
    # pytest-xdist gives every process a folder in the run's own.
    root = here.parent if "PYTEST_XDIST_WORKER" in os.environ else here
    folder, done = root / name, root / f"{name}.done"
    with FileLock(root / f"{name}.lock"):
        if not done.exists():
            make(folder)
            done.touch()
    return folder
