"""Teachers by name: what rests on what, and how a student names the one that it asks."""

from dataclasses import replace

import pytest

from spaces import (
    OWN_TEACHER,
    Choice,
    DataConfig,
    Distill,
    Dml,
    Ensemble,
    Hint,
    InputError,
    Lesson,
    LoadTeacher,
    Logit,
    NamedTeacher,
    Network,
    NoTeacher,
    Schedule,
    Space,
    StudentConfig,
    StudySetup,
    TeacherConfig,
    TrainTeacher,
    digest,
    essence,
    from_dict,
    in_order,
    student_key,
    to_dict,
    without_none,
)
from tests.spaces.tried import methods_tried

TRAINED = TrainTeacher(Schedule(4))
OWN = TeacherConfig(Network("resnet18"), TRAINED)


def taught_by(name):
    lesson = Lesson(name, Logit())
    return TeacherConfig(Network("resnet18"), TrainTeacher(Schedule(4), lesson=lesson))


def setup(**made):
    teachers = tuple(NamedTeacher(name, one) for name, one in made.items())
    return StudySetup(DataConfig("digits"), OWN, seed=0, teachers=teachers)


EARLY = TeacherConfig(Network("resnet18"), TrainTeacher(Schedule(4), until=2))
ALL = setup(
    assistant=taught_by("both"), both=Ensemble((OWN_TEACHER, "early")), early=EARLY, idle=EARLY
)


def test_what_a_teacher_rests_on_is_made_before_it():
    assert ALL.teachers_for(["assistant"]) == ("teacher", "early", "both", "assistant")
    assert ALL.teachers_for([]) == ("teacher",)
    assert in_order(ALL.teachers, ["early"]) == ("early",)
    kept = ALL.with_teachers_for(["both"])
    assert [one.name for one in kept.teachers] == ["both", "early"]
    assert list(ALL.networks_of_teachers) == ["teacher", "assistant", "early", "idle"]


def test_a_setup_with_teachers_is_stored_and_read_again():
    assert from_dict(StudySetup, to_dict(ALL)) == ALL
    # As a config.toml has it: lists of tables lose what is not set, too.
    loaded = setup(loaded=TeacherConfig(Network("resnet18"), LoadTeacher("weights.pth")))
    assert from_dict(StudySetup, without_none(to_dict(loaded))) == loaded
    assert "part" not in without_none(to_dict(loaded))["teachers"][0]["made"]["weights"]


@pytest.mark.parametrize(
    ("made", "words"),
    [
        ({"a": taught_by("a")}, "teachers wait for each other: a → a"),
        (
            {"a": taught_by("b"), "b": Ensemble(("teacher", "a"))},
            "teachers wait for each other: a → b → a",
        ),
        ({"a": taught_by("c"), "b": EARLY}, "unknown teacher 'c': known are teacher, a, b"),
        ({"teacher": EARLY}, "teachers need different names, and none is called teacher"),
    ],
)
def test_teachers_that_do_not_go_together_are_refused(made, words):
    with pytest.raises(InputError) as caught:
        setup(**made)
    assert str(caught.value) == words


@pytest.mark.parametrize("members", [(), ("teacher",), ("teacher", "a", "teacher")])
def test_an_ensemble_is_of_several_different_teachers(members):
    with pytest.raises(InputError, match="two or more different teachers"):
        Ensemble(members)


@pytest.mark.parametrize("epoch", [0, 4, 5])
def test_a_teacher_is_taken_after_an_epoch_before_its_last(epoch):
    with pytest.raises(InputError, match="after one of 1 to 3, got"):
        TrainTeacher(Schedule(4), until=epoch)


def test_a_teacher_and_weights_that_are_named_change_a_students_key_and_the_usual_ones_do_not():
    keys = {
        student_key(StudentConfig(Network(), (stage,), seed=0))
        for stage in (Distill(), Distill(teacher="early"), Distill(pretrained="IMAGENET1K_V1"))
    }
    assert len(keys) == 3
    usual = Distill(teacher="teacher", pretrained="none")
    assert digest(essence(usual)) == digest(essence(Distill()))
    assert essence(OWN)["weights"] == {"schedule": {"epochs": 4}, "kind": "train"}
    assert "teachers" not in essence(setup())


def test_a_teacher_that_sees_what_the_data_say_has_the_key_that_it_had_and_others_do_not():
    jittered = replace(TRAINED, augment="shift+mirror+jitter")
    assert essence(replace(TRAINED, augment="data")) == essence(TRAINED) != essence(jittered)
    words = TeacherConfig(Network("resnet18"), jittered).in_words
    assert words == "resnet18, augmentation shift+mirror+jitter"
    with pytest.raises(InputError, match=r"augment must be one of data, none, or one or several"):
        replace(TRAINED, augment="blur")


def test_who_learns_from_the_labels_names_no_teacher():
    with pytest.raises(InputError, match="teacher does not apply here"):
        Distill(method=NoTeacher(), teacher="early")
    with pytest.raises(InputError, match="teacher does not apply here"):
        Distill(method=Logit(alpha=0), teacher="early")


def test_a_space_tells_every_pair_of_method_and_teacher_and_every_weights():
    domains = {
        "distill.method": Choice(("none", "logit", "hint")),
        "distill.teacher": Choice(("teacher", "early")),
        "distill.pretrained": Choice(("none", "DEFAULT")),
        "distill.alpha": Choice((0.5, 0)),  # At 0 nobody is asked.
    }
    space = Space(("distill", "adapt"), domains, seed=0)
    told = {
        (stage.teaching.kind, stage.teacher, stage.pretrained)
        for stage in space.tried
        if stage.teaching is not None
    }
    both = [(m, t) for m in ("logit", "hint") for t in ("teacher", "early")]
    expected = [("none", "teacher"), *both]  # Whom an idle setting names is the study's own.
    assert told == {(*pair, w) for pair in expected for w in ("none", "DEFAULT")}
    assert space.teachers == ("teacher", "early")
    assert methods_tried(space) == (NoTeacher(), Logit(0.5), Hint(0.5))
    asked = {student.teachers for student in space.students()}
    assert asked == {(), ("teacher",), ("early",)}
    for student in space.students():
        stages = range(len(student.stages))
        names = {student.teacher(i) for i in stages}
        assert names == {student.stages[0].teacher}  # An adapter asks whom its parent asked.


def test_a_peer_that_is_the_teacher_is_told_with_each_of_them_and_a_fresh_one_with_none():
    domains = {
        "distill.method": Choice(("dml",)),
        "distill.dml.peer": Choice(("teacher", "fresh")),
        "distill.teacher": Choice(("teacher", "early")),
    }
    told = [(stage.teaching, stage.teacher) for stage in Space(("distill",), domains, 0).tried]
    taught = [(Dml("teacher"), name) for name in ("teacher", "early")]
    assert told == [*taught, (Dml("fresh"), "teacher")]


@pytest.mark.parametrize(
    ("domains", "is_searched"),
    [
        ({"method": ("none", "logit")}, True),
        ({"method": ("none", "label_smoothing")}, False),
        ({"alpha": (0.0,)}, False),
        ({"alpha": (0.0, 0.5)}, True),
        ({"method": ("dml",), "dml.peer": ("fresh",)}, False),
        ({"method": ("dml",), "dml.peer": ("fresh", "teacher")}, True),
    ],
)
def test_who_teaches_is_searched_where_somebody_may_be_asked(domains, is_searched):
    asked = {"teacher": ("teacher", "early"), "teacher_view": ("same", "plain")}
    chosen = {f"distill.{name}": Choice(each) for name, each in (domains | asked).items()}
    searched = Space(("distill",), chosen, seed=0).searched
    assert {f"distill.{name}" in searched for name in asked} == {is_searched}
