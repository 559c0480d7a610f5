"""Which tensors of a checkpoint are a network's weights: found by fit, not by names of parts."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from spaces import printable

_DEPTH = 5
"""How deep parts may lie in one another."""
_COUNTER = "num_batches_tracked"
"""What batch norm has counted: older checkpoints lack it, and nothing is computed from it."""
_FLOATS = (torch.float16, torch.bfloat16, torch.float32, torch.float64)
_WHOLE = (torch.bool, torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64)


@dataclass(frozen=True)
class Fit:
    """Some tensors of a checkpoint as weights of a network."""

    place: str
    """Keys that lead to them, joined by dots; empty when they are the whole file."""
    prefix: str
    """What stood before every name."""
    state: dict[str, Tensor]
    """By the network's own names."""
    auxiliary: tuple[str, ...]
    """Auxiliary heads that the checkpoint has beside these, and the network has not."""
    others: tuple[str, ...]
    """Tensors of the same part that do not have the prefix."""
    matches: int
    """Names that the network has too."""
    faults: tuple[str, ...]
    """What keeps these from being the network's; none when they are."""

    @property
    def part(self) -> str:
        """What tells it from others of the same file."""
        return ".".join(name for name in (self.place, self.prefix.rstrip(".")) if name) or "."

    def equals(self, other: "Fit") -> bool:
        """Whether both hold the same weights, counters aside."""
        return all(
            value.dtype == other.state[name].dtype and torch.equal(value, other.state[name])
            for name, value in self.state.items()
            if not _is_counter(name)
        )


def fits(model: nn.Module, held: object, classes: int | None = None) -> list[Fit]:
    """Return every way to read `held` as the weights of `model`, the best first.

    held: what a file of weights holds, dicts in dicts with tensors by name. classes: that the data
    has, to tell a head of another size from another network. Without any tensor there is no way.
    """
    expected = model.state_dict()
    found = [
        _fit(model, expected, place, tensors, prefix, classes)
        for place, tensors in _parts(held)
        for prefix in _prefixes(expected, tensors)
    ]
    return sorted(found, key=lambda fit: (len(fit.faults) > 0, -fit.matches))


def _parts(
    held: object, place: str = "", depth: int = 0, seen: frozenset[int] = frozenset()
) -> Iterator[tuple[str, dict[str, Tensor]]]:
    seen |= {id(held)}
    if isinstance(held, list | tuple):
        held = dict(enumerate(held))
    if not isinstance(held, Mapping) or depth > _DEPTH:
        return
    named = {printable(name): value for name, value in held.items() if isinstance(name, str | int)}
    tensors = {name: value for name, value in named.items() if isinstance(value, Tensor)}
    if tensors:
        yield place, tensors
    for name, value in named.items():
        if id(value) not in seen:  # Damaged, a part may lie in itself, and in that, and so on.
            yield from _parts(value, f"{place}.{name}" if place else name, depth + 1, seen)


def _prefixes(expected: Mapping[str, Tensor], tensors: Mapping[str, Tensor]) -> list[str]:
    """Return what stands before all the names that are needed, or else before the most."""
    needed = {name for name in expected if not _is_counter(name)}
    counts = Counter({"": 0})
    for name in tensors:
        parts = name.split(".")
        for begin in range(len(parts)):
            if ".".join(parts[begin:]) in needed:
                counts["".join(f"{part}." for part in parts[:begin])] += 1
    most = max(counts.values())
    return [prefix for prefix, count in counts.items() if count == most]


def _fit(
    model: nn.Module,
    expected: Mapping[str, Tensor],
    place: str,
    tensors: Mapping[str, Tensor],
    prefix: str,
    classes: int | None,
) -> Fit:
    under = {
        name.removeprefix(prefix): value
        for name, value in tensors.items()
        if name.startswith(prefix)
    }
    known = {name: under[name] for name in expected if name in under}
    auxiliary: dict[str, None] = {}
    unexpected = []
    for name in under.keys() - known.keys():
        head = _auxiliary_head(model, name)
        if head:
            auxiliary[head] = None
        elif not _is_counter(name):
            unexpected.append(name)
    return Fit(
        place=place,
        prefix=prefix,
        state=known,
        auxiliary=tuple(sorted(auxiliary)),
        others=tuple(name for name in tensors if not name.startswith(prefix)),
        matches=len(known),
        faults=tuple(_faults(expected, known, sorted(unexpected), classes)),
    )


def _auxiliary_head(model: nn.Module, name: str) -> str:
    """Return the auxiliary head that a tensor is of and `model` has not; empty where it is none.

    Such a head is asked in training alone: GoogLeNet's `aux1`, Inception's `AuxLogits`, DARTS'
    `auxiliary_head`. Without it the network computes the same.
    """
    module, path = model, name.split(".")[:-1]
    for depth, part in enumerate(path):
        child = getattr(module, part, None)
        if not isinstance(child, nn.Module):
            return ".".join(path[: depth + 1]) if "aux" in part.lower() else ""
        module = child
    return ""


def _faults(
    expected: Mapping[str, Tensor],
    known: Mapping[str, Tensor],
    unexpected: list[str],
    classes: int | None,
) -> Iterator[str]:
    # A tensor that stands under two names may be saved under one of them.
    there = {expected[name].data_ptr() for name in known if expected[name].numel()}
    if missing := [
        name
        for name, value in expected.items()
        if name not in known and not _is_counter(name) and value.data_ptr() not in there
    ]:
        yield f"missing {_some(missing)}"
    if unexpected:
        yield f"unexpected {_some(unexpected)}"
    odd = {
        name: kind for name, value in known.items() if (kind := _odd_kind(value, expected[name]))
    }
    if odd:
        yield (
            f"{_some([f'{name} holds {kind}' for name, kind in odd.items()])}, "
            "expected dense floating-point numbers of 16, 32 or 64 bits"
        )
    known = {name: value for name, value in known.items() if name not in odd}
    other = [name for name, value in known.items() if value.shape != expected[name].shape]
    heads = {known[name].shape[0] for name in other if known[name].ndim}
    if (
        len(heads) == 1
        and classes not in heads
        and all(
            expected[name].shape[:1] == (classes,)
            and known[name].shape[1:] == expected[name].shape[1:]
            for name in other
        )
    ):
        yield (
            f"their head tells {heads.pop()} classes apart and the data has {classes} "
            f"({other[-1]} is {list(known[other[-1]].shape)}): choose weights that were trained "
            "on these classes"
        )
    elif other:
        yield _some(
            [
                f"{name} is {list(known[name].shape)}, expected {list(expected[name].shape)}"
                for name in other
            ]
        )


def _odd_kind(value: Tensor, expected: Tensor) -> str:
    """Return what keeps a tensor from having numbers to take, as `sparse_coo`; empty if nothing."""
    if value.is_nested:
        return "nested"
    if value.layout is not torch.strided:
        return str(value.layout).removeprefix("torch.")
    if value.is_meta:
        return "no values (meta)"
    possible = _FLOATS if expected.is_floating_point() else (*_FLOATS, *_WHOLE, expected.dtype)
    return "" if value.dtype in possible else str(value.dtype).removeprefix("torch.")


def _is_counter(name: str) -> bool:
    return name.rpartition(".")[2] == _COUNTER


def _some(words: list[str], most: int = 3) -> str:
    rest = len(words) - most
    return ", ".join(words[:most]) + (f" and {rest} more" if rest > 0 else "")
