"""Whether a study's students can learn what they are to, from the teachers that they are to ask."""

from collections.abc import Sequence

from objectives.models import initialised_model, load_pretrained
from objectives.training import MeanOfTeachers, Sized, try_method
from spaces import NO_WEIGHTS, OWN_TEACHER, Ensemble, InputError, Network, Stage, StudySetup


class Lessons:
    """What students are to learn, tried on networks that are not trained."""

    def __init__(self, setup: StudySetup, classes: int, stages: Sequence[Stage]) -> None:
        self._setup = setup
        self._classes = classes
        self._lessons = dict.fromkeys(
            (stage.teaching, stage.teacher or OWN_TEACHER)
            for stage in stages
            if stage.teaching is not None
        )
        self._weights = {stage.pretrained for stage in stages} - {NO_WEIGHTS}
        self._teachers: dict[str, Sized] = {}

    def check(self, student: Network) -> None:
        """Raise InputError unless the student can learn all of it, and begin as it is to."""
        faults = []
        net = initialised_model(student, self._classes, seed=0)
        ours = net, student.image_size
        for name in sorted(self._weights):
            try:
                load_pretrained(net, student, name, self._classes)
            except InputError as error:
                faults.append(str(error))
        for method, name in self._lessons:
            try:
                try_method(method, ours, self._teacher(name))
            except InputError as error:
                whose = "" if name == OWN_TEACHER else f"taught by {name}: "
                faults.append(f"{whose}{error}")
        if faults:
            raise InputError("; ".join(dict.fromkeys(faults)))

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
