"""What a layer's codes are chosen by: sums of products of what it reads.

Every way of choosing codes asks the same of calibration images: sums of products of what the layer
reads, X in the float network and X' in the network whose earlier layers are rounded already, an
example a column. With weights W [out, d] and what they become, Q, the squared error |W X - Q X'|^2
over all examples is, but for what does not depend on Q, tr(Q H Q^T) - 2 tr(Q G W^T) with G = X'
X^T and H = X' X'^T. So images are looked at once, whatever is tried, and a method's time does not
depend on how many there are. Where biases make up for the mean of the error, what counts is its
variance: the same with X and X' less their means.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

_DAMPING = 1e-4
"""Of the mean of H's diagonal: what the images never show keeps its weights."""
_NOISE = 1e-10
"""Of the same: what is less once the means are taken out is what 64 bits leave of nothing."""

_EXAMPLES = 16384
"""Positions of all images that a convolution's sums are made of, at most: drawn once a layer."""


@dataclass(frozen=True)
class Moments:
    """Sums over examples, a matrix a group of a convolution: [groups, d, d] in float64."""

    crossed: Tensor
    """G: row by what is read now, column by what the float network reads."""
    own: Tensor
    """H."""
    exact_mean: Tensor
    """Of what the float network reads, [groups, d]."""
    mean: Tensor
    """Of what is read now."""
    examples: int

    def centred(self) -> "Moments":
        """Return those of X and X' less their means."""
        before, now = self.exact_mean[:, None, :], self.mean[:, :, None]
        left = Moments(
            self.crossed - self.examples * now * before,
            self.own - self.examples * now * now.transpose(1, 2),
            torch.zeros_like(self.exact_mean),
            torch.zeros_like(self.mean),
            self.examples,
        )
        return left.heavier(_NOISE * self.mean_square)

    def damped(self) -> "Moments":
        """Return these with a little of the error of each weight in them."""
        return self.heavier(_DAMPING * self.mean_square + 1e-30)

    @property
    def mean_square(self) -> Tensor:
        """The mean of H's diagonal, [groups]."""
        return self.own.diagonal(dim1=1, dim2=2).mean(1)

    def heavier(self, weight: Tensor) -> "Moments":
        """Return these as if so much, [groups], had been seen of each input alone."""
        added = torch.eye(self.own.shape[-1], dtype=self.own.dtype) * weight[:, None, None]
        return replace(self, crossed=self.crossed + added, own=self.own + added)

    def mean_change(self, weight: Tensor, quantized: Tensor) -> Tensor:
        """Return by how much each output falls short on average: [out], of weights [out, d]."""
        exact, now = (
            mean.repeat_interleave(len(weight) // len(mean), 0)
            for mean in (self.exact_mean, self.mean)
        )
        return (weight * exact - quantized * now).sum(1)


def output_error(weight: Tensor, quantized: Tensor, moments: Moments) -> Tensor:
    """Return each output's squared error, less what it is with no weights at all: [out].

    weight, quantized: [out, d], the outputs of a group behind each other.
    """
    wanted = products(weight, moments.crossed)
    own = products(quantized, moments.own)
    return (quantized * (own - 2 * wanted)).sum(1)


def products(rows: Tensor, matrices: Tensor) -> Tensor:
    """Return the matrix [d, d] of each output's group times its row: [out, d]."""
    by_group = rows.reshape(len(matrices), -1, rows.shape[1])
    return (by_group @ matrices.transpose(1, 2)).reshape(rows.shape)


def moments_seen(both: Iterable[tuple[Tensor, Tensor]], batches: int) -> Moments:
    """Return the sums of what a layer reads, in the network as it is and in the rounded one.

    both: so many pairs of its `patches`, in that order. What is drawn of them is always the same.
    """
    generator, share, examples = np.random.default_rng(0), 0.0, 0
    crossed = own = exact_mean = mean = torch.zeros(1, dtype=torch.float64)
    for before, now in both:
        count = now.shape[2]
        share = share or min(1.0, _EXAMPLES / count / batches)
        kept = torch.from_numpy(np.flatnonzero(generator.random(count) < share))
        here, there = now[:, :, kept].double(), before[:, :, kept].double()
        own = own + here @ here.transpose(1, 2)
        crossed = crossed + here @ there.transpose(1, 2)
        exact_mean, mean = exact_mean + there.sum(2), mean + here.sum(2)
        examples += len(kept)
    return Moments(crossed, own, exact_mean / examples, mean / examples, examples)


def patches(
    padded: Tensor,
    kernel: tuple[int, ...],
    dilation: tuple[int, ...],
    stride: tuple[int, ...],
    groups: int,
) -> Tensor:
    """Return what each output of a convolution is a product with, [groups, d, examples].

    padded: [n, c, h, w], what it reads with its padding around it.
    """
    unfolded = functional.unfold(padded, kernel, dilation, stride=stride)
    by_group = unfolded.reshape(len(padded), groups, -1, unfolded.shape[2])
    return by_group.permute(1, 2, 0, 3).flatten(2)
