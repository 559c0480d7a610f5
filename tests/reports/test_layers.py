"""The part of a report that shows a file layer by layer, of figures made by hand."""

import json
import re
from dataclasses import replace

import pytest

from objectives import (
    BeforeAfter,
    LayerFigures,
    LayersOfPoint,
    Loss,
    OperatorFigures,
    TensorHistogram,
)
from reports import write_report
from reports.layers import small_histograms, told
from reports.page import render
from studies import ReportTable

SHOWN = ReportTable(show=("layers",))


def layer(name, before, after, **more):
    figures = {
        "operator": "Conv",
        "us": BeforeAfter(before, after),
        "bytes": BeforeAfter(40_000, 10_500),
        "runs_in": "integers",
        "why_floats": "",
        "loss": Loss(0.0123, -1 / 256),
    }
    return LayerFigures(name, **{**figures, **more})


HISTOGRAM = TensorHistogram("into b", 0.0, 4.0, 0.0, 1.0, (100, 50, 0, 1), 1 / 151)
SLOWER = LayersOfPoint(
    trial=7,
    scheme="int8_static",
    layers=(
        layer("<a>", 10.0, 13.0),
        layer("b", 20.0, 18.0),
        layer("c", 5.0, 5.0, runs_in="floats", why_floats="no kernel", loss=None),
    ),
    others=(
        OperatorFigures("QuantizeLinear", BeforeAfter(0, 2), BeforeAfter(0.0, 9.0)),
        OperatorFigures("Unheard", BeforeAfter(1, 0), BeforeAfter(2.0, 0.0)),
    ),
    us=BeforeAfter(40.0, 50.0),
    other_bytes=BeforeAfter(0, 100),
    graph_bytes=BeforeAfter(2_000, 9_400),
    images=256,
    histograms=(HISTOGRAM,),
    calibration_images=128,
    machine="a machine",
)


def text_of(page):
    return re.sub(r"\s+", " ", page.replace("\N{NO-BREAK SPACE}", " "))


def test_it_says_what_takes_longer_first_where_the_file_is_slower():
    assert told(SLOWER) == (
        "The int8 static file takes 50 µs a call, 10 µs more than the fp32 file (40 µs).",
        "What takes longer: QuantizeLinear 9.0 µs, between kernels 2.0 µs, the layers 1.0 µs.",
        "What takes less: Unheard 2.0 µs.",
        "Layers that are slower themselves: <a> 3.0 µs.",
        "1 of 3 layers stayed in floats: c (no kernel).",
        (
            "Of its 41 kB (fp32 122 kB) layers take 31.5 kB, the most <a> with 10.5 kB; "
            "the graph and its names take 9.4 kB."
        ),
        "Rounded alone these lose most, in nats of KL: <a> 0.012, b 0.012.",
    )


def test_it_says_what_takes_less_first_where_the_file_is_faster():
    faster = replace(SLOWER, us=BeforeAfter(60.0, 50.0))
    first, second, *_ = told(faster)
    assert (
        first == "The int8 static file takes 50 µs a call, 10 µs less than the fp32 file (60 µs)."
    )
    assert second == "What takes less: between kernels 18 µs, Unheard 2.0 µs."


def test_many_layers_in_floats_are_counted():
    names = "abcdefg"
    floats = [layer(name, 1, 1, runs_in="floats", why_floats="because") for name in names]
    assert "All 7 layers stayed in floats: because." in told(replace(SLOWER, layers=(*floats,)))
    some = replace(SLOWER, layers=(*floats, layer("z", 1, 1)))
    assert "7 of 8 layers stayed in floats: a, b, c, d and 3 more (because)." in told(some)
    small = [replace(one, loss=Loss(1e-5, 0.0)) for one in floats]
    last = told(replace(SLOWER, layers=(*small,)))[-1]
    assert last == "No layer rounded alone changes what the network says by 0.0001 nats of KL."


def test_histograms_mark_what_is_cut_off_and_are_at_most_24():
    (drawn,) = small_histograms(SLOWER)
    assert [bar.cut for bar in drawn.bars] == [False, True, True, True]
    assert drawn.bars[0].height > drawn.bars[1].height > drawn.bars[3].height > 0
    assert drawn.bars[2].height == 0
    assert drawn.said == "0 to 4, kept 0 to 1: 0.66 % cut off"
    many = [replace(HISTOGRAM, name=str(at), cut=at / 1000) for at in range(40)]
    names = [one.name for one in small_histograms(replace(SLOWER, histograms=(*many,)))]
    assert names == [str(at) for at in range(16, 40)]
    flat = replace(HISTOGRAM, low=0.0, high=0.0, counts=(0, 0), cut=0.0)
    assert small_histograms(replace(SLOWER, histograms=(flat,)))[0].said == "0 to 0"


def test_the_page_and_the_json_have_the_figures(summary, tmp_path):
    page = text_of(write_report(summary, tmp_path, SHOWN, None, SLOWER).read_text("utf-8"))
    section = page[page.index('id="layers"') : page.index('id="search"')]
    assert "Layer by layer: trial 7, int8 static" in section
    assert "&lt;a&gt;" in section
    assert "<a>" not in section
    assert 'title="no kernel">floats' in section
    assert '<td class="number">-0.4 %</td>' in section
    assert "floats into integers" in section
    assert "on a machine, when they were taken" in section
    assert section.count('class="cut"') == 2
    assert "nothing is cut off" not in section
    assert json.loads((tmp_path / "report.json").read_text())["layers"]["trial"] == 7
    for place in ("layers-time", "layers-bytes", "layers-loss"):
        assert f'id="{place}"' in section
        assert f'"{place}":' in page


def test_without_losses_or_histograms_their_places_are_left_out(summary):
    floats = tuple(replace(each, loss=None) for each in SLOWER.layers)
    page = render(summary, SHOWN, None, replace(SLOWER, layers=floats, images=0, histograms=()))
    assert 'id="layers-loss"' not in page
    assert 'class="histograms"' not in page


def test_another_runtime_is_named(summary):
    page = render(summary, SHOWN, None, SLOWER)
    assert "whose kernels are others" not in page
    costs = replace(summary.costs, runtime="openvino")
    page = text_of(render(replace(summary, costs=costs), SHOWN, None, SLOWER))
    assert "This study's files run by openvino, whose kernels are others" in page


def test_what_is_left_out_says_why(summary, tmp_path):
    page = write_report(summary, tmp_path, SHOWN, None, "the weights are gone").read_text("utf-8")
    assert "No layers: the weights are gone." in page
    assert json.loads((tmp_path / "report.json").read_text())["layers"] is None


@pytest.mark.parametrize("width", [420, 1280])
def test_it_fits_the_screen(summary, browser, width, tmp_path):
    many = tuple(layer(f"layer{at}.downsample.0", 1.0, 2.0) for at in range(58))
    found = replace(SLOWER, layers=many, histograms=(HISTOGRAM,) * 9)
    tab = browser.new_page(viewport={"width": width, "height": 900})
    tab.goto(write_report(summary, tmp_path, SHOWN, None, found).as_uri())
    assert tab.evaluate("document.documentElement.scrollWidth") == width
    drawn = tab.evaluate("document.querySelectorAll('#layers-time .bars .point').length")
    assert drawn == 2 * (58 + 2 + 1)
    tab.close()
