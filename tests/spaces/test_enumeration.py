"""Every student of a space, against the product of its domains counted by hand."""

from dataclasses import replace

from spaces import Choice, Steps, student_key
from studies import load_study


def small():
    space = load_study("kd_lora_q").search_space()
    domains = {
        "network.width": Choice((0.25, 0.5)),
        "distill.alpha": Steps(0.0, 1.0, 0.5),
        "distill.temperature": Steps(1.0, 3.0, 1.0),
        "distill.learning_rate": Choice((0.01,)),
        "adapt.rank": Choice((0, 2, 4)),
        "adapt.lora_alpha": Choice((8,)),
        "adapt.dropout": Choice((0.0, 0.1)),
        "adapt.targets": Choice(("classifier",)),
        "adapt.learning_rate": Choice((0.001,)),
    }
    return replace(space, domains={**space.domains, **domains})


def test_settings_that_do_not_apply_are_not_walked():
    students = list(small().students())
    # widths x (alone, or 2 alphas x 3 temperatures) x (no adapter, or 2 ranks x 2 dropouts)
    assert len(students) == 2 * (1 + 2 * 3) * (1 + 2 * 2)


def test_each_comes_once_whatever_the_schemes():
    space = small()
    keys = [student_key(student) for student in space.students()]
    assert len(set(keys)) == len(keys)
    fewer = replace(space, domains={**space.domains, "quantize.scheme": Choice(("fp32",))})
    assert keys == [student_key(student) for student in fewer.students()]


def test_what_is_asked_last_varies_first():
    students = list(small().students())
    assert [len(student.stages) for student in students[:5]] == [1, 2, 2, 2, 2]
    assert [stage.dropout for _, stage in (each.stages for each in students[1:5])] == [
        *(0.0, 0.1),
        *(0.0, 0.1),
    ]
    assert {student.network.width for student in students[: len(students) // 2]} == {0.25}
