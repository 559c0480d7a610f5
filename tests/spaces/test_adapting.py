"""The settings of `adapt`: which of them a method has, and spaces of several methods."""

from dataclasses import replace

import pytest

from spaces import (
    ADAPTERS,
    SCHEMES,
    Adapt,
    ChainConfig,
    Choice,
    Distill,
    Hint,
    InputError,
    Logit,
    MultiLevel,
    Network,
    NoTeacher,
    Space,
    StudentConfig,
)

SPACE = Space(
    ("distill", "adapt"),
    {
        "adapt.method": Choice(("full", "loha", "lora")),
        "adapt.rank": Choice((0, 4)),
        "adapt.dropout": Choice((0.0, 0.1)),
        "adapt.targets": Choice(("classifier", "dense")),
        "adapt.learns_from": Choice(("as_before", "labels")),
    },
    seed=0,
)


def chain(student):
    return ChainConfig(student, SCHEMES["fp32"])


@pytest.mark.parametrize("method", ADAPTERS)
@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("rank", 4), ("lora_alpha", 8.0), ("dropout", 0.1), ("targets", "classifier")),
        ("rank_pattern", "late"),
    ],
)
def test_a_setting_that_a_method_does_not_have_stays_at_its_default(method, name, value):
    if name in ADAPTERS[method].has:
        assert getattr(Adapt(method=method, **{name: value}), name) == value
    else:
        with pytest.raises(InputError, match=f"{name} does not apply here and must stay"):
            Adapt(method=method, **{name: value})


def test_an_unknown_method_is_refused_with_those_there_are():
    with pytest.raises(InputError, match=r"must be one of lora, rslora, dora, .*, got 'ia3'"):
        Adapt(method="ia3")


def test_every_student_is_there_once_and_comes_back_from_its_parameters():
    students = list(SPACE.students())
    adapted = {one.stages[1] for one in students if len(one.stages) == 2}
    plain = [one for one in students if len(one.stages) == 1]
    # `full` has the two of learns_from alone; loha two targets beside; lora dropout too.
    assert len(adapted) == 2 + 2 * 2 + 2 * 2 * 2
    assert len({*students}) == len(adapted) + 1
    assert len(plain) == 1  # Rank 0 of loha and of lora.
    assert len(students) == SPACE.size
    for student in students:
        params = SPACE.params_of(chain(student))
        assert SPACE.chain(lambda name, _, params=params: params[name]).student == student


def test_a_student_is_left_unadapted_by_the_first_method_that_has_a_rank():
    assert SPACE.can_skip("adapt")
    assert SPACE.skipping("adapt") == {"adapt.method": "loha", "adapt.rank": 0}
    controls = replace(SPACE, domains={"adapt.method": Choice(("full", "classifier_only"))})
    assert not controls.can_skip("adapt")
    assert controls.skipping("adapt") == {}
    assert controls.labels("adapt") == ("full", "classifier_only")
    assert SPACE.labels("adapt") == ("full", "classifier", "dense")


def test_what_no_method_of_the_space_has_is_not_searched():
    full = replace(SPACE, domains={**SPACE.domains, "adapt.method": Choice(("full",))})
    assert list(full.searched) == ["adapt.learns_from"]
    loha = replace(SPACE, domains={**SPACE.domains, "adapt.method": Choice(("loha",))})
    assert list(loha.searched) == ["adapt.rank", "adapt.targets", "adapt.learns_from"]


def test_every_method_on_every_target_is_tried_before_a_study_begins():
    tried = [one for one in SPACE.tried if isinstance(one, Adapt)]
    assert [(one.method, one.targets) for one in tried] == [
        ("full", "dense"),
        *((method, targets) for method in ("loha", "lora") for targets in ("classifier", "dense")),
    ]
    assert {one.rank for one in tried if one.method != "full"} == {4}


@pytest.mark.parametrize(
    ("learns_from", "teaching"),
    [
        ("as_before", Logit(0.3, 2)),
        ("labels", NoTeacher()),
        ("teacher", Logit(1.0, 4)),
        ("both", Logit(0.9, 4)),
    ],
)
def test_what_an_adapter_learns_from(learns_from, teaching):
    stages = (Distill(method=Logit(0.3, 2)), Adapt(learns_from=learns_from))
    assert StudentConfig(Network(), stages, 0).teaching(1) == teaching


@pytest.mark.parametrize(
    ("in_turns", "at_once"),
    [
        (Hint(0.5, first_share=0.5), Hint(0.5)),
        (MultiLevel(level_order="inside_out"), MultiLevel()),
    ],
    ids=lambda method: method.kind,
)
def test_what_was_learned_in_turns_an_adapter_learns_at_once(in_turns, at_once):
    student = StudentConfig(Network(), (Distill(method=in_turns), Adapt()), 0)
    assert (student.teaching(0), student.teaching(1)) == (in_turns, at_once)


def test_in_words():
    assert Adapt().in_words == "rank 8 on dense"
    assert Adapt(method="full", learns_from="labels").in_words == "full, from labels"
    said = Adapt(method="dora", rank=4, rank_pattern="early", targets="classifier").in_words
    assert said == "dora, rank 4 on classifier, early ranks doubled"
