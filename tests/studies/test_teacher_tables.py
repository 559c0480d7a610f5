"""[teachers.NAME]: what a study file can say of teachers beside its own."""

import tomllib
from pathlib import Path

import pytest

from spaces import Ensemble, InputError, Lesson, LoadTeacher, Logit, TrainTeacher
from studies import load_study, parse_study

FILE = """
name = "tiny"

[data]
name = "digits"
image_size = 16

[teacher]
architecture = "cifar_resnet20"

[teacher.training]
epochs = 4

[teachers.early]
of = "teacher"
epoch = 2

[teachers.both]
ensemble = ["teacher", "early"]

[teachers.assistant]
architecture = "resnet8x4"
taught_by = "both"
alpha = 0.5

[teachers.assistant.training]
epochs = 3

[teachers.loaded]
architecture = "cifar_resnet56"
weights = "weights.pth"

[space.network]
architecture = "cifar_resnet20"

[space.distill]
teacher = ["teacher", "assistant", "loaded"]
"""


def read(text: str):
    return parse_study(tomllib.loads(text), "file")


def test_every_form_becomes_what_it_says():
    study = read(FILE)
    setup = study.setup()
    early = setup.teacher_named("early")
    assert early.network == setup.teacher.network
    assert early.weights == TrainTeacher(setup.teacher.weights.schedule, until=2)
    assert setup.teacher_named("both") == Ensemble(("teacher", "early"))
    assistant = setup.teacher_named("assistant")
    assert assistant.weights.lesson == Lesson("both", Logit(alpha=0.5))
    assert assistant.weights.epochs == 3
    assert setup.teacher_named("loaded").weights == LoadTeacher("weights.pth")
    # A teacher that was trained elsewhere may have seen what it is compared on.
    assert setup.data.held_back_from == "unseen"
    assert parse_study(study.to_dict(), "stored") == study


def test_an_assistant_can_be_taken_after_an_epoch_and_two_teachers_can_differ_in_their_seed():
    text = FILE.replace('of = "teacher"', 'of = "assistant"').replace('["teacher", "early"]', "X")
    text = text.replace("X", '["teacher", "other"]') + (
        '[teachers.other]\narchitecture = "cifar_resnet20"\nseed = 5\ntraining = { epochs = 2 }\n'
    )
    text = text.replace('"assistant", "loaded"]', '"early", "loaded"]')
    setup = read(text).setup()
    early = setup.teacher_named("early").weights
    assert (early.until, early.lesson.teacher) == (2, "both")
    assert setup.teacher_named("other").weights.seed == 5
    assert setup.teachers_for(["early"]) == ("teacher", "other", "both", "early")


def test_teachers_are_of_a_studys_identity_and_a_study_without_them_is_the_one_it_was():
    plain = FILE[: FILE.index("[teachers.early]")] + FILE[FILE.index("[space.network]") :]
    plain = plain.replace('teacher = ["teacher", "assistant", "loaded"]', "")
    identity = read(plain).identity()
    assert "teachers" not in identity
    assert "pretrained" not in identity["teacher"]
    assert identity["space"] == read(plain + "teacher = ['teacher']").identity()["space"]
    # Two ways to ask nobody but the study's own.
    other = read(FILE.replace("epoch = 2", "epoch = 3"))
    assert other.fingerprint != read(FILE).fingerprint


def test_a_teacher_that_sees_other_changes_of_the_images_is_another_and_so_is_an_earlier_one():
    text = FILE.replace("[teacher.training]", 'augment = "shift+jitter"\n\n[teacher.training]')
    changed, plain = read(text), read(FILE)
    assert changed.fingerprint != plain.fingerprint
    for name in ("teacher", "early"):
        assert changed.setup().teacher_named(name).weights.augment == "shift+jitter"
        assert plain.setup().teacher_named(name).weights.augment == "data"
    assert parse_study(changed.to_dict(), "stored") == changed


def test_a_loaded_teachers_file_is_beside_the_studys(tmp_path: Path):
    (tmp_path / "study.toml").write_text(FILE)
    study = load_study(str(tmp_path / "study.toml"), ["teachers.assistant.width=0.5"])
    assert study.teachers["loaded"].weights == str(tmp_path / "weights.pth")
    assert study.teachers["assistant"].width == 0.5


def test_functions_of_the_user_among_teachers_are_to_be_trusted_too():
    study = read(FILE.replace('"resnet8x4"', '"module:function"'))
    assert study.users_functions == ("module:function",)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        (
            "epoch = 2",
            "epoch = 4",
            "teachers: early: a teacher trained for 4 epochs can be taken as it was after one of 1",
        ),
        ("epoch = 2", "", "teachers.early: `of` names a teacher, and `epoch` says after which it"),
        (
            'of = "teacher"',
            'of = "loaded"',
            "teachers: early: of must name a teacher that is trained here, got 'loaded'",
        ),
        (
            '["teacher", "early"]',
            '["teacher", "tutor"]',
            "teachers: unknown teacher 'tutor': known are teacher, early, both, assistant, loaded",
        ),
        (
            '["teacher", "early"]',
            '["early", "assistant"]',
            "teachers: teachers wait for each other: both → assistant → both",
        ),
        (
            '["teacher", "early"]',
            '["early"]',
            "teachers: both: an ensemble is of two or more different teachers, got ['early']",
        ),
        (
            '"assistant", "loaded"]',
            '"tutor", "loaded"]',
            "space.distill.teacher: there is no teacher 'tutor': there are teacher, early, both, ",
        ),
        (
            '"assistant", "loaded"]',
            '"assistant"]',
            (
                "space.distill.teacher: nobody learns from loaded: list it here, or drop "
                "[teachers.loaded]"
            ),
        ),
        ("epoch = 2", "epochs = 2", "teachers.early.epochs: unknown key: known are architecture, "),
        (
            'of = "teacher"',
            'of = "teacher"\narchitecture = "resnet18"',
            (
                "teachers.early: a teacher has either an `architecture`, or `of` and `epoch`, or "
                "an `ensemble`; this has architecture and of"
            ),
        ),
        ("ensemble", "width = 0.5\nensemble", "teachers.both: beside `ensemble` there can be no"),
        ("alpha = 0.5", "alpha = 1.5", "teachers.assistant.alpha: must be in [0, 1], got 1.5"),
        (
            'taught_by = "both"',
            "",
            "teachers.assistant: `alpha` is of a lesson: `taught_by` says whose",
        ),
        (
            "[teachers.assistant.training]\nepochs = 3",
            "",
            "teachers.assistant: `taught_by` needs a table `training`: how it is trained",
        ),
        ("[teachers.both]", "[teachers.teacher]", "teachers: a name has letters, digits, - and _"),
        ("[teachers.both]", '[teachers."a, b"]', "teachers: a name has letters, digits, - and _"),
        (
            'weights = "weights.pth"',
            'weights = "weights.pth"\npretrained = "DEFAULT"',
            "teachers.loaded: `pretrained` weights have other classes: a table `training` says ",
        ),
        (
            'weights = "weights.pth"',
            'weights = "weights.pth"\naugment = "jitter"',
            "teachers.loaded: `augment` needs a table `training`: loaded weights are not trained",
        ),
        ('taught_by = "both"', 'augment = "blur"', "teachers.assistant.augment: must be one of"),
        ("epoch = 2", 'epoch = 2\naugment = "none"', "teachers.early: beside `of` there can be no"),
        (
            "[teachers.early]",
            "[teachers]\nlate = 3\n[teachers.early]",
            "teachers.late: must be a table, got 3",
        ),
    ],
)
def test_every_fault_is_one_line(old: str, new: str, words: str):
    assert FILE.count(old) >= 1
    with pytest.raises(InputError) as caught:
        read(FILE.replace(old, new, 1))
    line = str(caught.value)
    assert line.startswith(f"file: {words}"), line
    assert "\n" not in line
