"""Quantization-aware training: a trained student learns on with its weights rounded."""

from dataclasses import dataclass, replace
from typing import Annotated, ClassVar

from spaces.codec import one_of
from spaces.domains import Choice
from spaces.methods import METHODS, Logit, Method
from spaces.schedule import EPOCHS, LEARNING_RATE
from spaces.schemes import INTEGER_LAYOUTS
from spaces.settings import Setting, Word, choice_of, setting
from spaces.stages.stage import ANY_LAYOUT, BEGINS_WITH, OWN_TEACHER, Prior, Stage
from spaces.views import Views


@dataclass(frozen=True)
class QuantizeAware(Views, Stage):
    """The whole network learns as it will be stored, by one of METHODS.

    The rounded student is taught by the float teacher, as in QKD (Kim 2019, arXiv 1911.12491). The
    teacher is that of the stage before.
    """

    kind: ClassVar[str] = "quantize_aware"
    done: ClassVar[str] = "trained for a layout"
    absent: ClassVar[str] = "not trained for a layout"
    can_begin: ClassVar[bool] = True
    # No table was recorded of it yet. It is as long and as quiet as adapting is, and what it gains
    # is lost by rounding.
    prior: ClassVar[Prior] = Prior(fall=0.03, noise=0.07, checkpoint=0.017, family=0.017)

    layout: str = setting(
        "w4a8",
        Setting(
            "layout it learns for",
            Word(INTEGER_LAYOUTS),
            Choice((ANY_LAYOUT, "w4a8")),
            skips=ANY_LAYOUT,
            names_layout=True,
            tells_family=True,
        ),
    )
    """Through which the network is seen while it learns. The student is a point under schemes of
    that layout alone."""
    method: Annotated[Method, *one_of(METHODS)] = choice_of(
        METHODS, Logit(), Setting("method", Word(METHODS))
    )
    """How it learns from the teacher."""
    epochs: int = setting(3, EPOCHS)
    learning_rate: float = setting(
        0.0002, replace(LEARNING_RATE, domain=Choice((0.0001, 0.0002, 0.0005)))
    )
    """Far below what the weights were trained with; the fewer bits, the higher is best."""
    pretrained: str = setting(OWN_TEACHER, BEGINS_WITH)
    """As of `distill`; what is rounded first is the teacher unless this says otherwise."""

    @property
    def teaching(self) -> Method:
        """Its method."""
        return self.method

    @property
    def trained_for(self) -> str:
        """Its layout."""
        return self.layout

    @property
    def became(self) -> str:
        """`trained for w4a8`."""
        return f"trained for {self.layout}"

    @property
    def label(self) -> str:
        """Its layout: what 2 bits cost says little of what 8 bits do."""
        return self.layout

    @property
    def in_words(self) -> str:
        """Its layout, its method, and what is seen of the images where that is another."""
        return ", ".join([f"trained for {self.layout}", self.method.in_words, *self.views_in_words])
