"""Keys that must never change: studies, caches and recorded tables know students by them.

If one of these literals has to be changed for a test to pass, the change is wrong: a default was
changed, a field renamed or removed, or the way to a digest is another. Every study that was begun
before would no longer find its students.
"""

from dataclasses import dataclass, field, fields, make_dataclass

import pytest

from spaces import (
    SCHEMES,
    Adapt,
    Attention,
    ChainConfig,
    Crd,
    Dist,
    Distill,
    Dkd,
    Dml,
    Hint,
    LabelSmoothing,
    Logit,
    MultiLevel,
    Network,
    NoTeacher,
    Rkd,
    Stage,
    StudentConfig,
    Wttm,
    digest,
    essence,
    student_key,
    to_dict,
)
from spaces.settings import Number, Setting, setting

PLAIN = StudentConfig(Network(), (Distill(method=NoTeacher()),), seed=0)
USUAL = StudentConfig(Network("mobilenet_v2", 0.5), (Distill(), Adapt()), seed=7)
UNUSUAL = StudentConfig(
    Network("cifar_resnet20", 0.25, "small", 24),
    (
        Distill(50, 0.001, 128, "adam", 0.0, "constant", Logit(0.3, 2.0)),
        Adapt(10, 0.0005, 128, "sgd", 0.001, "cosine", 4, 8.0, 0.1, "classifier+pointwise"),
    ),
    seed=11,
)


@pytest.mark.parametrize(
    ("student", "key"),
    [
        (PLAIN, "229766f4a7d0"),
        (StudentConfig(Network(), (Distill(method=Logit(alpha=0)),), seed=0), "8eabd85752b4"),
        (USUAL, "770a4cd18f6b"),
        (USUAL.prefix(1), "780d22904da3"),
        (UNUSUAL, "506be081a931"),
    ],
)
def test_the_key_of_a_student_never_changes(student, key):
    assert student_key(student) == key


@pytest.mark.parametrize(
    ("method", "key"),
    [
        (Dkd(), "4043e802522c"),
        (Dkd(2, 4, 1, 20), "1a7e3b2dfb12"),
        (Dist(), "2ed307cb434f"),
        (Dist(1, 4, 1), "16fd8eb6fd4d"),
        (Wttm(), "470a3d498eef"),
        (Wttm(1, 10), "9227c884f273"),
        (LabelSmoothing(), "d21f6c242c2b"),
        (LabelSmoothing(0.2), "35f2bc489e92"),
        (Hint(), "a72888ca4d03"),
        (Hint(0.5, 2, "layer2", "layer3", 10), "7e4f3f9d14a7"),
        (Attention(), "a9860830675a"),
        (Attention(weight=10), "4c00cfc13097"),
        (Rkd(), "56ddd532bb92"),
        (Rkd(distance_weight=1, angle_weight=0), "8d1c8dfe0a05"),
        (Crd(), "aa8560936a42"),
        (Crd(0, 4, "auto", "auto", 1, 64, 4096, 0.1, 0.9), "03059d9f5b8f"),
        (Hint(first_share=0.5), "b03ef331f419"),
        (MultiLevel(), "3525f7036cfe"),
        (
            MultiLevel(0.5, 2, 0.5, "attention", embedding_weight=0, level_order="inside_out"),
            "aa22fe80e863",
        ),
        (Dml(), "780d3ebdbcd5"),
        (Dml("teacher", 0.5, 4), "72f67cc42877"),
    ],
)
def test_the_key_of_a_student_of_a_method_never_changes(method, key):
    assert student_key(StudentConfig(Network(), (Distill(method=method),), seed=0)) == key


@pytest.mark.parametrize(
    ("stage", "key"),
    [
        (Distill(mix="mixup"), "03a6a51a6714"),
        (Distill(mix="cutmix", mix_alpha=0.4, augment="shift+mirror"), "6716419fec3f"),
        (Distill(jitter=1, teacher_view="own", teacher_jitter=0.5), "2470ca322089"),
        (Distill(optimizer="sgd_nesterov", decay="cosine", warmup_epochs=2.5), "eb6813260a66"),
    ],
)
def test_the_key_of_a_student_of_other_views_never_changes(stage, key):
    assert student_key(StudentConfig(Network(), (stage,), seed=0)) == key


@pytest.mark.parametrize(
    ("adapt", "key"),
    [
        (Adapt(method="rslora", rank=4), "7cee285511d3"),
        (Adapt(method="dora", targets="classifier"), "86d1686c9380"),
        (Adapt(method="pissa", rank_pattern="early"), "2a56481c5f8f"),
        (Adapt(method="loha", targets="all"), "863eefe408de"),
        (Adapt(method="lokr", learns_from="labels"), "51aad9707808"),
        (Adapt(method="full", learns_from="both"), "95e5cefd004c"),
        (Adapt(method="classifier_only"), "f2b5cafff1ca"),
    ],
)
def test_the_key_of_a_student_of_an_adapter_never_changes(adapt, key):
    assert student_key(StudentConfig(Network(), (Distill(), adapt), seed=0)) == key


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        (Network(), "e10808d43975dc40"),
        (Network("resnet18", stem="small"), "e315325602e3e47e"),
        (UNUSUAL.network, "fec28ad007367284"),
        (Distill(), "37bdcc33b505bdee"),
        (Distill(method=NoTeacher()), "fb7b7537cf1c4ca4"),
        (UNUSUAL.stages[0], "29bb647f7e5729fe"),
        (Distill(teacher="early"), "3a03c9ab046a8ca8"),
        (Distill(pretrained="IMAGENET1K_V1"), "7d2e0e9a5acdb58f"),
        (Adapt(), "8c91220df75bd18a"),
        (UNUSUAL.stages[1], "6c05fd10a5891b84"),
    ],
)
def test_the_digest_of_a_part_never_changes(config, expected):
    assert digest(essence(config))[:16] == expected


def test_what_is_at_its_default_is_not_in_the_essence():
    assert essence(USUAL) == {
        "network": {"width": 0.5},
        "stages": [{"kind": "distill"}, {"kind": "adapt"}],
        "seed": 7,
    }
    assert essence(PLAIN)["stages"] == [{"kind": "distill", "method": {"kind": "none"}}]
    assert essence(Distill(method=Logit(0.3))) == {
        "kind": "distill",
        "method": {"kind": "logit", "alpha": 0.3},
    }
    # What is stored has everything.
    assert set(to_dict(Adapt())) == {"kind", *(each.name for each in fields(Adapt))}


@pytest.mark.parametrize("config", [Network(), UNUSUAL.network, *UNUSUAL.stages, Logit(0.3, 2.0)])
def test_a_setting_that_is_added_with_a_default_changes_no_digest(config):
    added = setting(0.5, Setting("later", Number(least=0)))
    later = make_dataclass(
        f"Later{type(config).__name__}",
        [("later", float, added)],
        bases=(type(config),),
        frozen=True,
    )
    values = {each.name: getattr(config, each.name) for each in fields(config)}
    assert essence(later(**values)) == essence(config)
    assert digest(essence(later(**values))) == digest(essence(config))
    assert essence(later(**values, later=0.25)) == {**essence(config), "later": 0.25}


def test_a_field_that_is_added_to_a_student_with_a_default_changes_no_digest():
    @dataclass(frozen=True)
    class LaterStudent(StudentConfig):
        channels: tuple[int, ...] = field(default=())

    later = LaterStudent(USUAL.network, USUAL.stages, USUAL.seed)
    assert essence(later) == essence(USUAL)
    assert essence(LaterStudent(USUAL.network, USUAL.stages, 7, (3, 4)))["channels"] == [3, 4]


def test_stages_of_different_kinds_never_look_alike():
    @dataclass(frozen=True)
    class Other(Stage):
        kind = "other"

    assert len({digest(essence(stage)) for stage in (Distill(), Adapt(), Other())}) == 3


def test_a_scheme_is_stored_by_its_name():
    for name, scheme in SCHEMES.items():
        assert to_dict(ChainConfig(USUAL, scheme))["scheme"] == name
