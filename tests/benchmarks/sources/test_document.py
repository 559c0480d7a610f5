"""docs/sources.md is made of what was published and of the journals."""

import shlex
from itertools import pairwise
from pathlib import Path

import pytest

from benchmarks.sources import document
from benchmarks.sources.document import sources_page, tried
from benchmarks.sources.published import SOURCES, read_source
from benchmarks.sources.quantized_pair import journal_lines

PAGE = (Path(document.__file__).parents[2] / "docs" / "sources.md").read_text("utf-8")


def test_the_page_is_what_is_made_of_the_journals() -> None:
    assert sources_page(journal_lines()) == PAGE


@pytest.mark.parametrize("name", SOURCES)
def test_every_source_has_a_section_with_the_command_that_was_tried(name: str) -> None:
    source = read_source(name)
    assert f"\n## `{name}`\n" in PAGE
    said = tried(source)
    assert said in PAGE
    assert all(len(line) <= 100 for line in said.splitlines())
    words = shlex.split(said.replace("\\\n", " "))
    given = [after for word, after in pairwise(words) if word == "--set"]
    assert tuple(given) == source.tried
