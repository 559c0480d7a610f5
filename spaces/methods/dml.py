"""Deep mutual learning."""

from dataclasses import dataclass
from typing import ClassVar

from spaces.domains import Choice
from spaces.methods.method import Method
from spaces.settings import Number, Setting, Word, setting

_FRESH = "fresh"
PEERS = (_FRESH, "teacher")


@dataclass(frozen=True)
class Dml(Method):
    """CE + weight * KL(peer || student), and the peer learns alike (Zhang et al. 2018)."""

    kind: ClassVar[str] = "dml"

    peer: str = setting(
        _FRESH, Setting("peer", Word(PEERS), Choice(PEERS), alone=_FRESH, baseline="teacher")
    )
    """Which network learns beside the student and is thrown away. `fresh`: the student's own, of
    other initial weights, without a teacher; in a stage that begins with trained weights, of these.
    `teacher`: the teacher, which goes on learning."""
    weight: float = setting(1.0, Setting("weight", Number(above=0, most=100)))
    """Of what each says to the other, beside the labels."""
    temperature: float = setting(1.0, Setting("temperature", Number(least=0.01, most=1000)))
    """T: how far both distributions are softened; 1, as published: not at all. It is not the one
    that other methods share."""

    @property
    def in_words(self) -> str:
        """`dml with a fresh peer, weight 1, temperature 1`."""
        return (
            f"dml with {'a fresh peer' if self.peer == _FRESH else 'the teacher as peer'}, "
            f"weight {self.weight:g}, temperature {self.temperature:g}"
        )
