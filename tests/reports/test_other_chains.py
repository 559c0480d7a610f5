"""Networks, chains and methods that no built-in study has: reports follow the declarations."""

import csv
import io
import re
from dataclasses import dataclass, replace
from typing import ClassVar

import pytest
from rich.console import Console

from reports import (
    StudySummary,
    advise,
    baselines,
    confirmation_table,
    front_table,
    points_csv,
    report_json,
    trial_note,
    words,
    write_report,
)
from reports.importances import importances
from reports.page import render
from reports.rows import baseline_rows, front_rows, teacher_row, title_of
from reports.stage_breakdown import stage_breakdown
from spaces import METHODS, STAGES, Choice, Method, Prior, Setting, Stage
from spaces.schedule import EPOCHS
from spaces.settings import Number, setting
from tests.reports.fabricated_study import SEARCHED, cost_table

NETWORKS = SEARCHED | {
    "network": {
        "architecture": ["mobilenet_v2", "mobilenet_v3_small"],
        "width": [0.5, 1.0],
        "image_size": [24, 32],
    }
}
ONE_STAGE = {table: keys for table, keys in SEARCHED.items() if table != "adapt"}
THREE_STAGES = {
    **{table: keys for table, keys in SEARCHED.items() if table != "quantize"},
    "polish": {"grain": [0, 1, 2]},
    "quantize": SEARCHED["quantize"],
}


@dataclass(frozen=True)
class Polish(Stage):
    """A stage that nobody trains: a setting of its own, and words for all that is said of it."""

    kind: ClassVar[str] = "polish"
    done: ClassVar[str] = "polished"
    absent: ClassVar[str] = "left rough"
    prior: ClassVar[Prior] = Prior(fall=0.02, noise=0.05)

    grain: int = setting(
        2, Setting("size of grains", Number(least=1, whole=True), Choice((0, 1, 2)), skips=0)
    )
    epochs: int = setting(1, EPOCHS)

    @property
    def in_words(self) -> str:
        return f"with grains of {self.grain}"


@dataclass(frozen=True)
class Hint(Method):
    """A method that nobody learns by, with a setting that no other has."""

    kind: ClassVar[str] = "hint"

    beta: float = setting(2.0, Setting("weight of hints", Number(above=0), Choice((1.0, 2.0))))


@pytest.fixture(scope="module")
def networks(fabricate) -> StudySummary:
    """A study of two architectures, two widths and two image sizes."""
    return StudySummary.load(fabricate(space=NETWORKS))


@pytest.fixture(scope="module")
def one_stage(fabricate) -> StudySummary:
    """A study whose students are distilled and nothing more."""
    return StudySummary.load(fabricate(space=ONE_STAGE))


@pytest.fixture
def three_stages(fabricate, monkeypatch) -> StudySummary:
    """A study whose students are distilled, and perhaps adapted, and perhaps polished."""
    monkeypatch.setitem(STAGES, "polish", Polish)
    return StudySummary.load(fabricate(space=THREE_STAGES))


def said(html: str) -> str:
    """Return the text of a page's body without its tags, on one line."""
    body = html[html.index("<main>") : html.index('<script type="application/json"')]
    text = re.sub(r"<[^>]+>", " ", body).replace("\N{NO-BREAK SPACE}", " ")
    return re.sub(r"\s+", " ", text)


def exported(table) -> str:
    console = Console(width=240, file=io.StringIO(), record=True)
    console.print(table)
    return console.export_text()


def csv_rows(summary) -> dict[int, dict[str, str]]:
    rows = csv.DictReader(io.StringIO(points_csv(summary)))
    return {int(row["trial"]): row for row in rows}


def students_points(summary):
    return [point for point in summary.history.points if point.chain is not None]


def has(point, *kinds, taught=True) -> bool:
    """Whether a point's student went through these stages and no others."""
    student = point.chain.student
    return tuple(s.kind for s in student.stages) == kinds and student.needs_teacher == taught


def test_every_network_is_told_by_architecture_width_and_size(networks):
    rows = csv_rows(networks)
    titles = {}
    for point in students_points(networks):
        network = point.chain.student.network
        title = title_of(networks, point)
        width = " x0.5" if network.width == 0.5 else ""
        name = f"{network.architecture}{width}, {network.image_size} px"
        assert title.startswith(f"{name}, ")
        assert f"- Student: {name}\n" in trial_note(networks, point.number)
        row = rows[point.number]
        assert row["network.architecture"] == network.architecture
        assert float(row["network.width"]) == network.width
        assert int(row["network.image_size"]) == network.image_size
        assert row["title"] == title
        titles[name] = network
    assert len(titles) == len(set(titles.values())) == 8
    assert {row["network.architecture"] for row in rows.values()} == {
        "", "mobilenet_v2", "mobilenet_v3_small",
    }  # fmt: skip
    assert teacher_row(networks).title == "teacher, resnet18, 32 px"


def test_tables_and_page_tell_networks_apart(networks):
    terminal = exported(front_table(networks, 240))
    confirmed = exported(confirmation_table({}, networks))
    html = render(networks)
    assert "mobilenet_v3_small x0.5, 24\N{NO-BREAK SPACE}px" in html
    page = said(html)
    for row in front_rows(networks):
        assert row.title in terminal
        assert row.title in confirmed
        assert row.title in page
    assert {row["title"] for row in report_json(networks)["front"]} == {
        row.title for row in front_rows(networks)
    }
    # The whole cost table, by network and by the schemes that a layout is for.
    for cost in networks.costs.costs:
        name = networks.network_in_words(cost.network)
        assert f"{name} {words.layout(cost.layout)} {words.size(cost.size_bytes)} " in page
    assert "mobilenet_v3_small x0.5, 24 px int8 static 557 kB" in page


def test_baselines_of_several_networks_say_which_they_are(networks):
    one, other = (
        next(
            point
            for point in students_points(networks)
            if not point.chain.student.needs_teacher
            and point.chain.student.network.image_size == size
        )
        for size in (24, 32)
    )
    marked = {one.number, other.number}
    points = tuple(
        replace(point, baseline="student without the teacher") if point.number in marked else point
        for point in networks.history.points
    )
    study = replace(networks, history=replace(networks.history, points=points))
    titles = {row.trial: row.title for row in baseline_rows(study)}
    for point in (one, other):
        network, *stages = title_of(networks, point).split(", ")
        role = "student without the teacher"
        # The network first: a table may cut the rest.
        assert titles[point.number] == f"{network}, {stages[0]}, {role}: {', '.join(stages[1:])}"


def test_costs_are_of_the_network_and_its_size(networks):
    costs = cost_table(networks.space)
    for point in students_points(networks):
        network = point.chain.student.network
        assert networks.cost(point) == costs.of(network.key, point.scheme)
    small, large = (costs.of(f"mobilenet_v2@1{size}", "fp32") for size in ("/24px", ""))
    assert small.size_bytes == large.size_bytes
    assert small.median_ms < large.median_ms


def test_what_decides_costs_is_weighed_for_them(networks):
    shares = importances(networks)
    for objective in ("size_bytes", "latency_ms"):
        assert set(shares[objective]) == {
            "network architecture", "network width", "network image size", "quantize scheme",
        }  # fmt: skip
    assert shares["latency_ms"]["network image size"] > 0.1
    assert "network architecture" in shares["accuracy"]


def test_importances_are_of_what_was_searched(summary, networks, one_stage, three_stages):
    for study in (summary, networks, one_stage, three_stages):
        titles = {study.space.title(name) for name in study.space.searched}
        assert set(importances(study)["accuracy"]) == titles
    assert "adapt learning rate" not in importances(summary)["accuracy"]


def test_a_student_alone_is_one_of_the_same_network(networks):
    by_number = {student.number: student for student in networks.history.students}
    alone = 0
    for point in students_points(networks):
        lines = {line.stage: line for line in stage_breakdown(networks, point)}
        assert ("student alone" in lines) == point.chain.student.needs_teacher
        if "student alone" not in lines:
            continue
        network = point.chain.student.network
        found = re.search(r"trial (\d+): the best", lines["student alone"].how)
        if found is None:
            name = networks.network_in_words(network.key)
            assert lines["student alone"].how == f"no {name} was trained without the teacher"
            continue
        best = by_number[int(found[1])].chain.student
        assert (best.network, best.needs_teacher) == (network, False)
        alone += 1
    assert alone


def test_a_chain_of_one_stage_says_nothing_of_others(one_stage):
    for point in students_points(one_stage):
        assert "adapt" not in title_of(one_stage, point)
        done = "Distilled" if point.chain.student.needs_teacher else "Trained"
        note = trial_note(one_stage, point.number)
        assert re.search(rf"\n- Student: .*\n- {done}: .*\n- Validation accuracy ", note)
    chosen = next(
        point
        for point in students_points(one_stage)
        if has(point, "distill")
        and any(
            has(other, "distill", taught=False)
            and other.chain.student.network == point.chain.student.network
            for other in students_points(one_stage)
        )
    )
    lines = stage_breakdown(one_stage, chosen)
    assert [line.stage for line in lines] == ["teacher", "student alone", "distilled", "quantized"]
    assert re.fullmatch(r"trial \d+: the best of \d+", lines[1].how)
    assert lines[2].how.endswith(", 8 epochs")
    assert [role for role, _ in baselines(one_stage)] == [
        "teacher quantized directly", "best student without the teacher",
    ]  # fmt: skip
    assert not any("adapt" in title for title in importances(one_stage)["accuracy"])
    assert not any(name.startswith("adapt.") for name in next(iter(csv_rows(one_stage).values())))
    assert "adapt" not in said(render(one_stage))


def test_a_student_without_teacher_was_trained_and_not_distilled(one_stage):
    point = next(p for p in students_points(one_stage) if has(p, "distill", taught=False))
    lines = stage_breakdown(one_stage, point)
    assert [(line.stage, line.how) for line in lines[1:2]] == [
        ("trained", "labels alone, 8 epochs"),
    ]
    assert "- Trained: labels alone\n" in trial_note(one_stage, point.number)


def test_a_third_stage_has_its_own_words_everywhere(three_stages):
    points = students_points(three_stages)
    whole = next(p for p in points if has(p, "distill", "adapt", "polish"))
    skipping = next(p for p in points if has(p, "distill", "polish"))
    rough = next(p for p in points if has(p, "distill", "adapt"))

    lines = stage_breakdown(three_stages, whole)
    assert [line.stage for line in lines] == [
        "teacher", "student alone", "distilled", "adapted", "polished", "quantized",
    ]  # fmt: skip
    grain = whole.chain.student.stages[2].grain
    assert lines[4].how == f"with grains of {grain}, 1 epoch"
    student = next(s for s in three_stages.history.students if s.key == whole.student)
    accuracies = [student.curve[done - 1][1] for done in (8, 12, 13)]
    assert [line.accuracy for line in lines[2:5]] == accuracies
    assert [line.seconds for line in lines[2:5]] == [record.seconds for record in student.stages]
    skipped = [line.stage for line in stage_breakdown(three_stages, skipping)]
    assert skipped[2:] == ["distilled", "polished", "quantized"]

    assert title_of(three_stages, whole).endswith(f", with grains of {grain}")
    assert ", no adapter, with grains of " in title_of(three_stages, skipping)
    assert title_of(three_stages, rough).endswith(", left rough")
    assert f"\n- Polished: with grains of {grain}\n" in trial_note(three_stages, whole.number)
    assert "\n- Adapted: no adapter\n- Polished: " in trial_note(three_stages, skipping.number)
    assert "\n- Polished: left rough\n" in trial_note(three_stages, rough.number)

    rows = csv_rows(three_stages)
    assert rows[whole.number]["polish.grain"] == str(grain)
    assert rows[rough.number]["polish.grain"] == "0"
    assert "polish size of grains" in importances(three_stages)["accuracy"]


def test_baselines_leave_out_one_step_after_another(three_stages):
    found = dict(baselines(three_stages))
    assert list(found) == [
        "teacher quantized directly",
        "best student without the teacher",
        "best student distilled, not adapted",
        "best student adapted, not polished",
    ]
    points = students_points(three_stages)
    for role, kinds in (
        ("best student distilled, not adapted", ("distill",)),
        ("best student adapted, not polished", ("distill", "adapt")),
    ):
        fitting = [point for point in points if has(point, *kinds)]
        assert found[role] in fitting
        assert found[role].accuracy == max(point.accuracy for point in fitting)


def test_a_page_of_three_stages_is_drawn(three_stages, browser, tmp_path):
    path = write_report(three_stages, tmp_path)
    tab = browser.new_page(viewport={"width": 1280, "height": 900})
    errors = []
    tab.on("pageerror", lambda error: errors.append(str(error)))
    tab.goto(path.as_uri())
    tab.wait_for_selector("#importance-accuracy .yaxislayer-above text")
    titles = tab.evaluate(
        "[...document.querySelectorAll('#importance-accuracy .ytick text')].map(t => t.textContent)"
    )
    assert sorted(titles) == sorted(importances(three_stages)["accuracy"])
    chosen = advise(three_stages).point
    stages = tab.evaluate(
        "[...document.querySelectorAll('section[aria-labelledby=breakdown] tbody tr')]"
        ".map(r => [...r.cells].slice(0, 2).map(c => c.textContent.replaceAll('\\u00a0', ' ')))"
    )
    assert stages == [[line.stage, line.how] for line in stage_breakdown(three_stages, chosen)]
    assert errors == []
    tab.close()


def test_a_method_has_its_own_words_and_titles(fabricate, monkeypatch):
    monkeypatch.setitem(METHODS, "hint", Hint)
    distill = SEARCHED["distill"] | {"method": ["none", "logit", "hint"]}
    study = StudySummary.load(fabricate(space=ONE_STAGE | {"distill": distill}))
    taught = {point.chain.student.stages[0].method for point in students_points(study)}
    assert {type(method) for method in taught} == {METHODS[name] for name in distill["method"]}
    for point in students_points(study):
        method, row = point.chain.student.stages[0].method, csv_rows(study)[point.number]
        assert row["distill.method"] == method.kind
        assert (row["distill.hint.beta"] != "") == isinstance(method, Hint)
        assert (row["distill.alpha"] == "") == (method.kind in {"hint", "none"})
        if isinstance(method, Hint):
            said = f"hint, beta {method.beta:g}"
            assert title_of(study, point).endswith(f", {said}")
            assert f"- Distilled: {said}\n" in trial_note(study, point.number)
    titles = set(importances(study)["accuracy"])
    assert {"distill method", "distill hint weight of hints", "distill alpha"} <= titles
    assert "best student without the teacher" in dict(baselines(study))
