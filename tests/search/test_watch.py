"""What a command does while its workers run: who is replaced, and who is ended when."""

import signal
import time
from pathlib import Path

import pytest

from search.cli import Watch, watch
from search.workers import Noted, TrialBegan, WorkerEvent, WorkerExit

KILLED = -signal.SIGKILL


class Told:
    """Stands for the workers and for the screen: says `items`, and keeps what it was told."""

    def __init__(self, *items, keeps_on=0):
        self.items, self.told, self.keeps_on = list(items), [], keeps_on

    @property
    def running(self):
        return bool(self.items) or self.keeps_on > 0

    def take(self, *event):
        if event:
            return None
        if self.items:
            return self.items.pop(0)
        self.keeps_on -= 1
        time.sleep(0.01)
        return None

    def tick(self):
        pass

    def __getattr__(self, name):
        return lambda *words: self.told.append((name, *words))


def gone(code, worker=0):
    return WorkerExit(worker, code, Path("worker-0.log"))


def watched(told, until_s=float("inf")):
    one = Watch(told, told, until_s)
    one.run(lambda: None)
    return one


def test_the_dead_are_replaced_and_those_who_never_begin_a_trial_only_twice():
    began = WorkerEvent(0, TrialBegan(4, "width 1", None))
    told = Told(gone(KILLED), gone(KILLED), began, gone(KILLED), gone(KILLED), gone(KILLED))
    one = watched(told)
    assert [words for words in told.told if words[0] == "start"] == [("start", 0)] * 4
    assert [each.code for each in one.failed] == [KILLED]


def test_who_ends_by_itself_is_not_replaced():
    one = watched(Told(gone(0), gone(130, 1), gone(2, 2), WorkerEvent(3, Noted("late"))))
    assert [each.worker for each in one.failed] == [2]


def test_when_the_time_is_over_workers_are_asked_and_then_made_to_stop(monkeypatch):
    told = Told(keeps_on=5)
    assert not watched(told, time.monotonic()).failed
    assert [words[0] for words in told.told] == ["ask_to_stop", "notice"]
    monkeypatch.setattr(watch, "_GRACE_S", 0.02)
    told = Told(keeps_on=20)
    began_s = time.monotonic()
    one = Watch(told, told, began_s)
    told.kill = lambda: (told.told.append(("kill",)), told.items.append(gone(KILLED)))
    one.run(lambda: None)
    assert [words[0] for words in told.told] == ["ask_to_stop", "notice", "say", "kill"]
    assert not one.failed


def test_ctrl_c_asks_and_a_second_one_ends():
    pressed = iter([True, True])

    def press():
        if next(pressed, False):
            raise KeyboardInterrupt

    told = Told(keeps_on=5)
    one = Watch(told, told, float("inf"))
    one.run(press)
    assert one.interrupts == 2
    assert [words[0] for words in told.told] == ["ask_to_stop", "notice", "kill"]


@pytest.mark.parametrize("code", [KILLED, -signal.SIGTERM])
def test_nobody_is_replaced_once_somebody_wants_an_end(code):
    told = Told(gone(code))
    one = Watch(told, told, float("inf"), interrupts=1)
    one.run(lambda: None)
    assert not told.told
    assert not one.failed
