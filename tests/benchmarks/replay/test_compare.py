"""Every run is made once and measured as its trace says; what is not reached is never made up."""

import json
import math
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from xml.etree import ElementTree as ET

import numpy as np
import pytest

from benchmarks.page import anytime
from benchmarks.page.censored import Bound, quantile, spread
from benchmarks.page.page import times, write_page
from benchmarks.page.results import Share, load
from benchmarks.replay.compare import Setup, compare, read_runs
from benchmarks.replay.freeze import Freeze
from benchmarks.replay.one_search import named_strategy
from benchmarks.replay.run_record import GRID, SHARES, cut, measured, record_of, stops
from benchmarks.replay.running import Limits, StrategyEntry
from benchmarks.replay.simulation import Strategy, simulate
from benchmarks.tables.oracle_search import whole_table_s
from search.stopping.pruning import Audit, GoOn, Stop
from search.strategy.samplers import sampler_named
from search.strategy.scheduler import NewFirst
from search.strategy.strategies import Parts
from spaces import InputError, UnknownNameError
from tests.benchmarks.tiny_table import table

FREEZE = Freeze("abc1234", datetime(2026, 1, 2, tzinfo=UTC), "Strategies frozen")
LIMITS = Limits(tables=3, trials=40)


@dataclass(frozen=True)
class Told:
    words: str = "told to"


class Always:
    """Rules the same on everybody."""

    def __init__(self, ruling):
        self._ruling = ruling

    def rule(self, *_):
        return self._ruling


def entry(strategy, family, **options):
    return StrategyEntry(strategy, family, "made for the tests", **options)


def catalogue():
    return {
        "ours": entry(named_strategy("random", "none"), "ours"),
        "random": entry(named_strategy("random", "none", ours=False), "plain"),
        "slow": entry(named_strategy("qmc", "none", ours=False), "plain", seeds=1),
        "absent": entry(named_strategy("tpe", "none"), "plain", skipped="not installed"),
    }


@pytest.fixture
def recorded():
    return table()


@pytest.fixture
def setup(tmp_path, recorded):
    path = tmp_path / "tiny.parquet"
    replace(recorded, meta={"recorded": "2026-01-03T00:00:00+00:00", "commit": "def"}).save(path)
    return Setup((path,), catalogue, LIMITS, "abc1234")


def run(setup, out, **options):
    told = []
    failures = compare(setup, out, **{"seeds": 2, **options}, tell=told.append)
    return failures, told


def measure(trace, recorded, **flags):
    flags = {"baselines": False, "out_of_budget": True} | flags
    return measured(
        trace, recorded, digest="d", commit="c", whole_s=whole_table_s(recorded), **flags
    )


class TestCompare:
    def test_every_strategy_runs_with_every_seed_but_slow_and_skipped_ones(self, setup, tmp_path):
        failures, told = run(setup, tmp_path / "out")
        runs = read_runs(tmp_path / "out" / "runs.jsonl")
        assert not failures
        assert sorted((r.strategy, r.seed) for r in runs) == [
            ("ours", 0), ("ours", 1), ("random", 0), ("random", 1), ("slow", 0),
        ]  # fmt: skip
        assert any("absent is skipped: not installed" in words for words in told)

    def test_what_is_there_is_not_run_again_and_a_cut_line_is(self, setup, tmp_path):
        out = tmp_path / "out"
        run(setup, out)
        path = out / "runs.jsonl"
        lines = path.read_text().splitlines(keepends=True)
        path.write_text("".join(lines[:-1]) + lines[-1][:50])
        run(setup, out)
        again = path.read_text()
        run(setup, out)
        assert path.read_text() == again
        assert len({r.key for r in read_runs(path)}) == len(lines)

    def test_what_searches_have_after_some_compute_is_what_their_records_say(self, setup, tmp_path):
        out = tmp_path / "out"
        run(setup, out, only=["ours", "random"], seeds=3)
        comparison = load(out)
        whole_s = comparison.tables["tiny"]["whole_s"]
        at = int(np.argmin(np.abs(GRID - 0.5)))
        shares = [
            one.hypervolume[min(at, len(one.hypervolume) - 1)]
            for one in comparison.runs_of("ours", "tiny")
        ]
        rows = anytime.report(comparison, [GRID[at] * whole_s * 1.01, 100 * whole_s]).splitlines()
        assert f"| ours | 3 | {np.median(shares):.0%} |  |" in rows
        assert len(rows) == 4

    def test_processes_change_nothing_but_the_order(self, setup, tmp_path):
        run(setup, tmp_path / "one", only=["random", "slow"])
        run(setup, tmp_path / "two", only=["random", "slow"], processes=2)
        one, two = (
            {r.key: (r.compute_s, r.hypervolume) for r in read_runs(tmp_path / n / "runs.jsonl")}
            for n in ("one", "two")
        )
        assert one == two

    def test_one_that_fails_is_said_and_the_others_run(self, setup, tmp_path):
        broken = replace(catalogue()["random"].strategy, parts=lambda *_: 1 / 0)
        entries = {"broken": entry(broken, "plain"), **catalogue()}
        failures, told = run(replace(setup, catalogue=lambda: entries), tmp_path / "out")
        assert failures == 2
        assert any("ZeroDivisionError" in words for words in told)
        assert len(read_runs(tmp_path / "out" / "runs.jsonl")) == 5

    def test_an_unknown_name_lists_the_known_ones(self, setup, tmp_path):
        with pytest.raises(UnknownNameError, match="slow"):
            run(setup, tmp_path / "out", only=["nobody"])


class TestMeasuring:
    def test_a_run_ends_when_99_percent_are_reached(self, recorded):
        trace = simulate(recorded, named_strategy("random", "none"), trials=40)
        record = measure(trace, recorded, baselines=True)
        reached = [trace.reached(share, recorded) for share in SHARES]
        assert record.end == "reached"
        assert record.compute_s == pytest.approx([step.compute_s for step in reached])
        assert record.spent_s == pytest.approx(reached[-1].compute_s)
        assert record.hypervolume[-1] == pytest.approx(
            reached[-1].hypervolume / recorded.true_hypervolume
        )

    def test_the_curves_are_those_of_the_trace(self, recorded):
        whole = whole_table_s(recorded)
        trace = simulate(recorded, named_strategy("random", "none", ours=False), budget_s=whole / 2)
        record = measure(trace, recorded)
        growth = trace.growth(recorded)
        values = list(zip(GRID * whole, record.hypervolume[:-1], record.regret_mean, strict=False))
        assert len(record.hypervolume) == len(record.regret_max) == len(values) + 1
        for compute_s, worth, regret in values:
            had = [0.0] + [s.hypervolume for s in growth if s.compute_s <= compute_s + 1e-9]
            assert worth == pytest.approx(had[-1] / recorded.true_hypervolume)
            assert regret == pytest.approx(trace.regrets(recorded, compute_s).mean())
        assert record.regret_max[-1] == pytest.approx(trace.regrets(recorded).max())

    def test_a_trace_that_is_cut_has_spent_what_was_spent_by_then(self, recorded):
        strategy = named_strategy("random", "none", ours=False)
        trace = simulate(recorded, strategy, workers=3, trials=12)
        for time_s in (0.0, trace.end_s / 3, trace.end_s):
            part = cut(trace, time_s)
            assert part.compute_s == pytest.approx(trace.compute_at([time_s])[0])
            assert all(point.time_s <= time_s for point in part.points)

    def test_a_line_gives_the_record_back(self, recorded):
        trace = simulate(recorded, named_strategy("random", "none"), trials=3)
        record = measure(trace, recorded)
        again = record_of(record.line())
        assert again.key == record.key
        assert again.stops == record.stops
        assert again.hypervolume == pytest.approx(record.hypervolume, rel=1e-5)


class TestStops:
    """With a rule that stops or audits everybody at the first epoch."""

    @staticmethod
    def stopping(ruling, **flags):
        return Strategy(
            "all at once",
            lambda _, seed, __: Parts(
                sampler_named("random", seed, 10), Always(ruling), NewFirst()
            ),
            baselines=False,
            **flags,
        )

    def test_all_front_members_that_were_met_are_stopped_and_lost(self, recorded):
        # Sharing what was trained, one that is sampled again would get an epoch further.
        trace = simulate(recorded, self.stopping(Stop(Told()), shares=False), trials=60)
        counted = stops(trace, recorded, baselines=False)
        front = {point.student for point in recorded.front}
        assert counted.front == counted.front_met == counted.front_stopped == len(front)
        assert counted.front_lost == len(front)
        floor = recorded.reference.accuracy_floor
        worthy = {p.student for p in recorded.outcomes if p.accuracy >= floor}
        assert counted.stopped == len(recorded.students)
        assert counted.stopped_entering == len(worthy)  # Nothing else was ever found.

    def test_audited_ones_entered_if_nothing_before_them_was_as_good(self, recorded):
        trace = simulate(recorded, self.stopping(Audit(Told())), trials=30)
        counted = stops(trace, recorded, baselines=False)
        assert counted.stopped == counted.front_stopped == 0
        entered, seen = set(), []
        for point in trace.points:
            others = [p for p in seen if p.student != point.student]
            beaten = any(
                p.accuracy >= point.accuracy
                and p.size_bytes <= point.size_bytes
                and p.latency_ms <= point.latency_ms
                for p in others
            )
            if not beaten and point.accuracy >= recorded.reference.accuracy_floor:
                entered.add(point.student)
            seen.append(point)
        assert 0 < counted.audited_entered <= len(entered)
        assert counted.audited == len({e.student for e in trace.endings if e.end == "audited"})

    def test_a_search_without_a_rule_stops_nobody(self, recorded):
        trace = simulate(recorded, self.stopping(GoOn()), trials=40)
        counted = stops(trace, recorded, baselines=False)
        assert counted.stopped == counted.audited == counted.front_paused == 0


class TestQuantiles:
    def test_without_censoring_they_are_numpys(self):
        values = np.random.default_rng(0).lognormal(size=11).tolist()
        for at in (0.25, 0.5, 0.75):
            found = quantile([(value, math.nan) for value in values], at)
            assert found.exact
            assert found.value == pytest.approx(np.quantile(values, at))

    def test_a_median_below_all_that_is_censored_is_exact(self):
        values = [(1.0, 9.0), (2.0, 9.0), (3.0, 9.0), (None, 9.0), (None, 9.0)]
        assert quantile(values, 0.5) == Bound(3.0)
        assert quantile(values, 0.75) == Bound(9.0, exact=False)

    def test_between_a_value_and_never_is_more_than_the_value(self):
        assert quantile([(1.0, 9.0), (None, math.inf)], 0.5) == Bound(1.0, exact=False)
        assert str(quantile([(None, math.inf)], 0.5)) == "never"

    def test_half_of_the_seeds_censored_is_a_bound(self):
        found = spread([(1.0, 9.0), (None, 9.0)])
        assert str(found.median).startswith("> ")

    def test_one_cut_off_early_leaves_open_what_lies_above(self):
        values = [(None, 0.5), (1.0, 9.0), (2.0, 9.0)]
        assert not quantile(values, 0.5).exact

    def test_a_lower_bound_is_never_above_the_truth(self):
        rng = np.random.default_rng(1)
        for _ in range(200):
            truth, cut_at = rng.lognormal(size=9), rng.lognormal(size=9)
            seen = [
                (None if t > c else t, c)
                for t, c in zip(truth.tolist(), cut_at.tolist(), strict=True)
            ]
            found = quantile(seen, 0.5)
            assert found.value <= np.median(truth) + 1e-12
            if found.exact:
                assert found.value == pytest.approx(np.median(truth))

    def test_nothing_is_known_of_a_ratio_to_a_bound(self):
        assert Bound(4.0, exact=False).over(Bound(2.0)) == Bound(2.0, exact=False)
        assert Bound(4.0).over(Bound(2.0, exact=False)) is None

    def test_a_lower_bound_is_said_rounded_down(self):
        assert str(Bound(14.97)) == "15"
        assert str(Bound(14.97, exact=False)) == "> 14.9"
        assert str(Bound(7606.9, exact=False)) == "> 7,606"
        assert str(Bound(0.58, exact=False)) == "> 0.58"

    def test_a_share_is_said_with_its_count(self):
        assert str(Share(1, 100)).startswith("1.0 % (1 of 100; 0.2 to 5.4 %)")
        assert not str(Share(0, 0))


class TestPage:
    @pytest.fixture
    def results(self, setup, tmp_path):
        out = tmp_path / "out"
        run(setup, out)
        run(setup, out, workers=4, only=["ours"])
        return out

    def test_ours_is_once_ours_and_the_others_are_multiples(self, results):
        comparison = load(results)
        assert comparison.ours == "ours"
        assert comparison.multiple("ours", "tiny") == Bound(1.0)
        ratio = comparison.multiple("random", "tiny")
        medians = [comparison.compute(name, "tiny").median for name in ("random", "ours")]
        assert ratio.value == pytest.approx(medians[0].value / medians[1].value)
        assert comparison.mean_multiple("random").value == pytest.approx(ratio.value)
        assert comparison.position("random", "tiny") == Bound(pytest.approx(0))

    def test_the_best_of_a_family_is_there_soonest(self, results):
        comparison = load(results)
        ratios = {name: comparison.multiple(name, "tiny") for name in ("random", "slow")}
        [(name, ratio)] = comparison.best("plain", "tiny")
        assert ratio == ratios[name] == min(ratios.values(), key=lambda its: its.value)
        assert comparison.best("given ours", "tiny") == []

    @pytest.mark.parametrize(("share", "names"), [(0.01, ["random", "slow"]), (50, ["random"])])
    def test_who_was_cut_off_might_have_been_there_sooner(self, results, share, names):
        comparison = load(results)
        spent_s = share * comparison.tables["tiny"]["whole_s"]
        never = {"compute_s": (None,) * len(SHARES), "end": "budget", "spent_s": spent_s}
        runs = [replace(r, **never) if r.strategy == "slow" else r for r in comparison.runs]
        comparison = replace(comparison, runs=tuple(runs))
        assert [name for name, _ in comparison.best("plain", "tiny")] == names

    def test_a_strategy_that_its_own_trials_end_is_never_there(self, setup, tmp_path):
        entries = catalogue()
        entries["random"] = replace(entries["random"], trials=1)
        run(replace(setup, catalogue=lambda: entries), tmp_path / "out", seeds=8)
        comparison = load(tmp_path / "out")
        assert str(comparison.compute("random", "tiny", 2).median) == "never"
        assert times(comparison.multiple("random", "tiny", 2)) == "never"

    def test_a_search_whose_trials_ended_needs_more_than_it_had_spent(self, setup, tmp_path):
        short = replace(setup, limits=Limits(3, 1))
        run(short, tmp_path / "short", seeds=8, only=["random"])
        comparison = load(tmp_path / "short")
        ended = [r for r in comparison.runs if r.end == "trials" and r.compute_s[2] is None]
        assert len(ended) > 4
        found = comparison.compute("random", "tiny", 2).median
        assert not found.exact
        assert found.value == pytest.approx(np.median([r.spent_s for r in comparison.runs]))
        assert comparison.out_of_trials("random") == len(ended) / 8

    def test_the_page_says_who_was_given_less(self, setup, tmp_path, monkeypatch):
        monkeypatch.setattr(Freeze, "changed_until", lambda *_: ())
        out = tmp_path / "less"
        run(replace(setup, limits=Limits(0.2, 600)), out, only=["random"])
        run(setup, out, only=["ours"])
        text = write_page(load(out), FREEZE, tmp_path / "docs").read_text()
        cut = [line for line in text.splitlines() if "its searches were cut" in line]
        assert len(cut) == 1
        assert cut[0].startswith("random takes so long")

    def test_runs_on_another_version_of_the_table_are_left_out(self, results):
        path = results / "comparison.json"
        said = json.loads(path.read_text())
        said["tables"]["tiny"]["digest"] = "another"
        path.write_text(json.dumps(said))
        assert not load(results).runs

    def test_runs_of_which_nothing_is_said_are_refused_with_what_to_do(self, results):
        path = results / "comparison.json"
        said = json.loads(path.read_text())
        del said["strategies"]["random"]
        path.write_text(json.dumps(said))
        with pytest.raises(InputError, match=r"nothing of 'random'.*--only 'random' adds it"):
            load(results)

    def test_a_folder_without_results_is_refused(self, tmp_path):
        with pytest.raises(InputError, match=r"benchmarks\.replay\.compare"):
            load(tmp_path)

    def test_the_page_says_what_was_frozen_run_and_skipped(self, results, tmp_path, monkeypatch):
        monkeypatch.setattr(Freeze, "changed_until", lambda *_: ())
        text = write_page(load(results), FREEZE, tmp_path / "docs").read_text()
        assert "`abc1234`" in text
        assert "**held out**" in text
        assert "where none of it differs from the freeze." in text
        assert "absent (made for the tests) was skipped: not installed." in text
        assert "## 4 workers" in text
        assert "| tiny (**held out**) |" in text
        for line in text.splitlines():
            assert not line.startswith("|") or line.rstrip().endswith("|")
        tables = [block for block in text.split("\n\n") if block.lstrip().startswith("|")]
        for block in tables:
            counts = {line.rstrip().count("|") for line in block.strip().splitlines()}
            assert len(counts) == 1, block

    def test_another_page_has_its_own_commands_and_no_figures_of_the_main_one(
        self, results, tmp_path, monkeypatch
    ):
        monkeypatch.setattr(Freeze, "changed_until", lambda *_: ())
        page = write_page(load(results), FREEZE, tmp_path / "docs", "benchmarks_some")
        text = page.read_text()
        assert page.name == "benchmarks_some.md"
        assert "compare --tables benchmarks/tables/tiny.parquet --out runs/benchmarks_some`" in text
        assert f"--frozen {FREEZE.commit} --name benchmarks_some`" in text
        assert "`benchmarks/replay/benchmarks_some_runs.jsonl.gz`" in text
        assert "make bench" not in text
        assert "The program itself" not in text

    def test_the_page_says_whose_runs_other_code_made(self, results, tmp_path, monkeypatch):
        changed = {"old0000": ("search/gains.py",)}
        monkeypatch.setattr(Freeze, "changed_until", lambda _, commit: changed.get(commit, ()))
        path = results / "runs.jsonl"
        lines = [json.loads(line) for line in path.read_text().splitlines()]
        for line in lines:
            if line["strategy"] == "random":
                line["commit"] = "old0000"
        path.write_text("".join(json.dumps(line) + "\n" for line in lines))
        text = write_page(load(results), FREEZE, tmp_path / "docs").read_text()
        said = [line for line in text.splitlines() if "old0000" in line]
        assert said == [
            "- `old0000` (peers as they are), **which differs from the freeze in** search/gains.py."
        ]

    def test_the_figure_is_well_formed_and_names_every_line(self, results, tmp_path, monkeypatch):
        monkeypatch.setattr(Freeze, "changed_until", lambda *_: ())
        write_page(load(results), FREEZE, tmp_path / "docs")
        figure = ET.parse(tmp_path / "docs" / "benchmarks_tiny.svg")
        texts = {element.text for element in figure.iter("{http://www.w3.org/2000/svg}text")}
        assert {"oracle", "ours", "random", "slow"} <= texts


def test_a_table_is_held_out_only_if_it_was_begun_after_the_freeze():
    assert FREEZE.precedes({"recorded": "2026-01-03T00:00:00+00:00"})
    assert not FREEZE.precedes({"recorded": "2026-01-01T00:00:00+00:00"})
    assert not FREEZE.precedes(
        {"begun": "2026-01-01T00:00:00+00:00", "recorded": "2026-01-03T00:00:00+00:00"}
    )
    assert not FREEZE.precedes({})
