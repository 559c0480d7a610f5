"""Distillation at several levels: outputs, embeddings and hidden layers."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any, ClassVar, Self

from spaces.methods.attention import Attention
from spaces.methods.crd import Crd
from spaces.methods.features import AUTO, FeatureMethod
from spaces.methods.hint import Hint
from spaces.methods.method import Softened, weight
from spaces.methods.rkd import Rkd
from spaces.settings import Setting, Word, own_settings, setting

_HIDDEN: Mapping[str, type[FeatureMethod]] = MappingProxyType(
    {"hint": Hint, "attention": Attention}
)
_EMBEDDINGS: Mapping[str, type[FeatureMethod]] = MappingProxyType({"rkd": Rkd, "crd": Crd})
_TOGETHER = "together"
ORDERS = (_TOGETHER, "inside_out")


def _has_hidden(known: Mapping[str, Any]) -> bool:
    return bool(known["hidden_weight"] > 0)


def _has_embedding(known: Mapping[str, Any]) -> bool:
    return bool(known["embedding_weight"] > 0)


def _layer(words: str, applies: Any) -> Any:
    return setting(AUTO, Setting(words, Word(), applies=applies))


@dataclass(frozen=True)
class MultiLevel(Softened):
    """Logit's loss, and weighed beside it, or before it, those of other methods on inner tensors.

    A weight of 0 leaves a part out; alpha 0 leaves the labels of Logit's. The other methods have
    their published weights and settings.
    """

    kind: ClassVar[str] = "multi_level"
    needs_labels: ClassVar[bool] = True  # Its embedding_method may be crd, which does.

    hidden_weight: float = weight(1.0, "hidden weight", (0.0, 0.5, 1.0))
    """Of the hidden layers' part, as a multiple of that method's own weight."""
    hidden_method: str = setting(
        "hint", Setting("hidden method", Word(_HIDDEN), applies=_has_hidden)
    )
    """The method that compares maps of hidden layers."""
    student_layer: str = _layer("student layer", _has_hidden)
    """The student's, as that method's student_layer."""
    teacher_layer: str = _layer("teacher layer", _has_hidden)
    """As student_layer, of the teacher."""
    embedding_weight: float = weight(1.0, "embedding weight", (0.0, 0.5, 1.0))
    """Of the embeddings' part, as a multiple of that method's own weights."""
    embedding_method: str = setting(
        "rkd", Setting("embedding method", Word(_EMBEDDINGS), applies=_has_embedding)
    )
    """The method that compares embeddings."""
    student_embedding: str = _layer("student embedding", _has_embedding)
    """The layer that gives the student's, as that method's student_layer."""
    teacher_embedding: str = _layer("teacher embedding", _has_embedding)
    """As student_embedding, of the teacher."""
    level_order: str = setting(
        _TOGETHER,
        Setting(
            "level order",
            Word(ORDERS),
            applies=lambda known: _has_hidden(known) or _has_embedding(known),
        ),
    )
    """`together`: all parts throughout. `inside_out`: one after the other for equal shares of the
    epochs, hidden layers first and Logit's last, with a learning rate that begins anew; of too few
    epochs for all, the last parts."""

    @property
    def parts(self) -> tuple["Part", ...]:
        """What there is beside Logit's, from the inside out."""
        hidden = _HIDDEN[self.hidden_method](
            student_layer=self.student_layer, teacher_layer=self.teacher_layer
        )
        embedding = _EMBEDDINGS[self.embedding_method](
            student_layer=self.student_embedding, teacher_layer=self.teacher_embedding
        )
        both = (
            Part(self.hidden_weight, hidden, "layer"),
            Part(self.embedding_weight, embedding, "embedding"),
        )
        return tuple(part for part in both if part.weight > 0)

    @property
    def at_once(self) -> Self:
        """All parts together."""
        return replace(self, level_order=_TOGETHER)

    @property
    def in_turns(self) -> bool:
        """Whether the parts are learned one after the other."""
        return self.level_order != _TOGETHER

    @property
    def in_words(self) -> str:
        """`multi_level, T 4, alpha 0.9, 1 x hint, 0.5 x rkd, inside_out`."""
        if not self.parts:
            return super().in_words
        said = [super().in_words if self.alpha > 0 else self.kind]
        said += [f"{part.weight:g} x {part.method.kind}" for part in self.parts]
        layers = (one for one in own_settings(type(self)) if one.default == AUTO)
        named = ((one.setting.words, getattr(self, one.name)) for one in layers)
        said += [f"{words} {name}" for words, name in named if name != AUTO]
        return ", ".join([*said, *([self.level_order] if self.in_turns else [])])


@dataclass(frozen=True)
class Part:
    """A method whose comparison is one part of MultiLevel's loss."""

    weight: float
    """A multiple of the method's own weights."""
    method: FeatureMethod
    layer: str
    """As what a study file's settings name its layers: `student_{layer}`."""
