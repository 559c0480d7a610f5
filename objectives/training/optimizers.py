"""The optimizer of a training run, and what it needs where some weights begin to learn later."""

from typing import assert_never

import torch
from torch import nn

from spaces import Schedule

_MOMENTUM, _BUFFER = 0.9, "momentum_buffer"


def optimizer_of(model: nn.Module, schedule: Schedule) -> torch.optim.Optimizer:
    """Return what learns the weights of `model` that can be learned."""
    learned = [weight for weight in model.parameters() if weight.requires_grad]
    rate, decay = schedule.learning_rate, schedule.weight_decay
    # Fused: one call a step in place of several for each of a few hundred weights.
    match schedule.optimizer:
        case "sgd" | "sgd_nesterov" as name:
            nesterov = name == "sgd_nesterov"
            return torch.optim.SGD(
                learned, rate, momentum=_MOMENTUM, weight_decay=decay, nesterov=nesterov, fused=True
            )
        case "adamw":
            return torch.optim.AdamW(learned, rate, weight_decay=decay, fused=True)
        case "adam":
            return torch.optim.Adam(learned, rate, weight_decay=decay, fused=True)
        case _:
            assert_never(schedule.optimizer)


def complete_momentum(optimizer: torch.optim.Optimizer) -> None:
    """Give weights that had no gradient yet a momentum of zero, which is what they have.

    A method that learns in turns reaches some weights later than others, and torch's fused SGD
    raises where some weights have a momentum and others none.
    """
    if not isinstance(optimizer, torch.optim.SGD):
        return
    for weight in optimizer.param_groups[0]["params"]:
        if optimizer.state[weight].get(_BUFFER) is None:
            optimizer.state[weight][_BUFFER] = torch.zeros_like(weight)
