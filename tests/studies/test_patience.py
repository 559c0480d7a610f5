"""A server that refuses for a while is waited for; one that stays away ends it in one error."""

import threading
import time
from collections.abc import Iterator
from types import SimpleNamespace

import pytest
import sqlalchemy
from optuna.exceptions import StorageInternalError
from sqlalchemy import exc

from spaces import InputError
from studies import create_or_resume, load_study, open_storage, patience, study_lock, was_cut_off
from tests.cut_off import Door, door_to

CONFIG = load_study("kd_lora_q", ["sampler.name=random"])


@pytest.fixture
def door(postgres_url: str) -> Iterator[tuple[Door, str]]:
    with door_to(postgres_url) as made:
        yield made


def test_a_server_that_refuses_for_a_while_is_waited_for_and_said_once(
    door: tuple[Door, str],
) -> None:
    way, url = door
    said: list[str] = []
    storage = open_storage(url, tell=said.append)
    study = create_or_resume(CONFIG, storage)
    way.shuts()
    threading.Timer(1.5, way.opens).start()
    trial = study.ask()
    assert trial.number == 0
    (words,) = said
    assert words.startswith("the database refuses (")
    assert "refused" in words
    assert words.endswith("it is asked again for up to 60 s")
    storage.engine.dispose()


def test_a_server_that_stays_away_is_given_up(
    door: tuple[Door, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(patience, "_PATIENCE_S", 1.0)
    way, url = door
    storage = open_storage(url, tell=lambda _: None)
    study = create_or_resume(CONFIG, storage)
    way.shuts()
    begun = time.monotonic()
    with pytest.raises(StorageInternalError) as caught:
        study.ask()
    assert 0.5 < time.monotonic() - begun < 5
    assert not was_cut_off(caught.value)
    monkeypatch.setattr(patience, "_PATIENCE_S", 100.0)
    with pytest.raises(StorageInternalError):
        study.ask()
    with pytest.raises(InputError, match="refused"):
        open_storage(url)
    storage.engine.dispose()


def test_a_lock_that_was_lost_is_no_lock(door: tuple[Door, str]) -> None:
    way, url = door
    storage = open_storage(url, tell=lambda _: None)
    lock = study_lock(storage, "a")
    with pytest.raises(exc.OperationalError) as caught, lock():
        way.cuts()
    assert was_cut_off(caught.value)
    with pytest.raises(ZeroDivisionError), lock():
        raise ZeroDivisionError(way.cuts())
    with lock():
        pass
    storage.engine.dispose()


def test_a_driver_that_knows_no_limit_by_its_name_is_told_none() -> None:
    told: dict[str, object] = {}

    def connect(**options: object) -> None:
        told.update(options)
        raise ZeroDivisionError

    module = SimpleNamespace(
        __version__="1.31.0", paramstyle="format", Error=OSError, OperationalError=OSError
    )
    module.connect = connect
    engine = sqlalchemy.create_engine("postgresql+pg8000://me@host/db", module=module)
    patience.be_patient(engine, lambda _: None)
    with pytest.raises(ZeroDivisionError):
        engine.connect()
    assert told == {"user": "me", "host": "host", "database": "db"}
