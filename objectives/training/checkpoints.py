"""The seam between a training run and where its checkpoints are kept. No torch."""

from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Protocol


class Checkpoint(Protocol):
    """A training run as it stood after an epoch."""

    @property
    def folder(self) -> Path:
        """Where its files lie."""
        ...

    @property
    def notes(self) -> dict[str, Any]:
        """Plain JSON values that were saved with them."""
        ...


class Checkpoints(Protocol):
    """Keeps the last epoch of one training run."""

    def checkpoint(self) -> Checkpoint | None:
        """Return the last epoch that was saved whole, None when there is none."""
        ...

    def saving_checkpoint(self, epoch: int, notes: dict[str, Any]) -> AbstractContextManager[Path]:
        """Give a folder for the files of finished `epoch`, kept when the block ends."""
        ...
