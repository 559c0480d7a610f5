"""Far more than 300 bad inputs: each is one line and exit code 2, and leaves nothing behind.

    python -m pytest -m long -s tests/search/test_three_hundred_bad_inputs.py

What is tried are all keys that are declared times all that no key can take, and so on for options,
files and storages. What would be right by chance stands in RIGHT. All run in this process: a
command that took a bad input would go on to train, and meets a wire instead.
"""

import json
import math
import pickle
import shutil
import sqlite3
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import optuna
import pytest
import tomli_w

from search.cli import Recipe
from spaces import DEFAULT_CHAIN, ChainConfig, keys_of, scheme_named
from studies import StudyConfig, parse_study
from studies.records import StudyAttr
from tests.search.commands_run import refused
from tests.search.searching import STUDY, Searched

pytestmark = pytest.mark.long

LONG, VERY_LONG = "x" * 300, "x" * 5000
HUGE = 10**400
NUMBERS = (math.inf, math.nan, -1, 0, 1e9, 1e-12, HUGE)
TEXTS = ("", "absurd", ":", "a\0b", "a\nb", VERY_LONG)
LISTS: tuple[list[Any], ...] = ([], [[]], [[1]], [math.inf], [1_000_000], [":"], [{}], [HUGE])
RANGES = tuple(
    {"low": 0, "high": high, "step": step} for high, step in ((1, 1e-12), (math.inf, 1), (HUGE, 1))
)
ABSURD = (*NUMBERS, True, *TEXTS, *LISTS, {"a": 1}, *RANGES)

TABLES = frozenset(
    {"data", "teacher", "teacher.training", "chain", "runtime", "pruning", "sampler", "costs"}
    | {"bounds", "space", *(f"space.{each}" for each in ("network", *DEFAULT_CHAIN, "quantize"))}
)
RIGHT: Mapping[str, tuple[Any, ...]] = {
    **dict.fromkeys(TABLES, ({"a": 1}, *RANGES)),  # A fault for each of their keys.
    "name": ("absurd",),
    "objectives": (),
    "seed": (0, 1e9),
    "least_gain_per_hour": (0, 1e-12),
    "modules": ([], [":"]),
    "data.root": ("", "absurd", ":"),
    "data.split_seed": (0, 1e9),
    "data.augment": (True,),
    "data.views": (0,),
    "data.white_level": (1e9,),
    "teacher.training.weight_decay": (0, 1e-12),
    "pruning.audit_share": (0, 1e-12),
    "bounds.accuracy_of_teacher": (1e-12,),
    **dict.fromkeys(
        ("space.distill.alpha", "space.adapt.dropout", "space.distill.weight_decay"), (0, 1e-12)
    ),
    "space.adapt.weight_decay": (0, 1e-12),
    "space.adapt.rank": (0,),
}
"""What a key may well have."""


@dataclass(frozen=True)
class Case:
    """A command that must refuse, with the files that it is run beside."""

    words: tuple[object, ...]
    files: Mapping[str, bytes] = field(default_factory=dict)
    what: str = ""
    """Is wrong in the files."""

    @property
    def shown(self) -> str:
        return f"{' '.join(map(repr, self.words))[:200]} {self.what[:80]}"


@pytest.fixture(autouse=True)
def _wires(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let nothing begin: what comes so far was taken for right."""

    def begins(*_: object, **__: object) -> None:
        raise AssertionError("it was taken for right")

    monkeypatch.setattr("search.workers.LocalLauncher", begins)
    monkeypatch.setattr("wsgiref.simple_server.make_server", begins)
    for name in ("teacher", "train_student", "evaluate"):
        monkeypatch.setattr(f"objectives.chain.workbench.Workbench.{name}", begins)


@pytest.fixture
def begun(begun: Path) -> Path:
    """The finished study, with files that options may name by mistake, and the model of a point."""
    for each in (begun / "runs" / "tiny").iterdir():
        if each.name != "study.db":
            shutil.rmtree(each) if each.is_dir() else each.unlink()
    return furnished(begun)


@pytest.fixture
def place(place: Path) -> Path:
    return furnished(place)


def furnished(folder: Path) -> Path:
    (folder / "file").write_text("a diary")
    (folder / "empty").mkdir()
    (folder / "dangling").symlink_to("nowhere")
    (folder / "dangling.toml").symlink_to("nowhere.toml")
    (folder / "loop").symlink_to("loop")
    (folder / "model.toml").write_text(recipe().to_toml())
    with sqlite3.connect(folder / "music.db") as connection:
        connection.execute("CREATE TABLE songs (title TEXT)")
    connection.close()
    return folder


def study() -> StudyConfig:
    return parse_study(tomllib.loads(STUDY), "tiny.toml")


def recipe() -> Recipe:
    student, scheme = next(study().search_space().students()), scheme_named("int8_static")
    return Recipe(study().setup(), ChainConfig(student, scheme), scheme, "tiny", 3, {"a": "b"})


def check(cases: Iterable[Case], place: Path, words: str = "") -> None:
    """Run the cases, and say of all at once which were not refused as they should be.

    words: that each refusal has.
    """
    escaped, tried = [], 0
    for case in cases:
        for name, content in case.files.items():
            (place / name).write_bytes(content)
        tried += 1
        before = set(place.rglob("*"))
        try:
            said = refused(*case.words, cwd=place)
            assert len(said) <= 2_600
            assert "Traceback" not in said
            assert words in said
        except Exception as error:  # noqa: BLE001 - told with all others
            escaped.append(f"{case.shown}\n    {type(error).__name__}: {str(error)[:400]}")
            for left in sorted(set(place.rglob("*")) - before):
                shutil.rmtree(left) if left.is_dir() else left.unlink(missing_ok=True)
    print(f"{tried} bad inputs, {len(escaped)} not refused as they should be")
    assert not escaped, "\n".join(escaped)


def keys_of_file() -> list[str]:
    """Return every key that a study file can have, its tables too."""
    schema = StudyConfig.model_json_schema()

    def of(table: Mapping[str, Any], prefix: str) -> Iterator[str]:
        for name, declared in table["properties"].items():
            if name == "space":
                continue
            yield f"{prefix}{name}"
            for each in (declared, *declared.get("anyOf", ()), *declared.get("allOf", ())):
                if "$ref" in each:
                    kind = each["$ref"].rpartition("/")[2]
                    yield from of(schema["$defs"][kind], f"{prefix}{name}.")

    found = [*of(schema, ""), "space", *(f"space.{name}" for name in keys_of(DEFAULT_CHAIN))]
    assert set(found) | TABLES == {*found, *TABLES}
    return [*dict.fromkeys((*found, *sorted(TABLES)))]


def changed(values: Mapping[str, Any], key: str, value: Any) -> dict[str, Any]:
    """Return tables with one value changed; a number in the key is an index."""
    copied: Any = deepcopy(dict(values))
    *path, last = key.split(".")
    table = copied
    for part in path:
        table = table[int(part)] if isinstance(table, list) else table.setdefault(part, {})
    table[int(last) if isinstance(table, list) else last] = value
    return dict(copied)


def toml(values: Mapping[str, Any]) -> bytes:
    return tomli_w.dumps(values).encode()


def alike(one: object, other: object) -> bool:
    return type(one) is type(other) and one == other


def of_file(content: bytes, what: str) -> Case:
    return Case(("run", "--study", "bad.toml"), {"bad.toml": content}, what)


def absurd(key: str, right: Mapping[str, tuple[Any, ...]] = RIGHT) -> list[Any]:
    return [one for one in ABSURD if not any(alike(one, each) for each in right.get(key, ()))]


def test_every_key_of_a_study_file(place: Path) -> None:
    values = tomllib.loads(STUDY)
    cases = [
        of_file(toml(changed(values, key, value)), f"{key} = {value!r}")
        for key in keys_of_file()
        for value in absurd(key)
    ]
    assert len(cases) > 1_000
    check(cases, place)


def test_study_files_that_are_none(place: Path) -> None:
    texts = (
        "name = ", "[[data]]\n[data]", "[data]\n[data]", "\0", "=", "seed = 2026-13-01", "a\nb = 1",
        f"seed = 1{'0' * 5000}", f"seed = {'[' * 5000}", f"seed = {'[' * 90}{']' * 90}",
        f"{STUDY}\n[a{'.a' * 2000}]", f'"a\\nb" = 1\n{STUDY}', f"{'x' * 5000} = 1\n{STUDY}",
        STUDY.replace("[chain]", "[chains]"), f"width = 1\n{STUDY}", STUDY.replace('"tiny"',
        "tiny"),
        STUDY.replace("[space.adapt]", "[space.adopt]"), STUDY.replace('name = "digits"', ""),
        f"{STUDY}\n[space.finetune]\nepochs = 1", STUDY.replace('name = "tiny"', ""),
        STUDY.replace('stages = ["distill", "adapt"]', 'stages = ["adapt", "distill"]'),
        STUDY.replace('"fp16"', '"fp17"'), STUDY.replace("seed = 7", "seed = 2026-01-01"),
        STUDY.replace("seed = 7", "seed = 07:30:00"), STUDY.replace("[bounds]", "[bounds.bounds]"),
    )  # fmt: skip
    files = [*(text.encode() for text in texts), b"\xff\xfe\x00", b"PK\x03\x04", bytes(range(256))]
    check([of_file(each, repr(each[-60:])) for each in files], place)


def test_overrides(place: Path) -> None:
    overrides = (
        "", "=", "=3", "seed", "seed.=3", ".seed=3", "seed.of=3", "space=3", "name=", "name=..",
        "name=a/b", "name=a b", f"name={LONG}", "name=\udcff", "data.root=\udcff", "data=[",
        "data={",
        f"seed=1{'0' * 5000}", f"a{'.a' * 2000}=1", VERY_LONG, f"{VERY_LONG}=1", "seed=inf",
        "a\nb=1",
        "trials=nan", "workers=1e9", "space.adapt.rank=[1000000]",
        "space.distill.learning_rate=[inf]",
        "data.train_limit=1", "data.train_limit=19", "data.validation_limit=3", "data.test_limit=9",
        "teacher.weights=", "modules=", "modules=~nobody-of-this-name", "data.name=imagefolder:",
        "data.name=imagefolder:~nobody-of-this-name", f"data.name=imagefolder:{LONG}",
        f"data.name=imagefolder:{VERY_LONG}", "data.name=imagefolder:loop",
        "data.name=imagefolder:file", "data.name=imagefolder:empty", "data.validation=file",
        "data.classes=file", "data.classes=empty", "data.classes=loop", "data.classes=dangling",
        'data.classes=["a", "b"]', "data.class_weights=[1, 2]", "space.network.architecture=a:b",
        "space.network.architecture=..:b", "space.network.architecture=.a:b",
        "space.network.architecture=os:path", "space.network.architecture=os:nothing",
        "space.network.architecture=timm:", "space.network.architecture=a b:c d",
        'teacher.architecture="a:"', 'teacher.architecture=":b"', "teacher.architecture=json:loads",
    )  # fmt: skip
    check([Case(("run", "--study", "tiny.toml", "--set", each)) for each in overrides], place)


def test_spaces_that_are_too_large(place: Path) -> None:
    many = {"low": 0.01, "high": 1.0, "step": 0.001}
    spaces = (
        {"width": many, "image_size": {"low": 8, "high": 1024, "step": 8}},
        {"width": list(range(1, 2000))},
        {"width": [1 + one / 1000 for one in range(900)], "image_size": [8, 16, 32]},
    )
    values = tomllib.loads(STUDY)
    cases = []
    for each in spaces:
        network = {**values["space"]["network"], **each}
        cases.append(of_file(toml(changed(values, "space.network", network)), repr(network)))
    check(cases, place)


WRONG_NUMBERS = (
    "inf",
    "nan",
    "-1",
    "1e9",
    "1e400",
    str(HUGE),
    "true",
    "",
    "x",
    "[]",
    "[[1]]",
    "0x1",
)
WRONG_NAMES = (
    "", " ", ".", "..", "a/b", "../x", "/", LONG, VERY_LONG, "a\0b", "a\nb", "\udcff", "nobody's",
    "-", "[]", "nan", "missing.toml", ".toml", f"{LONG}.toml", f"{VERY_LONG}.toml", "a\0b.toml",
    "empty", "dangling.toml", "loop", "missing/tiny.toml", "file/tiny.toml", "\udcff.toml",
)  # fmt: skip
WRONG_PATHS = (LONG, VERY_LONG, "a\0b", "file", "file/below", "loop", "loop/below")
WRONG_TIMES = (*WRONG_NUMBERS, "0", "0s", "-5m", "soon", "1h-2m", "1e308d", "5 minutes", "9" * 400)
WRONG_STORAGES = (
    "oracle://", "oracle://h/d", "mssql+pyodbc://h/d", "duckdb:///x", "mongodb://h/d", "http://h",
    "sqlite://", "sqlite:///", "sqlite:///:memory:", "sqlite:///missing/x.db", "sqlite:///file",
    "sqlite:///empty", "sqlite:///music.db", "sqlite:///loop", f"sqlite:///{LONG}",
    f"sqlite:///{VERY_LONG}", "sqlite:///a\0b", "sqlite+nosuch:///x.db", "sqlite+aiosqlite:///x.db",
    "sqlite+pysqlcipher:///x.db", "postgresql://127.0.0.1:9/x", "postgresql://h:port/x",
    "postgresql://127.0.0.1:99999/x", "postgresql+nosuch://127.0.0.1/x",
    "postgresql+asyncpg://127.0.0.1:9/x", "postgresql+psycopg2://127.0.0.1:9/x", "mysql://h/d",
    "postgresql://127.0.0.1:9/x?nonsense=1", "mysql+nosuch://h/d", "://", "a://", ":///x", "",
    " ", "file", "empty", "music.db", "loop", LONG, VERY_LONG, "a\0b",
)  # fmt: skip


def options(command: str, *rest: object, **wrong: Iterable[object]) -> Iterator[Case]:
    """Yield a command with each of the wrong values of each option."""
    for name, values in wrong.items():
        for value in values:
            yield Case((command, *rest, f"--{name.replace('_', '-')}={value}"))
    yield Case((command, *rest, "--no-such-option"))
    yield Case((command, *rest, "one", "two", "three", "four"))
    yield Case((command, *rest, f"--{next(iter(wrong)).replace('_', '-')}"))


def test_options_of_run(place: Path) -> None:
    cases = options(
        "run", "--study=tiny.toml", trials=(*WRONG_NUMBERS, "0", "1.5"),
        workers=(*WRONG_NUMBERS, "0", "1.5"), seed=(*(n for n in WRONG_NUMBERS if n != "1e9"),
        "1.5"),
        least_gain=WRONG_NUMBERS, timeout=WRONG_TIMES, runs_dir=WRONG_PATHS,
        sampler=("", "best", "TPE", "[]", LONG), pruner=("", "best", "hyperband", "[]", LONG),
        costs=(*WRONG_PATHS, "missing.json", "empty", "tiny.toml", "dangling"),
        storage=WRONG_STORAGES,
    )  # fmt: skip
    check([*cases, *options("run", study=WRONG_NAMES)], place)


@pytest.mark.parametrize(
    "command", ["status", "report", "export", "confirm", "dashboard", "profile"]
)
def test_studies_that_are_none(begun: Path, command: str) -> None:
    check(options(command, study=WRONG_NAMES), begun)


@pytest.mark.parametrize("command", ["status", "export", "clean"])
def test_storages_that_are_none(begun: Path, command: str) -> None:
    (begun / "runs" / "cache" / "stages" / "entries").mkdir(parents=True)
    (begun / "runs" / "cache" / "stages" / "entries" / "one").write_text("to be cleaned")
    study = () if command == "clean" else ("--study=tiny",)
    check(options(command, *study, storage=WRONG_STORAGES), begun)


def test_options_of_commands_that_look_at_a_study(begun: Path) -> None:
    taken = ("runs", "tiny.toml", ".", "..", "/", "/proc/none", "dangling")
    limits = ("inf", "nan", "-1", "1e400", "x", "", "[]", "true")
    cases = [
        *options("status", "--study=tiny", runs_dir=(*WRONG_PATHS, "missing", "empty", "dangling")),
        *options("report", "--study=tiny", out=(*WRONG_PATHS, "/proc/none", "dangling")),
        *options(
            "export", "--study=tiny", pick=("", "best", "-1", "4000", "1e9", str(HUGE), "1.5",
            "²", "1" * 5000),
            min_accuracy=(*limits, "2", "1e9"), max_size_mb=(*limits, "1e-12"),
            max_latency_ms=(*limits, "1e-12"), pixels=("", "int8", "true"),
            out=(*WRONG_PATHS, *taken),
        ),
        *options(
            "confirm", "--study=tiny", repeats=(*WRONG_NUMBERS, "0"), timeout=WRONG_TIMES,
            doubt=(*WRONG_NUMBERS, "0"),
        ),
        *options("dashboard", "--study=tiny", port=(*WRONG_NUMBERS, "0", "65536")),
        *options("profile", "--study=tiny.toml", out=(*WRONG_PATHS, *taken),
            runs_dir=(LONG, VERY_LONG, "a\0b"),
            set=("seed=inf", "costs.calls=1e9", "costs.processes=0", "seed", "a=1")),
    ]  # fmt: skip
    check(cases, begun)


def test_options_of_retrain(place: Path) -> None:
    cases = options(
        "retrain", "model.toml", epochs=(*WRONG_NUMBERS, "0", "1.5"), pixels=("", "int8", "true"),
        seeds=("", "x", "1,1", "-1", "1.5", "inf", "1,", str(HUGE), "1" * 5000, "4294967296",
        "[1]"),
        out=(*WRONG_PATHS, "tiny.toml", ".", "/", "/proc/none", "dangling"),
        runs_dir=(*WRONG_PATHS, "dangling", "/proc/none"),
    )  # fmt: skip
    files = ("missing.toml", "empty", "dangling", "tiny.toml", "music.db", *WRONG_PATHS)
    check([*cases, *(Case(("retrain", each)) for each in files), Case(("retrain",))], place)


def test_options_of_new(place: Path) -> None:
    from PIL import Image

    for number in range(24):
        folder = place / "photos" / "ab"[number % 2]
        folder.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (40, 40), (number, number, number)).save(folder / f"{number}.png")
    (place / "one" / "a").mkdir(parents=True)
    (place / "garbage.pth").write_bytes(b"garbage")
    (place / "nothing.safetensors").write_bytes(b"")
    (place / "object.pth").write_bytes(pickle.dumps({"a": Path}))
    checkpoints = (
        "missing.pth",
        "empty",
        "dangling",
        "garbage.pth",
        "nothing.safetensors",
        "object.pth",
    )
    images = (*WRONG_PATHS, "missing", "empty", "one", "dangling", "")
    cases = [
        *(Case(("new", each, "--out=new.toml")) for each in images),
        *(Case(("new", "photos", each)) for each in (*WRONG_PATHS, *checkpoints)),
        *options(
            "new", "photos", architecture=("", ":", "a:b", "absurd", "timm:", "a\0b", VERY_LONG),
            out=(
                "tiny.toml", "dangling.toml", "study.txt", "", "empty", "missing/x.toml", ".toml/x",
                f"{LONG}.toml", f"{VERY_LONG}.toml", "a\0b.toml", "/proc/none.toml", "loop/x.toml",
                "file/x.toml",
            ),
        ),
        Case(("new",)),
    ]  # fmt: skip
    check(cases, place)


def leaves(values: Any, prefix: str = "") -> Iterator[str]:
    """Yield the dotted keys of everything within tables and lists of tables."""
    inside = values.items() if isinstance(values, dict) else enumerate(values)
    for name, value in inside:
        yield f"{prefix}{name}"
        if isinstance(value, dict) or (isinstance(value, list) and any(map(is_table, value))):
            yield from leaves(value, f"{prefix}{name}.")


def is_table(value: object) -> bool:
    return isinstance(value, dict)


def damaged(values: Any, right: Mapping[str, tuple[Any, ...]]) -> Iterator[tuple[str, Any]]:
    """Yield what tables of a file become with one value that it cannot have, and which that is."""
    for key in leaves(values):
        for value in (*NUMBERS, *TEXTS, *LISTS, {"a": 1}):
            if not any(alike(value, each) for each in right.get(key.rpartition(".")[2], ())):
                yield f"{key} = {value!r}", changed(values, key, value)


def test_recipes_that_are_damaged(place: Path) -> None:
    whole = tomllib.loads(recipe().to_toml())
    origin = {name: whole.pop(name) for name in ("study", "trial", "digest")}
    right = {
        "root": TEXTS, "modules": ([], [":"]), "augment": (0,), "views": (0,),
        "weight_decay": (0, 1e-12),
        "seed": (0, 1e9), "split_seed": (0, 1e9), "alpha": (0, 1e-12), "dropout": (0, 1e-12),
        "inputs": ({"a": 1},),
        "a": TEXTS,
    }  # fmt: skip
    cases = [
        Case(("retrain", "bad.toml"), {"bad.toml": toml({**origin, **values})}, what)
        for what, values in damaged(whole, right)
    ]
    check(cases, place)


def test_records_that_are_damaged(begun: Path) -> None:
    url = f"sqlite:///{begun / 'runs' / 'tiny' / 'study.db'}"
    record = optuna.load_study(study_name="tiny", storage=url)
    config = record.user_attrs[StudyAttr.CONFIG]
    records: list[tuple[str, Any]] = [
        (f"{key} = {value!r}", changed(config, key, value))
        for key in leaves(config)
        for value in ([[[]]], {"a": 1}, -9)
    ]
    records += [(repr(each), each) for each in (None, [], 3, "x", {}, {"chain": {"stages": [[]]}})]

    def cases() -> Iterator[Case]:
        for what, values in records:
            record.set_user_attr(StudyAttr.CONFIG.value, values)
            yield Case(("status", "--study=tiny"), what=what)

    check(cases(), begun, "the study's record is damaged")


def test_costs_that_are_damaged(searched: Searched, place: Path) -> None:
    whole = json.loads(searched.costs.read_text())
    right = {
        "warmup": (0,), "flops": (0, 1e9), "parameters": (0, 1e9), "size_bytes": (1e9,),
        **dict.fromkeys(whole["device"], ("", "absurd", ":", VERY_LONG)),
    }  # fmt: skip
    cases = [
        Case(
            ("run", "--study=tiny.toml", "--costs=bad.json"),
            {"bad.json": json.dumps(values).encode()},
            what,
        )
        for what, values in damaged(whole, right)
        if not what.startswith("artifacts.") or what.startswith("artifacts.0")
    ]
    check(cases, place)
