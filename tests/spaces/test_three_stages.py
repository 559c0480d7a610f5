"""A kind of stage that nobody wrote the program for: the space needs no word about it elsewhere."""

from dataclasses import dataclass, replace
from typing import ClassVar

import optuna
import pytest

from spaces import (
    STAGES,
    Adapt,
    ChainConfig,
    Choice,
    Distill,
    Network,
    Prior,
    Setting,
    Space,
    Stage,
    Steps,
    StudentConfig,
    from_dict,
    student_key,
    to_dict,
)
from spaces.settings import Flag, Number, setting


@dataclass(frozen=True)
class Prune(Stage):
    """Made up: it can be left out, and a setting of it applies only beside another."""

    kind: ClassVar[str] = "prune"
    done: ClassVar[str] = "pruned"
    absent: ClassVar[str] = "not pruned"
    prior: ClassVar[Prior] = Prior(fall=0.1, noise=0.1)

    share: float = setting(
        0.5, Setting("share", Number(least=0, below=1), Steps(0.0, 0.75, 0.25), skips=0)
    )
    structured: bool = setting(False, Setting("structured", Flag(), Choice((False, True))))
    block: int = setting(
        4,
        Setting(
            "block",
            Number(least=1, whole=True),
            Choice((2, 4)),
            lambda known: known["structured"],
        ),
    )


@pytest.fixture
def space(monkeypatch):
    monkeypatch.setitem(STAGES, "prune", Prune)
    domains = {
        "network.width": Choice((0.5, 1.0)),
        "distill.alpha": Steps(0.0, 1.0, 0.5),
        "prune.share": Steps(0.0, 0.75, 0.25),
        "prune.structured": Choice((False, True)),
        "prune.block": Choice((2, 4)),
        "prune.epochs": Choice((1, 2)),
        "adapt.rank": Choice((0, 4)),
        "adapt.epochs": Choice((5,)),
        "quantize.scheme": Choice(("fp32", "w4a8")),
    }
    return Space(("distill", "prune", "adapt"), domains, seed=3)


def chains(space, count=200):
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    return [(trial, space.suggest(trial)) for trial in (study.ask() for _ in range(count))]


def test_parameters_come_back_as_the_chain_whichever_stages_it_has(space):
    seen = set()
    for trial, chain in chains(space):
        params = space.params_of(chain)
        assert space.suggest(optuna.trial.FixedTrial(params)) == chain
        assert {name: params[name] for name in trial.params} == trial.params
        assert from_dict(ChainConfig, to_dict(chain)) == chain
        seen.add(tuple(stage.kind for stage in chain.student.stages))
    assert seen == {
        ("distill",),
        ("distill", "prune"),
        ("distill", "adapt"),
        ("distill", "prune", "adapt"),
    }


def test_what_does_not_apply_is_not_asked_for(space):
    for trial, chain in chains(space):
        kinds = {stage.kind: stage for stage in chain.student.stages}
        asked = {name.removeprefix("prune.") for name in trial.params if name.startswith("prune.")}
        if "prune" not in kinds:
            assert asked == {"share"}
        else:
            more = {"block"} if kinds["prune"].structured else set()
            assert asked == {"share", "structured", "epochs", *more}


def test_every_student_is_walked_once(space):
    students = list(space.students())
    prunings = 1 + 3 * (1 + 2) * 2
    # widths x alphas (the temperature is settled) x prunings x adapters
    assert len({student_key(student) for student in students}) == len(students)
    assert len(students) == 2 * 3 * prunings * 2
    assert {chain.student for _, chain in chains(space)} <= set(students)


def test_prefixes_are_what_the_cache_shares():
    student = StudentConfig(Network(), (Distill(), Prune(), Adapt()), 0)
    one, two, three = student.prefixes
    assert [len(each.stages) for each in (one, two, three)] == [1, 2, 3]
    assert (one.total_epochs, two.total_epochs, three.total_epochs) == (8, 16, 19)
    assert two == StudentConfig(Network(), (Distill(), Prune()), 0)
    assert student_key(replace(student, stages=(Distill(), Prune(), Adapt(rank=4))).prefix(2)) == (
        student_key(two)
    )
    # The same stages in another order are another student.
    turned = replace(student, stages=(Distill(), Adapt(), Prune()))
    assert student_key(turned) != student_key(student)
    assert student.teaching(2) == student.stages[0].method


def test_its_settings_are_titled_and_skipped_as_they_declare(space):
    assert space.title("prune.share") == "prune share"
    assert space.can_skip("prune")
    assert space.can_skip("adapt")
    assert list(space.searched) == [
        "network.width",
        "distill.alpha",
        "prune.share",
        "prune.structured",
        "prune.block",
        "prune.epochs",
        "adapt.rank",
        "quantize.scheme",
    ]
