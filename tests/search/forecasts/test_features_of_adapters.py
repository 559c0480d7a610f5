"""Students whose stages have settings that others have not, as the surrogate sees them."""

import numpy as np

from search.forecasts.features import Features, RandomEffects
from spaces import Adapt
from tests.spaces.test_adapting import SPACE


def test_a_setting_that_a_method_does_not_have_tells_nothing_of_it() -> None:
    features, students = Features(SPACE), list(dict.fromkeys(SPACE.students()))
    rows = features.of_all(students)
    assert len(np.unique(rows, axis=0)) == len(students)
    dropout = features.names.index("adapt.dropout")
    targets = [place for place, name in enumerate(features.names) if name == "adapt.targets"]
    for student, row in zip(students, rows, strict=True):
        last = student.stages[-1]
        method = last.method if isinstance(last, Adapt) else "loha"
        assert (row[dropout] in {0, 1}) == (method == "lora")
        assert row[targets].sum() == (isinstance(last, Adapt) and method != "full")


def test_adapters_of_other_methods_on_the_same_layers_are_of_one_family() -> None:
    effects, students = RandomEffects(SPACE), list(SPACE.students())
    labels = ("full", "classifier", "dense")
    assert effects.last_stages == (("distill", ""), *(("adapt", label) for label in labels))
    rows = effects.of(students)
    for student, row in zip(students, rows[:, 2:], strict=True):
        last = student.stages[-1]
        family = labels.index(last.label) if isinstance(last, Adapt) else None
        assert [place for place in range(3) if not np.isnan(row[place])] == (
            [] if family is None else [family]
        )
