"""Fixtures of the tests of what a point is worth."""

from pathlib import Path

import pytest

from tests.shared import made_once


@pytest.fixture(scope="session")
def templates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of exported float graphs that all tests share: each takes seconds to make."""
    return made_once(tmp_path_factory, "templates")
