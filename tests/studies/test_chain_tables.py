"""[chain] and [space]: what a study has where its file is silent, and what is refused."""

import re
import tomllib
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from spaces import (
    METHODS,
    Adapt,
    Choice,
    Distill,
    InputError,
    LoadTeacher,
    Logit,
    Network,
    NoTeacher,
    Setting,
    Softened,
    Steps,
    digest,
    keys_of,
)
from spaces.settings import Number, own_settings, setting
from studies import StudyConfig, built_in_studies, load_study, parse_stored, parse_study
from studies.old_form import renamed_keys
from studies.schema import differences

LEAST = """
name = "least"

[data]
name = "digits"

[teacher]
architecture = "resnet18"
weights = "teacher.safetensors"
"""


def least(more: str = "") -> StudyConfig:
    return parse_study(tomllib.loads(LEAST + more), "least")


def faults_of(more: str) -> list[str]:
    with pytest.raises(InputError) as caught:
        least(more)
    first, *others = str(caught.value).splitlines()
    return [line.strip() for line in others] or [first.removeprefix("least: ")]


def with_alpha() -> str:
    """The methods that have an alpha, as a sentence names them."""
    return ", ".join(name for name, method in METHODS.items() if issubclass(method, Softened))


def of_the_stage() -> str:
    """Settings of distill beside its method, as a message lists them."""
    return ", ".join(each.name for each in own_settings(Distill) if each.kinds is None)


def tables() -> str:
    """The methods that have settings of their own, as a sentence names their tables."""
    keys = (key.split(".") for key in keys_of(["distill"]))
    return ", ".join(dict.fromkeys(path[1] for path in keys if len(path) == 3))


def test_the_least_study_names_data_and_teacher_and_has_the_declared_defaults() -> None:
    study, space = least(), least().search_space()
    assert study.setup().teacher.weights == LoadTeacher("teacher.safetensors")
    assert "weights_part" not in study.to_dict()["teacher"]
    assert study.setup().teacher.network == Network("resnet18")
    assert space.stages == ("distill", "adapt")
    assert dict(space.searched) == {
        "network.width": Choice((0.25, 0.5, 0.75, 1.0)),
        "distill.alpha": Steps(0.0, 1.0, 0.1),
        "distill.temperature": Steps(1.0, 10.0, 1.0),
        "distill.learning_rate": Choice((0.0005, 0.002, 0.01, 0.02)),
        "adapt.rank": Choice((0, 2, 4, 8, 16, 32)),
        "adapt.lora_alpha": Choice((8, 16, 32)),
        "adapt.dropout": Choice((0.0, 0.1)),
        "adapt.targets": Choice(("classifier", "pointwise", "classifier+pointwise", "dense")),
        "adapt.learning_rate": Choice((0.001, 0.003, 0.01)),
        "quantize.scheme": Choice(
            (
                "fp32",
                "fp16",
                "int8_weight_only",
                "int8_static",
                "int4_weight_only",
                "w4a8",
                "int8_dynamic",
            )
        ),
    }
    settled = {name: space.values(name) for name in space.domains if name not in space.searched}
    assert settled == {
        "network.architecture": ("mobilenet_v2",),
        "network.stem": ("imagenet",),
        "network.image_size": (32,),
        "distill.method": ("logit",),
        "distill.teacher": ("teacher",),
        "distill.pretrained": ("none",),
        "distill.epochs": (8,),
        "distill.batch_size": (64,),
        "distill.optimizer": ("adamw",),
        "distill.weight_decay": (0.01,),
        "distill.decay": ("one_cycle",),
        "distill.warmup_epochs": (0.0,),
        "distill.mix": ("none",),
        "distill.mix_alpha": (1.0,),
        "distill.augment": ("data",),
        "distill.jitter": (0.0,),
        "distill.teacher_view": ("same",),
        "distill.teacher_jitter": (0.0,),
        "adapt.method": ("lora",),
        "adapt.rank_pattern": ("even",),
        "adapt.learns_from": ("as_before",),
        "adapt.epochs": (3,),
        "adapt.batch_size": (64,),
        "adapt.optimizer": ("adamw",),
        "adapt.weight_decay": (0.01,),
        "adapt.decay": ("one_cycle",),
        "adapt.warmup_epochs": (0.0,),
        "adapt.layout": ("float",),
    }


def test_a_file_of_the_least_study_is_loaded(tmp_path: Path) -> None:
    (tmp_path / "least.toml").write_text(LEAST)
    loaded = load_study(str(tmp_path / "least.toml"))
    weights = str(tmp_path / "teacher.safetensors")
    assert loaded == parse_study(
        tomllib.loads(LEAST) | {"teacher": loaded.to_dict()["teacher"]}, ""
    )
    assert loaded.teacher.weights == weights  # Beside the file.


def test_networks_and_teacher_see_images_as_they_are_held_unless_they_say() -> None:
    values = tomllib.loads(LEAST)
    values["data"]["image_size"] = 24
    study = parse_study(values, "least")
    assert {network.image_size for network in study.search_space().networks} == {24}
    assert study.setup().teacher.network.image_size == 24
    values["space"] = {"network": {"image_size": [16, 32]}}
    values["teacher"]["image_size"] = 40
    study = parse_study(values, "least")
    assert {network.image_size for network in study.search_space().networks} == {16, 32}
    assert study.setup().teacher.network.image_size == 40


def test_a_chain_of_one_stage_has_no_settings_of_others() -> None:
    space = least("[chain]\nstages = ['distill']").search_space()
    assert {name.partition(".")[0] for name in space.keys} == {"network", "distill", "quantize"}
    assert all(len(student.stages) == 1 for student in space.students())
    assert faults_of("[chain]\nstages = ['distill']\n[space.adapt]\nrank = 4") == [
        "space.adapt: unknown table: this chain has network, distill, quantize"
    ]


def test_the_value_that_leaves_a_stage_out_may_stand_beside_others_or_alone() -> None:
    settled = "lora_alpha = 8\ndropout = 0\ntargets = 'dense'\nlearning_rate = 0.001"
    few = "[space.network]\nwidth = 0.5\n[space.distill]\nalpha = 0\n"
    space = least(f"{few}[space.adapt]\nrank = [0, 4]\n{settled}").search_space()
    assert {student.stages[1:] for student in space.students()} == {
        (),
        (Adapt(learning_rate=0.001, rank=4, lora_alpha=8),),
    }
    alone = least(f"{few}[space.adapt]\nrank = 0\n{settled}").search_space()
    assert {student.stages[1:] for student in alone.students()} == {()}


def test_an_architecture_without_a_width_settles_it() -> None:
    space = least("[space.network]\narchitecture = 'resnet18'").search_space()
    assert space.networks == (Network("resnet18"),)
    both = least("[space.network]\narchitecture = ['resnet18', 'mobilenet_v2']\nwidth = [0.5, 1]")
    assert [network.key for network in both.search_space().networks] == [
        *("resnet18@1", "mobilenet_v2@0.5", "mobilenet_v2@1")
    ]


@pytest.mark.parametrize(
    ("stages", "fault"),
    [
        ("['distill', 'adapt', 'distill']", "every stage stands once, got distill 2 times"),
        (
            "['adapt', 'distill']",
            "a chain begins with what makes weights (distill, quantize_aware, prune): adapt cannot",
        ),
        (
            "['adapt']",
            "a chain begins with what makes weights (distill, quantize_aware, prune): adapt cannot",
        ),
        (
            "[]",
            "a chain begins with what makes weights (distill, quantize_aware, prune): nothing",
        ),
        ("['distill', 'melt']", "unknown stage 'melt': known are distill, adapt"),
    ],
)
def test_a_chain_that_cannot_work_is_refused(stages: str, fault: str) -> None:
    (said,) = faults_of(f"[chain]\nstages = {stages}")
    assert said.startswith(f"chain.stages: {fault}")


def test_every_fault_of_chain_and_space_comes_at_once_each_under_its_key() -> None:
    faults = faults_of(
        """
[chain]
stages = ["adapt", "distill"]

[space]
prune = { share = 0.5 }
quantize = 3

[space.network]
architecture = "resnet18"
width = [0.5, 1.0]
image_size = [32, 2048]
depth = 3

[space.distill]
method = "none"
alpha = 0.5
temperature = { low = 1, high = 10, step = 0 }
epochs = { low = 1, high = 4 }
learning_rate = { low = 1, high = 0, step = 1 }
lr = 0.1

[space.adapt]
rank = [0, 2, 2.5]
lora_alpha = { low = 1, high = 4, step = 2 }
"""
    )
    assert sorted(faults) == [
        (
            "chain.stages: a chain begins with what makes weights (distill, quantize_aware, "
            "prune): adapt cannot be first, got ['adapt', 'distill']"
        ),
        (
            "space.adapt.lora_alpha: high must be low plus a whole number of steps, got [1, 4] in "
            "steps of 2"
        ),
        "space.adapt.rank: must be a whole number, got 2.5",
        f"space.distill.alpha: is a setting of {with_alpha()}, and distill.method has only none",
        "space.distill.epochs: a range is a table of three numbers: low, high and step",
        "space.distill.learning_rate: high must be at least low, got low 1 and high 0",
        (
            "space.distill.lr: unknown key: known are method, alpha, temperature, "
            f"{tables()}, {of_the_stage()}"
        ),
        "space.distill.temperature: step must be greater than 0, got 0",
        "space.network.depth: unknown key: known are architecture, width, stem, image_size",
        "space.network.image_size: must be in [8, 1024], got 2048",
        "space.network.width: resnet18 has no width: it must be 1, got [0.5, 1.0]",
        # Of [space.prune] nothing is said: whether there can be one the chain would say.
        "space.quantize: must be a table, got 3",
    ]


def test_a_fault_is_told_once_and_not_again_by_what_depends_on_it() -> None:
    assert faults_of("[space.distill]\nmethod = 'dkt'\nalpha = 0.5\ntemperature = 3") == [
        f"space.distill.method: must be one of {', '.join(METHODS)}, got 'dkt'"
    ]
    assert faults_of("[space.network]\narchitecture = ''\nwidth = 0.5") == [
        "space.network.architecture: must not be empty"
    ]


@dataclass(frozen=True)
class Relation(Softened):
    """A made-up method with a setting of its own."""

    kind = "relation"
    order: int = setting(1, Setting("order", Number(among=(1, 2), whole=True), Choice((1, 2))))


def test_a_methods_own_setting_is_a_table_in_its_stages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(METHODS, "relation", Relation)
    more = """
[chain]
stages = ["distill"]

[space.distill]
method = ["logit", "relation"]
alpha = 0.5
relation = { order = 2 }
"""
    study = least(more)
    methods = {student.stages[0].method for student in study.search_space().students()}
    assert {method for method in methods if isinstance(method, Relation)} == {
        Relation(0.5, float(temperature), 2) for temperature in range(1, 11)
    }
    assert {type(method) for method in methods} == {Logit, Relation}
    assert parse_stored(study.to_dict(), "stored") == study
    assert study.to_dict()["space"]["distill"]["relation"] == {"order": [2]}


def test_a_methods_setting_without_that_method_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(METHODS, "relation", Relation)
    assert faults_of("[space.distill.relation]\norder = 2") == [
        "space.distill.relation.order: is a setting of relation, and distill.method has only logit"
    ]
    assert faults_of("[space.distill]\nmethod = 'none'\nalpha = 0.5") == [
        f"space.distill.alpha: is a setting of {with_alpha()}, and distill.method has only none"
    ]
    assert faults_of("[space.distill]\nmethod = 'relation'\nrelation = { order = 3 }") == [
        "space.distill.relation.order: must be one of 1, 2, got 3"
    ]
    assert faults_of("[space.distill]\nrelation = 3") == [
        (
            "space.distill.relation: unknown key: known are method, alpha, temperature, "
            f"{tables()}, {of_the_stage()}"
        )
    ]


def test_a_students_method_may_be_none() -> None:
    more = "[chain]\nstages = ['distill']\n[space.distill]\nmethod = 'none'"
    space = least(more).search_space()
    assert all(
        student.stages[0]
        == Distill(learning_rate=student.stages[0].learning_rate, method=NoTeacher())
        for student in space.students()
    )
    assert not {"distill.alpha", "distill.temperature"} & set(space.searched)


OLD = """
name = "old"
trials = 5

[data]
name = "digits"
image_size = 24

[teacher]
architecture = "resnet18"
weights = "teacher.safetensors"

[student]
architecture = "mobilenet_v2"
stem = "small"

[distill]
epochs = 4
batch_size = 32

[adapt]
epochs = 2

[space]
width = [0.25, 0.5]
alpha = { low = 0.0, high = 1.0, step = 0.5 }
temperature = 4
learning_rate = [0.01]
lora_rank = [0, 4]
lora_alpha = [8]
lora_dropout = [0.0]
lora_targets = ["dense"]
lora_learning_rate = [0.001]
scheme = ["fp32", "w4a8"]
"""
NEW_NAMES = {
    "student.architecture": "space.network.architecture",
    "student.stem": "space.network.stem",
    "distill.epochs": "space.distill.epochs",
    "distill.batch_size": "space.distill.batch_size",
    "adapt.epochs": "space.adapt.epochs",
    "space.width": "space.network.width",
    "space.alpha": "space.distill.alpha",
    "space.temperature": "space.distill.temperature",
    "space.learning_rate": "space.distill.learning_rate",
    "space.lora_rank": "space.adapt.rank",
    "space.lora_alpha": "space.adapt.lora_alpha",
    "space.lora_dropout": "space.adapt.dropout",
    "space.lora_targets": "space.adapt.targets",
    "space.lora_learning_rate": "space.adapt.learning_rate",
    "space.scheme": "space.quantize.scheme",
}


def test_a_key_that_was_none_in_the_old_form_either_has_no_new_name() -> None:
    values = tomllib.loads(LEAST + "[student]\nepochs = 3\nstem = 'small'\n[adapt]\nwarmth = 1")
    assert renamed_keys(values) == {"student.stem": "space.network.stem"}


def test_a_file_of_the_old_form_is_told_the_new_names_in_one_line(tmp_path: Path) -> None:
    path = tmp_path / "old.toml"
    path.write_text(OLD)
    with pytest.raises(InputError) as caught:
        load_study(str(path))
    said = ", ".join(f"{now} for {old}" for old, now in NEW_NAMES.items())
    assert str(caught.value) == (
        f"{path} is of the form that had one chain for all studies: write {said}"
    )
    assert renamed_keys(tomllib.loads(OLD)) == NEW_NAMES


@pytest.mark.parametrize(("old", "now"), NEW_NAMES.items())
def test_an_override_of_the_old_form_is_told_the_new_name(old: str, now: str) -> None:
    with pytest.raises(
        InputError, match=rf"write {re.escape(now)} for {re.escape(old)}$"
    ) as caught:
        load_study("kd_lora_q", [f"{old}=1"])
    assert "\n" not in str(caught.value)


def test_no_key_of_the_new_form_is_taken_for_an_old_one() -> None:
    for name in built_in_studies():
        assert renamed_keys(load_study(name).to_dict()) == {}


def without(values: dict[str, Any], name: str) -> dict[str, Any]:
    """Return a stored study as it would be had the setting come later."""
    older = deepcopy(values)
    table, _, last = f"space.{name}".rpartition(".")
    within = older
    for part in table.split("."):
        within = within[part]
    del within[last]
    return older


@pytest.mark.parametrize("name", list(least().search_space().domains))
def test_a_stored_study_that_lacks_a_setting_had_it_at_its_default(name: str) -> None:
    """A new study may search what came later; one that is there never did."""
    study = least()
    defaults = {
        "network.width": 1.0,
        "distill.alpha": 0.9,
        "distill.temperature": 4.0,
        "distill.learning_rate": 0.002,
        "adapt.rank": 8,
        "adapt.lora_alpha": 16.0,
        "adapt.dropout": 0.0,
        "adapt.targets": "dense",
        "adapt.learning_rate": 0.003,
        "quantize.scheme": "fp32",
    }
    older = parse_stored(without(study.to_dict(), name), "stored")
    assert len(older.search_space().values(name)) == 1
    if name in defaults:  # It is searched by default, so it is another study.
        assert older.search_space().values(name) == (defaults[name],)
        settled = parse_study(
            {**study.to_dict(), "space": _settling(study, name, defaults[name])}, "new"
        )
        assert older.fingerprint == settled.fingerprint != study.fingerprint
    else:
        assert older == study
        assert older.fingerprint == study.fingerprint


def _settling(study: StudyConfig, name: str, value: object) -> dict[str, Any]:
    space: dict[str, Any] = deepcopy(study.to_dict()["space"])
    table, _, key = name.partition(".")
    space[table][key] = [value]
    return space


def test_a_stored_study_without_chain_or_space_has_the_default_chain_settled() -> None:
    values = least().to_dict()
    del values["chain"], values["space"]
    older = parse_stored(values, "stored")
    assert dict(older.search_space().searched) == {}
    (student,) = older.search_space().students()
    assert student.stages == (Distill(), Adapt())
    assert older.identity()["space"] == {}


def test_a_stored_study_whose_images_were_smaller_had_networks_of_that_size() -> None:
    values = tomllib.loads(LEAST)
    values["data"]["image_size"] = 24
    study = parse_study(values, "least")
    older = parse_stored(without(study.to_dict(), "network.image_size"), "stored")
    assert older == study
    assert older.fingerprint == study.fingerprint


def test_a_stored_study_with_what_is_not_known_is_refused() -> None:
    values = least().to_dict()
    values["space"]["distill"]["smoothing"] = [0.1]
    with pytest.raises(InputError, match=r"stored: space\.distill\.smoothing: unknown key"):
        parse_stored(values, "stored")
    values = least().to_dict()
    values["chain"]["stages"] = ["distill", "melt"]
    values["space"]["melt"] = {"share": [0.5]}
    with pytest.raises(InputError, match="unknown stage 'melt'") as refused:
        parse_stored(values, "stored")
    assert "unknown table" not in str(refused.value)


def test_what_is_settled_at_its_default_is_not_in_the_identity() -> None:
    study = least()
    assert study.identity()["space"].keys() == {"network", "distill", "adapt", "quantize"}
    assert study.identity()["space"]["network"] == {"width": [0.25, 0.5, 0.75, 1.0]}
    said = least(
        """
[space.network]
architecture = "mobilenet_v2"
stem = ["imagenet"]
image_size = 32

[space.distill]
method = "logit"
epochs = [8]
batch_size = 64.0
decay = "one_cycle"

[space.adapt]
epochs = 3
weight_decay = 0.01
"""
    )
    assert said.identity() == study.identity()
    assert said.fingerprint == study.fingerprint
    assert digest(said.identity()) == said.fingerprint
    other = least("[space.distill]\nepochs = 9")
    assert other.fingerprint != study.fingerprint
    assert differences(study.identity(), other.identity()) == [
        "space.distill.epochs: was not set, now [9]"
    ]


def test_the_chain_decides_results() -> None:
    study, alone = least(), least("[chain]\nstages = ['distill']")
    assert alone.fingerprint != study.fingerprint
    found = differences(study.identity(), alone.identity())
    assert found[0] == "chain.stages: was ['distill', 'adapt'], now ['distill']"


ORDERED = """
[chain]
stages = ["distill", "prune", "adapt"]
orders = {orders}
"""


def test_a_study_of_several_orders_searches_them_and_is_another_study() -> None:
    orders = '[["distill", "prune", "adapt"], ["prune", "distill", "adapt"]]'
    study = least(ORDERED.format(orders=orders))
    space = study.search_space()
    assert space.orders == (("distill", "prune", "adapt"), ("prune", "distill", "adapt"))
    assert "chain.order" in space.searched
    plain = least('[chain]\nstages = ["distill", "prune", "adapt"]')
    assert study.fingerprint != plain.fingerprint
    assert "orders" not in plain.identity()["chain"]
    assert parse_stored(study.to_dict(), "stored").search_space().orders == space.orders


@pytest.mark.parametrize(
    ("orders", "fault"),
    [
        ('[["distill", "prune"]]', "every order has each of distill, prune, adapt once"),
        ('[["distill", "prune", "adapt"]]', "must be two orders or more, each once"),
        (
            '[["distill", "prune", "adapt"], ["adapt", "distill", "prune"]]',
            "a chain begins with what makes weights (distill, quantize_aware, prune): adapt cannot",
        ),
        (
            '[["distill", "prune", "adapt"], ["distill", "prune", "adapt"]]',
            "must be two orders or more, each once",
        ),
    ],
)
def test_orders_that_cannot_be_are_refused(orders: str, fault: str) -> None:
    (said,) = faults_of(ORDERED.format(orders=orders))
    assert said.startswith(f"chain.orders: {fault}")
