"""Is the quantized teacher better, or the quantized student: at equal bits, and at equal bytes.

Of the journals of `benchmarks.low_bits.schemes`: a teacher and a student of the same images, each
rounded to 8 to 2 bits, scored on all test images as the artifact.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import mean, stdev
from typing import Any

from benchmarks.low_bits.document import EFFECTS, lines
from benchmarks.sources.published import HERE

FURTHER = HERE / "schemes.jsonl"
"""Lines of that kind that were made for this question."""
BITS = (8, 7, 6, 5, 4, 3, 2)
ROUNDINGS = ("gpfq", "refined+bias_corrected")
TEACHER, STUDENT = "cifar_resnet56@1", "cifar_resnet20@1"


@dataclass(frozen=True)
class Rounded:
    """One network as a file of few bits."""

    bits: int
    size_bytes: int
    accuracies: tuple[float, ...]
    """On test, in points, one of each set of calibration images."""
    images: int

    @property
    def accuracy(self) -> float:
        """Their mean."""
        return mean(self.accuracies)

    @property
    def in_words(self) -> str:
        """`92.51 ± 0.05`, the standard deviation over sets."""
        spread = f" ± {stdev(self.accuracies):.2f}" if len(self.accuracies) > 1 else ""
        return f"{self.accuracy:.2f}{spread}"

    @property
    def error(self) -> float:
        """Standard error of the accuracy, of so many images."""
        share = self.accuracy / 100
        return 100 * float((share * (1 - share) / self.images) ** 0.5)


def journal_lines() -> list[dict[str, Any]]:
    """Return the lines of both journals."""
    return [*lines(EFFECTS), *lines(FURTHER)]


def rounded(
    journal: Iterable[Mapping[str, Any]], network: str, rounding: str
) -> dict[int, Rounded]:
    """Return by bits what the journal has of a network under a rounding."""
    by_scheme: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
    for line in journal:
        if line["network"] == network:
            by_scheme[line["scheme"]].append(line)
    found = {}
    for bits in BITS:
        own = by_scheme.get(f"int{bits}_weight_only+{rounding}", [])
        if own:
            accuracies = tuple(line["accuracy"] for line in own)
            found[bits] = Rounded(bits, own[0]["bytes"], accuracies, own[0]["images"])
    return found


def within(files: Iterable[Rounded], size_bytes: int) -> Rounded | None:
    """Return the most accurate file of no more bytes; None where all are larger."""
    fitting = [one for one in files if one.size_bytes <= size_bytes]
    return max(fitting, key=lambda one: one.accuracy, default=None)


def better(teacher: Rounded, student: Rounded) -> str:
    """Return which of both is better; `neither` within two standard errors of the difference."""
    gap = teacher.accuracy - student.accuracy
    if abs(gap) <= 2 * (teacher.error**2 + student.error**2) ** 0.5:
        return "neither"
    return "teacher" if gap > 0 else "student"


def at_equal_bits(teacher: Mapping[int, Rounded], student: Mapping[int, Rounded]) -> list[str]:
    """Return a table in Markdown, a row a number of bits."""
    head = ["bits", "teacher", "bytes", "student", "bytes", "better"]
    rows = [
        [
            str(bits),
            teacher[bits].in_words,
            f"{teacher[bits].size_bytes:,}",
            student[bits].in_words,
            f"{student[bits].size_bytes:,}",
            better(teacher[bits], student[bits]),
        ]
        for bits in BITS
        if bits in teacher and bits in student
    ]
    return _table(head, rows)


def at_equal_bytes(teacher: Mapping[int, Rounded], student: Mapping[int, Rounded]) -> list[str]:
    """Return a table in Markdown, a row a size that one of the files has."""
    files = sorted({one.size_bytes for one in (*teacher.values(), *student.values())})
    head = ["at most bytes", "teacher", "bits", "student", "bits", "better"]

    def rows() -> Iterator[list[str]]:
        for size in files:
            pair = within(teacher.values(), size), within(student.values(), size)
            told = [cell for one in pair for cell in _cells(one)]
            yield [f"{size:,}", *told, _better_of(*pair)]

    return _table(head, _where_one_is_new(list(rows())))


def _cells(one: Rounded | None) -> list[str]:
    return ["none is so small", ""] if one is None else [one.in_words, str(one.bits)]


def _better_of(teacher: Rounded | None, student: Rounded | None) -> str:
    if teacher is None or student is None:
        return "student" if teacher is None else "teacher"
    return better(teacher, student)


def _where_one_is_new(rows: Sequence[list[str]]) -> list[list[str]]:
    """Leave out sizes at which both are what they were at the size before."""
    return [row for before, row in zip([[], *rows], rows, strict=False) if before[1:] != row[1:]]


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    written = [head, ["---"] * len(head), *rows]
    return [f"| {' | '.join(cells)} |" for cells in written]


def answer(teacher: Mapping[int, Rounded], student: Mapping[int, Rounded]) -> str:
    """Return in a sentence who is better at which bits."""
    of: dict[str, list[int]] = defaultdict(list)
    for bits in BITS:
        if bits in teacher and bits in student:
            of[better(teacher[bits], student[bits])].append(bits)
    said = [f"{who} at {', '.join(map(str, bits))}" for who, bits in of.items()]
    return f"At equal bits the better one is: {'; '.join(said)}."
