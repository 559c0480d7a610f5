"""What methods that compare inner tensors have in common."""

from dataclasses import dataclass

from spaces.domains import Steps
from spaces.methods.method import Softened
from spaces.settings import Number, Setting, Word, own_settings, setting

AUTO = "auto"


@dataclass(frozen=True)
class FeatureMethod(Softened):
    """Base of methods that compare inner tensors: what Logit computes, and theirs with a weight.

    At alpha 0, as published, the labels and the comparison alone.
    """

    alpha: float = setting(
        0.0,
        Setting("alpha", Number(least=0, most=1), Steps(0.0, 1.0, 0.1), shared=True, baseline=0),
    )
    student_layer: str = setting(AUTO, Setting("student layer", Word()))
    """What is compared of the student: the output of a layer, by its name in `named_modules()`, or
    what a layer is given, as `NAME:input`; several with commas. `auto`: of every size of its maps
    the last one (`hint`: of the size halfway), or what its classifier is given (`rkd`, `crd`)."""
    teacher_layer: str = setting(AUTO, Setting("teacher layer", Word()))
    """As student_layer, of the teacher."""

    def layers(self, role: str) -> tuple[str, ...]:
        """Return the names of the layers of a role, student or teacher; none where it is auto."""
        words: str = getattr(self, f"{role}_layer")
        return () if words == AUTO else tuple(name.strip() for name in words.split(","))

    @property
    def needs_teacher(self) -> bool:
        """True, at alpha 0 too."""
        return True

    @property
    def in_words(self) -> str:
        """`hint, weight 100`, with what else was set."""
        settings = own_settings(type(self))
        kept = [
            one
            for one in settings
            if (one.default and isinstance(one.default, float) and not one.setting.shared)
            or getattr(self, one.name) != one.default
        ]
        values = ((one.setting.words, getattr(self, one.name)) for one in kept)
        return ", ".join([self.kind, *(f"{words} {_plain(value)}" for words, value in values)])


def _plain(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
