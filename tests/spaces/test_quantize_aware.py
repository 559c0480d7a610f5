"""The stage of quantization-aware training, in a space: offered, left out, and refused."""

import pytest

from spaces import (
    INTEGER_LAYOUTS,
    SCHEME_KEY,
    Adapt,
    ChainConfig,
    Choice,
    Distill,
    FileKind,
    InputError,
    Logit,
    Network,
    NoTeacher,
    QuantizeAware,
    Space,
    StudentConfig,
    from_dict,
    scheme_named,
    student_key,
    to_dict,
)

SCHEMES = ("fp32", "int4_weight_only", "w4a8", "int4_weight_only+quantease")
STAGES = ("distill", "adapt", "quantize_aware")


def space(*layouts, stages=STAGES, **domains):
    given = {
        "adapt.rank": Choice((4,)),
        "quantize_aware.layout": Choice(layouts),
        "quantize_aware.method": Choice(("none",)),
        SCHEME_KEY: Choice(SCHEMES),
        **{name.replace("__", "."): Choice(values) for name, values in domains.items()},
    }
    return Space(stages, given, seed=1)


def test_a_student_is_offered_to_schemes_of_its_layout_alone():
    known = space("w4", "w4a8")
    assert known.layouts == ("w4", "w4a8")
    assert known.schemes_for("w4") == ("int4_weight_only", "int4_weight_only+quantease")
    for student in known.students():
        layout = student.stages[-1].layout
        assert student.files == FileKind("mobilenet_v2@1", layout)
        params = known.params_of(ChainConfig(student, scheme_named("fp32")))
        chain = known.chain(lambda name, _, params=params: params[name])
        assert chain.student == student
        assert chain.scheme.name == known.schemes_for(layout)[0]
        assert from_dict(ChainConfig, to_dict(chain)) == chain


def test_at_float_it_is_left_out_and_the_stage_before_it_decides():
    known = space("float", "w4", adapt__layout=("float", "w4a8"))
    assert known.can_skip("quantize_aware")
    assert set(known.layouts) == {"float", "w4", "w4a8"}
    students = list(known.students())
    assert len(students) == known.size == 4
    assert sorted(one.files.layout for one in students) == ["float", "w4", "w4", "w4a8"]
    assert {len(one.stages) for one in students} == {2, 3}
    # Where it always is, what was adapted for matters no more.
    assert space("w4", adapt__layout=("w4a8",)).layouts == ("w4",)
    assert space("float", "w4", adapt__layout=("w4a8",)).layouts == ("w4", "w4a8")
    assert space("float", adapt__rank=(0, 4), adapt__layout=("w4a8",)).layouts == ("w4a8", "float")


def test_a_study_that_does_not_say_tries_it_and_leaves_it_out():
    assert Space(("distill", "quantize_aware"), {}, seed=0).can_skip("quantize_aware") is False
    (key,) = space("w4").keys["quantize_aware.layout"]
    assert key.declared.setting.domain == Choice(("float", "w4a8"))


def test_every_layout_is_a_family_of_its_own():
    assert space("float", "w4", "w4a8").labels("quantize_aware") == ("w4", "w4a8")


def test_it_shares_what_was_trained_before_and_says_what_it_is():
    stages = (Distill(), Adapt())
    one, other = (
        StudentConfig(Network(), (*stages, QuantizeAware(layout=key)), 1) for key in ("w4", "w2")
    )
    assert one.prefix(2) == other.prefix(2) == StudentConfig(Network(), stages, 1)
    assert one.prefix(2).files.layout == "float"
    assert student_key(one) != student_key(other)
    assert one.teaching(2) == Logit()
    last = QuantizeAware(layout="w2", method=NoTeacher(), jitter=1.0)
    assert last.in_words == "trained for w2, labels alone, colour jitter 1"
    assert last.became == "trained for w2"


@pytest.mark.parametrize("layout", ["float", "fp16", "w5", ""])
def test_a_layout_that_training_cannot_make_up_for_is_refused(layout):
    known = ", ".join(INTEGER_LAYOUTS)
    with pytest.raises(InputError, match=f"layout must be one of {known}, got '{layout}'"):
        QuantizeAware(layout=layout)


def test_it_can_be_the_first_on_the_teachers_weights():
    assert StudentConfig(Network(), (QuantizeAware(),), 1).stages[0].pretrained == "teacher"
    with pytest.raises(InputError, match="adapt needs weights to begin with"):
        StudentConfig(Network(), (Adapt(),), 1)
