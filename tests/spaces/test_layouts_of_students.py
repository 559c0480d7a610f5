"""A student that was trained for a layout is a point under schemes of that layout alone."""

import pytest

from spaces import (
    SCHEME_KEY,
    SCHEMES,
    Adapt,
    Calibration,
    ChainConfig,
    Choice,
    Distill,
    FileKind,
    InputError,
    Network,
    Scheme,
    Space,
    Static,
    StudentConfig,
    scheme_named,
    student_key,
)

SCHEME_NAMES = ("fp32", "int4_weight_only", "w4a8", "int8_static")


def space(*layouts: str, schemes: tuple[str, ...] = SCHEME_NAMES) -> Space:
    domains = {
        "adapt.rank": Choice((0, 4)),
        "adapt.layout": Choice(layouts),
        SCHEME_KEY: Choice(schemes),
    }
    return Space(("distill", "adapt"), domains, seed=1)


class Trial:
    """Answers with settled settings, and remembers what it was asked."""

    def __init__(self, **answers: object) -> None:
        self.answers, self.asked = {key.replace("__", "."): answers[key] for key in answers}, {}

    def suggest_categorical(self, name, choices):
        self.asked[name] = tuple(choices)
        return self.answers[name]


def test_the_scheme_follows_from_the_layout_and_is_not_asked_for():
    trial = Trial(adapt__rank=4, adapt__layout="w4a8", quantize__scheme="fp32")
    chain = space("float", "w4a8", "w4").suggest(trial)
    assert chain.student.stages[-1].layout == "w4a8"
    assert chain.scheme.name == "w4a8"
    assert SCHEME_KEY not in trial.asked
    plain = Trial(adapt__rank=4, adapt__layout="float", quantize__scheme="int8_static")
    assert space("float", "w4a8").suggest(plain).scheme.name == "int8_static"
    # Every trial that is asked is asked for the same choices: Optuna allows no others.
    assert plain.asked[SCHEME_KEY] == SCHEME_NAMES
    skipped = Trial(adapt__rank=0, quantize__scheme="fp32")
    assert space("float", "w4").suggest(skipped).scheme.name == "fp32"
    assert "adapt.layout" not in skipped.asked


def test_schemes_of_a_layout_are_all_that_have_it(monkeypatch):
    clipped = Scheme("clipped", Static(8), Calibration("mse"))
    monkeypatch.setitem(SCHEMES, "clipped", clipped)
    known = space("float", "w8a8", schemes=(*SCHEME_NAMES, "clipped"))
    assert known.schemes_for("w8a8") == ("int8_static", "clipped")
    assert known.schemes_for("float") == known.schemes
    assert known.schemes_for("w2") == ()
    trial = Trial(adapt__rank=4, adapt__layout="w8a8")
    assert known.suggest(trial).scheme.name == "int8_static"


def test_every_student_is_gone_through_whichever_scheme_comes_first():
    known = space("float", "w4", "w8a8")
    students = list(known.students())
    assert len(students) == known.size == 4
    assert {one.files.layout for one in students} == {"float", "w4", "w8a8"}
    for student in students:
        params = known.params_of(ChainConfig(student, scheme_named("fp32")))
        chain = known.chain(lambda name, _, params=params: params[name])
        assert chain.student == student
        assert chain.scheme.name == known.schemes_for(student.files.layout)[0]


def test_a_layout_without_a_scheme_is_refused():
    trial = Trial(adapt__rank=4, adapt__layout="w2")
    with pytest.raises(InputError, match=r"none of the schemes fp32, .* has layout w2"):
        space("float", "w2").suggest(trial)


def test_students_of_several_layouts_share_what_was_distilled():
    network, stages = Network("cifar_resnet20"), (Distill(), Adapt())
    plain = StudentConfig(network, stages, 1)
    aware = StudentConfig(network, (Distill(), Adapt(layout="w4")), 1)
    assert plain.files == FileKind("cifar_resnet20@1")
    assert aware.files == FileKind("cifar_resnet20@1", "w4")
    assert student_key(plain) != student_key(aware)
    assert plain.prefix(1) == aware.prefix(1)
    assert aware.prefix(1).files.layout == "float"
    assert Adapt(layout="w4").in_words == "rank 8 on dense, seen through w4"
