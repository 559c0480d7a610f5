import multiprocessing
import os
import signal
import sys
import time
from contextlib import ExitStack

import pytest

from objectives.chain.cache import StageCache
from spaces import InputError

MANY = 2**40
SPAWN = multiprocessing.get_context("spawn")


def _builds(text, told=None):
    def build(draft):
        if told is not None:
            told.append(text)
        with draft.publishing({"text": text[:3]}) as folder:
            (folder / "result").write_text(text)
        return True

    return build


def _obtain(cache, key, build):
    with ExitStack() as leases:
        return cache.obtain(key, build, leases)


def _never(draft):
    raise AssertionError(f"{draft.key} must not be built")


def test_a_stage_is_built_once_and_found_by_others(tmp_path):
    entry = _obtain(StageCache(tmp_path, MANY), "a", _builds("one"))
    assert (entry.path("result").read_text(), entry.notes) == ("one", {"text": "one"})
    other = StageCache(tmp_path, MANY)
    assert other.has("a")
    assert not other.has("b")
    assert _obtain(other, "a", _never) == entry


def test_a_stage_left_unfinished_keeps_its_checkpoint(tmp_path):
    cache = StageCache(tmp_path, MANY)
    seen = []

    def build(draft):
        found = draft.checkpoint()
        epoch = 0 if found is None else found.notes["epoch"]
        seen.append(epoch)
        with draft.saving_checkpoint(epoch + 1, {"epoch": epoch + 1}) as folder:
            (folder / "state").write_text("x")
        return False

    assert [_obtain(cache, "a", build) for _ in range(3)] == [None] * 3
    assert seen == [0, 1, 2]
    assert not cache.has("a")


@pytest.mark.parametrize("harm", ["cut", "flip", "manifest", "remove"])
def test_a_damaged_entry_is_set_aside_and_built_again(tmp_path, harm):
    entry = _obtain(StageCache(tmp_path, MANY), "a", _builds("one"))
    file = entry.path("manifest.json" if harm == "manifest" else "result")
    content = file.read_bytes()
    if harm == "remove":
        file.unlink()
    else:
        file.write_bytes(content[:-1] + (b"" if harm == "cut" else b"#"))
    told = []
    again = _obtain(StageCache(tmp_path, MANY), "a", _builds("two", told))
    assert told == ["two"]
    assert again.path("result").read_text() == "two"
    assert entry.folder.with_name("a.damaged").is_dir()


def test_a_damaged_checkpoint_is_set_aside(tmp_path):
    cache = StageCache(tmp_path, MANY)

    def save(draft):
        with draft.saving_checkpoint(4, {}) as folder:
            (folder / "state").write_text("whole")
        return False

    _obtain(cache, "a", save)
    next(tmp_path.rglob("state")).write_text("wrong")
    found = []
    _obtain(cache, "a", lambda draft: bool(found.append(draft.checkpoint())))
    assert found == [None]


def test_a_build_that_fails_leaves_no_entry_and_no_lock(tmp_path):
    cache = StageCache(tmp_path, MANY)

    def fail(draft):
        with draft.publishing({}) as folder:
            (folder / "result").write_text("half")
            raise ArithmeticError

    with pytest.raises(ArithmeticError):
        _obtain(cache, "a", fail)
    assert not cache.has("a")
    assert _obtain(cache, "a", _builds("whole")).path("result").read_text() == "whole"


def _fill(cache, keys, size):
    for number, key in enumerate(keys):
        entry = _obtain(cache, key, _builds("x" * size))
        os.utime(entry.folder, (number, number))


def test_the_least_recently_used_go_first_but_never_leased_or_kept_ones(tmp_path):
    cache = StageCache(tmp_path, MANY)
    _fill(cache, "abcdef", 10_000)
    small = StageCache(tmp_path, 35_000)
    small.keep = frozenset("b")
    with ExitStack() as leases:
        cache.obtain("a", _never, leases)
        small.evict()
        assert [key for key in "abcdef" if cache.has(key)] == ["a", "b", "f"]
    StageCache(tmp_path, 15_000).evict()
    assert [key for key in "abcdef" if cache.has(key)] == ["a"]  # the one used last


def test_a_look_up_is_fast(tmp_path):
    cache = StageCache(tmp_path, MANY)
    for key in map(str, range(50)):
        _obtain(cache, key, _builds("x" * 1000))
    begun = time.perf_counter()
    for key in map(str, range(50)):
        _obtain(cache, key, _never)
    assert (time.perf_counter() - begun) / 50 < 0.005


def _slow_builder(folder, log):
    def build(draft):
        with log.open("a") as lines:
            lines.write("begun\n")
        time.sleep(0.3)
        return _builds("one")(draft)

    _obtain(StageCache(folder, MANY), "a", build)


def test_processes_that_want_one_stage_build_it_once(tmp_path):
    log = tmp_path / "log"
    workers = [SPAWN.Process(target=_slow_builder, args=(tmp_path, log)) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
    assert [worker.exitcode for worker in workers] == [0] * 4
    assert log.read_text() == "begun\n"


def _hangs(folder, started):
    def build(_):
        started.set()
        time.sleep(600)
        return False

    _obtain(StageCache(folder, MANY), "a", build)


@pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL")
def test_a_killed_builder_does_not_keep_its_lock(tmp_path):
    started = SPAWN.Event()
    worker = SPAWN.Process(target=_hangs, args=(tmp_path, started))
    worker.start()
    assert started.wait(60)
    os.kill(worker.pid, signal.SIGKILL)
    worker.join(60)
    assert _obtain(StageCache(tmp_path, MANY), "a", _builds("one")) is not None


def test_an_unwritable_folder_is_the_users_news(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(InputError, match="cannot be written"):
        StageCache(tmp_path / "file", MANY)


def test_a_cache_without_any_room_still_gives_what_it_builds(tmp_path):
    cache, told = StageCache(tmp_path, max_bytes=1), []
    with ExitStack() as leases:
        for key in ("a" * 64, "b" * 64):
            entry = cache.obtain(key, _builds(key, told), leases)
            assert entry.path("result").read_text() == key
    assert told == ["a" * 64, "b" * 64]
    cache.evict()
    assert not cache.has("a" * 64)
