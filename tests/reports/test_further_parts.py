"""What a report shows where the study asks for it: figures, accuracy by class, pictures."""

import base64
import io
import json
import re
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from objectives import ExplainedImage, Explanations, Look
from reports import StudySummary, pictured, report_json, write_report
from reports.class_accuracy import class_accuracy
from reports.page import render
from reports.pictures import under_heat
from reports.tables import points_csv
from studies import ReportTable
from studies.records import History
from tests.reports.fabricated_study import IMAGES

ALL = ReportTable(
    show=("kl_to_teacher", "mutual_information", "calibration", "class_accuracy", "grad_cam")
)
NEW = {"mutual_information": 1.234, "calibration_error": 0.056, "compressed_bytes": 12_300}


def uneven(evaluation, right):
    """The evaluation of a network that gets shares `right` of ten images of each class right."""
    classes = len(right)
    confusion = np.zeros((classes, classes), dtype=int)
    for true, share in enumerate(right):
        confusion[true, true] = round(10 * share)
        confusion[true, (true + 1) % classes] += 10 - round(10 * share)
    rows = tuple(tuple(map(int, row)) for row in confusion)
    return replace(evaluation, confusion=rows, images=10 * classes, **NEW)


def with_classes(summary: StudySummary, right) -> StudySummary:
    points = tuple(
        replace(p, evaluation=uneven(p.evaluation, right(p))) for p in summary.history.points
    )
    names = tuple(f"species number {number}" for number in range(len(right(points[0]))))
    return replace(summary, history=replace(summary.history, points=points), class_names=names)


@pytest.fixture(scope="module")
def hundred(summary):
    """The fabricated study as if it had 100 classes: trial t gets (c + t) % 11 tenths of c."""
    return with_classes(
        summary, lambda p: [min(1.0, ((c + p.number) % 11) / 10) for c in range(100)]
    )


@pytest.fixture(scope="module")
def explanations(summary):
    draws = np.random.default_rng(0)

    def look(said, right):
        heat = draws.random((4, 4), dtype=np.float32)
        return Look(said, 0.876, right, heat)

    images = [
        ExplainedImage(
            position,
            "cat",
            draws.integers(0, 255, (32, 32, 3), dtype=np.uint8),
            look("cat", True),
            {f"trial {point.number}": look("dog", False) for point in pictured(summary)},
        )
        for position in (3, 17)
    ]
    return Explanations(tuple(images), ("trial 77",))


def text_of(page):
    return re.sub(r"\s+", " ", page.replace("\N{NO-BREAK SPACE}", " "))


def test_nothing_more_is_shown_unless_it_is_asked_for(hundred):
    page = render(hundred)
    assert not any(f'id="{name}"' in page for name in ("further", "by-class", "looks"))


@pytest.mark.parametrize(
    ("name", "title", "shown"),
    [
        ("kl_to_teacher", "KL to teacher, nats", "0.050"),
        ("mutual_information", "mutual information, bits", "1.234"),
        ("calibration", "calibration error", "5.6 %"),
        ("compressed", "compressed", "12.3 kB"),
    ],
)
def test_each_figure_is_a_column_where_it_is_switched_on(hundred, name, title, shown):
    page = text_of(render(hundred, ReportTable(show=(name,))))
    section = page[page.index('id="further"') : page.index('id="search"')]
    heads = re.findall(r">([^<]+)</th>", section)[:5]
    assert heads == ["trial", "accuracy", title, "scheme", "what"]
    assert section.count(shown) >= len(hundred.front)


def test_figures_of_older_studies_are_shown_as_not_recorded(summary):
    page = text_of(render(summary, ReportTable(show=("calibration",))))
    section = page[page.index('id="further"') : page.index('id="search"')]
    assert "Not recorded: an older version" in section
    assert section.count('<td class="number">–</td>') >= len(summary.front)  # noqa: RUF001
    assert report_json(summary)["front"][0]["calibration_error"] is None


def test_json_and_csv_have_the_figures_always(hundred):
    written = report_json(hundred)
    assert {row["mutual_information"] for row in written["front"]} == {1.234}
    assert written["front"][0]["kl_to_teacher"] == 0.05
    by_class = written["class_accuracy"]
    assert by_class["classes"][7] == "species number 7"
    for member in hundred.front:
        shares = by_class["trials"][str(member.point.number)]
        assert shares == [min(1.0, ((c + member.point.number) % 11) / 10) for c in range(100)]
    assert "calibration_error" in points_csv(hundred).splitlines()[0]


def test_the_worst_classes_of_the_point_to_ship_come_first_and_the_rest_is_counted(hundred):
    found = class_accuracy(hundred)
    shown = [line.shares[found.chosen] for line in found.lines]
    left_out = [line.shares[found.chosen] for line in found.left_out]
    assert (len(shown), len(left_out)) == (20, 80)
    assert shown == sorted(shown)
    assert max(shown) <= min(left_out)
    assert found.who[0] == "teacher"
    assert len(found.who) == min(12, len(hundred.front)) + 1
    page = text_of(render(hundred, ReportTable(show=("class_accuracy",))))
    low, high = 100 * min(left_out), 100 * max(left_out)
    assert f"80 classes left out, from {low:.1f} % to {high:.1f} %" in page


def test_classes_without_names_or_images_are_shown(summary):
    found = class_accuracy(summary)
    assert {line.name for line in found.lines} == {f"class {number}" for number in range(10)}
    points = list(summary.history.points)
    for at, point in enumerate(points):
        confusion = [list(row) for row in point.evaluation.confusion]
        confusion[4] = [0] * 10
        evaluation = replace(point.evaluation, confusion=tuple(map(tuple, confusion)))
        points[at] = replace(point, evaluation=evaluation)
    lacking = replace(summary, history=replace(summary.history, points=tuple(points)))
    last = class_accuracy(lacking).lines[-1]
    assert (last.name, last.images, set(last.shares)) == ("class 4", 0, {None})
    assert sum(line.images for line in found.lines) == IMAGES
    render(lacking, ALL)


def test_a_study_without_points_has_nothing_to_show(make_summary):
    page = render(make_summary(History()), ALL, "no student is on the front yet")
    assert "No pictures: no student is on the front yet." in page
    assert 'id="by-class"' not in page


def test_the_study_file_switches_the_parts_on(hundred):
    asked = {"show": ["class_accuracy"], "images": []}
    page = render(replace(hundred, config={**hundred.config, "report": asked}))
    assert 'id="by-class"' in page
    assert 'id="further"' not in page


def test_pictures_stand_in_the_page_with_what_was_said_of_them(hundred, explanations, tmp_path):
    page = write_report(hundred, tmp_path, ALL, explanations).read_text("utf-8")
    text = text_of(page)
    assert "No longer in the stage cache: trial 77." in text
    assert text.count("cat, 87.6 %") == 2 * 2  # Below the picture, and in place of it.
    urls = re.findall(r'<img src="data:image/png;base64,([^"]+)"', page)
    assert len(urls) == 2 * (2 + len(pictured(hundred)))
    opened = [Image.open(io.BytesIO(base64.b64decode(url))) for url in urls]
    assert {picture.size for picture in opened} == {(128, 128)}
    assert json.loads((tmp_path / "report.json").read_text())["class_accuracy"]


def test_one_student_is_pictured_once_the_one_to_ship_first(summary):
    shown = pictured(summary)
    assert len({point.student for point in shown}) == len(shown) <= 4
    assert shown[0].number == report_json(summary)["chosen"]


def test_heat_is_brightest_where_the_network_looks():
    heat = np.zeros((4, 4), dtype=np.float32)
    heat[0, 3] = 1
    url = under_heat(np.full((32, 32, 3), 90, dtype=np.uint8), heat)
    picture = np.asarray(Image.open(io.BytesIO(base64.b64decode(url.split(",")[1]))))
    light = picture.sum(axis=2)
    assert np.unravel_index(light.argmax(), light.shape)[0] < 32
    assert np.unravel_index(light.argmax(), light.shape)[1] >= 96
    assert light[-1, 0] == light.min()


@pytest.mark.parametrize("width", [420, 1280, 1600])
def test_the_parts_fit_the_screen(hundred, explanations, browser, width, tmp_path):
    page = write_report(hundred, tmp_path, ALL, explanations)
    tab = browser.new_page(viewport={"width": width, "height": 900})
    tab.goto(page.as_uri())
    assert tab.evaluate("document.documentElement.scrollWidth") == width
    seen = tab.evaluate("[...document.querySelectorAll('.looks img')].map(i => i.naturalWidth)")
    assert seen == [128] * (2 * (2 + len(pictured(hundred))))
    wide = tab.evaluate(
        "[...document.querySelectorAll('section')].filter(s => ['further', 'by-class'].includes("
        "s.querySelector('h2').id)).map(s => s.querySelector('.scroll')).map("
        "f => f.scrollWidth <= f.clientWidth)"
    )
    assert wide == [width > 420] * 2
    tab.close()
