"""search.confirm on one really searched study: what it trains, keeps, says and leaves alone."""

import json
import re
import shutil
import signal
import subprocess
import time
from dataclasses import replace
from types import SimpleNamespace

import pytest

from objectives import DivergedError
from search.cli.session import open_existing
from search.workers.repeats import Doubts, train
from studies.records import History, Replicate, StudyAttr, replicates_of
from tests.search.commands_run import command_line, environment, run_here
from tests.search.searching import study_in


@pytest.fixture(scope="module")
def place(searched, tmp_path_factory):
    """A copy of the searched study, to be confirmed."""
    place = tmp_path_factory.mktemp("confirmed") / "place"
    shutil.copytree(searched.file.parent, place)
    return place


def summary_in(place):
    session = open_existing("tiny", place / "runs", None)
    summary = session.summary()
    session.storage.engine.dispose()
    return summary


def status_in(place):
    said = run_here("status", "--study", "tiny", "--json", cwd=place)
    assert said.returncode == 0, said.stderr
    return json.loads(said.stdout)


def confirm(place, *options):
    return run_here("confirm", "--study", "tiny", *options, cwd=place)


@pytest.fixture(scope="module")
def confirmed(place):
    """What was there before, what the command said, and what is there after.

    All of the front is in doubt: what else is, latencies decide.
    """
    before, status = summary_in(place), status_in(place)
    ended = confirm(place, "--repeats", 1, "--doubt", 1)
    assert ended.returncode == 0, ended.stderr
    return before, status, ended.stdout, summary_in(place), status_in(place)


def test_it_trains_on_the_next_seed_and_shows_the_front_before_and_after(confirmed):
    before, _, said, after, _ = confirmed
    assert before.replicates == ()
    assert after.replicates
    assert {replicate.seed for replicate in after.replicates} == {8}
    for replicate in after.replicates:
        assert replicate.student != "teacher"
        assert set(replicate.accuracies) == {
            p.scheme for p in after.history.points if p.student == replicate.student
        }
        right = [60 * share for share in replicate.accuracies.values()]  # of 60 images
        assert right == pytest.approx([round(images) for images in right])
        assert f"on seed {replicate.seed}" in said
    table = said[said.index("Front of tiny over seeds") :]
    for member in after.front:
        assert re.search(rf"^ *{member.point.number} ", table, re.MULTILINE)
    assert said.splitlines()[-1] == "Nothing is left to train."


def test_the_search_is_left_as_it_was(confirmed):
    before, status, _, after, status_after = confirmed
    assert after.history == before.history
    assert [m.numbers for m in after.front] == [m.numbers for m in before.front]
    assert after.front_fingerprint == before.front_fingerprint
    changed = {name for name in status if status[name] != status_after[name]}
    assert changed <= {"front_members", "cache_bytes"}
    assert status_after["front_members"] == [
        {"trial": m.point.number, "probability": after.front_probability[m.point.number]}
        for m in after.front
    ]


def test_the_report_has_the_new_probabilities(place, confirmed):
    after = confirmed[3]
    report = json.loads((place / "runs" / "tiny" / "report" / "report.json").read_text())
    told = {row["trial"]: row["front_probability"] for row in report["front"]}
    assert told == {m.point.number: after.front_probability[m.point.number] for m in after.front}
    assert len(report["replicates"]) == len(after.replicates)


def test_a_second_call_has_nothing_left_to_do(place, confirmed):
    ended = confirm(place, "--repeats", 1, "--doubt", 1)
    assert ended.returncode == 0
    assert "epoch" not in ended.stdout
    assert ended.stdout.splitlines()[-1] == "Nothing is left to train."
    assert summary_in(place).replicates == confirmed[3].replicates


def test_nothing_is_trained_on_other_images_than_the_study_has_begun_with(
    place, confirmed, tmp_path
):
    kept = shutil.copytree(place, tmp_path / "place")
    study = study_in(kept / "runs")
    inputs = study.user_attrs[StudyAttr.INPUTS]
    content = {**inputs["content"], "train images": "of other images"}
    study.set_user_attr(StudyAttr.INPUTS.value, {**inputs, "content": content})
    ended = confirm(kept, "--repeats", 9, "--doubt", 1)
    assert ended.returncode == 2, ended.stderr
    (said,) = ended.stderr.splitlines()
    assert "has begun with other inputs than are there now: " in said
    assert "train images" in said
    assert summary_in(kept).replicates == confirmed[3].replicates


def test_no_time_trains_nothing_more_and_says_how_to_go_on(place, confirmed):
    ended = confirm(place, "--repeats", 9, "--doubt", 1, "--timeout", "0.001s")
    assert ended.returncode == 0
    said = "The time is over; the same command goes on where this stopped."
    assert ended.stdout.splitlines()[-1] == said
    assert summary_in(place).replicates == confirmed[3].replicates


@pytest.mark.long
def test_an_interrupted_one_is_gone_on_with(searched, tmp_path):
    place = tmp_path / "place"
    shutil.copytree(searched.file.parent, place)
    process = subprocess.Popen(
        command_line("confirm", "--study", "tiny", "--repeats", 3, "--doubt", 1),
        cwd=place,
        env=environment(PYTHONUNBUFFERED="1"),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509
    )
    study = study_in(place / "runs")
    until = time.monotonic() + 240
    while not replicates_of(study.user_attrs) and process.poll() is None:
        assert time.monotonic() < until
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    out, error = process.communicate(timeout=240)
    assert process.returncode == 130, error
    assert "Interrupted; the same command goes on where this stopped." in out
    kept = replicates_of(study.user_attrs)
    assert kept
    assert confirm(place, "--repeats", 3, "--doubt", 1).returncode == 0
    finished = replicates_of(study.user_attrs)
    assert len(finished) > len(kept)
    assert all(replicate in finished for replicate in kept)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--repeats", 0), "--repeats must be in [1, 100], got 0"),
        (("--doubt", 0), "--doubt must be in (0, 1], got 0.0"),
        (("--doubt", 90), "--doubt must be in (0, 1], got 90.0"),
        (("--doubt", "nan"), "--doubt must be a finite number, got nan"),
        (("--timeout", "soon"), "a duration must be a positive time"),
        (("--study", "other"), "there is no study 'other' in runs"),
    ],
)
def test_bad_input_is_one_line_and_trains_nothing(place, confirmed, options, said):
    ended = confirm(place, *options)
    assert ended.returncode == 2
    assert len(ended.stderr.splitlines()) == 1
    assert said in ended.stderr
    assert ended.stdout == ""
    assert summary_in(place).replicates == confirmed[3].replicates


def test_the_least_sure_member_comes_first_then_its_likeliest_rival(confirmed):
    before = confirmed[0]
    doubts = Doubts(before, [8, 9], 1.0)
    members, todo = doubts.members(), doubts.open()
    known = before.front_probability
    assert [known[p.number] for p in members] == sorted(known[p.number] for p in members)
    first = next(repeat.member for repeat in todo)
    assert first.number in {member.number for member in members}
    of_first = [repeat for repeat in todo if repeat.member is first]
    seeds = [repeat.seed for repeat in of_first]
    assert seeds == sorted(seeds)
    assert len({(repeat.point.student, repeat.seed) for repeat in todo}) == len(todo)
    for repeat in todo:
        assert repeat.student.seed == repeat.seed
        assert replace(repeat.student, seed=7) == repeat.point.chain.student


def test_what_was_trained_under_fewer_schemes_is_wanted_again(confirmed):
    before = confirmed[0]
    todo = Doubts(before, [8], 1.0).open()
    key, seed = todo[0].point.student, todo[0].seed
    whole = Replicate(key, seed, dict.fromkeys(todo[0].schemes, 0.5), 1.0)
    fewer = replace(whole, accuracies={})
    for replicate, wanted in ((whole, False), (fewer, True)):
        again = Doubts(replace(before, replicates=(replicate,)), [8], 1.0).open()
        assert ((key, seed) in [(each.point.student, each.seed) for each in again]) == wanted
    assert Doubts(replace(before, history=History()), [8], 1.0).open() == []


def test_a_repeat_that_diverges_is_worth_a_guess(confirmed):
    class Diverging:
        data = SimpleNamespace(classes=10)

        def train_student(self, *_):
            raise DivergedError("distill", 1, 0.5)

    repeat = Doubts(confirmed[0], [8], 1.0).open()[0]
    replicate = train(repeat, Diverging(), lambda _: None)
    assert replicate.accuracies == dict.fromkeys(repeat.schemes, 0.1)
    assert (replicate.student, replicate.seed) == (repeat.point.student, 8)
