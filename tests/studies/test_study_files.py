import math
import re
from pathlib import Path
from types import SimpleNamespace

import pytest

from spaces import (
    METHODS,
    SCHEMES,
    Choice,
    InputError,
    LoadTeacher,
    Number,
    Steps,
    StudySetup,
    TrainTeacher,
    UnknownNameError,
    from_dict,
    keys_of,
    to_dict,
)
from studies import built_in_studies, load_study, parse_stored, parse_study
from studies.file_reference import file_reference
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
    assert space.stages == ("distill", "adapt")
    # Four bits to nearest cost a student two points more than by GPFQ, in the same file.
    by_gpfq = {"int4_weight_only": "int4_weight_only+gpfq", "w4a8": "w4a8+gpfq"}
    assert space.schemes == tuple(by_gpfq.get(name, name) for name in tuple(SCHEMES)[:7])
    assert space.values("adapt.rank") == (0, 2, 4, 8, 16, 32)
    assert space.values("distill.temperature") == tuple(range(1, 11))
    alphas = set(space.values("distill.alpha"))
    assert {0.0, 1.0} <= alphas <= {step / 10 for step in range(11)}
    widths = [network.width for network in space.networks]
    assert (min(widths), max(widths)) == (0.25, 1.0)
    assert study.setup().teacher.network.architecture == "resnet18"
    assert {network.architecture for network in space.networks} == {"mobilenet_v2"}


@pytest.mark.parametrize("data", ["cifar10", "cifar100"])
def test_the_cifar_studies_hold_the_thesis_settings(data: str) -> None:
    study = load_study(f"kd_lora_q_{data}")
    weights = study.setup().teacher.weights
    assert isinstance(weights, TrainTeacher)
    first = next(study.search_space().students()).stages[0]
    for schedule in (weights.schedule, first):
        assert (schedule.optimizer, schedule.epochs, schedule.decay) == ("adam", 50, "constant")
    assert weights.schedule.learning_rate == 1e-3
    space = study.search_space()
    assert 4 in space.values("distill.temperature")
    assert 0.3 in space.values("distill.alpha")
    assert 1e-3 in space.values("distill.learning_rate")
    assert study.setup().data.name == data


def test_the_study_of_methods_has_all_of_them_and_the_published_recipe() -> None:
    study = load_study("kd_methods")
    space = study.search_space()
    assert set(space.values("distill.method")) == set(METHODS)
    weights = study.setup().teacher.weights
    assert isinstance(weights, TrainTeacher)
    first = next(space.students()).stages[0]
    for schedule in (weights.schedule, first):
        assert (schedule.optimizer, schedule.epochs, schedule.decay) == ("sgd", 240, "step")
        assert (schedule.batch_size, schedule.weight_decay) == (64, 5e-4)
        assert schedule.learning_rate == 0.05


def test_the_built_in_studies_are_those_beside_the_code() -> None:
    named = {"kd_lora_q", "kd_lora_q_cifar10", "kd_lora_q_cifar100", "kd_methods"}
    named |= {"lums", "model_efficiency", "review", "thesis", "ucsd"}
    assert set(built_in_studies()) == named


@pytest.mark.parametrize("name", built_in_studies())
def test_the_chain_of_a_built_in_study_makes_sense(name: str) -> None:
    space = load_study(name).search_space()
    assert not list(space.clashes())
    assert space.networks
    # Every student that learns for a layout has a scheme, and one that learns for none has any.
    assert all(map(space.schemes_for, space.layouts))
    kinds = {stage.kind for stage in space.tried}
    assert kinds == set(space.stages)
    assert all(map(space.can_skip, space.stages[1:]))


def test_the_thesis_study_has_its_settings_and_its_specification() -> None:
    study = load_study("thesis")
    space, bounds = study.search_space(), study.bounds
    assert (bounds.accuracy_of_teacher, bounds.size_of_teacher) == (0.9, 0.25)
    assert bounds.latency_of_teacher == 1
    assert 4 in space.values("distill.temperature")
    assert 0.3 in space.values("distill.alpha")
    assert {"fp32", "int8_dynamic"} <= set(space.schemes)
    first = next(space.students()).stages[0]
    assert (first.optimizer, first.epochs, first.learning_rate) == ("adam", 50, 1e-3)
    assert first.pretrained == "IMAGENET1K_V1"


def test_the_lums_study_prunes_and_quantizes_as_the_source_did() -> None:
    space = load_study("lums").search_space()
    assert set(space.values("prune.removes")) == {"channels", "weights"}
    assert {0.3, 0.7} <= set(space.values("prune.amount"))
    assert {"fp16", "bf16", "int4_weight_only+gpfq"} <= set(space.schemes)
    assert "int8_static+percentile_99.9" in space.schemes
    assert {"w8a8", "w4a8"} <= set(space.layouts)


def test_a_study_survives_being_stored() -> None:
    for name in built_in_studies():
        study = load_study(name)
        for parse in (parse_study, parse_stored):
            again = parse(study.to_dict(), "stored")
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
            "space.network.width=[0.5]",
            "space.distill.alpha={low=0.5, high=1.0, step=0.25}",
            "space.distill.temperature=4",
            "space.network.architecture=mobilenet_v3_small",
            "pruning.delta=0.2",
            "runtime.threads=2",
        ],
    )
    assert (study.trials, study.name) == (3, "mine")
    assert study.setup().data.name == "cifar10"
    assert study.setup().data.train_limit == 500
    domains = study.search_space().domains
    assert domains["network.width"] == Choice((0.5,))
    assert domains["distill.alpha"] == Steps(0.5, 1.0, 0.25)
    assert domains["distill.temperature"] == Choice((4,))
    assert domains["network.architecture"] == Choice(("mobilenet_v3_small",))
    assert study.pruning.delta == 0.2
    assert study.setup().threads == 2


def test_a_value_that_toml_would_take_for_more_keys_is_text() -> None:
    with pytest.raises(InputError, match=r"data\.root: must have no control characters, got '/.*"):
        load_study("kd_lora_q", ["data.root=a\ntrials = 1"])


def test_a_teacher_is_trained_or_loaded(tmp_path: Path) -> None:
    path = tmp_path / "loaded.toml"
    start, end = DIGITS.index("[teacher.training]"), DIGITS.index("[chain]")
    path.write_text(DIGITS[:start] + 'weights = "teacher.safetensors"\n' + DIGITS[end:])
    assert load_study(str(path)).setup().teacher.weights == LoadTeacher(
        str(tmp_path / "teacher.safetensors")
    )
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
        ("teacher.training.learning_rate=-1", "teacher.training.learning_rate: must be in ["),
        ("teacher.width=9", "teacher.width: resnet18 has no width: it must be 1, got 9"),
        ("teacher.image_size=4", "teacher.image_size: must be greater than or equal to 8, got 4"),
        ("teacher.image_size=4096", "teacher.image_size: must be less than or equal to 1024"),
        ("teacher.stem=tiny", "teacher.stem: must be 'imagenet' or 'small', got 'tiny'"),
        ("chain=4", "chain: must be a table, got 4"),
        ("chain.stage=['distill']", "chain.stage: unknown key: known are stages"),
        ("chain.stages=distill", "chain.stages: must be a list, got 'distill'"),
        ("chain.stages=['distill',1]", "chain.stages.1: must be a word in quotes, got 1"),
        ("space=4", "space: must be a table, got 4"),
        ("space.distill=4", "space.distill: must be a table, got 4"),
        ("space.distill.epochs=0", "space.distill.epochs: must be in [1, 10000], got 0"),
        ("space.distill.epochs=two", "space.distill.epochs: must be a number, got 'two'"),
        ("space.distill.epochs=[3, 1.5]", "space.distill.epochs: must be a whole number, got 1.5"),
        ("space.distill.epochs=inf", "space.distill.epochs: must be a finite number, got inf"),
        ("space.distill.batch_size=1", "space.distill.batch_size: must be in [2, 65536], got 1"),
        (
            "space.adapt.optimizer=lion",
            "space.adapt.optimizer: must be one of adam, adamw, sgd, sgd_nesterov, got 'lion'",
        ),
        ("space.adapt.decay=['linear']", "space.adapt.decay: must be one of constant, one_cycle"),
        (
            "space.adapt.alpha=1",
            "space.adapt.alpha: unknown key: known are method, rank, lora_alpha, dropout, targets",
        ),
        ("least_gain_per_hour=-1", "least_gain_per_hour: must be greater than or equal to 0"),
        ("least_gain_per_hour=inf", "least_gain_per_hour: must be a finite number, got inf"),
        ("trials=0", "trials: must be greater than or equal to 1, got 0"),
        ("seed=-1", "seed: must be greater than or equal to 0, got -1"),
        ("name=../x", "name: must be at most 100 letters, digits, dots, dashes and underscores"),
        (f"name={101 * 'x'}", "name: must be at most 100 letters, digits, dots, dashes"),
        ("trials=true", "trials: must not be true"),
        ("data.train_limit=true", "data.train_limit: must not be true"),
        ("teacher.width=false", "teacher.width: must not be false"),
        ("teacher.training.epochs=true", "teacher.training.epochs: must not be true"),
        ("costs.calls=true", "costs.calls: must not be true"),
        ("chain.stages=['a','distill','b']", "chain.stages: unknown stage 'a', 'b': known are"),
        (
            "space.distill.epochs={low=1,high=100000000000,step=1}",
            "space.distill.epochs: a range has at most 1,000 values, got [1, 100000000000] in",
        ),
        (
            "space.distill.temperature={low=1,high=1e300,step=1}",
            "space.distill.temperature: a range has at most 1,000 values",
        ),
        (
            "objectives=['accuracy']",
            "objectives: must be accuracy or balanced_accuracy or f1, and one or both of",
        ),
        (
            "objectives=['size_bytes','latency_ms']",
            "objectives: must be accuracy or balanced_accuracy or f1, and one or both",
        ),
        (
            "objectives=['latency_ms','accuracy']",
            "objectives: must be accuracy or balanced_accuracy or f1, and one or both",
        ),
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
        ("runtime.name=tflite", "runtime.name: must be 'onnxruntime', 'executorch' or 'openvino'"),
        (
            "space.distill.alpha={low=0,high=2,step=0.5}",
            "space.distill.alpha: must be in [0, 1], got 1.5",
        ),
        (
            "space.distill.alpha={low=0,high=1,step=0.3}",
            "space.distill.alpha: high must be low plus a whole number of steps",
        ),
        (
            "space.distill.alpha={low=0,high=1,step=0}",
            "space.distill.alpha: step must be greater than 0, got 0",
        ),
        (
            "space.distill.alpha={low=1,high=0,step=0.5}",
            "space.distill.alpha: high must be at least low, got low 1 and high 0",
        ),
        (
            "space.distill.alpha={low=0,high=inf,step=1}",
            "space.distill.alpha: a range needs finite numbers, got low 0, high inf and step 1",
        ),
        (
            "space.distill.alpha={low=0,high=1}",
            "space.distill.alpha: a range is a table of three numbers",
        ),
        (
            "space.distill.alpha={low=0,high=1,step=true}",
            "space.distill.alpha: a range is a table of three numbers",
        ),
        (
            "space.distill.temperature=[0, 1]",
            "space.distill.temperature: must be in [0.01, 1000], got 0",
        ),
        (
            "space.distill.method=dkt",
            "space.distill.method: must be one of none, logit",
        ),
        (
            "space.distill.learning_rate=[0]",
            "space.distill.learning_rate: must be in [1e-08, 10], got 0",
        ),
        (
            "space.distill.learning_rate=nan",
            "space.distill.learning_rate: must be a finite number, got nan",
        ),
        ("space.network.width=[]", "space.network.width: a choice needs at least one value"),
        ("space.network.width=[1, 1]", "space.network.width: a choice's values must differ"),
        (
            "space.network.width=[[1]]",
            "space.network.width: a choice's values must be words or numbers, got [1]",
        ),
        ("space.network.width=['wide']", "space.network.width: must be a number, got 'wide'"),
        ("space.network.width=true", "space.network.width: must be a number, got True"),
        ("space.network.width=9", "space.network.width: must be in [0.01, 4], got 9"),
        (
            "space.network.architecture=resnet18",
            "space.network.width: resnet18 has no width: it must be 1, got [0.25, 0.5, 0.75, 1.0]",
        ),
        ("space.network.architecture=[3]", "space.network.architecture: must be a word, got 3"),
        ("space.network.architecture=''", "space.network.architecture: must not be empty"),
        ("space.network.stem=tiny", "space.network.stem: must be one of imagenet, small, got 'ti"),
        (
            "space.network.image_size=[32, 4]",
            "space.network.image_size: must be in [8, 1024], got 4",
        ),
        (
            "space.network.depth=[1]",
            "space.network.depth: unknown key: known are architecture, width, stem, image_size",
        ),
        ("space.adapt.rank=[0, 1.5]", "space.adapt.rank: must be a whole number, got 1.5"),
        ("space.adapt.rank=[0, -1]", "space.adapt.rank: must be in [1, 1024], got -1"),
        ("space.adapt.rank=[false, 2]", "space.adapt.rank: must be a number, got False"),
        ("space.adapt.dropout=[1.0]", "space.adapt.dropout: must be in [0, 1), got 1.0"),
        (
            "space.adapt.targets=['head']",
            "space.adapt.targets: must be one of classifier, point",
        ),
        (
            "space.adapt.layout=['float', 'w3']",
            "space.adapt.layout: w3 needs int3_weight_only in quantize.scheme, which has only fp32",
        ),
        ("space.adapt.layout=w5", "space.adapt.layout: must be one of float, w8, w4, w3, w2, w8a8"),
        ("space.quantize.scheme=['int3']", "space.quantize.scheme: must be one of fp32, fp16"),
        ("space.prune.share=[0.5]", "space.prune: unknown table: this chain has network, distill"),
        (
            "space.distill.logit.alpha=0.5",
            "space.distill.logit: unknown key: known are method, alpha, temperature, ",
        ),
        (
            "space.distill.label_smoothing.smoothing=1",
            "space.distill.label_smoothing.smoothing: must be in [0, 1), got 1",
        ),
        ("space.distill.wttm.beta=101", "space.distill.wttm.beta: must be in [0, 100], got 101"),
        (
            "space.distill.dist.gamma=nan",
            "space.distill.dist.gamma: must be a finite number, got nan",
        ),
        ("space.distill.dkd.beta=-1", "space.distill.dkd.beta: must be in [0, 100], got -1"),
        (
            "space.distill.dkd.warmup_epochs=0.5",
            "space.distill.dkd.warmup_epochs: must be a whole number, got 0.5",
        ),
        (
            "space.distill.hint.first_share=1",
            "space.distill.hint.first_share: must be in [0, 1), g",
        ),
        ("space.distill.dml.peer=['student']", "space.distill.dml.peer: must be one of fresh, tea"),
        (
            "space.distill.multi_level.level_order='outside_in'",
            "space.distill.multi_level.level_order: must be one of together, inside_out",
        ),
        (
            "space.distill.multi_level.embedding_method='hint'",
            "space.distill.multi_level.embedding_method: must be one of rkd, crd, got 'hint'",
        ),
    ],
)
def test_a_fault_names_key_rule_and_value(override: str, fault: str) -> None:
    faults = faults_of(override)
    assert len(faults) == 1
    assert faults[0].startswith(fault)


@pytest.mark.parametrize(
    ("name", "rule"),
    [
        (name, key.declared.setting.rule)
        for name, (key, *_) in keys_of(("distill",)).items()
        if key.method is not None and isinstance(key.declared.setting.rule, Number)
    ],
)
def test_a_number_of_a_method_that_is_out_of_its_range_is_one_fault(
    name: str, rule: Number
) -> None:
    for bound, beyond in ((rule.least, -1), (rule.above, 0), (rule.most, 1), (rule.below, 0)):
        if bound is not None:
            (fault,) = faults_of(f"space.{name}=[{bound + beyond}]")
            assert fault.startswith(f"space.{name}: must be in ")


def test_all_faults_come_at_once_even_of_one_table() -> None:
    faults = faults_of(
        "data.image_size=4",
        "data.views=-1",
        "data.sice=1",
        "data.augment=perhaps",
        "teacher.image_size=4",
        "space.distill.epochs=0",
        "space.distill.batch_size=1",
        "space.distill.method=dkt",
        "space.distill.alpha={low=0,high=1,step=0.3}",
        "space.network.width=[9]",
        "space.network.image_size=4",
        "space.network.depth=3",
        "space.quantize.scheme=['int3']",
        "space.prune.share=0.5",
        "trials=0",
    )
    assert sorted(fault.partition(":")[0] for fault in faults) == [
        "data.augment",
        "data.image_size",
        "data.sice",
        "data.views",
        "space.distill.alpha",
        "space.distill.batch_size",
        "space.distill.epochs",
        "space.distill.method",
        "space.network.depth",
        "space.network.image_size",
        "space.network.width",
        "space.prune",
        "space.quantize.scheme",
        "teacher.image_size",
        "trials",
    ]


def test_what_is_missing_is_named(tmp_path: Path) -> None:
    path = tmp_path / "empty.toml"
    path.write_text("[data]\n[space]\n")
    with pytest.raises(InputError) as caught:
        load_study(str(path))
    assert str(caught.value).splitlines() == [
        f"{path} has 3 faults:",
        *("  name: missing", "  data.name: missing", "  teacher: missing"),
    ]


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


@pytest.mark.parametrize("text", ["[distill]", "['distill'", "{low=1"])
def test_an_override_that_begins_a_list_or_table_is_one(text: str) -> None:
    with pytest.raises(InputError, match=r"as in TOML, words in quotes, got"):
        load_study("kd_lora_q", [f"chain.stages={text}"])


def test_a_file_may_begin_with_the_mark_that_editors_of_windows_write(tmp_path: Path) -> None:
    (tmp_path / "marked.toml").write_text(DIGITS, "utf-8-sig")
    assert load_study(str(tmp_path / "marked.toml")) == load_study("kd_lora_q")


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
    "space.distill.temperature={low=1.0, high=10.0, step=1.0}",
    "space.distill.method=logit",
    "space.network.image_size=[32]",
]
DECISIVE = [
    ("seed=8", "seed: was 7, now 8"),
    # Networks see the images as they are held, where a study does not say.
    (
        "data.image_size=16",
        "data.image_size: was 32, now 16\nspace.network.image_size: was not set, now [16]",
    ),
    ("data.train_limit=100", "data.train_limit: was not set, now 100"),
    ("space.distill.optimizer=sgd", "space.distill.optimizer: was ['adam'], now ['sgd']"),
    ("runtime.threads=2", "runtime.threads: was 1, now 2"),
    ("space.network.width=[0.5]", "space.network.width: was [0.25, 0.5, 0.75, 1.0], now [0.5]"),
    ("space.network.width=1", "space.network.width: was [0.25, 0.5, 0.75, 1.0], now not set"),
    (
        "space.distill.alpha=0.5",
        "space.distill.alpha: was {'low': 0.0, 'high': 1.0, 'step': 0.1}, now [0.5]",
    ),
    ("teacher.training.epochs=9", "teacher.training.epochs: was 50, now 9"),
    ("teacher.image_size=24", "teacher.image_size: was not set, now 24"),
    ("space.network.stem=imagenet", "space.network.stem: was ['small'], now not set"),
    ("space.network.image_size=24", "space.network.image_size: was not set, now [24]"),
    (
        "space.distill.method=['none','logit']",
        "space.distill.method: was not set, now ['none', 'logit']",
    ),
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
    assert differences(base.identity(), changed.identity()) == words.splitlines()


def test_the_reference_of_the_study_file_is_current_and_explains_every_key() -> None:
    page = (Path(__file__).parents[2] / "docs" / "study_file.md").read_text("utf-8")
    assert page == file_reference(), "python -m studies.file_reference > docs/study_file.md"
    rows = [line.split(" | ") for line in page.splitlines() if line.startswith("| `")]
    keys = {row[0].strip("| `") for row in rows}
    assert {"name", "image_size", "epochs", "size_mb", "distill.alpha", "adapt.rank"} <= keys
    assert [row for row in rows if len(row) != 4 or row[3].strip("| ") == ""] == []


def test_bounds_of_cost_beside_the_accuracys() -> None:
    teacher = SimpleNamespace(size_bytes=40_000_000, latency_ms=4.0)
    unset = load_study(CIFAR).bounds.of(0.9, teacher)
    assert (unset.size_bytes, unset.latency_ms) == (math.inf, math.inf)
    both = load_study(
        CIFAR,
        ["bounds.size_of_teacher=0.1", "bounds.size_mb=5", "bounds.latency_of_teacher=0.5"],
    )
    found = both.bounds.of(0.9, teacher)
    assert (found.size_bytes, found.latency_ms) == (4_000_000, 2.0)
    assert both.fingerprint == load_study(CIFAR).fingerprint
    with pytest.raises(InputError, match=r"bounds\.size_mb: must be greater than or eq"):
        load_study(CIFAR, ["bounds.size_mb=0"])
    with pytest.raises(InputError, match="latency_ms bounds latency_ms, which is none of the"):
        load_study(CIFAR, ["objectives=['accuracy','size_bytes']", "bounds.latency_ms=2"])


def test_the_readme_has_the_table_of_what_can_be_searched() -> None:
    readme = (Path(__file__).parents[2] / "README.md").read_text("utf-8")
    begin, end = "<!-- settings -->\n", "<!-- /settings -->"
    assert readme[readme.index(begin) + len(begin) : readme.index(end)] == settings_table()


TEACHER = {"architecture": "cifar_resnet20", "weights": "teacher.safetensors"}


def test_a_loaded_teacher_is_judged_on_what_it_has_not_seen() -> None:
    trained = load_study("kd_lora_q")
    assert trained.setup().data.held_back_from is None
    values = {**trained.to_dict(), "teacher": TEACHER}
    loaded = parse_study(values, "loaded")
    assert loaded.setup().data.held_back_from == "unseen"
    said = parse_study({**values, "data": {**values["data"], "held_back_from": "train"}}, "said")
    assert said.setup().data.held_back_from == "train"
    assert said.fingerprint != loaded.fingerprint


def test_what_data_can_be_told_survives_being_stored() -> None:
    told = (
        "data.classes=['b', 'a']",
        "data.augment=['shift', 'mirror']",
        "data.mean=[0.5, 0.5, 0]",
        "data.std=1",
        "data.validation=held/out",
    )
    study = load_study("kd_lora_q", told)
    assert study.data.classes == ("b", "a")
    assert study.data.augmentations == ("shift", "mirror")
    assert study.data.normalisation == ((0.5, 0.5, 0.0), (1.0, 1.0, 1.0))
    assert parse_stored(study.to_dict(), "stored") == study
    setup = study.setup()
    assert from_dict(StudySetup, to_dict(setup)) == setup
    for name in ("classes", "mean", "std", "validation", "held_back_from"):
        assert name not in load_study("kd_lora_q").to_dict()["data"]  # as studies of before


@pytest.mark.parametrize(
    ("override", "fault"),
    [
        ("data.name='imagefolder:'", "data.name: must say which folder, as imagefolder:PATH"),
        ("data.classes=[1, 2]", "data.classes: must be a list of names in quotes, or the path"),
        ("data.classes=['a', 'a']", "data.classes: must be two or more different names, got 'a'"),
        ("data.augment=flip", "data.augment: must be true, false, or one or several of none, sh"),
        ("data.mean=[1, 2]", "data.mean: must be a number, three (red, green, blue), or one of"),
        ("data.mean=123.7", "data.mean: must be in [0, 1], of pixels in [0, 1] (levels of 0 to"),
        ("data.mean=true", "data.mean: must be a number, three (red, green, blue), or one of"),
        ("data.std=0.5", "data: mean and std must be given together, as numbers or as the same"),
        ("data.held_back_from=test", "data.held_back_from: must be 'train' or 'unseen', got 'te"),
    ],
)
def test_a_fault_of_the_data_is_one_line(override: str, fault: str) -> None:
    (found,) = faults_of(override)
    assert found.startswith(fault)


def test_an_override_may_take_methods_and_stages_out_that_the_file_says_more_of() -> None:
    methods = load_study("kd_methods", ['space.distill.method=["none", "dkd"]'])
    assert methods.space.domains["distill.dkd.beta"].values == (2, 8)
    assert not {"distill.alpha", "distill.dist.beta"} & methods.space.domains.keys()
    chain = load_study("kd_lora_q", ['chain.stages=["distill"]'])
    assert not any(name.startswith("adapt.") for name in chain.space.domains)
    with pytest.raises(InputError, match=r"space\.distill\.alpha: is a setting of logit"):
        load_study("kd_methods", ["space.distill.method=dkd", "space.distill.alpha=0.5"])
    with pytest.raises(InputError, match=r"space\.adapt: unknown table"):
        load_study("kd_lora_q", ['chain.stages=["distill"]', "space.adapt.rank=4"])


@pytest.mark.parametrize(
    "wrong", ["[0, 0, 0]", "[0, 0, 0, -1]", "[0, 0, 0, nan]", "['0', 0, 0, 0]"]
)
def test_sensitivities_are_four_losses_a_layer(wrong: str) -> None:
    (fault,) = faults_of(f"sensitivity.conv1={wrong}")
    assert fault.startswith("sensitivity.conv1")
    study = load_study("kd_lora_q", ["sensitivity.conv1=[0, 0.1, 0.2, 3]"])
    assert study.setup().sensitivity[0].losses == (0, 0.1, 0.2, 3)
    assert study.fingerprint != load_study("kd_lora_q").fingerprint
