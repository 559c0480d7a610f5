"""Tables of the first format say the same of the same students once they are converted."""

import gzip
import json
import sys
from itertools import product

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from benchmarks.script import run_script
from benchmarks.tables import convert
from benchmarks.tables.recorded import META, load_table
from spaces import InputError, student_key

SCHEDULE = {
    "epochs": 2,
    "batch_size": 32,
    "optimizer": "sgd",
    "weight_decay": 0.0005,
    "decay": "cosine",
}
SCHEMES = ("fp32", "int4_weight_only")
OLD_STUDY = {
    "name": "old",
    "objectives": ["accuracy", "size_bytes", "latency_ms"],
    "seed": 7,
    "trials": 30,
    "workers": 1,
    "data": {"name": "digits", "image_size": 16, "validation_fraction": 0.25},
    "teacher": {
        "architecture": "cifar_resnet56",
        "width": 1.0,
        "stem": "imagenet",
        "training": {"epochs": 4, "learning_rate": 0.002},
    },
    "student": {"architecture": "cifar_resnet20", "stem": "imagenet"},
    "distill": SCHEDULE,
    "adapt": SCHEDULE | {"epochs": 1},
    "space": {
        "width": [0.25, 0.5],
        "alpha": [0.0, 0.9],
        "temperature": [6],
        "learning_rate": [0.005],
        "lora_rank": [0, 4],
        "lora_alpha": [8],
        "lora_dropout": [0.1],
        "lora_targets": ["dense"],
        "lora_learning_rate": [0.003],
        "scheme": list(SCHEMES),
    },
    "bounds": {"accuracy_of_teacher": 0.5},
}
PLAIN, TAUGHT = {"kind": "plain"}, {"kind": "distillation", "temperature": 6.0, "alpha": 0.9}
NONE = {"kind": "none"}
LORA = {
    "kind": "lora",
    "rank": 4,
    "lora_alpha": 8.0,
    "dropout": 0.1,
    "targets": "dense",
    "schedule": SCHEDULE | {"epochs": 1, "learning_rate": 0.003},
}
TEACHER = {
    "accuracy": 0.9,
    "test_accuracy": 0.8,
    "seconds": 100.0,
    "validation": {"fp32": 0.9, "int4_weight_only": 0.7},
    "test": {"fp32": 0.8, "int4_weight_only": 0.6},
}


def old_cost(architecture, scheme, size_bytes):
    return {
        "architecture": architecture,
        "scheme": scheme,
        "size_bytes": size_bytes,
        "median_ms": size_bytes / 1e6,
        "p95_ms": 1.0,
        "repeatability": 0.01,
        "latency_ms": size_bytes / 1e6,
        "flops": 7,
        "parameters": 5,
    }


OLD_COSTS = {
    "costs": [
        old_cost("cifar_resnet56@1", "fp32", 4_000_000),
        old_cost("cifar_resnet56@1", "int4_weight_only", 700_000),
        old_cost("cifar_resnet20@0.25", "fp32", 90_000),
        old_cost("cifar_resnet20@0.25", "int4_weight_only", 30_000),
        old_cost("cifar_resnet20@0.5", "fp32", 300_000),
        old_cost("cifar_resnet20@0.5", "int4_weight_only", 60_000),
    ],
    "teacher": "cifar_resnet56@1",
    "runtime": "onnxruntime",
    "device": {"cores": "2"},
    "processes": 3,
    "calls": 200,
    "threads": 1,
    "imported": False,
}


def old_student(number, width, method, adaptation, seed=7):
    """Return a row; whatever was seen of it is told by its number."""
    config = {
        "architecture": {"name": "cifar_resnet20", "width": width, "stem": "imagenet"},
        "method": method,
        "schedule": SCHEDULE | {"learning_rate": 0.005},
        "adaptation": adaptation,
        "seed": seed,
    }
    adapt = {"accuracies": [0.6 + number / 100], "seconds": [number + 3.0]}
    return {
        "student": f"old key {number}",
        "repeat_of": None if seed == 7 else "old key 3",
        "config": json.dumps(config),
        "distill": {
            "accuracies": [0.3 + number / 100, 0.5 + number / 100],
            "seconds": [number + 1.0, number + 2.0],
        },
        "adapt": adapt if adaptation == LORA else None,
        "validation": {"fp32": 0.6 + number / 100, "int4_weight_only": 0.4 + number / 100},
        "test": {"fp32": 0.5 + number / 100, "int4_weight_only": 0.3 + number / 100},
        "evaluation_seconds": {"fp32": 0.1, "int4_weight_only": number + 0.2},
    }


ROWS = [
    *(
        old_student(number, *settings)
        for number, settings in enumerate(product((0.25, 0.5), (PLAIN, TAUGHT), (NONE, LORA)))
    ),
    old_student(8, 0.25, TAUGHT, LORA, seed=1001),
]


@pytest.fixture
def path(tmp_path):
    """A table of format 1, as this project wrote them."""
    shared = {
        "format": 1,
        "config": OLD_STUDY,
        "costs": OLD_COSTS,
        "teacher": TEACHER,
        "validation_images": 360,
        "meta": {"commit": "abc"},
    }
    table = pa.Table.from_pylist(ROWS)
    pq.write_table(
        table.replace_schema_metadata({META: json.dumps(shared)}), tmp_path / "old.parquet"
    )
    return tmp_path / "old.parquet"


def settings_of(student):
    """Return what a row's config says of a student, in its words."""
    distill, *adapts = student.stages
    taught = {"temperature": distill.method.temperature, "alpha": distill.method.alpha}
    return {
        "architecture": {
            "name": student.network.architecture,
            "width": student.network.width,
            "stem": student.network.stem,
        },
        "method": {"kind": "distillation", **taught} if student.needs_teacher else PLAIN,
        "schedule": {name: getattr(distill, name) for name in (*SCHEDULE, "learning_rate")},
        "adaptation": NONE
        if not adapts
        else {
            "kind": "lora",
            **{name: getattr(adapts[0], name) for name in LORA if name not in {"kind", "schedule"}},
            "schedule": {name: getattr(adapts[0], name) for name in (*SCHEDULE, "learning_rate")},
        },
        "seed": student.seed,
    }


def test_students_curves_and_scores_are_the_same(path):
    convert.convert(path)
    table = load_table(path)
    recorded = [*table.students.values(), *(one for its in table.repeats.values() for one in its)]
    assert len(recorded) == len(ROWS)
    for row, one in zip(ROWS, recorded, strict=True):
        assert settings_of(one.config) == json.loads(row["config"])
        assert one.config.network.image_size == 16
        stages = [row["distill"], *([row["adapt"]] if row["adapt"] else [])]
        assert [
            {"accuracies": list(its.accuracies), "seconds": list(its.seconds)} for its in one.stages
        ] == stages
        assert one.validation == row["validation"]
        assert one.test == row["test"]
        assert one.evaluation_seconds == row["evaluation_seconds"]
    assert table.teacher == TEACHER
    assert table.validation_images == 360
    assert table.meta == {"commit": "abc"}
    # Whatever its space can make is there, and the further seed stands beside its own student.
    assert set(table.students) == set(map(student_key, table.config.search_space().students()))
    (of_repeats,) = table.repeats
    assert settings_of(table.students[of_repeats].config) == json.loads(ROWS[3]["config"])


def test_costs_are_found_under_the_networks_and_schemes_they_were_measured_for(path):
    convert.convert(path)
    table = load_table(path)
    networks = {one.config.network.width: one.config.network for one in table.students.values()}
    keys = {
        "cifar_resnet56@1": table.config.setup().teacher.network.key,
        "cifar_resnet20@0.25": networks[0.25].key,
        "cifar_resnet20@0.5": networks[0.5].key,
    }
    assert table.costs.teacher == keys["cifar_resnet56@1"]
    for old in OLD_COSTS["costs"]:
        cost = table.costs.of(keys[old["architecture"]], old["scheme"])
        assert all(
            getattr(cost, name) == value
            for name, value in old.items()
            if name not in {"architecture", "scheme"}
        )
    assert len(table.costs.costs) == len(OLD_COSTS["costs"])
    reference = table.reference
    assert (reference.accuracy_floor, reference.size_bytes) == (0.45, 4_000_000)


def test_a_second_conversion_is_refused_in_one_line(path, monkeypatch, capsys):
    convert.convert(path)
    there = path.read_bytes()
    monkeypatch.setattr(sys, "argv", ["convert", str(path)])
    with pytest.raises(SystemExit) as ended:
        run_script(convert.main)
    said = capsys.readouterr().err
    assert ended.value.code == 2
    assert said.count("\n") == 1
    assert f"{path} is not a table of format 1" in said
    assert path.read_bytes() == there


def test_what_is_no_table_is_refused(tmp_path):
    pq.write_table(pa.table({"a": [1]}), tmp_path / "other.parquet")
    with pytest.raises(InputError, match="is not a table of format 1"):
        convert.convert(tmp_path / "other.parquet")


def test_runs_are_of_the_converted_table(path, tmp_path, monkeypatch):
    runs = tmp_path / "runs.jsonl.gz"
    before = convert.digest_of(path)
    lines = [{"seed": 0, "digest": before}, {"seed": 1, "digest": "of another table"}]
    with gzip.open(runs, "wt", encoding="utf-8") as file:
        file.writelines(json.dumps(line) + "\n" for line in lines)
    monkeypatch.setattr(sys, "argv", ["convert", str(path), "--runs", str(runs)])
    convert.main()
    with gzip.open(runs, "rt", encoding="utf-8") as file:
        said = [json.loads(line) for line in file]
    assert said == [{"seed": 0, "digest": convert.digest_of(path)}, lines[1]]
    assert convert.digest_of(path) != before
