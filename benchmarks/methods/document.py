"""docs/methods.md, made from the declarations of all methods and from what their effects came to.

    python -m benchmarks.methods.document > docs/methods.md

A test holds the page to this.
"""

import inspect
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from statistics import mean

from benchmarks.methods.effects import table
from benchmarks.methods.outcomes import Journal, Outcome, spread
from objectives.training import METHODS as TRAINED
from objectives.training import TrainingMethod, training_method
from spaces import ADAPTERS, METHODS, Method, NoTeacher
from spaces.settings import own_settings

_HERE = Path(__file__).parent
_MEASURED = "resnet56_resnet20"

_HEAD = """\
# Methods

Made by `python -m benchmarks.methods.document` from what the methods declare of themselves and from
what they came to. A study file selects any of them, or several at once, as in
`[space.distill] method = ["none", "logit", "dkd"]`. All their settings are in
[study_file.md](study_file.md).
"""
_LEFT_OUT = (
    (
        "SP, CC, VID, PKT, AB, FT, FSP, NST",
        "all below plain KD for ResNet-56 → 20 in the table of Tian et al. (69.5 to 70.4, KD 70.7)",
    ),
    (
        "MLKD, ITRD, PACKD",
        "more augmented views, or a second loss, around losses that are here: try `multi_level`",
    ),
    ("OFD, ReviewKD", "hand-placed layers or a fusion of them a network, where ours find theirs"),
    ("Distillation without data", "there is always a training set here"),
)


def methods_page(outcomes: Mapping[str, Sequence[Outcome]]) -> str:
    """Return the page as Markdown; outcomes: by method, one a seed."""
    parts = [_HEAD, "## How a student is taught: `distill.method`", _table(_distillation(outcomes))]
    parts += ["## How a student is adapted: `adapt.method`", _table(_adaptation())]
    if outcomes:
        parts += ["## What that came to", _measured(outcomes)]
    parts += ["## Left out, and why", _table((("what", "why"), *_LEFT_OUT))]
    return "\n\n".join(part.rstrip("\n") for part in parts) + "\n"


def outcomes_by_method(journal: Path) -> dict[str, list[Outcome]]:
    """Return what a journal of benchmarks.methods.effects has of whole seeds, by method."""
    found: dict[str, dict[str, Outcome]] = {}
    for who, outcome in Journal(journal).by_name().items():
        method, _, seed = who.rpartition(" ")
        found.setdefault(method, {})[seed] = outcome
    alone = found.get(NoTeacher.kind, {})
    return {
        method: [by_seed[seed] for seed in alone]
        for method, by_seed in found.items()
        if alone and alone.keys() <= by_seed.keys()
    }


def _distillation(outcomes: Mapping[str, Sequence[Outcome]]) -> Iterator[tuple[str, ...]]:
    yield (
        "method",
        "what it minimises",
        "source",
        "asks",
        "settings of its own",
        "above labels alone",
        "cost",
    )
    for name, kind in METHODS.items():
        yield (
            f"`{name}`",
            _first_line(kind),
            _source(name),
            _asks(kind()),
            ", ".join(_settings(kind)),
            *_effect(name, outcomes),
        )


def _adaptation() -> Iterator[tuple[str, ...]]:
    yield "method", "what it is", "settings of its own", "grouped convolutions", "leaves an adapter"
    for name, one in ADAPTERS.items():
        settings = ", ".join(f"`{each}`" for each in one.has)
        yield f"`{name}`", one.words, settings, _yes(one.grouped), _yes(one.leaves)


def _yes(said: bool) -> str:
    return "yes" if said else ""


def _effect(name: str, outcomes: Mapping[str, Sequence[Outcome]]) -> tuple[str, str]:
    alone = outcomes.get(NoTeacher.kind, ())
    if name == NoTeacher.kind:
        return "", "1.00x" if alone else ""
    if name not in outcomes:
        return "not measured", ""
    pairs = list(zip(outcomes[name], alone, strict=True))
    gains = [100 * (ours.accuracies["fp32"] - base.accuracies["fp32"]) for ours, base in pairs]
    cost = sum(ours.seconds for ours, _ in pairs) / sum(base.seconds for _, base in pairs)
    return f"{mean(gains):+.2f}{spread(gains, len(gains))}", f"{cost:.2f}x"


def _measured(outcomes: Mapping[str, Sequence[Outcome]]) -> str:
    schemes = list(next(iter(outcomes.values()))[0].accuracies)
    words = (
        f"[{_MEASURED}.toml](../benchmarks/methods/{_MEASURED}.toml), by\n"
        "`python -m benchmarks.methods.effects`: accuracy on test in points, mean and standard\n"
        "deviation over seeds; what is above `none`, paired by seed, with its standard error; CPU\n"
        "seconds beside those of `none`; and the same students as files of each scheme."
    )
    return "\n".join([words, "", *table(outcomes, schemes)])


def _first_line(thing: object) -> str:
    return (inspect.getdoc(thing) or "").partition("\n")[0]


def _source(name: str) -> str:
    module = inspect.getmodule(TRAINED[name])
    line = _first_line(module)
    return line[line.find("(") + 1 : line.rfind(")")] if "(" in line else ""


def _asks(method: Method) -> str:
    if not method.needs_teacher:
        return "labels"
    taps = type(training_method(method)).teacher_taps is not TrainingMethod.teacher_taps
    return "inner tensors" if taps else "logits"


def _settings(kind: type[Method]) -> Iterator[str]:
    for one in own_settings(kind):
        if not one.setting.shared:
            default = f"{one.default:g}" if isinstance(one.default, float) else str(one.default)
            yield f"`{one.name}` {default}"


def _table(rows: Iterator[tuple[str, ...]] | Sequence[tuple[str, ...]]) -> str:
    head, *others = rows
    lines = [head, ("---",) * len(head), *others]
    return "\n".join(
        f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in row)} |" for row in lines
    )


if __name__ == "__main__":
    print(methods_page(outcomes_by_method(_HERE / f"{_MEASURED}.jsonl")), end="")
