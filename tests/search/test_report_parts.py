"""What a report shows where it is asked for, on one really searched study."""

import builtins
import json
import re
import shutil
from typing import get_args

import pytest
import tomli_w

from search.report import report
from studies import ReportTable, load_study, parse_study, stored_config, study_values
from studies.records import StudyAttr
from studies.report_table import ReportPart
from tests.search.commands_run import refused, run_here
from tests.search.searching import study_in

NAMES = [
    *("kl_to_teacher", "mutual_information", "calibration", "class_accuracy", "grad_cam"),
    "layers",
    "compressed",
]
BUT_LAYERS = [name for name in NAMES if name != "layers"]


def reported(searched, *options, runs=None):
    said = run_here(
        *("report", "--study", "tiny", "--runs-dir", runs or searched.runs, "--out", "page"),
        *options,
        cwd=searched.file.parent,
    )
    assert said.returncode == 0, said.stderr
    page = searched.file.parent / "page"
    return said.stdout, (page / "report.html").read_text("utf-8"), page


def pictures(page):
    return re.findall(r'<img src="data:image/png[^"]+" alt="([^"]+)"', page)


def test_every_evaluation_of_a_search_records_the_figures(searched):
    _, page, folder = reported(searched, "--show", "mutual_information,calibration")
    rows = json.loads((folder / "report.json").read_text())
    for row in (rows["teacher"], *rows["front"], *rows["baselines"]):
        assert 0 <= row["mutual_information"] <= 3.33  # log2 of ten classes
        assert 0 <= row["calibration_error"] <= 1
    assert rows["class_accuracy"]["classes"] == [str(digit) for digit in range(10)]
    assert study_in(searched.runs).user_attrs[StudyAttr.CLASSES] == list("0123456789")
    assert "mutual information, bits" in page
    assert 'id="by-class"' not in page
    scores = study_in(searched.runs).user_attrs[StudyAttr.TEST_SCORES]
    assert all(
        score["calibration_error"] is not None
        for front in scores.values()
        for score in front["scores"].values()
    )


def test_what_a_teacher_says_of_itself_is_no_news(searched):
    _, _, folder = reported(searched)
    teacher = json.loads((folder / "report.json").read_text())["teacher"]
    assert teacher["kl_to_teacher"] == pytest.approx(0, abs=1e-6)


def test_pictures_are_of_the_images_asked_for(searched):
    pytest.importorskip("captum")
    said, page, _ = reported(searched, "--show", "grad_cam", "--images", "3, 17")
    assert "left out" not in said
    shown = pictures(page)
    assert [words for words in shown if words.startswith("test image")] == [
        *[words for words in shown if words.startswith(("test image 3:", "test image 17:"))]
    ]
    students = {words.partition(":")[0] for words in shown} - {"test image 3", "test image 17"}
    assert "teacher" in students
    assert len(students) >= 2
    assert len(shown) == 2 * (1 + len(students))


def test_pictures_are_of_telling_images_where_none_is_named(searched):
    pytest.importorskip("captum")
    shown = pictures(reported(searched, "--show", "grad_cam")[1])
    images = [words for words in shown if words.startswith("test image")]
    assert len(images) == len(set(images)) == 6


@pytest.mark.parametrize("whose", ["teacher", "students"])
def test_without_weights_the_report_says_so_and_leaves_the_pictures_out(searched, tmp_path, whose):
    pytest.importorskip("captum")
    runs = tmp_path / "runs"
    shutil.copytree(searched.runs, runs)
    entries = runs / "cache" / "stages" / "entries"
    teacher = entries / study_in(searched.runs).user_attrs[StudyAttr.TEACHER]["key"]
    for entry in entries.iterdir():
        if (entry == teacher) == (whose == "teacher"):
            shutil.rmtree(entry)
    said, page, _ = reported(searched, "--show", ",".join(BUT_LAYERS), runs=runs)
    (line,) = [line for line in said.splitlines() if "left out" in line]
    assert re.match(r"Grad-CAM pictures are left out: the weights of (the teacher|trial)", line)
    assert "No pictures: the weights of " in page
    assert 'id="by-class"' in page
    assert pictures(page) == []


def test_without_captum_the_report_says_what_to_install(searched, monkeypatch):
    monkeypatch.setattr(builtins, "__import__", without_captum(builtins.__import__))
    said, page, _ = reported(searched, "--show", "grad_cam,calibration")
    assert "left out: needs captum for Grad-CAM, which is not installed: pip install" in said
    assert "No pictures: needs captum" in page
    assert "calibration error" in page


def test_a_study_that_could_not_show_its_pictures_does_not_begin(place, monkeypatch):
    study = ("run", "--study", "tiny.toml", "--set", 'report.show=["grad_cam"]')
    pytest.importorskip("captum")
    said = refused(*study, "--set", "report.images=[5, 60, 999]", cwd=place)
    assert said == "images of the report are positions in the test split, 0 to 59, got 60, 999"
    monkeypatch.setattr(builtins, "__import__", without_captum(builtins.__import__))
    assert "needs captum for Grad-CAM, which is not installed" in refused(*study, cwd=place)


def without_captum(imports):
    def imported(name, *rest, **more):
        if name.startswith("captum"):
            raise ModuleNotFoundError(name)
        return imports(name, *rest, **more)

    return imported


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--show", "colours"), f"report.show.0: must be {NAMES[0]!r}, .*got 'colours'"),
        (("--show", "grad_cam", "--images", "-1"), "report.images.0: must be greater than or equ"),
        (("--show", "grad_cam", "--images", "one"), "report.images.0: must be a whole number, got"),
        (("--show", "grad_cam", "--images", "60"), "positions in the test split, 0 to 59, got 60"),
        (("--images", "3"), "--images are those of grad_cam, which is not shown"),
    ],
)
def test_what_cannot_be_shown_is_refused(searched, options, words):
    if "60" in options:
        pytest.importorskip("captum")
    where = ("report", "--study", "tiny", "--runs-dir", searched.runs)
    assert re.search(words, refused(*where, *options, cwd=searched.file.parent))


def test_the_study_file_says_what_is_shown_and_may_change_its_mind(begun):
    study = ("run", "--study", "tiny.toml", "--runs-dir", "runs")
    said = run_here(*study, "--set", 'report.show=["class_accuracy"]', cwd=begun)
    assert said.returncode == 0, said.stderr
    assert 'id="by-class"' in (begun / "runs/tiny/report/report.html").read_text("utf-8")
    assert stored_config(study_in(begun / "runs")).report == ReportTable(show=("class_accuracy",))


def test_the_report_is_no_part_of_what_a_study_is(place):
    plain = load_study(str(place / "tiny.toml"))
    values = study_values(str(place / "tiny.toml")) | {"report": {"show": NAMES, "images": [1]}}
    asked = parse_study(values, "file")
    assert asked.fingerprint == plain.fingerprint
    assert asked.report.show == tuple(NAMES)
    assert parse_study(asked.to_dict(), "again") == asked
    assert tomli_w.dumps(asked.to_dict())


def test_the_help_lists_all_that_can_be_shown():
    (option,) = report.__annotations__["show"].__metadata__
    assert option.help.endswith(f"{', '.join(NAMES)}.")
    assert list(get_args(ReportPart)) == NAMES
