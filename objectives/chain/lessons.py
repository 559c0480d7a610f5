"""Whether students can be trained as they are to be, by the teachers that they are to ask."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial

from objectives.chain.handlers import ChecksNetworks, handler_of
from objectives.models import initialised_model, load_pretrained
from objectives.training import MeanOfTeachers, Sized, try_method
from spaces import (
    NO_WEIGHTS,
    OWN_TEACHER,
    WHOLE,
    Ensemble,
    InputError,
    Method,
    Network,
    Stage,
    StudySetup,
)


class Lessons:
    """The stages that students are to go through, tried on networks that are not trained."""

    def __init__(self, setup: StudySetup, classes: int, stages: Sequence[Stage]) -> None:
        self._setup = setup
        self._classes = classes
        self._stages = stages
        self._lessons = dict.fromkeys(
            (stage.teaching, stage.teacher or OWN_TEACHER)
            for stage in stages
            if stage.teaching is not None
        )
        self._weights = {stage.pretrained for stage in stages} - {NO_WEIGHTS}
        self._teachers: dict[str, Sized] = {}

    def check(self, student: Network) -> None:
        """Raise InputError unless the student can begin, learn and be changed by all of them."""
        faults = []
        for check in self._checks(student):
            try:
                check()
            except InputError as error:
                faults.append(str(error))
        if faults:
            raise InputError("; ".join(dict.fromkeys(faults)))

    def _checks(self, student: Network) -> Iterator[Callable[[], None]]:
        net, size = initialised_model(student, self._classes, seed=0), student.image_size
        for weights in sorted(self._weights):
            yield partial(self._begin, student, weights)
        for stage in self._stages:
            handler = handler_of(stage.kind)
            if isinstance(handler, ChecksNetworks):
                yield partial(handler.check, stage, net, size)
        for method, teacher in self._lessons:
            yield partial(self._try, method, (net, size), teacher)

    def _begin(self, student: Network, weights: str) -> None:
        whole, teacher = replace(student, pruned=WHOLE), self._setup.teacher.network
        if weights != OWN_TEACHER:
            net = initialised_model(whole, self._classes, seed=0)
            load_pretrained(net, whole, weights, self._classes)
        elif whole != teacher:
            raise InputError(
                f"begins with the weights of the teacher, which is another network, {teacher.key}: "
                "pretrained names others"
            )

    def _try(self, method: Method, student: Sized, teacher: str) -> None:
        try:
            try_method(method, student, self._teacher(teacher))
        except InputError as error:
            whose = "" if teacher == OWN_TEACHER else f"taught by {teacher}: "
            raise InputError(f"{whose}{error}") from error

    def _teacher(self, name: str) -> Sized:
        if name not in self._teachers:
            made = self._setup.teacher_named(name)
            if isinstance(made, Ensemble):
                model = MeanOfTeachers([self._teacher(each) for each in made.members])
                self._teachers[name] = model, self._setup.data.image_size
            else:
                net = initialised_model(made.network, self._classes, seed=0)
                self._teachers[name] = net, made.network.image_size
        return self._teachers[name]
