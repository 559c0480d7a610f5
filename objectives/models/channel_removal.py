"""Whether a network computes what it did without channels that nothing reads."""

import copy
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from objectives.models.channel_groups import ChannelGroup, readers, without

_ALIKE = 1e-9
"""Of the largest output, in float64: two sums of the same numbers differ by less."""


class ChannelRemoval:
    """A network some of whose channels nothing reads, which are taken out and put back."""

    def __init__(self, model: nn.Module, image: Tensor, found: Sequence[ChannelGroup]) -> None:
        """found: what may be taken out of `model`, whose weights become zero where they read it."""
        self._model, self._image = model, image
        self._chosen: dict[str, list[int]] = {}
        self._as_many = True
        with torch.no_grad():
            for each in found:
                gone = each.chosen(random_channels)
                self._chosen[each.layer] = list(gone[0].idxs)
                self._as_many &= len(gone[0].idxs) == each.goes()
                for layer, channels in readers(gone):
                    layer.weight.mul_(without(layer, channels))
            self._expected = model(image)
        operations = {one for each in found for one in _operations(each.graph)}
        self._undo = _undo_of([*model.modules(), *operations])

    def changes(self, groups: Sequence[ChannelGroup]) -> bool:
        """Say whether the network without these channels computes something else, or nothing.

        Or whether others than these went too.
        """
        if not self._as_many:
            return True
        try:
            for each in groups:
                each.of(self._chosen[each.layer]).prune(record_history=False)
            with torch.no_grad():
                apart = float((self._model(self._image) - self._expected).abs().max())
        except Exception:  # noqa: BLE001 - whatever is raised of shapes that do not fit
            return True
        finally:
            self._undo()
        return not apart <= _ALIKE * float(self._expected.abs().max())


def _undo_of(modules: Iterable[nn.Module]) -> Callable[[], None]:
    """Return what gives modules back what they have now: pruning puts other parameters in place."""
    before = [(one, {name: _kept(name, of) for name, of in vars(one).items()}) for one in modules]

    def undo() -> None:
        for one, values in before:
            vars(one).update({name: _kept(name, of) for name, of in values.items()})

    return undo


def _kept(name: str, value: Any) -> Any:
    # Dictionaries of hooks stay the same ones: who registered a hook holds on to them.
    changes = isinstance(value, list) or name in {"_parameters", "_buffers"}
    return copy.copy(value) if changes else value


def _operations(graph: Any) -> list[nn.Module]:
    """Return what of a graph is no layer: it counts channels along as they go."""
    return [each for each in graph.module2node if isinstance(each, nn.Module)]


@contextmanager
def without_norms(model: nn.Module) -> Iterator[None]:
    """Let norms over channels give what they are given.

    Of fewer channels they are others, and what is left learns on with them.
    """

    def given(_: nn.Module, inputs: tuple[Any, ...], gives: object) -> object:
        return inputs[0] if inputs else gives

    norms = [each for each in model.modules() if _is_norm_over_channels(each)]
    hooks = [each.register_forward_hook(given) for each in norms]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


def _is_norm_over_channels(module: nn.Module) -> bool:
    if isinstance(module, nn.LayerNorm | nn.GroupNorm):
        return True
    by_channel = (nn.modules.batchnorm._BatchNorm, nn.modules.instancenorm._InstanceNorm)  # noqa: SLF001
    named = "Norm" in type(module).__name__ and not isinstance(module, by_channel)
    return named and not [*module.children()]


def drawn(model: nn.Module) -> nn.Module:
    """Return a copy in float64 that evaluates, whose parameters and statistics are drawn anew."""
    copied = copy.deepcopy(model).cpu().double().eval()
    for module in copied.modules():
        for name, value in vars(module).items():
            if isinstance(value, Tensor) and value.is_floating_point():
                setattr(module, name, value.cpu().double())  # No buffer, so it did not move along.
    generator = _generator()
    with torch.no_grad():
        for each in copied.parameters():
            if each.ndim > 1:
                each.normal_(0, max(1, each[0].numel()) ** -0.5, generator=generator)
            else:
                each.uniform_(0.5, 1.5, generator=generator)
        for name, buffer in copied.named_buffers():
            if name.endswith(("running_mean", "running_var")):
                buffer.uniform_(0.5, 1.5, generator=generator)
    return copied


def drawn_image(image_size: int) -> Tensor:
    """Return one drawn image for `drawn`: [1, 3, image_size, image_size]."""
    shape = (1, 3, image_size, image_size)
    return torch.randn(shape, dtype=torch.float64, generator=_generator())


def _generator() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def random_channels(group: Any) -> Tensor:
    """Say of channels at random how much they matter, the same each time."""
    return torch.rand(len(group[0].idxs), generator=_generator())
