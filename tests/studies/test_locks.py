"""The locks of a study lie where it lies: whoever opens the storage shares them, and no folder."""

import subprocess
import sys
from pathlib import Path

from studies import open_storage, preparation_lock, study_lock

ROOT = Path(__file__).parents[2]

HOLD = """
import sys
from studies import open_storage, preparation_lock
lock = preparation_lock(open_storage(sys.argv[1]), "a")
print("asks", flush=True)
with lock():
    print("holds", flush=True)
    sys.stdin.read()
"""


class Holder:
    """Another process that asks for the lock and holds it until its input ends."""

    def __init__(self, target: str) -> None:
        command = [sys.executable, "-c", HOLD, target]
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(command, cwd=ROOT, stdin=pipe, stdout=pipe, text=True)
        assert self.says() == "asks"

    def says(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()


def test_one_prepares_while_another_waits_and_a_third_claims(target: str) -> None:
    first = Holder(target)
    assert first.says() == "holds"
    second = Holder(target)
    storage = open_storage(target)
    with study_lock(storage, "a")():
        assert first.process.poll() is None
    storage.engine.dispose()
    first.process.communicate("")
    assert first.process.returncode == 0
    assert second.says() == "holds"
    second.process.communicate("")


def test_whoever_dies_while_it_prepares_lets_go(target: str) -> None:
    dying = Holder(target)
    assert dying.says() == "holds"
    dying.process.kill()
    dying.process.communicate()
    storage = open_storage(target)
    with preparation_lock(storage, "a")():
        pass
    storage.engine.dispose()
