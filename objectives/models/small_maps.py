"""Convolutions on maps smaller than their kernel, where the CPU library falls back to slow loops.

An image of 32x32 pixels is down to 2x2 or one pixel in the later half of MobileNetV2 and ResNet-18.
There oneDNN's gradient of a 3x3 weight takes 8 to 90 ms a layer, three quarters of a training step,
although most of the kernel only ever sees padding. Summing tap by tap over what is not padding
takes fractions of a millisecond and is exact. Forward results and other maps are torch's own.
"""

from collections.abc import Callable
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d, linear
from torch.nn.grad import conv2d_input

Pair = tuple[int, int]

_SAFE_CHANNELS = 8
"""Input channels below which a strided 1x1 convolution is not trained as it is."""

_input_gradient: Callable[..., Tensor] = conv2d_input


def speed_up_small_maps(model: nn.Module) -> None:
    """Replace the convolutions in `model` by equal ones, on the same weights and names."""
    for parent in list(model.modules()):
        for name, child in list(parent.named_children()):
            if type(child) is nn.Conv2d and _applies(child):
                setattr(parent, name, _SmallMapConv2d(child))


def computes_plainly(layer: nn.Module) -> bool:
    """Say whether a layer, a convolution or linear, computes with a weight of its own as it is.

    Not where the weight is computed of others (weight norm), or changed first by the layer's own
    forward (weight standardisation).
    """
    plain = (nn.Conv2d.forward, nn.Linear.forward, _SmallMapConv2d.forward)
    computes = isinstance(layer, nn.Conv2d | nn.Linear) and type(layer).forward in plain
    return computes and "weight" in dict(layer.named_parameters(recurse=False))


def _applies(conv: nn.Conv2d) -> bool:
    depthwise = conv.groups == conv.in_channels == conv.out_channels
    return (
        (conv.groups == 1 or depthwise)
        and conv.padding_mode == "zeros"
        and not isinstance(conv.padding, str)
        and conv.dilation == (1, 1)
    )


class _SmallMapConv2d(nn.Conv2d):
    """A Conv2d that shares the weights of another."""

    def __init__(self, conv: nn.Conv2d) -> None:
        super().__init__(
            conv.in_channels,
            conv.out_channels,
            cast("Pair", conv.kernel_size),
            cast("Pair", conv.stride),
            cast("Pair", conv.padding),
            groups=conv.groups,
            bias=conv.bias is not None,
            device="meta",
        )
        self.weight, self.bias = conv.weight, conv.bias
        self.train(conv.training)

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002 - nn.Conv2d's name
        """Map [n, in, h, w] to [n, out, h', w']."""
        (height, width), kernel = input.shape[-2:], self.kernel_size
        if input.device.type != "cpu":
            return super().forward(input)
        if self._is_unsafe():
            rows, columns = cast("Pair", self.stride)
            seen = input[:, :, ::rows, ::columns]
            return conv2d(seen, self.weight, self.bias, groups=self.groups)
        if height == width == 1 and self._gives_one_pixel():
            return self._on_one_pixel(input)
        if height < kernel[0] and width < kernel[1] and torch.is_grad_enabled():
            y = _TapwiseGradient.apply(input, self.weight, self.stride, self.padding, self.groups)
            return cast("Tensor", y if self.bias is None else y + self.bias.view(-1, 1, 1))
        return super().forward(input)

    def _is_unsafe(self) -> bool:
        """In channels_last its gradient writes beyond its memory (torch 2.15, oneDNN).

        Taking the pixels that it sees first is the same convolution at stride 1.
        """
        is_strided = self.stride != (1, 1) and self.kernel_size == (1, 1)
        return is_strided and self.padding == (0, 0) and self.in_channels < _SAFE_CHANNELS

    def _gives_one_pixel(self) -> bool:
        sizes = zip(self.kernel_size, self.stride, cast("Pair", self.padding), strict=True)
        return all(pad < k <= 1 + 2 * pad < k + step for k, step, pad in sizes)

    def _on_one_pixel(self, input: Tensor) -> Tensor:  # noqa: A002 - as forward
        """One tap sees the pixel, all others see padding: a matrix product."""
        row, column = cast("Pair", self.padding)
        tap, pixels = self.weight[:, :, row, column], input.flatten(1)
        if self.groups == 1:
            y = linear(pixels, tap, self.bias)
        else:
            y = pixels * tap[:, 0] if self.bias is None else pixels * tap[:, 0] + self.bias
        return y[:, :, None, None]


class _TapwiseGradient(torch.autograd.Function):
    """torch's convolution with the weight's gradient summed tap by tap."""

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, weight: Tensor, stride: Pair, padding: Pair, groups: int
    ) -> Tensor:
        ctx.save_for_backward(x, weight)
        ctx.settings = (stride, padding, groups)
        return conv2d(x, weight, None, stride, padding, 1, groups)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        (grad,) = grads
        x, weight = ctx.saved_tensors
        stride, padding, groups = ctx.settings
        of_x, of_weight = None, None
        if ctx.needs_input_grad[0]:
            of_x = _input_gradient(x.shape, weight, grad, stride, padding, 1, groups)
        if ctx.needs_input_grad[1]:
            of_weight = _weight_gradient(x, grad, weight, stride, padding, groups)
        return of_x, of_weight, None, None, None


def _weight_gradient(
    x: Tensor, grad: Tensor, weight: Tensor, stride: Pair, padding: Pair, groups: int
) -> Tensor:
    """Return d loss / d weight [out, in / groups, kh, kw] from grad [n, out, h', w']."""
    result = torch.zeros_like(weight)
    x, grad = x.permute(0, 2, 3, 1), grad.permute(0, 2, 3, 1)  # [n, h, w, channels]
    for row in range(weight.shape[2]):
        out_rows, rows = _seen(row, x.shape[1], grad.shape[1], stride[0], padding[0])
        for column in range(weight.shape[3]):
            out_columns, columns = _seen(column, x.shape[2], grad.shape[2], stride[1], padding[1])
            g, seen = grad[:, out_rows, out_columns], x[:, rows, columns]
            if g.numel() == 0:
                continue
            if groups == 1:
                result[:, :, row, column] = g.flatten(0, 2).T @ seen.flatten(0, 2)
            else:
                result[:, 0, row, column] = (g * seen).sum((0, 1, 2))
    return result


def _seen(tap: int, size: int, out_size: int, stride: int, padding: int) -> tuple[slice, slice]:
    """Return the outputs for which `tap` lies inside the map, and where it lies for them."""
    shift = tap - padding
    first = max(0, -(shift // stride))
    last = min(out_size - 1, (size - 1 - shift) // stride)
    if last < first:
        return slice(0, 0), slice(0, 0)
    begin = first * stride + shift
    return slice(first, last + 1), slice(begin, last * stride + shift + 1, stride)
