"""Numbers and settings in the words that a reader of a report meets, the same everywhere."""

from collections.abc import Sequence

from spaces import SCHEMES, STAGES, ChainConfig, Space, StudentConfig

NOTHING = "–"  # noqa: RUF001 - a dash
"""Stands where there is no number."""


def percent(share: float) -> str:
    """0.9737 -> `97.4 %`."""
    return f"{100 * share:.1f} %"


def probability(share: float) -> str:
    """0.9737 -> `97 %`; what is nearly sure is not called sure: 0.998 -> `> 99 %`."""
    if 0 < share < 0.01:
        return "< 1 %"
    if 0.99 < share < 1:
        return "> 99 %"
    return f"{100 * share:.0f} %"


def size(size_bytes: float) -> str:
    """Decimal units, three digits: 2_410_000 -> `2.41 MB`, 640_000 -> `640 kB`."""
    if size_bytes < 1e6:
        return f"{size_bytes / 1e3:.3g} kB"
    return f"{size_bytes / 1e6:.{2 if size_bytes < 1e7 else 1}f} MB"


def milliseconds(value_ms: float) -> str:
    """Three digits and the unit: 0.8613 -> `0.861 ms`."""
    return f"{_digits(value_ms)} ms"


def times(ratio: float) -> str:
    """A factor as one says it: 17.3 -> `17`, 4.04 -> `4`, 3.46 -> `3.5`, 1.25 -> `1.25`."""
    if ratio >= 9.95:
        return f"{ratio:.0f}"
    return f"{ratio:.{1 if ratio >= 1.95 else 2}f}".rstrip("0").rstrip(".")


def nats(value: float) -> str:
    """Two digits, and no power of ten: 0.00123 -> `0.0012`, 0.00002 -> `< 0.0001`."""
    return "< 0.0001" if value < 1e-4 else f"{value:.2g}"


def count(number: float) -> str:
    """Counts too long to read: 2_350_000 -> `2.35 M`."""
    for factor, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if number >= factor:
            return f"{_digits(number / factor)} {unit}"
    return f"{number:.0f}"


def duration(seconds: float) -> str:
    """Seconds as a person says them: 75 -> `1 min 15 s`, 5400 -> `1 h 30 min`."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def scheme(name: str) -> str:
    """`int4_weight_only+gpfq` -> `int4 weight-only, gpfq`."""
    return name.replace("weight_only", "weight-only").replace("_", " ").replace("+", ", ")


def layout(key: str) -> str:
    """A Layout.key by the schemes that fill it, since those are what a study names."""
    named = [scheme(name) for name, known in SCHEMES.items() if known.layout.key == key]
    return ", ".join(named) or key


def stages(student: StudentConfig, kinds: Sequence[str]) -> list[str]:
    """What was done to a student in each stage of a chain of these kinds, or that it was not."""
    there = {stage.kind: stage for stage in student.stages}
    return [there[kind].in_words if kind in there else STAGES[kind].absent for kind in kinds]


def student(chain: ChainConfig, space: Space) -> str:
    """A student in one line: `mobilenet_v2 x0.5, T 4, alpha 0.3, rank 8 on classifier`."""
    network = space.network_in_words(chain.student.network.key)
    return ", ".join([network, *stages(chain.student, space.order_of(chain.student))])


def counted(number: int, noun: str) -> str:
    """(8, epoch) -> `8 epochs`, (1, epoch) -> `1 epoch`, (2, class) -> `2 classes`."""
    plural = "es" if noun.endswith("s") else "s"
    return f"{number} {noun}{'' if number == 1 else plural}"


def _digits(value: float, digits: int = 3) -> str:
    return f"{value:,.0f}" if value >= 10 ** (digits - 1) else f"{value:#.{digits}g}".rstrip(".")
