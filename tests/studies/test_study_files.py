import re
from pathlib import Path

import pytest

from spaces import (
    SCHEMES,
    Choice,
    InputError,
    LoadTeacher,
    Steps,
    TrainTeacher,
    UnknownNameError,
    architectures,
)
from studies import built_in_studies, load_study
from studies.loading import parse_study
from studies.schema import differences
from studies.settings_table import settings_table

DIGITS = (Path(__file__).parents[2] / "studies" / "kd_lora_q.toml").read_text("utf-8")


def faults_of(*overrides: str) -> list[str]:
    with pytest.raises(InputError) as caught:
        load_study("kd_lora_q", overrides)
    first, *others = str(caught.value).splitlines()
    if others:
        assert re.fullmatch(rf"kd_lora_q has {len(others)} faults:", first)
        return [line.strip() for line in others]
    return [first.removeprefix("kd_lora_q: ")]


@pytest.mark.parametrize("name", ["kd_lora_q", "kd_lora_q_cifar10", "kd_lora_q_cifar100"])
def test_a_built_in_study_offers_what_is_promised(name: str) -> None:
    study = load_study(name)
    space = study.search_space()
    assert study.name == name
    assert study.objectives == ("accuracy", "size_bytes", "latency_ms")
    assert set(space.scheme.values) == set(SCHEMES)
    assert space.lora_rank.values == (0, 2, 4, 8, 16, 32)
    assert space.temperature.values == tuple(range(1, 11))
    assert {0.0, 1.0} <= set(space.alpha.values) <= {step / 10 for step in range(11)}
    widths = [architecture.width for architecture in architectures(space, study.settled())]
    assert (min(widths), max(widths)) == (0.25, 1.0)
    assert study.foundation().teacher.architecture.name == "resnet18"
    assert study.settled().architecture.name == "mobilenet_v2"


@pytest.mark.parametrize("data", ["cifar10", "cifar100"])
def test_the_cifar_studies_hold_the_thesis_settings(data: str) -> None:
    study = load_study(f"kd_lora_q_{data}")
    weights = study.foundation().teacher.weights
    assert isinstance(weights, TrainTeacher)
    for schedule in (weights.schedule, study.settled().distill):
        assert (schedule.optimizer, schedule.epochs, schedule.decay) == ("adam", 50, "constant")
    assert weights.schedule.learning_rate == 1e-3
    space = study.search_space()
    assert 4 in space.temperature.values
    assert 0.3 in space.alpha.values
    assert 1e-3 in space.learning_rate.values
    assert study.foundation().data.name == data


def test_the_built_in_studies_are_those_beside_the_code() -> None:
    assert set(built_in_studies()) >= {"kd_lora_q", "kd_lora_q_cifar10", "kd_lora_q_cifar100"}


def test_a_study_survives_being_stored() -> None:
    for name in built_in_studies():
        study = load_study(name)
        again = parse_study(study.to_dict(), "stored")
        assert again == study
        assert again.fingerprint == study.fingerprint


def test_a_file_is_a_study_like_a_built_in_one(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(DIGITS)
    assert load_study(str(path)) == load_study("kd_lora_q")


def test_overrides_are_read_as_toml_and_as_text_elsewhere() -> None:
    study = load_study(
        "kd_lora_q",
        [
            "trials=3",
            "name=mine",
            "data.name = cifar10",
            "data.train_limit = 500",
            "space.width=[0.5]",
            "space.alpha={low=0.5, high=1.0, step=0.25}",
            "space.temperature=4",
            "pruning.delta=0.2",
            "runtime.threads=2",
        ],
    )
    assert (study.trials, study.name) == (3, "mine")
    assert study.foundation().data.name == "cifar10"
    assert study.foundation().data.train_limit == 500
    assert study.search_space().width == Choice((0.5,))
    assert study.search_space().alpha == Steps(0.5, 1.0, 0.25)
    assert study.search_space().temperature == Choice((4,))
    assert study.pruning.delta == 0.2
    assert study.foundation().threads == 2


def test_a_value_that_toml_would_take_for_more_keys_is_text() -> None:
    assert load_study("kd_lora_q", ["data.root=a\ntrials = 1"]).data.root == "a\ntrials = 1"


def test_a_teacher_is_trained_or_loaded(tmp_path: Path) -> None:
    path = tmp_path / "loaded.toml"
    start, end = DIGITS.index("[teacher.training]"), DIGITS.index("[student]")
    path.write_text(DIGITS[:start] + 'weights = "teacher.safetensors"\n' + DIGITS[end:])
    assert load_study(str(path)).foundation().teacher.weights == LoadTeacher("teacher.safetensors")
    path.write_text(DIGITS[:start] + DIGITS[end:])
    with pytest.raises(InputError, match="teacher: a teacher has either `weights`"):
        load_study(str(path))
    with pytest.raises(InputError, match="teacher: a teacher has either `weights`"):
        load_study("kd_lora_q", ["teacher.weights=teacher.safetensors"])


def test_an_unknown_study_is_told_the_known_ones() -> None:
    with pytest.raises(
        UnknownNameError, match=r"unknown study 'kd_lora'.*kd_lora_q, kd_lora_q_cif"
    ):
        load_study("kd_lora")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "there is no study file"),
        (b"name = = 'a'\n", "is not valid TOML: .*line 1"),
        (b"\xff\xfe", "not UTF-8"),
    ],
)
def test_a_file_that_cannot_be_read_is_one_line(
    tmp_path: Path, content: bytes | None, words: str
) -> None:
    path = tmp_path / "mine.toml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError, match=words) as caught:
        load_study(str(path))
    assert len(str(caught.value).splitlines()) == 1
    assert str(path) in str(caught.value)


def test_a_folder_is_not_a_study_file(tmp_path: Path) -> None:
    (tmp_path / "x.toml").mkdir()
    with pytest.raises(InputError, match="cannot read the study file"):
        load_study(str(tmp_path / "x.toml"))


@pytest.mark.parametrize(
    ("override", "fault"),
    [
        ("data.image_size=4", "data.image_size: must be in [8, 1024], got 4"),
        ("data.sice=4", "data.sice: unknown key: known are name, image_size, root"),
        ("data=4", "data: must be a table, got 4"),
        ("bounds=4", "bounds: must be a table, got 4"),
        ("colour=4", "colour: unknown key: known are name, objectives, seed, trials"),
        ("teacher.training.lr=4", "teacher.training.lr: unknown key: known are epochs"),
        ("teacher.training.learning_rate=-1", "teacher.training.learning_rate: must be greater"),
        ("teacher.width=9", "teacher.width: must be in (0, 4], got 9"),
        ("teacher.stem=tiny", "teacher.stem: must be 'imagenet' or 'small', got 'tiny'"),
        ("distill.epochs=0", "distill.epochs: must be at least 1, got 0"),
        ("distill.epochs=two", "distill.epochs: must be a valid integer"),
        ("adapt.optimizer=lion", "adapt.optimizer: must be 'adam', 'adamw' or 'sgd', got 'lion'"),
        ("adapt.learning_rate=1", "adapt.learning_rate: unknown key"),
        ("least_gain_per_hour=-1", "least_gain_per_hour: must be greater than or equal to 0"),
        ("least_gain_per_hour=inf", "least_gain_per_hour: must be a finite number, got inf"),
        ("trials=0", "trials: must be greater than or equal to 1, got 0"),
        ("seed=-1", "seed: must be greater than or equal to 0, got -1"),
        ("name=../x", "name: must match pattern"),
        ("objectives=['accuracy']", "objectives: must be accuracy and one or both of"),
        ("objectives=['size_bytes','latency_ms']", "objectives: must be accuracy and one or both"),
        ("objectives=['latency_ms','accuracy']", "objectives: must be accuracy and one or both"),
        (
            "sampler.name=annealing",
            "sampler.name: must be 'ehvi', 'tpe', 'nsgaii', 'gp', 'random'",
        ),
        (
            "pruning.name=median",
            "pruning.name: must be 'freeze_thaw', 'known_costs' or 'none'",
        ),
        ("pruning.delta=1", "pruning.delta: must be less than 1, got 1"),
        ("pruning.delta=nan", "pruning.delta: must be a finite number, got nan"),
        ("bounds.accuracy_of_teacher=1.1", "bounds.accuracy_of_teacher: must be less than or"),
        ("runtime.name=tflite", "runtime.name: must be 'onnxruntime' or 'executorch', got 'tfl"),
        ("space.alpha={low=0,high=2,step=0.5}", "space.alpha: must be in (0, 1] (0 is plain"),
        ("space.alpha={low=0,high=1,step=0.3}", "space.alpha: high must be low plus a whole"),
        ("space.alpha={low=0,high=1}", "space.alpha: a range is a table of three numbers"),
        ("space.temperature=[0, 1]", "space.temperature: must be greater than 0, got 0"),
        ("space.width=[]", "space.width: a choice needs at least one value"),
        ("space.width=[1, 1]", "space.width: a choice's values must differ"),
        ("space.width=['wide']", "space.width: every value must be a number, got 'wide'"),
        ("space.width=true", "space.width: every value must be a number, got True"),
        ("space.lora_rank=[0, 1.5]", "space.lora_rank: rank must be a whole number, got 1.5"),
        ("space.lora_dropout=[1.0]", "space.lora_dropout: dropout must be in [0, 1), got 1.0"),
        ("space.lora_targets=['all']", "space.lora_targets: targets must be one of classifier"),
        ("space.learning_rate=[0]", "space.learning_rate: must be greater than 0, got 0"),
        ("space.scheme=['int3']", "space.scheme: unknown scheme 'int3': known are fp32, fp16"),
        ("space.depth=[1]", "space.depth: unknown key: known are width, alpha, temperature"),
    ],
)
def test_a_fault_names_key_rule_and_value(override: str, fault: str) -> None:
    faults = faults_of(override)
    assert len(faults) == 1
    assert faults[0].startswith(fault)


def test_all_faults_come_at_once_even_of_one_table() -> None:
    faults = faults_of(
        "data.image_size=4",
        "data.views=-1",
        "data.sice=1",
        "data.augment=perhaps",
        "distill.epochs=0",
        "distill.batch_size=1",
        "space.width=[9]",
        "space.scheme=['int3']",
        "trials=0",
    )
    assert sorted(fault.partition(":")[0] for fault in faults) == [
        "data.augment",
        "data.image_size",
        "data.sice",
        "data.views",
        "distill.batch_size",
        "distill.epochs",
        "space.scheme",
        "space.width",
        "trials",
    ]


def test_what_is_missing_is_named(tmp_path: Path) -> None:
    path = tmp_path / "empty.toml"
    path.write_text("[data]\n[space]\n")
    with pytest.raises(InputError) as caught:
        load_study(str(path))
    for key in ("name", "data.name", "teacher", "distill", "space.width", "space.scheme"):
        assert f"\n  {key}: missing" in str(caught.value)


@pytest.mark.parametrize("forecasting", ["sampler.name=ehvi", "pruning.name=freeze_thaw"])
def test_a_least_gain_needs_a_sampler_or_a_pruner_that_forecasts(forecasting: str) -> None:
    neither = ["sampler.name=tpe", "pruning.name=none"]
    study = load_study("kd_lora_q", [*neither, forecasting, "least_gain_per_hour=0.01"])
    assert study.least_gain_per_hour == 0.01
    load_study("kd_lora_q", [*neither, "least_gain_per_hour=0"])
    (fault,) = faults_of(*neither, "least_gain_per_hour=0.01")
    assert fault == (
        "sampler: with least_gain_per_hour = 0.01 it must be ehvi, or the pruner freeze_thaw: "
        "tpe with none forecasts nothing"
    )


@pytest.mark.parametrize("override", ["trials", "=3", "a..b=3", ""])
def test_a_malformed_override_is_refused(override: str) -> None:
    with pytest.raises(InputError, match="an override is KEY=VALUE"):
        load_study("kd_lora_q", [override])


def test_an_override_below_a_value_is_refused() -> None:
    with pytest.raises(InputError, match="trials is a value, not a table"):
        load_study("kd_lora_q", ["trials.most=3"])


CIFAR = "kd_lora_q_cifar100"
SEARCH_ONLY = [
    "trials=99",
    "least_gain_per_hour=0.01",
    "workers=5",
    "pruning.delta=0.3",
    "pruning.name=none",
    "sampler.name=random",
    "sampler.startup=3",
    "costs.calls=100",
    "bounds.accuracy_of_teacher=0.5",
    "data.root=elsewhere",
    "space.temperature={low=1.0, high=10.0, step=1.0}",
]
DECISIVE = [
    ("seed=8", "seed: was 7, now 8"),
    ("data.image_size=16", "data.image_size: was 32, now 16"),
    ("data.train_limit=100", "data.train_limit: was not set, now 100"),
    ("distill.optimizer=sgd", "distill.optimizer: was adam, now sgd"),
    ("runtime.threads=2", "runtime.threads: was 1, now 2"),
    ("space.width=[0.5]", "space.width: was [0.25, 0.5, 0.75, 1.0], now [0.5]"),
    ("space.alpha=0.5", "space.alpha: was {'low': 0.0, 'high': 1.0, 'step': 0.1}, now [0.5]"),
    ("teacher.training.epochs=9", "teacher.training.epochs: was 50, now 9"),
    ("student.stem=imagenet", "student.stem: was small, now imagenet"),
    (
        "objectives=['accuracy','size_bytes']",
        "objectives: was ['accuracy', 'size_bytes', 'latency_ms'], now ['accuracy', 'size_bytes']",
    ),
]


@pytest.mark.parametrize("override", SEARCH_ONLY)
def test_what_only_guides_the_search_leaves_the_fingerprint(override: str) -> None:
    base, changed = load_study(CIFAR), load_study(CIFAR, [override])
    assert changed != base or override.startswith("space")
    assert changed.fingerprint == base.fingerprint
    assert differences(base.identity(), changed.identity()) == []


@pytest.mark.parametrize(("override", "words"), DECISIVE)
def test_what_decides_results_changes_the_fingerprint_and_is_named(
    override: str, words: str
) -> None:
    base, changed = load_study(CIFAR), load_study(CIFAR, [override])
    assert changed.fingerprint != base.fingerprint
    assert differences(base.identity(), changed.identity()) == [words]


def test_the_readme_has_the_table_of_what_can_be_searched() -> None:
    readme = (Path(__file__).parents[2] / "README.md").read_text("utf-8")
    begin, end = "<!-- settings -->\n", "<!-- /settings -->"
    assert readme[readme.index(begin) + len(begin) : readme.index(end)] == settings_table()
