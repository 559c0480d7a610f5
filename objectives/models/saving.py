"""Tensors as safetensors takes them."""

from collections.abc import Mapping

from torch import Tensor


def fit_to_save(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return `tensors` on the CPU, contiguous, and each in memory of its own.

    Where a network has one weight under two names, it is written under both: on loading, the
    network ties them again by itself.
    """
    fit: dict[str, Tensor] = {}
    taken: set[int] = set()
    for name, value in tensors.items():
        plain = value.detach().cpu().contiguous()
        memory = plain.untyped_storage().data_ptr()
        fit[name] = plain.clone() if memory in taken else plain
        taken.add(memory)
    return fit
