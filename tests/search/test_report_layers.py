"""What a report shows layer by layer, on one really searched study."""

import json
import re
import shutil

import pytest

from objectives.chain import layers as of_chain
from spaces import InputError
from tests.search.commands_run import refused, run_here
from tests.search.searching import history_in


def arguments(searched, *options, runs=None):
    where = ("--study", "tiny", "--runs-dir", runs or searched.runs, "--out", "page")
    return ("report", *where, *options)


def reported(searched, *options, runs=None):
    said = run_here(*arguments(searched, *options, runs=runs), cwd=searched.file.parent)
    assert said.returncode == 0, said.stderr
    page = searched.file.parent / "page"
    return said.stdout, (page / "report.html").read_text("utf-8"), page


def of_scheme(runs, scheme, *, teacher):
    """The number of a point under `scheme`, of the teacher or of a student."""
    return next(
        point.number
        for point in history_in(runs).points
        if point.scheme == scheme and (point.chain is None) == teacher
    )


@pytest.mark.parametrize("teacher", [True, False], ids=["teacher", "student"])
def test_a_report_shows_a_points_layers_and_keeps_them(searched, teacher, monkeypatch):
    number = of_scheme(searched.runs, "int8_static", teacher=teacher)
    asked = ("--show", "layers", "--trial", str(number))
    said, page, folder = reported(searched, *asked)
    assert "left out" not in said
    found = json.loads((folder / "report.json").read_text())["layers"]
    assert (found["trial"], found["scheme"]) == (number, "int8_static")
    assert [layer["runs_in"] for layer in found["layers"]] == ["integers"] * 22
    assert len(found["histograms"]) > 22
    assert found["images"] == 60
    assert f"Layer by layer: trial {number}, int8 static" in page
    for place in ("layers-time", "layers-bytes", "layers-loss"):
        assert f'id="{place}"' in page
    assert "All 22 layers multiply integers." in page
    section = page[page.index('id="layers"') : page.index('id="search"')]
    assert section.count("<svg viewBox") == 24
    assert (searched.runs / "tiny" / "layers" / f"{number}.json").is_file()
    # A second report measures nothing, on a machine that slept or not: it is the same.
    monkeypatch.setattr(of_chain, "examined", None)
    reported(searched, *asked)
    assert json.loads((folder / "report.json").read_text())["layers"] == found


def test_without_a_trial_it_is_the_point_to_ship_and_what_is_damaged_is_found_again(searched):
    _, _, folder = reported(searched, "--show", "layers")
    rows = json.loads((folder / "report.json").read_text())
    kept = searched.runs / "tiny" / "layers" / f"{rows['chosen']}.json"
    if rows["layers"] is None:  # It ships as fp32.
        assert not kept.exists()
        return
    assert rows["layers"]["trial"] == rows["chosen"]
    for damaged in ("{", "[]", "null", '{"of": "another", "layers": {}}'):
        kept.write_text(damaged)
        reported(searched, "--show", "layers")
        assert json.loads(kept.read_text())["layers"]["trial"] == rows["chosen"]


def test_a_point_of_floats_says_that_there_is_nothing_to_compare(searched):
    number = of_scheme(searched.runs, "fp32", teacher=True)
    words = refused(
        *arguments(searched, "--show", "layers", "--trial", str(number)), cwd=searched.file.parent
    )
    assert words == f"trial {number} is an fp32 file, which has no before and after: name another"


def test_what_stays_in_floats_is_said(searched):
    number = of_scheme(searched.runs, "int8_weight_only", teacher=True)
    _, page, _ = reported(searched, "--show", "layers", "--trial", str(number))
    assert "All 22 layers stayed in floats: the scheme makes the file smaller" in page
    assert "Activations before and after clipping" not in page


def test_layers_that_cannot_be_shown_are_refused_by_trial_and_left_out_otherwise(
    searched, tmp_path, monkeypatch
):
    number = of_scheme(searched.runs, "int8_static", teacher=True)
    where, here = searched.file.parent, ("--show", "layers", "--trial")
    shutil.rmtree(where / "page", ignore_errors=True)
    assert "trial 999 of study 'tiny' is not complete" in refused(
        *arguments(searched, *here, "999"), cwd=where
    )
    assert "--trial is whose layers are shown, and they are not" in refused(
        *arguments(searched, "--show", "calibration", "--trial", str(number)), cwd=where
    )
    runs = tmp_path / "runs"
    shutil.copytree(searched.runs, runs)
    shutil.rmtree(runs / "cache" / "stages" / "entries")
    shutil.rmtree(runs / "tiny" / "layers", ignore_errors=True)
    asked = arguments(searched, *here, str(number), runs=runs)
    assert refused(*asked, cwd=where).startswith("the weights of the teacher are not in the stage")

    def gone(_):
        raise InputError("data: there is no folder /gone")

    monkeypatch.setattr(of_chain, "load_data", gone)
    assert refused(*asked, cwd=where) == "data: there is no folder /gone"
    assert not (where / "page").exists()
    said, page, _ = reported(searched, "--show", "layers,calibration", runs=runs)
    (line,) = [line for line in said.splitlines() if "left out" in line]
    assert line.startswith("Layers are left out: ")
    assert re.search("No layers: (data: there is no folder /gone|trial .* is an fp32)", page)
    assert "calibration error" in page
    assert not (runs / "tiny" / "layers").exists()
