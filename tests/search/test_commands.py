"""run, status and report on one really searched study: what they say agrees with the study."""

import json
import re
import shutil
from dataclasses import replace

import pytest

from objectives.fronts.pareto import hypervolume
from reports import StudySummary, savings
from search.cli.session import open_existing
from search.strategy import HourlyGain
from studies.records import enqueue_baseline
from tests.search.commands_run import run_command, tree


@pytest.fixture(scope="module")
def summary(searched):
    session = open_existing("tiny", searched.runs, None)
    yield StudySummary.load(session.study)
    session.storage.engine.dispose()


@pytest.fixture(scope="module")
def status(searched):
    said = run_command("status", "--study", "tiny", "--json", cwd=searched.file.parent)
    assert said.returncode == 0, said.stderr
    return json.loads(said.stdout)


def test_the_search_says_what_it_does_and_what_it_found(searched, summary):
    said = searched.output
    first, data, exporting, title = said.splitlines()[:4]
    assert first == f"Distilfront: looking at study {searched.file}, its data and its networks"
    assert re.match(r"Data: 10 classes, \d+ images \(.*; normalised by the set's own mean", data)
    assert exporting.startswith("Exporting cifar_resnet20@1/16px")
    assert title.startswith("Distilfront tiny: cifar_resnet20 → cifar_resnet20 on digits at 16 px")
    assert "teacher epoch 1/2" in said
    assert "4/4 trials" in said
    table = said[said.index("Front of tiny against its teacher") :].splitlines()
    assert table[1].split()[:3] == ["trial", "what", "scheme"]
    assert {"accuracy", "size", "latency", "faster"} <= set(table[1].split())
    for member in summary.front:
        assert any(line.startswith(f"{member.point.number} ") for line in table)
    assert f"Report: {searched.runs}/tiny/report/report.html" in table
    last = r"All 4 trials have ended; for more: --trials 14 \(the next hour is expected to add .* %"
    assert re.match(last, table[-1])


def test_a_finished_study_trains_nothing_and_shows_its_front(searched):
    before = tree(searched.runs / "cache")
    again = run_command(
        *("run", "--study", searched.file, "--runs-dir", searched.runs),
        cwd=searched.file.parent,
        COLUMNS="160",  # as wide as the first
    )
    assert again.returncode == 0
    assert again.stderr == ""
    assert "epoch" not in again.stdout
    front = "Front of tiny against its teacher"
    assert again.stdout.partition(front)[2] == searched.output.partition(front)[2]
    assert tree(searched.runs / "cache") == before


def test_status_as_json_agrees_with_the_study(status, summary):
    history = summary.history
    assert status["study"] == "tiny"
    assert status["trials"] == 4
    sampled = status["sampled"]
    assert sampled["ended"] == 4
    ends = ("complete", "pruned", "paused", "failed")
    assert sum(sampled[end] for end in ends) == 4
    assert sampled["interrupted"] == sampled["running"] == 0
    origins = [point.origin for point in history.points]
    assert status["points"] == len(origins)
    assert status["offered"] == origins.count("offered")
    assert origins.count("sampled") == sampled["complete"]
    assert origins.count("baseline") == 4  # the teacher under each scheme
    assert status["front"] == len(summary.front)
    expected = hypervolume(history.points, summary.reference, summary.objectives)
    assert status["hypervolume"] == pytest.approx(expected)
    assert 0 < status["hypervolume"] < 1
    assert 0 < status["distinct_students"] <= sampled["complete"]
    assert status["seconds"].keys() == {
        "spent",
        "saved_by_stopping",
        "saved_by_pausing",
        "saved_by_reuse",
        "saved_by_offers",
        "spent_on_audit",
    }
    assert status["study_end"]["ended_by"] == "trials"
    assert status["study_end"]["expected_share_of_next_hour"] > 0
    saved = savings(history)
    assert status["seconds"]["spent"] == saved.trained_s > 0
    assert status["seconds"]["saved_by_offers"] == saved.offers_s - saved.offering_s


def test_status_in_words_has_the_same_numbers(searched, status):
    said = run_command("status", "--study", "tiny.toml", cwd=searched.file.parent)
    assert said.returncode == 0
    trials, points, rate, study_end, seconds, cache = said.stdout.splitlines()
    assert trials.startswith(f"tiny: 4 of 4 trials ended ({status['sampled']['complete']} complete")
    counts = {end: status["sampled"][end] for end in ("pruned", "paused", "failed", "running")}
    assert trials.endswith(
        "{pruned} stopped, {paused} paused, {failed} failed), {running} running or waiting".format(
            **counts
        )
    )
    assert points.startswith(f"{status['points']} points ({status['offered']} offered), ")
    assert f"hypervolume {status['hypervolume']:.4f}" in points
    per_hour = status["hypervolume_per_hour"]
    assert rate.startswith(f"hypervolume per hour: {per_hour['so_far']:.4f} so far, ")
    assert study_end == searched.output.splitlines()[-1] == status["study_end"]["words"]
    its = {name: f"{value:.0f} s" for name, value in status["seconds"].items()}
    assert seconds == (
        f"training {its['spent']}; saved: {its['saved_by_stopping']} by stopping, "
        f"{its['saved_by_pausing']} by pausing, {its['saved_by_reuse']} by reuse, "
        f"{its['saved_by_offers']} by offers; the audit cost {its['spent_on_audit']}"
    )
    weight = sum(path.stat().st_size for path in (searched.runs / "cache").rglob("*.*"))
    assert status["cache_bytes"] >= weight > 0
    assert cache.startswith("cache of all studies in runs: ")
    assert cache.endswith(f" in {searched.runs.name}/cache")


def test_nothing_is_expected_of_an_hour_whose_trials_wait_in_line_already(searched, tmp_path):
    shutil.copytree(searched.runs / "tiny", tmp_path / "tiny")
    session = open_existing("tiny", tmp_path, None)
    begun = session.study_end()
    space = session.config.search_space()
    (first, *_) = (point.chain for point in session.history().points if point.chain)
    enqueue_baseline(session.study, "one more", space.params_of(first), late=False)
    for trials, is_told in ((5, False), (6, True)):
        session.config = session.config.model_copy(update={"trials": trials})
        assert (session.study_end().next_hour is not None) == is_told
    session.storage.engine.dispose()
    small = replace(begun, ended_by=None, next_hour=HourlyGain(1e-9, 0.5))
    assert small.words == "the next hour is expected to add less than 0.01 % of the hypervolume"
    one = replace(begun, trials=1, next_hour=None)
    assert one.words == "Its one trial has ended; for more: --trials 11"


def test_the_report_can_be_written_anywhere_again(searched, tmp_path):
    said = run_command(
        *("report", "--study", "tiny", "--runs-dir", searched.runs, "--out", "page"),
        cwd=tmp_path,
    )
    assert said.returncode == 0, said.stderr
    assert said.stdout.endswith("Report: page/report.html\n")
    written = tmp_path / "page"
    assert {path.name for path in written.iterdir()} == {"report.html", "report.json", "points.csv"}
    original = searched.runs / "tiny" / "report"
    for name in ("points.csv", "report.json"):
        assert (written / name).read_bytes() == (original / name).read_bytes()
    costs = json.loads((written / "report.json").read_text())["costs"]
    assert costs["imported"] is False
    assert (
        "Latencies are of the machine that ran this study" in (written / "report.html").read_text()
    )


def test_the_same_study_through_the_console_script(searched, status):
    said = run_command("main", "status", "--study", "tiny", "--json", cwd=searched.file.parent)
    assert json.loads(said.stdout) == status
