"""What the documents say of files and code is true: samples are read, examples run, paths exist."""

import dataclasses
import re
import tomllib
import typing
from pathlib import Path

import numpy as np
import pytest
import torch

import objectives.training.methods as training_methods
import spaces
from objectives import runtimes, training
from objectives.chain import Workbench, handlers
from objectives.chain.cache import Draft
from objectives.chain.handlers import handler
from objectives.data import Batch
from objectives.results import TrainedStudent, Verdict
from objectives.training.methods import divergences, labels
from spaces import (
    ADAPTERS,
    METHODS,
    SCHEMES,
    STAGES,
    Adapt,
    DataConfig,
    Distill,
    InputError,
    Network,
    Schedule,
    StudentConfig,
    StudySetup,
    TeacherConfig,
    TrainTeacher,
    from_dict,
    scheme_named,
    settings,
    student_key,
    to_dict,
)
from studies import load_study, parse_study

ROOT = Path(__file__).parents[1]
DOCUMENTS = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    ROOT / "CHANGELOG.md",
    ROOT / "SECURITY.md",
    *(each for each in (ROOT / "docs").glob("*.md") if not each.name.startswith("benchmarks")),
    *(ROOT / "docs" / "decisions").glob("*.md"),
]
"""All but the pages of comparisons, which name files of the commits that they ran at."""
GONE = r"\bset aside\b|\bsetting aside\b|\boutlook|\blora_(?:rank|dropout)\b"
"""What documents said of the versions before."""
IMPORTED = {
    **{name: getattr(spaces, name) for name in spaces.__all__},
    **{name: getattr(settings, name) for name in settings.__all__},
    **{name: getattr(training, name) for name in ("Adaptation", "AfterEpoch", "train")},
    **{name: getattr(training_methods, name) for name in ("Seen", "TrainingMethod")},
    **{name: getattr(runtimes, name) for name in ("ArtifactWriter", "PixelInput", "Template")},
    "Array": np.ndarray,
    "Batch": Batch,
    "ClassVar": typing.ClassVar,
    "Draft": Draft,
    "Path": Path,
    "StageWork": handlers.StageWork,
    "Tensor": torch.Tensor,
    "__name__": "examples",
    "dataclass": dataclasses.dataclass,
    "labels_loss": labels.labels_loss,
    "nn": torch.nn,
    "mse_loss": torch.nn.functional.mse_loss,
    "publish": handler.publish,
    "weighed": divergences.weighed,
}
"""What the examples of CONTRIBUTING have imported."""


def blocks(document: str, language: str) -> list[str]:
    text = (ROOT / document).read_text(encoding="utf-8")
    return re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)


def test_the_study_of_the_readme_is_one():
    (sample,) = blocks("README.md", "toml")
    space = parse_study(tomllib.loads(sample), "the README").search_space()
    assert len(space.networks) == 8
    assert {"network.image_size", "distill.alpha", "adapt.rank"} <= space.searched.keys()
    assert "distill.epochs" not in space.searched
    assert space.can_skip("adapt")
    least = {"name", "data", "teacher"}
    assert parse_study(
        {key: value for key, value in tomllib.loads(sample).items() if key in least}, "the least"
    )
    for missing in least:
        values = {key: value for key, value in tomllib.loads(sample).items() if key != missing}
        with pytest.raises(InputError, match=f"{missing}: missing"):
            parse_study(values, "a part")


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_files_that_a_document_names_are_there(document):
    text = document.read_text(encoding="utf-8")
    named = re.findall(r"`((?:\w+/)+[\w.]+\.(?:py|toml|md))`", text)
    missing = [
        path for path in named if not path.startswith("runs/") and not (ROOT / path).exists()
    ]
    assert missing == []
    linked = re.findall(r"\]\(([^)#:]+)\)", text)
    assert [path for path in linked if not (document.parent / path).exists()] == []


def test_no_document_names_what_is_gone():
    for document in DOCUMENTS:
        text = document.read_text(encoding="utf-8")
        assert re.findall(GONE, text) == [], document


def test_the_examples_of_contributing_run(monkeypatch, tmp_path):
    method, loss, entry, adapter, stage, how, scheme, runtime, setting = blocks(
        "CONTRIBUTING.md", "python"
    )
    examples = (method, loss, adapter, stage, how, runtime)
    assert all(example.count("\n") < 30 for example in (*examples, setting))
    known = dict(IMPORTED)
    for example in examples:
        exec(example, known)
    monkeypatch.setitem(METHODS, "mse", known["Mse"])
    monkeypatch.setitem(training.METHODS, "mse", known["MseTraining"])
    for name, made in eval(f"{{{entry}}}", known).items():
        monkeypatch.setitem(ADAPTERS, name, made)
    monkeypatch.setitem(training.ADAPTERS, "bitfit", known["BitFit"])
    monkeypatch.setitem(STAGES, "finetune", known["Finetune"])
    monkeypatch.setitem(handlers.HANDLERS, "finetune", known["FinetuneHandler"]())
    for name, made in eval(f"{{{scheme}}}", known).items():
        monkeypatch.setitem(SCHEMES, name, made)

    study = load_study(
        "kd_lora_q",
        [
            'chain.stages=["distill", "adapt", "finetune"]',
            'space.distill.method=["logit", "mse"]',
            "space.distill.mse.weight=[0.5, 0.9]",
            'space.adapt.method=["lora", "bitfit"]',
        ],
    )
    assert {
        "distill.mse.weight",
        "finetune.epochs",
        "adapt.method",
    } <= study.search_space().searched.keys()

    network = Network("cifar_resnet20", 0.25, image_size=16)
    stages = (
        Distill(epochs=1, method=known["Mse"](0.9)),
        Adapt(epochs=1, method="bitfit"),
        known["Finetune"](epochs=1),
    )
    student = StudentConfig(network, stages, seed=0)
    assert from_dict(StudentConfig, to_dict(student)) == student
    setup = StudySetup(
        DataConfig("digits", 16, train_limit=100, validation_limit=40, augment=False),
        TeacherConfig(network, TrainTeacher(Schedule(epochs=1))),
        seed=0,
    )
    with Workbench(setup, tmp_path) as bench:
        trained = bench.train_student(student, lambda _: Verdict.GO_ON)
        assert isinstance(trained, TrainedStudent)
        assert [record.stage for record in trained.stages] == ["distill", "adapt", "finetune"]
        sizes = [
            bench.evaluate(trained, network, scheme_named(name), "validation").size_bytes
            for name in ("int8_static", "int8_static_clipped")
        ]
    assert sizes[0] == sizes[1]


def test_the_runtime_of_contributing_has_all_that_one_must_have():
    *_, runtime, _ = blocks("CONTRIBUTING.md", "python")
    known = dict(IMPORTED)
    exec(runtime, known)
    asked = {name for name in vars(runtimes.Runtime) if not name.startswith("_")}
    assert asked == {name for name in vars(known["TorchRuntime"]) if not name.startswith("_")}


def test_the_setting_of_contributing_changes_no_key():
    *_, setting = blocks("CONTRIBUTING.md", "python")
    known = dict(IMPORTED)
    exec(f"@dataclass(frozen=True)\nclass Longer(Distill):\n{setting}", known)
    longer = known["Longer"]
    network = Network("resnet18")
    before = student_key(StudentConfig(network, (Distill(),), seed=0))
    assert student_key(StudentConfig(network, (longer(),), seed=0)) == before
    assert student_key(StudentConfig(network, (longer(optimizer="sgd", momentum=0.8),), 0)) != (
        student_key(StudentConfig(network, (longer(optimizer="sgd"),), 0))
    )
    with pytest.raises(InputError, match="momentum does not apply here"):
        longer(momentum=0.8)
