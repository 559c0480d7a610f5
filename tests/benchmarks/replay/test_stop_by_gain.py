"""Searches on tables that end by the gain that their next hour promises."""

from dataclasses import replace
from itertools import pairwise, takewhile
from pathlib import Path

import numpy as np
import pytest

from benchmarks.replay.one_search import named_strategy
from benchmarks.replay.simulation import simulate
from benchmarks.replay.stop_by_gain import LEASTS, page
from benchmarks.tables.recorded import load_table
from search.workers.baselines import student_baselines
from spaces import student_key
from tests.benchmarks.tiny_table import table

RECORDED = Path(__file__).parents[3] / "benchmarks" / "tables" / "digits_resnet.parquet"
TABLE = table()


def search(least, *, of=TABLE, workers=1, seed=0, trials=12):
    strategy = named_strategy("ehvi", "freeze_thaw", least_gain_per_hour=least, workers=workers)
    trace = simulate(of, strategy, workers=workers, seed=seed, trials=trials)
    return replace(trace, wall_s=0.0, decisions={})


def worth(trace, of):
    return trace.growth(of)[-1].hypervolume / of.true_hypervolume


def late_baselines(of):
    baselines = student_baselines(of.config.search_space(), of.costs)
    return {student_key(one.chain.student) for one in baselines if one.late}


def searched(pieces, of):
    """Return those of all students but the late baselines, which every search trains at its end."""
    late = late_baselines(of)
    return [piece for piece in pieces if piece.student not in late]


def until_late(pieces, of):
    """Return those before the first late baseline: what that tells can let a search go on."""
    late = late_baselines(of)
    return list(takewhile(lambda piece: piece.student not in late, pieces))


@pytest.mark.parametrize("workers", [1, 3])
def test_a_search_that_asks_for_nothing_is_the_one_without(workers):
    plain = simulate(TABLE, named_strategy("ehvi", "freeze_thaw"), workers=workers, trials=12)
    assert search(0.0, workers=workers) == replace(plain, wall_s=0.0, decisions={})


def test_a_search_ends_early_with_nearly_all_that_the_whole_one_finds():
    recorded = load_table(RECORDED)
    whole, ended = search(0.0, of=recorded, trials=60), search(0.02, of=recorded, trials=60)
    assert whole.trials == 60
    assert ended.compute_s < 0.6 * whole.compute_s
    assert worth(ended, recorded) > worth(whole, recorded) - 0.05
    found, all_found = until_late(ended.points, recorded), until_late(whole.points, recorded)
    assert found
    assert found == all_found[: len(found)]


def test_several_workers_end_together_and_pause_nobody_at_the_end():
    trace = search(0.05, of=load_table(RECORDED), workers=3, seed=1, trials=60)
    assert trace.trials < 60
    assert "paused" in {ending.end for ending in trace.endings}
    assert trace.endings[-1].end != "paused"


@pytest.mark.parametrize("workers", [1, 2, 5])
def test_it_always_ends_the_later_the_less_is_asked_for(workers):
    seed = int(np.random.default_rng(workers).integers(1000))
    print(f"seed {seed}")
    traces = [search(least, workers=workers, seed=seed, trials=12) for least in LEASTS]
    spent = [sum(one.seconds for one in searched(trace.spent, TABLE)) for trace in traces]
    assert spent == sorted(spent)
    for sooner, later in pairwise(traces):
        assert len(searched(sooner.endings, TABLE)) <= len(searched(later.endings, TABLE))
        if workers == 1:
            ours, theirs = (until_late(trace.endings, TABLE) for trace in (sooner, later))
            assert [one.student for one in ours] == [one.student for one in theirs[: len(ours)]]
    assert search(LEASTS[0], workers=workers, seed=seed, trials=12) == traces[0]


def test_the_page_says_what_was_saved_and_what_was_missed():
    lines = page(TABLE, seeds=2, trials=8)
    rows = [line.split(" | ") for line in lines if line.startswith("| ") and "%" in line]
    assert [float(row[0].strip("| %")) / 100 for row in rows] == pytest.approx(list(LEASTS))
    trials = [float(row[3]) for row in rows]
    assert trials == sorted(trials)
    header = next(line for line in lines if line.startswith("| least gain"))
    assert all(len(row) == header.count(" | ") + 1 for row in rows)
