"""Numbers in words, and intervals against published and closed-form values."""

import pytest

from reports import words
from reports.intervals import clopper_pearson, wilson


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (words.percent(0.9737), "97.4 %"),
        (words.probability(0.9737), "97 %"),
        (words.probability(0.998), "> 99 %"),
        (words.probability(0.004), "< 1 %"),
        (words.probability(1.0), "100 %"),
        (words.probability(0.0), "0 %"),
        (words.size(640_000), "640 kB"),
        (words.size(2_410_000), "2.41 MB"),
        (words.size(44_720_000), "44.7 MB"),
        (words.milliseconds(0.8613), "0.861 ms"),
        (words.milliseconds(12.34), "12.3 ms"),
        (words.milliseconds(1234.5), "1,234 ms"),
        (words.times(17.3), "17"),
        (words.times(4.04), "4"),
        (words.times(3.46), "3.5"),
        (words.times(1.25), "1.25"),
        (words.times(1.0), "1"),
        (words.count(2_350_000), "2.35 M"),
        (words.count(512), "512"),
        (words.duration(4.2), "4.2 s"),
        (words.duration(75), "1 min 15 s"),
        (words.duration(5400), "1 h 30 min"),
        (words.scheme("int8_weight_only"), "int8 weight-only"),
        (words.network("resnet18@1"), "resnet18"),
        (words.network("mobilenet_v2@0.5+small"), "mobilenet_v2 x0.5, small stem"),
    ],
)
def test_numbers_in_words(said, expected):
    assert said == expected


def test_wilson_is_the_published_interval():
    # Newcombe 1998, table I, method 3: 81 of 263.
    assert wilson(81, 263) == pytest.approx((0.2553, 0.3662), abs=5e-5)


def test_wilson_at_its_ends():
    assert wilson(0, 20)[0] == pytest.approx(0)
    assert wilson(20, 20)[1] == pytest.approx(1)
    assert wilson(0, 0) == (0, 1)


def test_clopper_pearson_is_the_published_interval():
    # Newcombe 1998, table I, method 5: 81 of 263, and none of 20 (1 - 0.025 ** (1 / 20)).
    assert clopper_pearson(81, 263) == pytest.approx((0.2527, 0.3676), abs=5e-5)
    assert clopper_pearson(0, 20) == pytest.approx((0, 1 - 0.025 ** (1 / 20)))
    assert clopper_pearson(20, 20) == pytest.approx((0.025 ** (1 / 20), 1))
    assert clopper_pearson(0, 0) == (0, 1)
