"""Fixtures of more than one package's tests: storages and a browser, all of them real."""

import os
import shutil
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy
from optuna.storages import RDBStorage

from studies import open_storage
from tests.cut_off import Door
from tests.s3_server import s3_bucket, s3_server

POSTGRES_URL = "DISTILFRONT_TEST_POSTGRES_URL"


@pytest.fixture
def postgres_url() -> Iterator[str]:
    """URL of an empty schema of its own on the server that the environment names."""
    if POSTGRES_URL not in os.environ:
        pytest.skip(f"{POSTGRES_URL} is not set")
    url = sqlalchemy.make_url(os.environ[POSTGRES_URL]).set(drivername="postgresql+psycopg")
    schema = f"distilfront_{uuid.uuid4().hex}"
    engine = sqlalchemy.create_engine(url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.exec_driver_sql(f"CREATE SCHEMA {schema}")
    own = url.update_query_dict({"options": f"-csearch_path={schema}"})
    yield own.render_as_string(hide_password=False)
    with engine.connect() as connection:
        connection.exec_driver_sql(f"DROP SCHEMA {schema} CASCADE")
    engine.dispose()


@pytest.fixture(params=["sqlite", "postgresql"])
def target(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """What `open_storage` takes, of every kind of storage; nothing is there yet."""
    if request.param == "sqlite":
        return str(tmp_path / "study.db")
    return str(request.getfixturevalue("postgres_url"))


@pytest.fixture
def storage(target: str) -> Iterator[RDBStorage]:
    """An open storage, closed afterwards."""
    opened = open_storage(target)
    yield opened
    opened.engine.dispose()


@pytest.fixture(scope="session")
def s3_address() -> Iterator[tuple[str, int]]:
    """Address of a real S3 server on this machine."""
    with s3_server() as address:
        yield address


@pytest.fixture
def s3_door(
    s3_address: tuple[str, int], monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[Door, str]]:
    """A door to the S3 server, and the URL of an empty shared cache behind it."""
    with s3_bucket(s3_address, monkeypatch) as made:
        yield made


@pytest.fixture(params=["file", "s3"])
def store_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of an empty shared cache, of every kind of store."""
    if request.param == "file":
        return (tmp_path / "shared").as_uri()
    return str(request.getfixturevalue("s3_door")[1])


@pytest.fixture(scope="module")
def browser() -> Iterator[object]:
    """A real Chromium; software WebGL, as there is no GPU."""
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        pytest.skip("Chromium is not installed")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        arguments = ["--no-sandbox", "--use-angle=swiftshader", "--enable-unsafe-swiftshader"]
        opened = playwright.chromium.launch(executable_path=chromium, args=arguments)
        yield opened
        opened.close()
