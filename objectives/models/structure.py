"""What two networks have in common that differ in their weights alone."""

import io
import pickle
from typing import Any

from torch import Tensor, nn


def structure_of(model: nn.Module) -> bytes | None:
    """Return what tells a network from those that compute otherwise with the same weights.

    Of tensors that training changes only shapes are in it. None of a network that cannot be
    pickled. For one process: it names classes, not what they do.
    """
    written = io.BytesIO()
    try:
        _Structure(written).dump(model)
    except Exception:  # noqa: BLE001 - whatever a user's module raises
        return None
    return written.getvalue()


class _Structure(pickle.Pickler):
    """Writes shapes in place of what is learned."""

    def persistent_id(self, one: Any) -> object:
        """Return what stands for a tensor or a class; None for what is written as it is."""
        if isinstance(one, Tensor):
            learned = isinstance(one, nn.Parameter) or one.is_floating_point() or one.ndim == 0
            return (tuple(one.shape), str(one.dtype)) if learned else None
        # A user's network is of a class made for it alone (`behave_as_ours`), named as its base.
        if isinstance(one, type) and one.__base__ and one.__name__ == one.__base__.__name__:
            return (one.__base__,) if one.__module__ == one.__base__.__module__ else None
        return None
