"""The students that every report compares with: which, and in what order."""

from search.workers.baselines import NOT_ADAPTED, STUDENT_ALONE, student_baselines
from studies import load_study


def said(*settings: str) -> list[tuple[str, float, bool]]:
    config = load_study("kd_lora_q", list(settings))
    return [
        (one.words, one.chain.student.architecture.width, one.late)
        for one in student_baselines(config)
    ]


def test_the_ends_of_the_widths_come_first_and_every_width_has_its_own():
    assert said("space.width=[0.25,0.5,0.75,1.0]") == [
        (STUDENT_ALONE, 0.25, False),
        (STUDENT_ALONE, 1.0, False),
        (STUDENT_ALONE, 0.5, True),
        (STUDENT_ALONE, 0.75, True),
        (NOT_ADAPTED, 1.0, True),
    ]


def test_one_width_begins_with_its_student_alone():
    assert said("space.width=[0.5]") == [(STUDENT_ALONE, 0.5, False), (NOT_ADAPTED, 0.5, True)]


def test_a_space_without_plain_training_begins_with_a_distilled_student():
    assert said("space.width=[0.5]", "space.alpha=[0.5,0.9]") == [(NOT_ADAPTED, 0.5, False)]
