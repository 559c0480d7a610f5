"""Fixtures of the tests of what a point is worth."""

from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def templates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of exported float graphs that all tests share: each takes seconds to make."""
    return tmp_path_factory.mktemp("templates")
