"""The students that every report compares with: which, and in what order."""

from dataclasses import replace

import pytest

from objectives.costs.table import Cost, CostTable
from search.workers.baselines import STUDENT_ALONE, Baseline, student_baselines
from spaces import Choice, Distill, Dkd, LabelSmoothing, Logit, Method, NoTeacher, Space
from studies import load_study

NOT_ADAPTED = "student distilled, not adapted"


def costs_of(space: Space) -> CostTable:
    """Return costs in which the wider a network is, the more FLOPs it has."""
    costs = tuple(
        Cost(network.key, "fp32", 1, 1.0, 1.0, 0.01, 1.0, round(1000 * network.width), 1)
        for network in reversed(space.networks)
    )
    return CostTable(costs, "resnet18@1", "onnxruntime", {}, processes=1, calls=20, threads=1)


def baselines(*settings: str) -> tuple[Baseline, ...]:
    space = load_study("kd_lora_q", list(settings)).search_space()
    return student_baselines(space, costs_of(space))


def said(*settings: str) -> list[tuple[str, float, bool]]:
    return [(one.words, one.chain.student.network.width, one.late) for one in baselines(*settings)]


def test_the_smallest_distilled_and_the_largest_alone_come_first_and_every_width_has_its_own():
    assert said("space.network.width=[0.25,0.5,0.75,1.0]") == [
        (NOT_ADAPTED, 0.25, False),
        (STUDENT_ALONE, 1.0, False),
        (STUDENT_ALONE, 0.25, True),
        (STUDENT_ALONE, 0.5, True),
        (STUDENT_ALONE, 0.75, True),
    ]


def test_of_many_networks_three_are_trained_without_the_teacher():
    assert said("space.network.width=[0.2,0.4,0.6,0.8,1.0]") == [
        (NOT_ADAPTED, 0.2, False),
        (STUDENT_ALONE, 1.0, False),
        (STUDENT_ALONE, 0.2, True),
        (STUDENT_ALONE, 0.6, True),
    ]


def test_one_width_begins_with_its_student_distilled_and_alone():
    assert said("space.network.width=[0.5]") == [
        (NOT_ADAPTED, 0.5, False),
        (STUDENT_ALONE, 0.5, False),
    ]


def test_a_method_that_cannot_be_left_out_does_not_hide_that_others_can():
    settings = "space.network.width=[0.5]", 'space.adapt.method=["full","lora","classifier_only"]'
    assert said(*settings) == [(NOT_ADAPTED, 0.5, False), (STUDENT_ALONE, 0.5, False)]
    assert {len(one.chain.student.stages) for one in baselines(*settings)} == {1}
    assert said(settings[0], 'space.adapt.method=["full"]') == []


def test_a_space_without_plain_training_begins_with_a_distilled_student():
    settings = "space.network.width=[0.5]", "space.distill.alpha=[0.5,0.9]"
    assert said(*settings) == [(NOT_ADAPTED, 0.5, False)]


@pytest.mark.parametrize(
    "methods", ["['none', 'logit']", "['logit', 'none']", "['label_smoothing', 'logit']"]
)
def test_a_method_that_asks_no_teacher_is_the_student_s_alone_wherever_it_is_named(methods):
    settings = f"space.distill.method={methods}", "space.distill.alpha=[0.5,0.9]"
    assert said("space.network.width=[0.5]", *settings) == [
        (NOT_ADAPTED, 0.5, False),
        (STUDENT_ALONE, 0.5, False),
    ]


def methods_of_baselines(**domains: Choice) -> dict[str, Method]:
    space = load_study("kd_lora_q", ["space.network.width=[0.5]"]).search_space()
    own = {f"distill.{name.replace('__', '.')}": domain for name, domain in domains.items()}
    space = replace(space, domains={**space.domains, **own})
    found = student_baselines(space, costs_of(space))
    return {one.words: one.chain.student.teaching(0) for one in found}


def test_a_method_whose_weights_may_all_be_0_has_its_own_student_alone():
    only = Choice(("dkd",))
    assert methods_of_baselines(method=only) == {NOT_ADAPTED: Dkd()}
    weights = {"dkd__alpha": Choice((0, 1)), "dkd__beta": Choice((0, 2, 8))}
    found = methods_of_baselines(method=only, **weights)
    assert found == {NOT_ADAPTED: Dkd(), STUDENT_ALONE: Dkd(0, 0)}


@pytest.mark.parametrize(
    ("methods", "alone"),
    [
        (("dkd", "none"), NoTeacher()),
        (("dkd", "label_smoothing"), LabelSmoothing(0.1)),
        (("label_smoothing", "dkd"), LabelSmoothing(0.1)),
        (("label_smoothing", "none", "dkd"), NoTeacher()),
        (("dkd", "dml", "none"), NoTeacher()),
    ],
)
def test_methods_that_never_ask_the_teacher_make_its_student_alone(methods, alone):
    found = methods_of_baselines(method=Choice(methods))
    assert found == {NOT_ADAPTED: Dkd(), STUDENT_ALONE: alone}


def test_a_space_in_which_every_student_is_adapted_has_none():
    assert said("space.adapt.rank=[4, 8]") == []


def test_their_recipe_is_the_published_one_and_the_learning_rate_in_the_middle():
    first, *_ = baselines("space.distill.temperature={low = 1, high = 9, step = 2}")
    (stage,) = first.chain.student.stages
    assert isinstance(stage, Distill)
    assert stage.method == Logit(alpha=0.9, temperature=3)
    assert stage.learning_rate == 0.01
    assert first.chain.scheme.name == "fp32"
    *_, last = baselines()
    assert not last.chain.student.needs_teacher
