"""One search that nothing disturbed, shared by all tests that need one."""

import pytest

from studies.records import costs_of
from tests.search.searching import STUDY, Command, Searched, study_in, write_costs


@pytest.fixture(scope="session")
def searched(tmp_path_factory: pytest.TempPathFactory) -> Searched:
    folder = tmp_path_factory.mktemp("searched")
    file, runs = folder / "tiny.toml", folder / "runs"
    file.write_text(STUDY)
    command = Command(file, runs)
    assert command.ends() == 0, command.output
    table = costs_of(study_in(runs))
    assert table is not None
    return Searched(file, runs, command.output, write_costs(table, folder / "costs.json"))
