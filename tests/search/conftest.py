"""One search that nothing disturbed, shared by all tests that need one."""

import shutil
from pathlib import Path

import pytest

from studies.records import costs_of
from tests.search.searching import STUDY, Command, Searched, study_in, write_costs
from tests.shared import made_once


@pytest.fixture(scope="session")
def searched(tmp_path_factory: pytest.TempPathFactory) -> Searched:
    shared = made_once(tmp_path_factory, "searched", _search)
    # A copy for each process: some tests leave things in its cache, others look that nothing is.
    folder = tmp_path_factory.mktemp("own") / "searched"
    shutil.copytree(shared, folder)
    file, runs, costs = (folder / name for name in ("tiny.toml", "runs", "costs.json"))
    output = runs.with_suffix(".out").read_text().replace(str(shared), str(folder))
    return Searched(file, runs, output, costs)


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A folder with the tiny study's file and nothing else."""
    (tmp_path / "tiny.toml").write_text(STUDY)
    return tmp_path


@pytest.fixture
def begun(searched: Searched, tmp_path: Path) -> Path:
    """A folder with a finished study, to be done with as one likes; its cache stays behind."""
    place = tmp_path / "begun"
    shutil.copytree(searched.file.parent, place, ignore=shutil.ignore_patterns("cache", "exported"))
    return place


def _search(folder: Path) -> None:
    folder.mkdir()
    file, runs = folder / "tiny.toml", folder / "runs"
    file.write_text(STUDY)
    command = Command(file, runs)
    assert command.ends() == 0, command.output
    table = costs_of(study_in(runs))
    assert table is not None
    write_costs(table, folder / "costs.json")
