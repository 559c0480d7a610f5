"""Convert recorded tables of format 1, whose students had one chain, to format 2.

    python -m benchmarks.tables.convert benchmarks/tables/*.parquet [--runs FILE.jsonl.gz]

Each file is replaced; nothing is trained or scored again. A table's digest changes with its bytes,
so `--runs` gives the runs that were made on it the new one: they are of the same table.
"""

import argparse
import gzip
import hashlib
import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from benchmarks.script import run_script
from benchmarks.tables.recorded import META, RecordedStage, RecordedStudent, table_of
from objectives import CostTable
from spaces import (
    Adapt,
    Distill,
    InputError,
    Logit,
    Network,
    StudentConfig,
    from_dict,
    scheme_named,
)
from studies import StudyConfig, parse_stored
from studies.old_form import renamed_keys

_UNSAID = 32
"""The image size that a network's key leaves out."""


def main() -> None:
    """Convert the files named on the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("tables", type=Path, nargs="+", help="files of format 1")
    parser.add_argument("--runs", type=Path, help="runs.jsonl.gz that were made on them")
    options = parser.parse_args()
    renamed: dict[str, str] = {}
    for path in options.tables:
        before = digest_of(path)
        convert(path)
        renamed[before] = digest_of(path)
        print(f"{path}: {before} is {renamed[before]} now")
    if options.runs:
        rename_digests(options.runs, renamed)


def digest_of(path: Path) -> str:
    """Return the digest by which runs name a table's file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()[:12]


def convert(path: Path) -> None:
    """Replace the table in `path`; raises InputError unless it is of format 1."""
    file = pq.read_table(path)
    shared = json.loads((file.schema.metadata or {}).get(META, b"{}"))
    if shared.get("format") != 1:
        raise InputError(f"{path} is not a table of format 1")
    image_size = shared["config"]["data"]["image_size"]
    config = parse_stored(_study(shared["config"], image_size), str(path))
    table = table_of(
        config,
        from_dict(CostTable, _costs(shared["costs"], config)),
        shared["teacher"],
        [_student(row, image_size) for row in file.to_pylist()],
        validation_images=shared["validation_images"],
        meta=shared["meta"],
    )
    table.save(path)


def _study(old: Mapping[str, Any], image_size: int) -> dict[str, Any]:
    """Return the study: its networks saw the images as they were held."""
    space: dict[str, Any] = {"network": {"image_size": image_size}}
    renamed = renamed_keys(old)
    for before, now in renamed.items():
        table, _, key = before.partition(".")
        _, part, name = now.split(".")
        space.setdefault(part, {})[name] = old[table][key]
    tables = {before.partition(".")[0] for before in renamed}
    kept = {key: value for key, value in old.items() if key not in tables}
    return {**kept, "chain": {"stages": ["distill", "adapt"]}, "space": space}


def _costs(old: Mapping[str, Any], config: StudyConfig) -> dict[str, Any]:
    networks = (config.setup().teacher.network, *config.search_space().networks)
    # A key said nothing of the images' size.
    keys = {replace(network, image_size=_UNSAID).key: network.key for network in networks}
    costs = []
    for cost in old["costs"]:
        kept = {name: v for name, v in cost.items() if name not in {"architecture", "scheme"}}
        layout = scheme_named(cost["scheme"]).layout.key
        costs.append({"network": keys[cost["architecture"]], "layout": layout, **kept})
    return {**old, "teacher": keys[old["teacher"]], "costs": costs}


def _student(row: Mapping[str, Any], image_size: int) -> RecordedStudent:
    stages = [row["distill"], *([row["adapt"]] if row["adapt"] else [])]
    return RecordedStudent(
        _config(json.loads(row["config"]), image_size),
        tuple(
            RecordedStage(tuple(stage["accuracies"]), tuple(stage["seconds"])) for stage in stages
        ),
        *(row[name] for name in ("validation", "test", "evaluation_seconds")),
    )


def _config(old: Mapping[str, Any], image_size: int) -> StudentConfig:
    network, method, lora = old["architecture"], old["method"], old["adaptation"]
    # Without a teacher the space had, and has, alpha 0.
    plain = method["kind"] == "plain"
    taught = Logit(alpha=0) if plain else Logit(method["alpha"], method["temperature"])
    distill = Distill(method=taught, **old["schedule"])
    adapt = []
    if lora["kind"] == "lora":
        own = {name: lora[name] for name in ("rank", "lora_alpha", "dropout", "targets")}
        adapt = [Adapt(**own, **lora["schedule"])]
    return StudentConfig(
        Network(network["name"], network["width"], network["stem"], image_size),
        (distill, *adapt),
        old["seed"],
    )


def rename_digests(path: Path, renamed: Mapping[str, str]) -> None:
    """Give the runs in `path` the new digests of their tables."""
    with gzip.open(path, "rt", encoding="utf-8") as file:
        runs = [json.loads(line) for line in file]
    for run in runs:
        run["digest"] = renamed.get(run["digest"], run["digest"])
    with gzip.GzipFile(path, "wb", mtime=0) as file:
        for run in runs:
            file.write(json.dumps(run, separators=(",", ":")).encode() + b"\n")


if __name__ == "__main__":
    run_script(main)
