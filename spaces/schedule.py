"""How weights are trained: the optimizer and its learning rate over time."""

from dataclasses import dataclass
from typing import Literal, get_args

from spaces.settings import Number, Setting, Settings, Word, setting

OptimizerName = Literal["adam", "adamw", "sgd"]
DecayName = Literal["constant", "one_cycle", "cosine", "step"]

EPOCHS = Setting("epochs", Number(least=1, whole=True))
LEARNING_RATE = Setting("learning rate", Number(above=0))


@dataclass(frozen=True)
class Schedule(Settings):
    """One training run's optimizer, length and learning rate over time."""

    epochs: int = setting(8, EPOCHS)
    """Passes over the training split."""
    learning_rate: float = setting(0.002, LEARNING_RATE)
    """Peak learning rate."""
    batch_size: int = setting(64, Setting("batch size", Number(least=2, whole=True)))
    """Images per step; batch norm cannot learn from one."""
    optimizer: OptimizerName = setting("adamw", Setting("optimizer", Word(get_args(OptimizerName))))
    """Which torch optimizer; SGD uses Nesterov-free momentum 0.9."""
    weight_decay: float = setting(0.01, Setting("weight decay", Number(least=0)))
    """Decay of the weights, as the optimizer defines it."""
    decay: DecayName = setting(
        "one_cycle", Setting("learning rate decay", Word(get_args(DecayName)))
    )
    """Shape of the learning rate over the run; `step` divides by 10 at 5/8, 3/4 and 7/8 of it."""
