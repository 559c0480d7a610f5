"""Every student of a space, against the product of its domains counted by hand."""

from dataclasses import replace

from spaces import Choice, Steps, every_student, student_key
from studies import load_study


def small():
    config = load_study("kd_lora_q")
    space = replace(
        config.search_space(),
        width=Choice((0.25, 0.5)),
        alpha=Steps(0.0, 1.0, 0.5),
        temperature=Steps(1.0, 3.0, 1.0),
        learning_rate=Choice((0.01,)),
        lora_rank=Choice((0, 2, 4)),
        lora_alpha=Choice((8,)),
        lora_dropout=Choice((0.0, 0.1)),
        lora_targets=Choice(("classifier",)),
        lora_learning_rate=Choice((0.001,)),
    )
    return space, config.settled()


def test_settings_that_do_not_apply_are_not_walked():
    space, settled = small()
    students = list(every_student(space, settled))
    # widths x (alone, or 2 alphas x 3 temperatures) x (no adapter, or 2 ranks x 2 dropouts)
    assert len(students) == 2 * (1 + 2 * 3) * (1 + 2 * 2)


def test_each_comes_once_whatever_the_schemes():
    space, settled = small()
    keys = [student_key(student) for student in every_student(space, settled)]
    assert len(set(keys)) == len(keys)
    fewer = replace(space, scheme=Choice(("fp32",)))
    assert keys == [student_key(student) for student in every_student(fewer, settled)]
