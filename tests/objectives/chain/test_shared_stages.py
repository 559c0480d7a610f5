"""Machines that share a store and a database make each stage once; without either they go on."""

import multiprocessing
import shutil
import time
import zipfile
from pathlib import Path

import fsspec
import pytest

from objectives.chain import shared_stages
from objectives.chain.cache import Draft
from tests.cut_off import Door, door_to
from tests.objectives.chain.machines import (
    builds,
    hangs_after_epoch_3,
    machines,
    never,
    trains,
    wants_all,
)

SPAWN = multiprocessing.get_context("spawn")


def objects(url: str) -> list[str]:
    files, root = fsspec.core.url_to_fs(url, skip_instance_cache=True)
    return sorted(found.removeprefix(root).strip("/") for found in files.find(root))


def test_what_one_machine_built_the_others_have(store_url: str, tmp_path: Path) -> None:
    with machines(tmp_path, store_url) as (one, two, three):
        assert one.text("a", builds("one")) == "one"
        assert two.text("a", never) == "one"
        assert three.text("b", builds("three")) == "three"
        assert one.text("b", never) == "three"
        assert one.told + two.told + three.told == []
    assert objects(store_url) == ["entries/a", "entries/b"]


@pytest.mark.parametrize("harm", ["cut", "flip", "hostile", "of another key"])
def test_a_damaged_object_is_built_again_and_replaced(tmp_path: Path, harm: str) -> None:
    url = (tmp_path / "shared").as_uri()
    stored = tmp_path / "shared" / "entries" / "a"
    with machines(tmp_path, url) as (one, two, three):
        one.obtain("a", builds("x" * 5000))
        content = stored.read_bytes()
        if harm == "of another key":
            one.obtain("b", builds("another"))
            shutil.copy(stored.with_name("b"), stored)
        elif harm == "hostile":
            with zipfile.ZipFile(stored, "a") as packed:
                packed.writestr("../../outside", "evil")
        else:
            middle = b"#" if harm == "flip" else b""
            stored.write_bytes(content[:2000] + middle + content[2001:])
        assert two.text("a", builds("again")) == "again"
        assert three.text("a", never) == "again"
        assert not list(tmp_path.rglob("outside"))


def test_an_entry_that_is_damaged_here_is_fetched_again(tmp_path: Path) -> None:
    with machines(tmp_path, (tmp_path / "shared").as_uri()) as (one, _, _):
        entry = one.obtain("a", builds("whole"))
        assert entry is not None
        entry.path("result").write_text("wrong")
        with machines(tmp_path, (tmp_path / "shared").as_uri()) as (again, _, _):
            assert again.text("a", never) == "whole"


def _ended(processes: list[multiprocessing.context.SpawnProcess]) -> list[int | None]:
    for one in processes:
        one.start()
    for one in processes:
        one.join(300)
    return [one.exitcode for one in processes]


def _build_all(tmp_path: Path, url: str, target: str) -> list[str]:
    log = tmp_path / "log"
    arguments = [(tmp_path / str(at), url, target, log, at % 2) for at in range(3)]
    assert _ended([SPAWN.Process(target=wants_all, args=each) for each in arguments]) == [0] * 3
    return sorted(log.read_text().split())


def test_machines_that_want_the_same_stages_build_each_once(target: str, tmp_path: Path) -> None:
    built = _build_all(tmp_path, (tmp_path / "shared").as_uri(), target)
    assert built == [str(number) for number in range(4)]


def test_machines_that_share_a_bucket_build_each_stage_once(
    s3_door: tuple[Door, str], tmp_path: Path
) -> None:
    built = _build_all(tmp_path, s3_door[1], str(tmp_path / "study.db"))
    assert built == [str(number) for number in range(4)]


def test_a_stage_left_unfinished_is_gone_on_with_elsewhere(store_url: str, tmp_path: Path) -> None:
    seen: list[int] = []
    with machines(tmp_path, store_url) as (one, two, three):
        assert one.obtain("a", trains(9, seen, stop_at=2)) is None
        assert objects(store_url) == ["partial/a"]
        assert two.obtain("a", trains(9, seen, stop_at=5)) is None
        assert one.obtain("a", trains(9, seen, stop_at=6)) is None  # Its own is older.
        assert two.obtain("a", trains(9, seen, stop_at=7)) is None
        assert three.text("a", trains(9, seen)) == "after 9"
        assert one.text("a", never) == "after 9"
    assert seen == [0, 2, 5, 6, 7]
    assert objects(store_url) == ["entries/a"]


def test_an_older_or_damaged_checkpoint_of_another_is_not_gone_on_with(tmp_path: Path) -> None:
    seen: list[int] = []
    stored = tmp_path / "shared" / "partial" / "a"
    with machines(tmp_path, (tmp_path / "shared").as_uri()) as (one, two, _):
        one.obtain("a", trains(9, seen, stop_at=2))
        older = stored.read_bytes()
        one.obtain("a", trains(9, seen, stop_at=3))
        stored.write_bytes(older)
        one.obtain("a", trains(9, seen, stop_at=4))
        assert seen == [0, 2, 3]
        stored.write_bytes(stored.read_bytes()[:-1])
        assert two.text("a", trains(9, seen)) == "after 9"
    assert seen == [0, 2, 3, 0]


def test_the_stage_of_a_machine_that_died_is_gone_on_with(target: str, tmp_path: Path) -> None:
    url, ready = (tmp_path / "shared").as_uri(), tmp_path / "ready"
    died = SPAWN.Process(target=hangs_after_epoch_3, args=(tmp_path / "dies", url, target, ready))
    died.start()
    while not ready.exists():
        assert died.is_alive()
        time.sleep(0.05)
    died.kill()
    died.join()
    seen: list[int] = []
    with machines(tmp_path, url, target, stale_s=2) as (one, _, _):
        begun = time.monotonic()
        assert one.text("a", trains(9, seen)) == "after 9"
        assert time.monotonic() - begun < 20
    assert seen == [3]


def test_checkpoints_are_not_sent_after_every_epoch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url, found = (tmp_path / "shared").as_uri(), []
    monkeypatch.setattr(shared_stages, "_SENT_EVERY_S", 0.5)

    def build(draft: Draft) -> bool:
        for epoch in range(1, 9):
            with draft.saving_checkpoint(epoch, {}):
                pass
            stored = tmp_path / "shared" / "partial" / "a"
            found.append(stored.stat().st_mtime_ns if stored.exists() else None)
            time.sleep(0.2)
        return False

    with machines(tmp_path, url) as (one, _, _):
        one.obtain("a", build)
    assert found[0] is None
    assert 2 <= len(set(found)) <= 5


def test_a_store_that_is_away_costs_sharing_alone_and_gets_all_when_it_is_back(
    s3_door: tuple[Door, str], tmp_path: Path
) -> None:
    door, url = s3_door
    door.shuts()
    with machines(tmp_path, url, ask_s=5, away_s=1.5) as (one, two, _):
        assert one.text("a", builds("a")) == "a"
        begun = time.monotonic()
        one.obtain("b", builds("b"))
        assert time.monotonic() - begun < 2
        damaged = one.obtain("damaged", builds("damaged"))
        assert damaged is not None
        damaged.path("result").unlink()
        (words,) = one.told
        assert words.startswith(f"the shared cache {url} is away (")
        door.opens()
        until = time.monotonic() + 60
        for number in range(600):
            one.obtain(f"more{number}", builds("more"))
            if len(one.told) > 1 or time.monotonic() > until:
                break
            time.sleep(0.1)
        assert one.told[1:] == [f"the shared cache {url} is back"]
        one.obtain("last", builds("last"))
        assert {"entries/a", "entries/b", "entries/last"} <= set(objects(url))
        assert two.text("a", never) == "a"


def test_nobody_waits_for_a_stage_that_a_store_which_stays_away_would_not_give(
    tmp_path: Path,
) -> None:
    (tmp_path / "file").touch()
    url = (tmp_path / "file" / "shared").as_uri()
    with machines(tmp_path, url, away_s=0.1) as (one, two, _):
        lease = one.leases.try_acquire("b")
        assert lease is not None
        with lease:
            for key in ("x", "y"):
                two.obtain(key, builds("here"))
                time.sleep(0.3)
            begun = time.monotonic()
            assert two.text("b", builds("here too")) == "here too"
            assert time.monotonic() - begun < 5


def test_a_database_that_is_away_stops_no_stage_in_training(
    postgres_url: str, tmp_path: Path
) -> None:
    url = (tmp_path / "shared").as_uri()
    with (
        door_to(postgres_url) as (door, through),
        machines(tmp_path, url, through) as (one, *_),
    ):

        def build(draft: Draft) -> bool:
            door.shuts()
            return builds("trained")(draft)

        assert one.text("a", build) == "trained"
        with machines(tmp_path, url, postgres_url) as (_, two, _):
            assert two.text("a", never) == "trained"


def test_a_build_that_fails_lets_go_of_its_lease(tmp_path: Path) -> None:
    def fail(_: Draft) -> bool:
        raise ArithmeticError

    with machines(tmp_path, (tmp_path / "shared").as_uri()) as (one, two, _):
        with pytest.raises(ArithmeticError):
            one.obtain("a", fail)
        begun = time.monotonic()
        assert two.text("a", builds("two")) == "two"
        assert time.monotonic() - begun < 5
