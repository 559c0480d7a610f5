"""A network's weights in a file: safetensors, or a state dict that `weights_only` can load."""

import pickle
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from objectives.models.saving import fit_to_save
from spaces import InputError

_WRAPPERS = ("state_dict", "model")
"""Keys under which training scripts put the state dict beside their own notes."""


def save_weights(weights: nn.Module | Mapping[str, Tensor], path: Path) -> None:
    """Write `weights` as safetensors; equal weights give equal bytes."""
    state = weights.state_dict() if isinstance(weights, nn.Module) else weights
    save_file(fit_to_save(state), path)


def load_weights(model: nn.Module, path: Path, what: str) -> None:
    """Fill `model`, which messages call `what` (`mobilenet_v2@0.5`), from `path`.

    Raises InputError in one line when the file is missing, damaged, no state dict, holds values
    that are not finite, or belongs to another architecture.
    """
    state = read_state_dict(path)
    fault = _difference(model.state_dict(), state)
    if fault:
        raise InputError(f"weights {path} are not of {what}: {fault}")
    for name, value in state.items():
        if value.is_floating_point() and not bool(torch.isfinite(value).all()):
            raise InputError(f"weights {path} hold values that are not finite in {name}")
    model.load_state_dict(state)


def read_state_dict(path: Path) -> dict[str, Tensor]:
    """Return the tensors in `path` by name; nothing in the file is executed."""
    if not path.is_file():
        raise InputError(f"weights {path} do not exist: expected a .safetensors or .pth file")
    try:
        if path.suffix == ".safetensors":
            return dict(load_file(path))
        loaded = torch.load(path, map_location="cpu", weights_only=True)
    except (SafetensorError, RuntimeError, OSError, EOFError, pickle.UnpicklingError) as error:
        reason = str(error).splitlines()[0][:120] if str(error) else type(error).__name__
        raise InputError(
            f"weights {path} are damaged or not a file of tensors (safetensors, or a state dict "
            f"that torch.load(weights_only=True) takes): {reason}"
        ) from error
    for wrapper in _WRAPPERS:
        if isinstance(loaded, Mapping) and isinstance(loaded.get(wrapper), Mapping):
            loaded = loaded[wrapper]
    if not isinstance(loaded, Mapping) or not all(
        isinstance(name, str) and isinstance(value, Tensor) for name, value in loaded.items()
    ):
        raise InputError(f"weights {path} hold no state dict: expected tensors by name")
    return dict(loaded)


def _difference(expected: Mapping[str, Tensor], found: Mapping[str, Tensor]) -> str:
    faults = []
    if missing := [name for name in expected if name not in found]:
        faults.append(f"missing {_some(missing)}")
    if unexpected := [name for name in found if name not in expected]:
        faults.append(f"unexpected {_some(unexpected)}")
    shapes = [
        f"{name} is {list(found[name].shape)}, expected {list(value.shape)}"
        for name, value in expected.items()
        if name in found and found[name].shape != value.shape
    ]
    if shapes:
        faults.append(_some(shapes))
    return "; ".join(faults)


def _some(words: list[str], most: int = 3) -> str:
    rest = len(words) - most
    return ", ".join(words[:most]) + (f" and {rest} more" if rest > 0 else "")
