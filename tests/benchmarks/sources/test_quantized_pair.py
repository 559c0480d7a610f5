"""Teacher or student at few bits: which is said to be better, and at which sizes."""

from benchmarks.sources.quantized_pair import (
    BITS,
    ROUNDINGS,
    STUDENT,
    TEACHER,
    Rounded,
    answer,
    at_equal_bits,
    at_equal_bytes,
    better,
    journal_lines,
    rounded,
    within,
)


def of(bits: int, size_bytes: int, *accuracies: float) -> Rounded:
    return Rounded(bits, size_bytes, accuracies, 10_000)


LARGE = {8: of(8, 80, 94.0), 4: of(4, 40, 92.0), 2: of(2, 20, 20.0)}
SMALL = {8: of(8, 30, 92.1, 91.9), 4: of(4, 15, 91.8), 2: of(2, 8, 40.0)}


def test_two_standard_errors_make_one_better() -> None:
    assert better(LARGE[8], SMALL[8]) == "teacher"
    assert better(LARGE[4], SMALL[4]) == "neither"
    assert better(LARGE[2], SMALL[2]) == "student"
    assert answer(LARGE, SMALL) == (
        "At equal bits the better one is: teacher at 8; neither at 4; student at 2."
    )


def test_at_equal_bits_a_row_has_both() -> None:
    assert at_equal_bits(LARGE, SMALL)[2:] == [
        "| 8 | 94.00 | 80 | 92.00 ± 0.14 | 30 | teacher |",
        "| 4 | 92.00 | 40 | 91.80 | 15 | neither |",
        "| 2 | 20.00 | 20 | 40.00 | 8 | student |",
    ]


def test_at_equal_bytes_each_is_at_its_best_that_fits() -> None:
    assert within(LARGE.values(), 19) is None
    assert within(LARGE.values(), 79) is LARGE[4]
    assert at_equal_bytes(LARGE, SMALL)[2:] == [
        "| 8 | none is so small |  | 40.00 | 2 | student |",
        "| 15 | none is so small |  | 91.80 | 4 | student |",
        "| 20 | 20.00 | 2 | 91.80 | 4 | student |",
        "| 30 | 20.00 | 2 | 92.00 ± 0.14 | 8 | student |",
        "| 40 | 92.00 | 4 | 92.00 ± 0.14 | 8 | neither |",
        "| 80 | 94.00 | 8 | 92.00 ± 0.14 | 8 | teacher |",
    ]


def test_the_journals_have_both_networks_at_every_number_of_bits() -> None:
    lines = journal_lines()
    places = [(line["network"], line["scheme"], line["seed"]) for line in lines]
    assert len(set(places)) == len(places)
    for network in (TEACHER, STUDENT):
        for rounding in ROUNDINGS:
            found = rounded(lines, network, rounding)
            assert tuple(found) == BITS
            assert all(one.images == 10_000 for one in found.values())
