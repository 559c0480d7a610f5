import pytest

from search.cli.durations import in_words, parse_duration_s
from spaces import InputError


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("45s", 45), ("30m", 1800), ("1h30m", 5400), ("1h 30m", 5400), ("1.5h", 5400), ("90", 90)],
)
def test_a_duration_is_read_as_people_write_it(text, seconds):
    assert parse_duration_s(text) == seconds


@pytest.mark.parametrize("text", ["", "0s", "-5m", "5 minutes", "m5", "1h-2m", "nan", "inf"])
def test_anything_else_is_refused_with_an_example(text):
    with pytest.raises(InputError, match="45s, 30m or 1h30m"):
        parse_duration_s(text)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(4.6, "5 s"), (59.4, "59 s"), (61, "1 min 01 s"), (3599, "59 min 59 s"), (7500, "2 h 05 min")],
)
def test_a_duration_is_told_as_people_say_it(seconds, words):
    assert in_words(seconds) == words
