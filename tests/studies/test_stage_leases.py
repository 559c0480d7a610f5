"""One worker at a time builds a stage, as long as it lives, by the clock of the database."""

import os
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import sqlalchemy
from optuna.storages import RDBStorage

from studies import StageLeases, holds_studies, open_storage
from studies.stage_leases import Lease
from tests.cut_off import door_to

ROOT = Path(__file__).parents[2]
KEY = "a" * 64

HOLD = """
import sys, time
from studies import StageLeases, open_storage
leases = StageLeases(open_storage(sys.argv[1]).engine, stale_s=3)
lease = leases.try_acquire(sys.argv[2])
print("holds" if lease else "waits", flush=True)
time.sleep(600)
"""


def holder(target: str, key: str) -> subprocess.Popen[str]:
    """Start another process that acquires the lease, and holds it until it is killed."""
    command = [sys.executable, "-c", HOLD, target, key]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "holds\n"
    return process


def acquired(leases: StageLeases, key: str = KEY) -> Lease:
    lease = leases.try_acquire(key)
    assert lease is not None
    return lease


def test_a_lease_has_one_holder_until_its_block_ends(storage: RDBStorage) -> None:
    one, other = StageLeases(storage.engine), StageLeases(storage.engine)
    with acquired(one):
        assert other.try_acquire(KEY) is None
        assert one.try_acquire(KEY) is None
        with acquired(other, "b" * 64):
            pass
    with acquired(other):
        assert one.try_acquire(KEY) is None


def test_a_lease_is_renewed_while_it_is_held(storage: RDBStorage) -> None:
    leases = StageLeases(storage.engine, stale_s=1.0)
    with acquired(leases):
        until = time.monotonic() + 2.5
        while time.monotonic() < until:
            assert leases.try_acquire(KEY) is None
            time.sleep(0.1)


def test_workers_whose_clocks_are_wrong_agree(
    storage: RDBStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    leases, right = StageLeases(storage.engine), time.time
    for wrong_s in (-7200, 7200):
        with acquired(leases), monkeypatch.context() as patch:
            patch.setattr(time, "time", lambda wrong_s=wrong_s: right() + wrong_s)
            assert leases.try_acquire(KEY) is None


def test_a_holder_that_is_killed_loses_its_lease_and_no_other_does(target: str) -> None:
    storage = open_storage(target)
    leases = StageLeases(storage.engine, stale_s=3)
    killed, living = holder(target, KEY), holder(target, "b" * 64)
    try:
        killed.kill()
        killed.wait()
        assert leases.try_acquire(KEY) is None
        begun = time.monotonic()
        leases.wait(KEY)
        assert time.monotonic() - begun < 10
        with acquired(leases):
            assert leases.try_acquire("b" * 64) is None
    finally:
        for one in (killed, living):
            one.kill()
            one.communicate()
    storage.engine.dispose()


def test_one_of_many_takes_a_lease_over(storage: RDBStorage) -> None:
    leases = StageLeases(storage.engine)
    for _ in range(5):
        with storage.engine.begin() as connection:
            connection.exec_driver_sql("DELETE FROM distilfront_stage_leases")
            connection.exec_driver_sql(
                f"INSERT INTO distilfront_stage_leases VALUES ('{KEY}', 'dead', 1.0)"
            )
        gate = threading.Barrier(4)

        def take(_: int, gate: threading.Barrier = gate) -> Lease | None:
            gate.wait()
            return leases.try_acquire(KEY)

        with ThreadPoolExecutor(4) as pool:
            (lease,) = [found for found in pool.map(take, range(4)) if found is not None]
        with lease:
            pass


def test_a_lease_that_was_taken_over_is_left_to_its_new_holder(storage: RDBStorage) -> None:
    leases = StageLeases(storage.engine)
    with acquired(leases):
        with storage.engine.begin() as connection:
            connection.exec_driver_sql("UPDATE distilfront_stage_leases SET renewed_s = 1.0")
        taken = acquired(leases)
    assert leases.try_acquire(KEY) is None  # The first one's end did not give it back.
    with taken:
        pass


def test_who_waits_goes_on_soon_after_the_lease_was_let_go(storage: RDBStorage) -> None:
    leases = StageLeases(storage.engine)
    lease = acquired(leases)
    threading.Timer(0.5, lease.__exit__, (None, None, None)).start()
    begun = time.monotonic()
    leases.wait(KEY)
    assert 0.4 < time.monotonic() - begun < 5


def test_the_table_is_made_once_and_optuna_finds_its_own(target: str) -> None:
    storages = [open_storage(target) for _ in range(4)]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda storage: StageLeases(storage.engine), storages))
    assert holds_studies(target)
    again = open_storage(target, must_exist=True)
    again.create_new_study([], "a")
    for storage in (*storages, again):
        storage.engine.dispose()


def test_a_holder_outlives_its_database_and_who_waits_goes_on_waiting(postgres_url: str) -> None:
    with door_to(postgres_url) as (door, url):
        storage = open_storage(url)
        leases = StageLeases(storage.engine, stale_s=3)
        with acquired(leases):
            door.shuts()
            assert leases.try_acquire("b" * 64) is None
            time.sleep(1)
            door.opens()
            time.sleep(1)
            direct = open_storage(postgres_url)
            assert StageLeases(direct.engine, stale_s=3).try_acquire(KEY) is None
            direct.engine.dispose()
            door.shuts()
        door.opens()
        leases.wait(KEY)
        with acquired(leases):
            pass
        storage.engine.dispose()


def test_a_worker_that_holds_or_waits_keeps_one_connection(postgres_url: str) -> None:
    name = f"test {os.getpid()}"
    named = sqlalchemy.make_url(postgres_url).update_query_dict({"application_name": name})
    storages = [open_storage(named.render_as_string(hide_password=False)) for _ in range(3)]
    workers = [StageLeases(storage.engine, stale_s=0.6) for storage in storages]
    engine = sqlalchemy.create_engine(postgres_url)
    counted: list[int] = []
    with acquired(workers[0]), ThreadPoolExecutor(2) as pool:
        waiting = [pool.submit(one.wait, KEY) for one in workers[1:]]
        for _ in range(20):
            time.sleep(0.05)
            storages[0].get_all_studies()
            with engine.connect() as connection:
                query = "SELECT count(*) FROM pg_stat_activity WHERE application_name = %s"
                counted.append(connection.exec_driver_sql(query, (name,)).scalar_one())
        # Given back here, so that the others need not wait for half a minute.
        workers[0].release(KEY, _holder_of(engine))
        for one in waiting:
            one.result()
    assert sorted(counted)[len(counted) // 2] <= 3
    for storage in storages:
        storage.engine.dispose()
    engine.dispose()


def _holder_of(engine: sqlalchemy.Engine) -> str:
    with engine.connect() as connection:
        query = "SELECT holder FROM distilfront_stage_leases"
        return str(connection.exec_driver_sql(query).scalar_one())
