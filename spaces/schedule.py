"""How weights are trained: the optimizer and its learning rate over time."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass
from typing import Any, Literal, get_args

from spaces.settings import Number, Setting, Settings, Word, setting

OptimizerName = Literal["adam", "adamw", "sgd", "sgd_nesterov"]
DecayName = Literal["constant", "one_cycle", "cosine", "step"]

EPOCHS = Setting("epochs", Number(least=1, most=10_000, whole=True))
LEARNING_RATE = Setting("learning rate", Number(least=1e-8, most=10))


@dataclass(frozen=True)
class Schedule(Settings):
    """One training run's optimizer, length and learning rate over time."""

    epochs: int = setting(8, EPOCHS)
    """Passes over the training split."""
    learning_rate: float = setting(0.002, LEARNING_RATE)
    """Peak learning rate."""
    batch_size: int = setting(64, Setting("batch size", Number(least=2, most=65_536, whole=True)))
    """Images per step; batch norm cannot learn from one."""
    optimizer: OptimizerName = setting("adamw", Setting("optimizer", Word(get_args(OptimizerName))))
    """Which torch optimizer; both kinds of SGD have momentum 0.9."""
    weight_decay: float = setting(0.01, Setting("weight decay", Number(least=0, most=10)))
    """Decay of the weights, as the optimizer defines it."""
    decay: DecayName = setting(
        "one_cycle", Setting("learning rate decay", Word(get_args(DecayName)))
    )
    """Shape of the learning rate over the run; `step` divides by 10 at 5/8, 3/4 and 7/8 of it."""

    _: KW_ONLY
    warmup_epochs: float = setting(
        0.0,
        Setting(
            "warm-up epochs",
            Number(least=0, most=10_000),
            applies=lambda known: known["decay"] != "one_cycle",
            baseline=0,
        ),
    )
    """Over which the rate rises evenly to its peak, before the decay begins; `one_cycle` rises by
    itself."""

    @classmethod
    def clashes(cls, values: Mapping[str, Sequence[Any]]) -> Iterator[tuple[str, str]]:
        """Find a warm-up that leaves no epoch over, and one that never is."""
        longest, epochs = max(values["warmup_epochs"]), values["epochs"]
        if longest and set(values["decay"]) == {"one_cycle"}:
            others = ", ".join(name for name in get_args(DecayName) if name != "one_cycle")
            words = f"must be 0 where decay is one_cycle alone, got {longest:g}"
            yield "warmup_epochs", f"{words}; decay can be {others}"
        # At 0 epochs some stages are left out.
        elif longest and longest >= (shortest := min(filter(None, epochs), default=math.inf)):
            words = f"must be less than epochs, got {longest:g} beside {shortest} epochs"
            yield "warmup_epochs", words
        yield from super().clashes(values)

    @property
    def schedule_in_words(self) -> str:
        """How long and by what it trains: `8 epochs of adamw at 0.002`."""
        passes = f"{self.epochs} epoch{'' if self.epochs == 1 else 's'}"
        return f"{passes} of {self.optimizer} at {self.learning_rate:g}"
