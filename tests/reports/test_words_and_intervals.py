"""Numbers in words, and intervals against published and closed-form values."""

import pytest

from reports import words
from reports.intervals import clopper_pearson, wilson
from spaces import Choice, Network, Space


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
        (words.counted(8, "epoch"), "8 epochs"),
        (words.counted(1, "epoch"), "1 epoch"),
        (words.counted(2, "class"), "2 classes"),
        (words.layout("w8a8"), "int8 static"),
        (words.layout("w2a4"), "w2a4"),
    ],
)
def test_numbers_in_words(said, expected):
    assert said == expected


@pytest.mark.parametrize(
    ("key", "expected", "sized"),
    [
        ("resnet18@1", "resnet18", "resnet18, 32 px"),
        (
            "mobilenet_v2@0.5+small",
            "mobilenet_v2 x0.5, small stem",
            "mobilenet_v2 x0.5, small stem, 32 px",
        ),
        ("mobilenet_v2@0.5/24px", "mobilenet_v2 x0.5, 24 px", "mobilenet_v2 x0.5, 24 px"),
        ("timm:hub:some/net@1", "timm:hub:some/net", "timm:hub:some/net, 32 px"),
        ("no key", "no key", "no key"),
    ],
)
def test_networks_in_words(key, expected, sized):
    one = Space(("distill",), {}, seed=0)
    several = Space(("distill",), {"network.image_size": Choice((24, 32))}, seed=0)
    assert one.network_in_words(key) == expected
    assert several.network_in_words(key) == sized


@pytest.mark.parametrize(
    "network",
    [
        Network("resnet18"),
        Network("mobilenet_v2", 0.35, "small", 24),
        Network("my.models:build", 2.0, image_size=96),
        Network("timm:hub:some/net@v1", stem="small"),
    ],
)
def test_a_network_says_what_its_key_says(network):
    space = Space(("distill",), {}, seed=0)
    assert space.network_in_words(network.key) == network.in_words
    assert network.in_words.startswith(network.architecture)
    assert (f"{network.image_size} px" in network.in_words) == (network.image_size != 32)


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
