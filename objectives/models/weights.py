"""A network's weights in a file: safetensors, or a state dict as training scripts write it."""

from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from objectives.models.build import build_model
from objectives.models.saving import fit_to_save
from objectives.models.state_dicts import Fit, fits
from objectives.models.weight_files import read_weight_file, reading
from spaces import InputError, Network


def save_weights(weights: nn.Module | Mapping[str, Tensor], path: Path) -> None:
    """Write `weights` as safetensors; equal weights give equal bytes."""
    state = weights.state_dict() if isinstance(weights, nn.Module) else weights
    save_file(fit_to_save(state), path)


def load_weights(
    model: nn.Module,
    path: Path,
    what: str,
    *,
    classes: int | None = None,
    part: str | None = None,
) -> str:
    """Fill `model`, which messages call `what` (`mobilenet_v2@0.5`), from `path`.

    The one set of tensors in the file that fits is taken, wherever it lies and whatever stands
    before all its names; batch norm's counters may be missing, auxiliary heads may be left over.
    classes: that the data has. part: which set, where several fit. Returns in words what was not
    taken as it is, empty when all was. Raises InputError in one line when the file cannot be read,
    nothing in it fits or more than one does, or values are not finite.
    """
    expected = model.state_dict()
    with reading(path):
        fit = _chosen(fits(model, read_weight_file(path), classes), what, part)
        cast = {name: _cast(name, value, expected[name]) for name, value in fit.state.items()}
    words = _in_words(fit, expected)
    # What is missing here, the network has already. Updated, it keeps the versions of its modules,
    # which some (MNASNet) do not load without.
    expected.update(cast)
    model.load_state_dict(expected)
    return words


def loaded_model(network: Network, weights: Path, classes: int) -> nn.Module:
    """Return a network with weights that were saved here; raises InputError as `load_weights`."""
    model = build_model(network, classes)
    load_weights(model, weights, network.key)
    return model


def _cast(name: str, value: Tensor, expected: Tensor) -> Tensor:
    """Return `value` as the network holds it; raises InputError where that is no sound number."""
    cast = value.to(expected.dtype)
    if not all(bool(torch.isfinite(each).all()) for each in (value, cast)):
        raise InputError(f"hold values that are not finite in {name}")
    if name.rpartition(".")[2] == "running_var" and bool((cast < 0).any()):
        raise InputError(f"hold negative variances in {name}, down to {cast.min():g}")
    return cast


def _chosen(found: list[Fit], what: str, part: str | None) -> Fit:
    if not found:
        raise InputError("hold no state dict: expected tensors by name")
    if part is not None:
        parts = sorted({fit.part for fit in found} | {fit.place for fit in found if fit.place})
        found = [fit for fit in found if part in {fit.part, fit.place}]
        if not found:
            raise InputError(f"have no part {part!r}: there are {', '.join(parts)}")
    best = found[0]
    if best.faults:
        raise InputError(f"are not of {what}: {'; '.join(best.faults)}")
    others = [fit.part for fit in found[1:] if not fit.faults and not fit.equals(best)]
    if others:
        raise InputError(
            f"hold {1 + len(others)} sets that fit {what} "
            f"({', '.join([best.part, *others])}): say which one is meant, as "
            f'[teacher] weights_part = "{best.part}"'
        )
    return best


def _in_words(fit: Fit, expected: Mapping[str, Tensor]) -> str:
    words = [f"taken from {fit.place}"] if fit.place else []
    if fit.prefix:
        words.append(f"names without {fit.prefix}")
    if fit.auxiliary:
        words.append(f"without the auxiliary heads {', '.join(fit.auxiliary)}")
    if fit.others:
        more = f" and {len(fit.others) - 1} more" if len(fit.others) > 1 else ""
        words.append(f"without {fit.others[0]}{more}")
    narrow = {
        str(value.dtype).removeprefix("torch.")
        for name, value in fit.state.items()
        if value.is_floating_point() and value.element_size() < expected[name].element_size()
    }
    if narrow:
        words.append(f"widened from {' and '.join(sorted(narrow))}")
    return ", ".join(words)
