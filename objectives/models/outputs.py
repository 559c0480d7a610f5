"""Networks written elsewhere: they take images in any layout and return one tensor of logits."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import fields, is_dataclass
from typing import Any

from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from spaces import InputError


def behave_as_ours(model: nn.Module, classes: int) -> None:
    """Let `model` return logits [n, classes] where what it returns has them first or by that name.

    And let it flatten by `view`, which the layout of our images (channels last) does not bear.
    Its class becomes a subclass with another `forward`. A module around it would put a prefix
    before the names of its weights, and a hook is passed over by peft, which calls `forward`.
    """
    kind = type(model)

    def forward(self: nn.Module, images: Tensor) -> Tensor:
        with _ViewOfAnyLayout():
            return logits_in(kind.forward(self, images), classes)

    model.__class__ = type(
        kind.__name__, (kind,), {"forward": forward, "__module__": kind.__module__}
    )


class _ViewOfAnyLayout(TorchFunctionMode):
    """Where a tensor's memory lies otherwise than `Tensor.view` wants it, the tensor is copied."""

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Iterable[type],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        try:
            return func(*args, **(kwargs or {}))
        except RuntimeError:
            if func is not Tensor.view:
                raise
            return args[0].contiguous().view(*args[1:], **(kwargs or {}))


def logits_in(output: object, classes: int) -> Tensor:
    """Return a network's logits: its output, or what stands in it as `logits` or first.

    Raises InputError when that is not [n, classes].
    """
    if isinstance(output, Tensor):
        return output
    parts = _parts(output)
    for found in (parts.get("logits"), next(iter(parts.values()), None)):
        if isinstance(found, Tensor) and found.ndim == 2 and found.shape[1] == classes:
            return found
    raise InputError(
        f"gives {in_words(output)}, expected logits [n, {classes}]: as one tensor, first in a "
        "tuple, or by the name `logits`"
    )


def in_words(output: object) -> str:
    """Return what a network gives, as `float32 [2, 10]` or `a tuple of float32 [2, 10], …`."""
    if isinstance(output, Tensor):
        return f"{str(output.dtype).removeprefix('torch.')} {list(output.shape)}"
    parts = [
        f"{name} {_kind(part)}" if isinstance(name, str) else _kind(part)
        for name, part in _parts(output).items()
    ]
    return f"a {type(output).__name__}" + (f" of {', '.join(parts)}" if parts else "")


def _kind(part: object) -> str:
    return in_words(part) if isinstance(part, Tensor) else type(part).__name__


def _parts(output: object) -> dict[object, object]:
    """Return the parts of what a network returns, by name or by place."""
    if isinstance(output, Mapping):
        return dict(output)
    if is_dataclass(output) and not isinstance(output, type):
        return {field.name: getattr(output, field.name) for field in fields(output)}
    if isinstance(output, tuple) and hasattr(output, "_asdict"):
        return dict(output._asdict())
    if isinstance(output, tuple | list):
        return dict(enumerate(output))
    return {}
