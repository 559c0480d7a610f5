"""Recorded tables: every training of a grid with what it cost, made once and read ever after.

`record` trains a grid, `recorded` reads what came of it, `off_grid` widens it by a surrogate. What
a table says without any search lies here too: the oracle's compute, what to know before trusting
it, and whether the probabilities of the front are right. The tables are the files beside.
"""

from benchmarks.tables.oracle_search import compute_to, oracle, position, whole_table_s
from benchmarks.tables.recorded import (
    RecordedStage,
    Table,
    TablePoint,
    load_table,
    problem_of,
)

__all__ = [
    "RecordedStage",
    "Table",
    "TablePoint",
    "compute_to",
    "load_table",
    "oracle",
    "position",
    "problem_of",
    "whole_table_s",
]
