import sqlite3
from pathlib import Path

import pytest
import sqlalchemy
from optuna.storages import RDBStorage

from spaces import InputError
from studies import StudyFolder, open_storage


def test_sqlite_is_made_safe_for_several_processes(tmp_path: Path) -> None:
    path = tmp_path / "study.db"
    storage = open_storage(path)
    with storage.engine.connect() as connection:
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
        assert connection.exec_driver_sql("PRAGMA busy_timeout").scalar() == 60_000
        # That connection's transaction has begun, and so nobody else can begin to write.
        other = sqlite3.connect(path, timeout=0)
        with pytest.raises(sqlite3.OperationalError, match="locked"):
            other.execute("BEGIN IMMEDIATE")
        other.close()
    storage.engine.dispose()


def test_a_path_and_its_url_are_one_storage(tmp_path: Path) -> None:
    path = tmp_path / "study {1}.db"
    first = open_storage(path)
    first.create_new_study([], "a")
    others = [open_storage(f"{scheme}:///{path}") for scheme in ("sqlite", "sqlite+pysqlite")]
    for other in others:
        assert [study.study_name for study in other.get_all_studies()] == ["a"]
    for storage in (first, *others):
        storage.engine.dispose()


def test_a_storage_that_must_exist_is_not_made(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"there are no studies in .*study\.db: search\.run makes"):
        open_storage(tmp_path / "study.db", must_exist=True)
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_is_no_database_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "study.db"
    path.write_bytes(b"not a database, but what somebody needs")
    with pytest.raises(InputError, match="is not an SQLite database"):
        open_storage(path)
    assert path.read_bytes() == b"not a database, but what somebody needs"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("table", ["songs", "studies"])
def test_somebody_elses_database_is_refused_and_left_alone(tmp_path: Path, table: str) -> None:
    path = tmp_path / "music.db"
    connection = sqlite3.connect(path)
    connection.execute(f"CREATE TABLE {table} (title TEXT)")
    connection.execute("CREATE TABLE albums (title TEXT)")
    connection.close()
    before = path.read_bytes()
    with pytest.raises(InputError, match=r"is not a database of studies: it has the tables albums"):
        open_storage(path)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_a_damaged_database_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "study.db"
    open_storage(path).engine.dispose()
    path.write_bytes(path.read_bytes()[:16] + b"\xff" * 4096)
    with pytest.raises(InputError, match="is not an SQLite database"):
        open_storage(path)


def test_a_database_whose_maker_was_killed_is_completed(tmp_path: Path) -> None:
    path = tmp_path / "study.db"
    connection = sqlite3.connect(path)
    connection.execute(
        "CREATE TABLE version_info (version_info_id INTEGER PRIMARY KEY, "
        "schema_version INTEGER, library_version VARCHAR(256))"
    )
    connection.close()
    storage = open_storage(path)
    assert storage.get_all_studies() == []
    storage.engine.dispose()


def test_a_database_in_the_making_is_none_yet_for_who_reads(tmp_path: Path) -> None:
    path = tmp_path / "study.db"
    open_storage(path).engine.dispose()
    connection = sqlite3.connect(path)
    connection.execute("DELETE FROM alembic_version")
    connection.commit()
    connection.close()
    before = path.read_bytes()
    with pytest.raises(InputError, match="there are no studies in"):
        open_storage(path, must_exist=True)
    assert path.read_bytes() == before
    open_storage(path).engine.dispose()
    open_storage(path, must_exist=True).engine.dispose()


@pytest.mark.parametrize(
    ("target", "words"),
    [
        ("postgresql://127.0.0.1:1/none", "cannot use the storage postgresql.*127.0.0.1:1/none"),
        ("mongodb://localhost/x", "a storage is sqlite:///FILE, postgresql://… or mysql://…"),
        ("sqlite://", "an SQLite storage needs a file"),
        ("sqlite:///:memory:", "an SQLite storage needs a file"),
        ("postgresql://host:port/x", "not a storage URL"),
        ("/no/such/folder/study.db", "there is no folder /no/such/folder"),
        ("postgresql+pg8000://127.0.0.1:1/none", "needs the driver pg8000: pip install"),
    ],
)
def test_a_storage_that_cannot_be_reached_is_one_line(target: str, words: str) -> None:
    with pytest.raises(InputError, match=words) as caught:
        open_storage(target)
    assert len(str(caught.value).splitlines()) == 1


def test_a_password_is_not_shown() -> None:
    with pytest.raises(InputError) as caught:
        open_storage("postgresql://me:secret@127.0.0.1:1/none")
    assert "secret" not in str(caught.value)


def test_somebody_elses_server_database_is_refused_and_left_alone(postgres_url: str) -> None:
    engine = sqlalchemy.create_engine(postgres_url)
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE songs (title TEXT)")
    with pytest.raises(InputError, match="is not a database of studies: it has the tables songs"):
        open_storage(postgres_url)
    assert sqlalchemy.inspect(engine).get_table_names() == ["songs"]
    engine.dispose()


def test_a_storage_of_another_optuna_says_what_to_do(storage: RDBStorage, target: str) -> None:
    with storage.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = 'v99.0.0.a'")
    with pytest.raises(InputError, match=r"of Optuna's schema v99\.0\.0\.a") as caught:
        open_storage(target)
    assert len(str(caught.value).splitlines()) == 1


def test_a_folder_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    said = r"cannot make the folder .*file is a file; --runs-dir names another"
    with (
        pytest.raises(InputError, match=said),
        StudyFolder(tmp_path / "file", "kd_lora_q").created(),
    ):
        pass


def test_bad_input_takes_back_the_folders_it_came_too_late_for(tmp_path: Path) -> None:
    (tmp_path / "runs" / "cache").mkdir(parents=True)
    folder = StudyFolder(tmp_path / "runs", "new")

    def refuse() -> None:
        assert folder.artifacts.is_dir()
        raise InputError("too late")

    with pytest.raises(InputError, match="too late"), folder.created():
        refuse()
    assert [path.name for path in (tmp_path / "runs").iterdir()] == ["cache"]


def test_a_study_folder_has_its_own_files_and_a_shared_cache(tmp_path: Path) -> None:
    one, other = StudyFolder(tmp_path, "one"), StudyFolder(tmp_path, "other")
    for _ in range(2):
        with one.created():
            assert one.artifacts.is_dir()
    assert one.artifacts.is_dir()
    assert one.database.parent == tmp_path / "one"
    assert one.cache == other.cache
    assert one.path != other.path
