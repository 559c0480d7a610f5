"""Disks, databases, folders and clocks that fail under a search: its trials are handed on."""

import ctypes.util
import mmap
import shutil
import struct
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from optuna.trial import TrialState

from studies.records import Attr
from tests.cut_off import door_to
from tests.search.searching import (
    Command,
    Place,
    Searched,
    assert_whole,
    curve,
    sampled,
    trials_in,
    wait_for_death,
)

pytestmark = pytest.mark.long


def has_an_epoch(place: Place) -> bool:
    return any(t.state == TrialState.RUNNING and curve(t) for t in trials_in(place))


def assert_nothing_blamed(place: Place) -> None:
    assert_whole(place)
    assert not [t for t in sampled(trials_in(place)) if t.state == TrialState.FAIL]


def assert_ends_in_words(command: Command, words: str) -> None:
    assert command.ends() == 1, command.output
    assert "Traceback" not in command.output
    assert "SELECT" not in command.output
    assert "sqlalche" not in command.output
    last = command.output.splitlines()[-1]
    assert last.startswith("distilfront: ")
    assert words in last, command.output


@pytest.mark.parametrize("away_s", [5, 30, 120])
@pytest.mark.timeout(900)
def test_a_server_that_goes_away(
    away_s: float, postgres_url: str, searched: Searched, tmp_path: Path
) -> None:
    runs = searched.prepare(tmp_path / "runs", teacher=True)
    with door_to(postgres_url) as (door, url):
        options = ("--storage", url, "--costs", str(searched.costs), "--workers", "2")
        command = Command(searched.file, runs, *options)
        command.waits_until(lambda: has_an_epoch(postgres_url))
        left = command.workers()
        door.shuts()
        threading.Timer(away_s, door.opens).start()
        if away_s < 60:
            assert command.ends() == 0, command.output
        else:
            begun = time.monotonic()
            assert_ends_in_words(command, "the same command goes on with it")
            assert 50 < time.monotonic() - begun < 100
            wait_for_death(left)
            time.sleep(max(0, begun + away_s + 1 - time.monotonic()))
            again = Command(searched.file, runs, *options, log=tmp_path / "again.out")
            assert again.ends() == 0, again.output
        assert command.output.count("it is asked again for up to 60 s") == 1
        assert_nothing_blamed(postgres_url)


def test_connections_that_are_cut_again_and_again(
    postgres_url: str, searched: Searched, tmp_path: Path
) -> None:
    runs = searched.prepare(tmp_path / "runs", teacher=True)
    with door_to(postgres_url) as (door, url):
        options = ("--storage", url, "--costs", str(searched.costs), "--workers", "2")
        command = Command(searched.file, runs, *options)
        command.waits_until(lambda: has_an_epoch(postgres_url))
        while command.process.poll() is None:
            door.cuts()
            time.sleep(0.7)
        assert command.ends() == 0, command.output
    assert_nothing_blamed(postgres_url)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 64 MB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", str(disk)]
    if shutil.which("mount") is None or subprocess.call(mount):
        pytest.skip("this user may mount nothing")
    yield disk
    subprocess.run(["umount", "--lazy", str(disk)], check=True)


def fill(disk: Path) -> Path:
    filler = disk / "filler"
    with filler.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(4096))
        except OSError:
            return filler


def test_a_disk_that_fills_up(searched: Searched, small_disk: Path, tmp_path: Path) -> None:
    runs = searched.prepare(small_disk / "runs", teacher=True)
    options = ("--costs", str(searched.costs))
    command = Command(searched.file, runs, *options, log=tmp_path / "first.out")
    command.waits_until(lambda: has_an_epoch(runs))
    filler = fill(small_disk)
    assert_ends_in_words(command, "the same command goes on with it")
    filler.unlink()
    again = Command(searched.file, runs, *options, log=tmp_path / "again.out")
    assert again.ends() == 0, again.output
    assert_nothing_blamed(runs)


def test_a_disk_that_is_read_only(searched: Searched, small_disk: Path, tmp_path: Path) -> None:
    runs = searched.prepare(small_disk / "runs", teacher=True)
    options = ("--costs", str(searched.costs))
    command = Command(searched.file, runs, *options, log=tmp_path / "first.out")
    # Not by the database: the disk is to be in use by nobody.
    partial = runs / "cache" / "stages" / "partial"
    command.waits_until(lambda: any(partial.glob("*/epoch-*")))
    wait_for_death(command.kill())
    before = sorted(small_disk.rglob("*"))
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    refused = Command(searched.file, runs, *options, log=tmp_path / "refused.out")
    assert refused.ends() in {1, 2}, refused.output
    assert "Traceback" not in refused.output
    last = refused.output.splitlines()[-1]
    assert last.startswith("distilfront: ")
    assert "read" in last.lower()
    assert sorted(small_disk.rglob("*")) == before
    subprocess.run(["mount", "-o", "remount,rw", str(small_disk)], check=True)
    again = Command(searched.file, runs, *options, log=tmp_path / "again.out")
    assert again.ends() == 0, again.output
    trials = trials_in(runs)
    assert Attr.RETRY_OF in trials[-1].user_attrs or len(trials) > 4


@pytest.mark.parametrize("what", ["runs", "study", "study.db"])
def test_a_folder_that_is_removed(what: str, searched: Searched, tmp_path: Path) -> None:
    runs = searched.prepare(tmp_path / "runs", teacher=True)
    options = ("--costs", str(searched.costs))
    command = Command(searched.file, runs, *options)
    command.waits_until(lambda: has_an_epoch(runs))
    database = runs / "tiny" / "study.db"
    removed = {"runs": runs, "study": runs / "tiny", "study.db": database}[what]
    removed.unlink() if removed.is_file() else shutil.rmtree(removed)
    assert_ends_in_words(command, "was removed or replaced while it was in use")
    assert not database.exists()
    if what == "study.db":
        refused = Command(searched.file, runs, *options)
        assert refused.ends() == 2, refused.output
        assert "put it back, or remove " in refused.output
        for left in (runs / "tiny").glob("study.db-*"):
            left.unlink()
    again = Command(searched.file, runs, *options)
    assert again.ends() == 0, again.output


CLOCK = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>

static long *ahead_s(void) {
    static long *found;
    if (!found)
        found = mmap(0, 8, PROT_READ, MAP_SHARED, open(getenv("AHEAD"), O_RDONLY), 0);
    return found;
}

int clock_gettime(clockid_t clock, struct timespec *now) {
    static int (*real)(clockid_t, struct timespec *);
    if (!real) real = dlsym(RTLD_NEXT, "clock_gettime");
    int failed = real(clock, now);
    if (clock == CLOCK_REALTIME) now->tv_sec += *ahead_s();
    return failed;
}
"""
"""Lets a program see the time of day as many seconds ahead as a file says, which may change."""


@pytest.fixture
def clock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[mmap.mmap]:
    """What is written here, a long, is how far commands are ahead of time."""
    if shutil.which("cc") is None or not ctypes.util.find_library("c"):
        pytest.skip("there is no C compiler")
    source, library, ahead = (tmp_path / name for name in ("clock.c", "clock.so", "ahead"))
    source.write_text(CLOCK)
    subprocess.run(["cc", "-shared", "-fPIC", "-o", library, source, "-ldl"], check=True)
    ahead.write_bytes(bytes(8))
    monkeypatch.setenv("AHEAD", str(ahead))
    monkeypatch.setenv("LD_PRELOAD", str(library))
    with ahead.open("r+b") as file, mmap.mmap(file.fileno(), 8) as seconds:
        yield seconds


@pytest.mark.parametrize("hours", [5, -5])
def test_a_clock_that_is_set(
    hours: int, clock: mmap.mmap, searched: Searched, tmp_path: Path
) -> None:
    runs = searched.prepare(tmp_path / "runs", teacher=True)
    options = ("--costs", str(searched.costs), "--timeout", "30m", "--workers", "2")
    command = Command(searched.file, runs, *options)
    command.waits_until(lambda: has_an_epoch(runs))
    clock[:] = struct.pack("l", hours * 3600)
    assert command.ends() == 0, command.output
    assert "the time is over" not in command.output
    assert_nothing_blamed(runs)
    assert not [t for t in trials_in(runs) if Attr.RETRY_OF in t.user_attrs]
    begun = [t.datetime_start.timestamp() for t in trials_in(runs) if t.datetime_start is not None]
    assert max(abs(each - time.time() - hours * 3600) for each in begun[-1:]) < 1800
