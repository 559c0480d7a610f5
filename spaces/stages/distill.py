"""Training a student from fresh weights, or from a parent's, with the teacher's help."""

from dataclasses import dataclass, replace
from typing import Annotated, ClassVar

from spaces.codec import one_of
from spaces.domains import Choice
from spaces.methods import METHODS, Logit, Method
from spaces.schedule import EPOCHS, LEARNING_RATE
from spaces.settings import Setting, Word, choice_of, setting
from spaces.stages.stage import BEGINS_WITH, NO_WEIGHTS, OWN_TEACHER, Prior, Stage
from spaces.views import Views


@dataclass(frozen=True)
class Distill(Views, Stage):
    """The whole network learns, by one of METHODS."""

    kind: ClassVar[str] = "distill"
    done: ClassVar[str] = "distilled"
    absent: ClassVar[str] = "not distilled"
    can_begin: ClassVar[bool] = True
    prior: ClassVar[Prior] = Prior(fall=0.75, noise=0.23, taught=0.03)

    method: Annotated[Method, *one_of(METHODS)] = choice_of(
        METHODS, Logit(), Setting("method", Word(METHODS))
    )
    """How it learns from the teacher."""
    epochs: int = setting(8, EPOCHS)
    learning_rate: float = setting(
        0.002,
        replace(LEARNING_RATE, domain=Choice((0.0005, 0.002, 0.01, 0.02)), length=0.5),
    )
    """It decides most."""
    teacher: str = setting(
        OWN_TEACHER,
        Setting(
            "teacher",
            Word(),
            applies=lambda known: known["method"].needs_teacher,
            names_teacher=True,
            tried=True,
            baseline=OWN_TEACHER,
        ),
    )
    """Who teaches: `teacher`, or the NAME of a table `[teachers.NAME]`."""
    pretrained: str = setting(NO_WEIGHTS, BEGINS_WITH)
    """What a chain's first stage begins with: torchvision's weights, the classifier aside, by their
    name as `IMAGENET1K_V1`; `teacher`: those of the study's teacher, where the student has its
    network; `none`: fresh ones. Without meaning after another stage."""

    @property
    def teaching(self) -> Method:
        """Its method."""
        return self.method

    @property
    def became(self) -> str:
        """`distilled`, or `trained` where no teacher was asked."""
        return self.done if self.method.needs_teacher else "trained"

    @property
    def in_words(self) -> str:
        """Its method; teacher, weights and what is seen of the images where they are others."""
        said = [self.method.in_words]
        if self.teacher != OWN_TEACHER:
            said.append(f"taught by {self.teacher}")
        if self.pretrained != NO_WEIGHTS:
            said.append(f"begun with {self.pretrained}")
        return ", ".join([*said, *self.views_in_words])
