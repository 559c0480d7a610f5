"""How weights are trained: the optimizer and its schedule."""

from dataclasses import dataclass
from typing import Literal, get_args

from spaces.errors import InputError

OptimizerName = Literal["adam", "adamw", "sgd"]
DecayName = Literal["constant", "one_cycle", "cosine", "step"]


@dataclass(frozen=True)
class Schedule:
    """One training run's optimizer, length and learning rate over time."""

    epochs: int
    """Passes over the training split."""
    learning_rate: float
    """Peak learning rate."""
    batch_size: int = 64
    """Images per step."""
    optimizer: OptimizerName = "adamw"
    """Which torch optimizer; SGD uses Nesterov-free momentum 0.9."""
    weight_decay: float = 0.01
    """Decay of the weights, as the optimizer defines it."""
    decay: DecayName = "one_cycle"
    """Shape of the learning rate over the run; `step` divides by 10 at 5/8, 3/4 and 7/8 of it."""

    def __post_init__(self) -> None:
        if self.epochs < 1:
            raise InputError(f"epochs must be at least 1, got {self.epochs}")
        if not self.learning_rate > 0:
            raise InputError(f"learning_rate must be greater than 0, got {self.learning_rate}")
        if self.batch_size < 2:
            raise InputError(f"batch_size must be at least 2 for batch norm, got {self.batch_size}")
        if self.weight_decay < 0:
            raise InputError(f"weight_decay must not be negative, got {self.weight_decay}")
        for what, value, known in (
            ("optimizer", self.optimizer, get_args(OptimizerName)),
            ("decay", self.decay, get_args(DecayName)),
        ):
            if value not in known:
                raise InputError(f"{what} must be one of {', '.join(known)}, got {value!r}")
