"""Random kills, and six commands at once: nothing is lost, drawn twice or paid for twice.

A few of each in `make long`. As many as are wanted, half of them on each storage:

    DISTILFRONT_KILLS=1000 DISTILFRONT_ROUNDS=10 pytest -m long tests/search/workers/test_soak.py
"""

import os
import random
import signal
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from optuna.trial import TrialState

from studies.records import Attr
from tests.search.searching import (
    Command,
    Place,
    Searched,
    assert_whole,
    sampled,
    trials_in,
    wait_for_death,
)

pytestmark = [pytest.mark.long, pytest.mark.timeout(6 * 3600)]

KILLS = int(os.environ.get("DISTILFRONT_KILLS", "24"))
ROUNDS = int(os.environ.get("DISTILFRONT_ROUNDS", "1"))
SEED = int(os.environ.get("DISTILFRONT_SEED", random.randrange(10**6)))
TRIALS = 8
_ALL = 0.7
"""Share of kills that end the command and its workers, as a machine does that is switched off."""
_LONGEST_S = 20.0


@contextmanager
def payments(runs: Path) -> Iterator[Mapping[str, set[int]]]:
    """Yield how often, by its path, each epoch and stage came that a cache gets in the block."""
    stages, over = runs / "cache" / "stages", threading.Event()
    seen: dict[str, set[int]] = defaultdict(set)

    def look() -> None:
        while not over.wait(0.02):
            with suppress(FileNotFoundError):  # A folder went while it was looked through.
                for path in (*stages.glob("partial/*/epoch-??????"), *stages.glob("entries/*")):
                    with suppress(FileNotFoundError):
                        seen[str(path)].add(path.stat().st_ino)

    thread = threading.Thread(target=look, daemon=True)
    thread.start()
    try:
        yield seen
    finally:
        over.set()
        thread.join()


def assert_paid_once(seen: Mapping[str, set[int]]) -> None:
    """No epoch and no stage was made twice."""
    assert [path for path, made in seen.items() if len(made) > 1] == []


def where(target: str, runs: Path) -> Place:
    """Return where a study lies that is searched in `target`, if that is a server, or in `runs`."""
    return target if "://" in target else runs


def assert_drawn_once(place: Place, name: str) -> None:
    """No two trials were drawn alike, those that go on with another not counted."""
    drawn = Counter(
        str(sorted(trial.params.items()))
        for trial in trials_in(place, name)
        if trial.user_attrs.get(Attr.ORIGIN, "sampled") == "sampled"
        and Attr.RETRY_OF not in trial.user_attrs
        and Attr.RESUMES not in trial.user_attrs
    )
    assert max(drawn.values()) == 1, drawn


@pytest.mark.parametrize("workers", [1, 3])
def test_kills_at_random_moments(
    workers: int, target: str, searched: Searched, tmp_path: Path
) -> None:
    print(f"DISTILFRONT_SEED={SEED}")
    rng = random.Random(SEED + workers)
    kills: Counter[str] = Counter()
    processes = studies = failed = 0
    begun = time.monotonic()
    while kills.total() < KILLS // 4:
        studies += 1
        runs = searched.prepare(tmp_path / f"runs{studies}", teacher=True)
        options = ["--trials", str(TRIALS), "--workers", str(workers)]
        options += ["--set", f"seed={studies}", "--costs", str(searched.costs)]
        name, place = f"tiny{studies}", where(target, runs)
        options += ["--set", f"name={name}"]
        options += ["--storage", place] if isinstance(place, str) else []
        command = Command(searched.file, runs, *options)
        with payments(runs) as paid:
            while True:
                until = time.monotonic() + rng.uniform(0.5, _LONGEST_S)
                while command.process.poll() is None and time.monotonic() < until:
                    time.sleep(0.01)
                if command.process.poll() is not None:
                    break
                if kills.total() == KILLS // 4:
                    command.ends(600)
                    break
                alive = command.workers()
                if rng.random() < _ALL or not alive:
                    kills["command"] += 1
                    left = command.kill()
                    processes += 1 + len(left)
                    for pid in left:
                        _kill(pid)
                    wait_for_death(left)
                    command = Command(searched.file, runs, *options)
                else:
                    kills["worker"] += 1
                    processes += 1
                    _kill(rng.choice(alive))
        assert command.process.returncode == 0, command.output
        assert_whole(place, TRIALS, name)
        assert_drawn_once(place, name)
        assert_paid_once(paid)
        lost = [t for t in sampled(trials_in(place, name)) if t.state == TrialState.FAIL]
        assert all("workers died of it" in t.user_attrs[Attr.FAILURE]["reason"] for t in lost)
        failed += len(lost)
        print(
            f"{kills['command']} commands and {kills['worker']} workers killed, {processes} "
            f"processes; {studies} studies of {TRIALS} trials, {failed} given up after three "
            f"deaths of workers alone; {time.monotonic() - begun:.0f} s",
            flush=True,
        )


def _kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return


def test_six_commands_at_once(target: str, searched: Searched, tmp_path: Path) -> None:
    for number in range(ROUNDS):
        runs = searched.prepare(tmp_path / f"runs{number}", teacher=True)
        options = ["--trials", "12", "--set", f"seed={number}", "--costs", str(searched.costs)]
        name, place = f"tiny{number}", where(target, runs)
        options += ["--set", f"name={name}"]
        options += ["--storage", place] if isinstance(place, str) else []
        with payments(runs) as paid:
            commands = [
                Command(searched.file, runs, *options, log=tmp_path / f"{number}-{index}.out")
                for index in range(6)
            ]
            for command in commands:
                assert command.ends(600) == 0, command.output
        assert_whole(place, 12, name)
        assert_drawn_once(place, name)
        assert_paid_once(paid)
        print(f"round {number}: twelve trials, each drawn once and paid for once", flush=True)
