"""A store of stages gives what was put, whole or not at all; one that is away costs little."""

import socket
import sys
import time
import zipfile
from pathlib import Path

import fsspec
import pytest

from objectives.chain.stage_store import StageStore
from objectives.sealed_folder import open_sealed, seal, writing_aside
from spaces import InputError
from tests.cut_off import Door

NAME = "entries/stage"


def sealed(parent: Path, text: str = "weights" * 1000) -> Path:
    folder = parent / "stage"
    with writing_aside(folder) as aside:
        (aside / "deep").mkdir()
        (aside / "deep" / "weights").write_text(text)
        seal(aside, folder, {"accuracy": 0.5})
    return folder


def fetched(store: StageStore, into: Path) -> Path | None:
    into.mkdir(exist_ok=True)
    return store.fetch(NAME, into)


def never(words: str) -> None:
    raise AssertionError(words)


def write_object(url: str, content: bytes) -> None:
    files, root = fsspec.core.url_to_fs(url, skip_instance_cache=True)
    files.pipe_file(f"{root}/{NAME}", content)


def read_object(url: str) -> bytes:
    files, root = fsspec.core.url_to_fs(url, skip_instance_cache=True)
    return bytes(files.cat_file(f"{root}/{NAME}"))


def is_fetched_soon(store: StageStore, into: Path) -> bool:
    until = time.monotonic() + 60
    while time.monotonic() < until:
        if fetched(store, into) is not None:
            return True
        time.sleep(0.2)
    return False


def test_what_was_put_is_fetched_elsewhere(store_url: str, tmp_path: Path) -> None:
    store = StageStore(store_url, never)
    assert fetched(store, tmp_path / "before") is None
    assert store.put(NAME, sealed(tmp_path))
    found = fetched(StageStore(store_url, never), tmp_path / "after")
    assert found is not None
    assert found.name == "stage"
    assert (found / "deep" / "weights").read_text() == "weights" * 1000
    assert (content := open_sealed(found)) is not None
    assert content.notes == {"accuracy": 0.5}
    store.drop(NAME)
    store.drop(NAME)
    assert fetched(store, tmp_path / "dropped") is None


def test_a_file_is_moved_into_place_and_nothing_stays_beside_it(tmp_path: Path) -> None:
    store = StageStore((tmp_path / "shared").as_uri(), never)
    folder = sealed(tmp_path)
    assert store.put(NAME, folder)
    assert store.put(NAME, folder)
    assert [path.name for path in (tmp_path / "shared" / "entries").iterdir()] == ["stage"]
    assert {path.name for path in tmp_path.iterdir()} == {"shared", "stage"}


def zip_of(tmp_path: Path, files: dict[str, bytes]) -> bytes:
    with zipfile.ZipFile(tmp_path / "made.zip", "w") as packed:
        for name, content in files.items():
            packed.writestr(name, content)
    return (tmp_path / "made.zip").read_bytes()


@pytest.mark.parametrize("harm", ["empty", "cut", "flip", "first bytes", "no zip"])
def test_a_damaged_object_is_not_there_until_it_is_put_again(
    store_url: str, tmp_path: Path, harm: str
) -> None:
    store = StageStore(store_url, never)
    assert store.put(NAME, sealed(tmp_path))
    content = read_object(store_url)
    middle = len(content) // 2
    flipped = content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]
    harmed = {
        "empty": b"",
        "cut": content[:-1],
        "flip": flipped,
        "first bytes": content[:100],
        "no zip": b"<html>Sign in to this network</html>",
    }
    write_object(store_url, harmed[harm])
    assert fetched(store, tmp_path / "damaged") is None
    assert store.put(NAME, tmp_path / "stage")
    assert fetched(store, tmp_path / "whole") is not None


@pytest.mark.parametrize(
    "name",
    ["../outside", "stage/../../outside", "/tmp/outside", "stage\\..\\..\\outside", "C:/outside"],
)
def test_an_object_whose_names_leave_the_folder_is_not_there(tmp_path: Path, name: str) -> None:
    url = (tmp_path / "shared").as_uri()
    store = StageStore(url, never)
    assert store.put(NAME, sealed(tmp_path))
    with zipfile.ZipFile(tmp_path / "shared" / NAME) as packed:
        files = {file: packed.read(file) for file in packed.namelist()}
    write_object(url, zip_of(tmp_path, files | {name: b"evil"}))
    before = set(tmp_path.rglob("*"))
    assert fetched(store, tmp_path / "into") is None
    new = {path.name for path in set(tmp_path.rglob("*")) - before}
    assert new == {"into", "packed.zip"}


def test_a_file_that_was_not_sealed_makes_an_object_nobodys(tmp_path: Path) -> None:
    url = (tmp_path / "shared").as_uri()
    store = StageStore(url, never)
    assert store.put(NAME, sealed(tmp_path))
    with zipfile.ZipFile(tmp_path / "shared" / NAME) as packed:
        files = {file: packed.read(file) for file in packed.namelist()}
    write_object(url, zip_of(tmp_path, files | {"stage/more": b"more"}))
    assert fetched(store, tmp_path / "into") is None


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("", "is s3://BUCKET/FOLDER, gs://BUCKET/FOLDER or file:///FOLDER, got"),
        ("/mnt/shared", "or file:///FOLDER, got /mnt/shared"),
        ("s3://", "or file:///FOLDER, got s3://"),
        ("file://folder/stages", "or file:///FOLDER, got file://folder/stages"),
        ("nosuch://bucket/x", r"Protocol not known: nosuch; pip install 'distilfront\[shared\]'"),
        ("no\nsuch://bucket/x", r"no\\nsuch"),
        ("ftp2://me:secret@host/x", r"ftp2://me:\*\*\*@host/x cannot be opened"),
    ],
)
def test_a_url_that_cannot_be_opened_is_one_line(url: str, words: str) -> None:
    with pytest.raises(InputError, match=words) as caught:
        StageStore(url, never)
    assert len(str(caught.value).splitlines()) == 1
    assert "secret" not in str(caught.value)


def test_a_library_that_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "gcsfs", None)
    with pytest.raises(InputError, match=r"gs://bucket/x cannot be opened: .*gcsfs.*; pip install"):
        StageStore("gs://bucket/x", never)


def test_a_store_that_is_away_is_told_of_once_and_used_when_it_is_back(
    s3_door: tuple[Door, str], tmp_path: Path
) -> None:
    door, url = s3_door
    door.shuts()
    told: list[str] = []
    store = StageStore(url, told.append, away_s=0.5)
    folder = sealed(tmp_path)
    assert not store.put(NAME, folder)
    assert told[0].startswith(f"the shared cache {url} is away (")
    assert told[0].endswith("): nothing is shared until it is back")
    begun = time.monotonic()
    assert fetched(store, tmp_path / "away") is None
    assert not store.put(NAME, folder)
    assert time.monotonic() - begun < 0.1  # Not even tried.
    assert not store.stays_away
    time.sleep(0.5)
    assert not store.put(NAME, folder)
    assert store.stays_away
    door.opens()
    assert StageStore(url, never).put(NAME, folder)
    assert is_fetched_soon(store, tmp_path / "back")
    assert not store.stays_away
    assert told[1:] == [f"the shared cache {url} is back"]


def test_a_store_that_never_answers_costs_its_short_limit_once(
    s3_door: tuple[Door, str], tmp_path: Path
) -> None:
    door, url = s3_door
    store = StageStore(url, (told := []).append, ask_s=3.0, away_s=1.0)
    assert StageStore(url, never).put(NAME, sealed(tmp_path))
    door.shuts()
    with socket.create_server(("127.0.0.1", door.port)):  # The system accepts, and nobody reads.
        begun = time.monotonic()
        assert not store.put(NAME, tmp_path / "stage")
        assert fetched(store, tmp_path / "hanging") is None
        assert 2.9 < time.monotonic() - begun < 4.5
    (words,) = told
    assert "is away (TimeoutError: no answer within 3 s): nothing is shared until" in words
    door.opens()
    assert is_fetched_soon(store, tmp_path / "back")


@pytest.mark.usefixtures("s3_door")
def test_a_bucket_that_is_not_there_is_told_of(tmp_path: Path) -> None:
    store = StageStore("s3://nosuchbucket/x", (told := []).append)
    assert fetched(store, tmp_path / "into") is None
    assert not store.put(NAME, sealed(tmp_path))
    (words,) = told
    assert "bucket does not exist" in words


def test_a_folder_that_cannot_be_written_is_told_of(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    store = StageStore((tmp_path / "file" / "shared").as_uri(), (told := []).append)
    assert not store.put(NAME, sealed(tmp_path))
    assert len(told) == 1


def test_a_stage_that_is_gone_is_not_put_and_nobody_is_to_blame(tmp_path: Path) -> None:
    store = StageStore((tmp_path / "shared").as_uri(), never)
    assert not store.put(NAME, tmp_path / "gone")
