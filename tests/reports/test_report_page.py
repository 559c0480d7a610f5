"""The page in a real headless Chromium, and what it says without one."""

import html
import json
import re
import time
import tomllib
from pathlib import Path

import pytest

from reports import StudySummary, advise, write_report
from reports.page import render
from spaces import InputError
from studies import parse_stored, parse_study
from studies.records import History

FIGURES = {
    "front-size_bytes-accuracy",
    "front-latency_ms-accuracy",
    "front-size_bytes-latency_ms",
    "front-space",
    "hypervolume-ended",
    "hypervolume-minutes",
    "curves",
    "importance-accuracy",
    "importance-size_bytes",
    "importance-latency_ms",
}


@pytest.fixture(scope="module")
def page(summary: StudySummary, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report of the fabricated study."""
    return write_report(summary, tmp_path_factory.mktemp("report") / "new")


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (390, "dark")])
def test_the_page_draws_everything_and_asks_the_network_nothing(page, browser, width, scheme):
    context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
    tab = context.new_page()
    errors, requests = [], []
    tab.on("console", lambda message: message.type == "error" and errors.append(message.text))
    tab.on("pageerror", lambda error: errors.append(str(error)))
    tab.on("request", lambda request: requests.append(request.url))
    tab.goto(page.as_uri())
    tab.wait_for_function("document.querySelectorAll('.plot .main-svg').length >= 20")
    drawn = tab.evaluate(
        "Object.fromEntries([...document.querySelectorAll('.plot')].map("
        "p => [p.id, p.querySelectorAll('.points path, .js-line, .bars path, canvas').length]))"
    )
    assert set(drawn) == FIGURES
    assert all(marks > 0 for marks in drawn.values()), drawn
    assert errors == []
    assert {url for url in requests if not url.startswith(("data:", "blob:"))} == {page.as_uri()}
    # Nothing makes the page itself scroll sideways: wide tables scroll in their own frames.
    assert tab.evaluate("document.documentElement.scrollWidth") == width
    ground = tab.evaluate("getComputedStyle(document.body).backgroundColor")
    assert ground == ("rgb(245, 247, 249)" if scheme == "light" else "rgb(18, 22, 28)")
    text = tab.evaluate("document.querySelector('#curves .xtitle').style.fill")
    assert text == ("rgb(28, 36, 48)" if scheme == "light" else "rgb(230, 234, 240)")
    context.close()


@pytest.mark.parametrize("width", [1280, 1600])
def test_no_column_of_the_front_is_cut_off_on_a_wide_screen(page, browser, width):
    context = browser.new_context(viewport={"width": width, "height": 900})
    tab = context.new_page()
    tab.goto(page.as_uri())
    frame = "document.querySelector('.broad')"
    assert tab.evaluate(f"{frame}.scrollWidth <= {frame}.clientWidth")
    last = tab.evaluate(f"[...{frame}.querySelectorAll('thead th')].at(-1).textContent")
    assert last == "parameters"
    assert tab.evaluate("document.documentElement.scrollWidth") == width
    context.close()


def test_no_toolbar_covers_data(page, browser):
    """With a mouse it comes beside the caption; without one, and on bars, there is none."""
    for has_mouse in (True, False):
        context = browser.new_context(
            viewport={"width": 1280 if has_mouse else 420, "height": 900},
            is_mobile=not has_mouse,
            has_touch=not has_mouse,
        )
        tab = context.new_page()
        tab.goto(page.as_uri())
        tab.wait_for_function("document.querySelectorAll('.plot .main-svg').length >= 20")
        bars = tab.evaluate(
            "Object.fromEntries([...document.querySelectorAll('.plot')].map(p => {"
            "const bar = p.querySelector('.modebar'); return [p.id, bar && bar.childElementCount ?"
            "bar.getBoundingClientRect().bottom - p.getBoundingClientRect().top : null]}))"
        )
        assert set(bars) == FIGURES
        assert all((has_mouse and not name.startswith("imp")) == (bars[name] is not None)
                   for name in bars), bars  # fmt: skip
        assert all(below <= 0 for below in bars.values() if below is not None), bars
        context.close()


def test_figures_follow_a_change_of_the_scheme(page, browser):
    context = browser.new_context(color_scheme="light")
    tab = context.new_page()
    tab.goto(page.as_uri())
    fill = "document.querySelector('#curves .xtitle').style.fill"
    tab.wait_for_function(f"{fill} === 'rgb(28, 36, 48)'")
    tab.emulate_media(color_scheme="dark")
    tab.wait_for_function(f"{fill} === 'rgb(230, 234, 240)'")
    context.close()


def test_figures_say_what_they_show(page, browser):
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    tab = context.new_page()
    tab.goto(page.as_uri())
    tab.wait_for_selector("#curves .legendtext")
    legend = tab.evaluate(
        "[...document.querySelectorAll('#curves .legendtext')].map(t => t.textContent)"
    )
    assert legend == ["to the end", "stopped", "audited", "to ship"]  # None was paused.
    ticks = tab.evaluate(
        "[...document.querySelectorAll('#front-size_bytes-accuracy .xtick text')]"
        ".map(t => t.textContent)"
    )
    assert ticks == ["0.2", "0.5", "1", "2", "5", "10", "20", "50"]
    assert tab.evaluate("document.querySelector('#curves .ytitle').textContent") == (
        "validation accuracy, %"
    )
    context.close()


def test_the_page_opens_with_the_advice_and_says_all_there_is(page, summary):
    text = re.sub(r"\s+", " ", page.read_text(encoding="utf-8").replace("\N{NO-BREAK SPACE}", " "))
    heading = re.search(r"<h1>(.*?)</h1>", text)
    assert heading is not None
    assert heading[1].lower() == f"{advise(summary).sentence.lower()}."
    for said in (
        "trial 3, no larger and no slower, has 97.20%",  # a stopped trial in words
        "audited students entered the front above the floor when they ended",
        "further points from students already trained",
        "a test bench",
        "python -m search.run --study study.toml --seed 0 --trials 40",
        "at least 90 % of the teacher&#39;s accuracy",
        "best student without the teacher",
    ):
        assert said in text, said
    assert json.loads((page.parent / "report.json").read_text())["study"] == "kd_lora_q"
    assert (page.parent / "points.csv").read_text().startswith("trial,origin,")


def test_the_settings_of_the_page_are_the_study_again(page, summary):
    text = html.unescape(page.read_text(encoding="utf-8"))
    found = re.search(r"The study's settings .*?<pre>(.*?)</pre>", text, re.DOTALL)
    assert found is not None
    assert "\nwidth = [0.25, 0.5, 0.75, 1.0]\n" in found[1]
    again = parse_study(tomllib.loads(found[1]), "the page")
    assert again == parse_stored(summary.config, "the study")


def test_names_cannot_inject_markup(fabricate):
    page = render(StudySummary.load(fabricate(sampled=12, name="</script><b>bold")))
    assert "</script><b>bold" not in page
    assert "&lt;/script&gt;&lt;b&gt;bold" in page


def test_settings_cannot_inject_markup(make_summary):
    data = {"name": "imagefolder:</script><b>bold", "image_size": 32}
    page = render(make_summary(History(), data=data))
    assert "</script><b>bold" not in page
    assert "&lt;/script&gt;&lt;b&gt;bold" in page


def test_a_study_with_no_points_yet_has_a_page(make_summary):
    page = render(make_summary(History()))
    assert "Nothing to ship yet: no trial is complete." in page
    assert 'class="plot' not in page


def test_a_study_where_nothing_is_good_enough_has_a_page(make_point, make_summary):
    page = render(make_summary(History(points=(make_point(3, 0.5, 11_240_000, 2.2),))))
    assert "Nothing to ship yet: no point reaches" in page


def test_a_folder_that_cannot_be_written_is_an_input_error(summary, tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(InputError, match="cannot write the report into"):
        write_report(summary, tmp_path / "file")


@pytest.mark.long
def test_ten_thousand_trials_are_reported_in_time(fabricate, tmp_path):
    study = fabricate(sampled=4300)
    assert len(study.get_trials(deepcopy=False)) > 9_500
    begin = time.process_time()
    write_report(StudySummary.load(study), tmp_path)
    assert time.process_time() - begin < 20  # about 5 s on an idle core
