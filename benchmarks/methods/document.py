"""docs/methods.md, made from the declarations of all methods and from what their effects came to.

    python -m benchmarks.methods.document > docs/methods.md

A test holds the page to this.
"""

import inspect
from collections.abc import Iterator, Mapping, Sequence
from itertools import takewhile
from math import nan
from pathlib import Path
from statistics import mean

from scipy.stats import spearmanr

from benchmarks.methods.beside import read_source
from benchmarks.methods.effects import cost, gains, table
from benchmarks.methods.outcomes import METHOD, Journal, Outcome, spread
from objectives.training import METHODS as TRAINED
from objectives.training import TrainingMethod, training_method
from spaces import ADAPTERS, METHODS, Dml, Method, NoTeacher
from spaces.settings import own_settings

_MEASURED = "resnet56_resnet20"
JOURNAL = Path(__file__).parent / f"{_MEASURED}.jsonl"
"""Of the study of that name: what its effects came to."""

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


_BESIDE = """\
## Who teaches, and on what images

- `distill.teacher`: the study's own, or one of `[teachers.NAME]`: loaded weights, several
  checkpoints of a training, the teacher after an earlier epoch, an ensemble, an assistant that
  another taught (Mirzadeh et al., AAAI 2020). `pretrained`: torchvision's ImageNet weights to begin
  with, of a teacher or a student.
- `distill.mix`: `mixup` (Zhang et al., ICLR 2018) or `cutmix` (Yun et al., ICCV 2019), not with
  methods that need one label an image. `distill.augment`, `jitter`, `teacher_jitter`.
- `distill.teacher_view`: the student's own view (with mixup and many epochs the "patient and
  consistent" teacher of Beyer et al., CVPR 2022), the plain image, or a view of its own.
- Optimizer, weight decay, warm-up, decay, epochs and batch size of every stage are settings too."""
_AWARE = """\
`adapt.layout` lets any of them learn with the network seen through a layout, rounded as in the
file (straight-through gradients, Bengio et al. 2013), so that it makes up for the rounding; such a
student is a point of that layout alone. At 3 bits that is 89.1 % where a plain adapter has 62.0
([three seeds, four layouts](../benchmarks/methods/quantization_aware.md)). `adapt.learns_from`: as
the stage before, labels, teacher, or both. `full` is the control of equal compute:
`python -m benchmarks.methods.adapters STUDY --work WORK` holds every adapter against it
([each of them, on students of labels alone and of a teacher](../benchmarks/methods/adapted.md)).

The stage `quantize_aware` trains all weights so, by any method of the table above
(`quantize_aware.method`), from the weights that `refined+bias_corrected` rounds to.
`python -m benchmarks.methods.quantize_aware STUDY --work WORK` holds it against rounding alone."""

_HOW = """\
[{study}.toml](../benchmarks/methods/{study}.toml) by
`python -m benchmarks.methods.effects STUDY --work WORK`: accuracy on test in points, mean and
standard deviation over seeds; what is above `none`, paired by seed, with its standard error; CPU
seconds beside those of `none`; and the same students as files of each scheme. `hint`, `attention`,
`rkd` and `crd` are without soft logits, `dkd` has beta 2 and a warm-up of two epochs, `crd` 4,096
negatives; all else is as above. It has a tenth of the published images, a tenth of the epochs, 10
classes, and a teacher that saw all images. The published recipe takes a GPU:
`python -m benchmarks.methods.beside kd_methods --work WORK` prints both. On the digits of the main
job `hint` and `multi_level` are ahead of `logit` by less than their spread, for twice its seconds
and more ([three seeds](../benchmarks/methods/digits.md))."""
_DIFFERENCES = """\
Why they differ: ours have 1,900 steps where the published have 188,000, so our table says who
brings a student far in little time, not where it ends. Whoever hands over the teacher's maps does
(`hint`, `multi_level`); losses that weigh soft relations far above the labels start slowest
(`dist`, `wttm`, `rkd`). `dkd`, `dist` and `logit_std` live by what a teacher says of the wrong
classes, of which there are 9 here and 99 there. Our teacher has seen ten times the student's
images, theirs the same. Weights and temperatures are the published ones, not searched, but for
`logit_std` (theirs: T 2 and weight 9), `crd` (theirs: 16,384 negatives) and perhaps `wttm`, whose
weight for this pair is not given."""


def methods_page(outcomes: Mapping[str, Sequence[Outcome]]) -> str:
    """Return the page as Markdown; outcomes: by method, one a seed."""
    parts = [_HEAD, "## How a student is taught: `distill.method`", _table(_distillation(outcomes))]
    if outcomes:
        parts += ["## What that came to", _measured(outcomes)]
        parts += ["## Beside the published order", _beside_published(outcomes)]
    parts += [_BESIDE, "## How a student is adapted: `adapt.method`", _table(_adapters()), _AWARE]
    parts += ["## Left out, and why", _table((("what", "why"), *_LEFT_OUT))]
    return "\n\n".join(part.rstrip("\n") for part in parts) + "\n"


def outcomes_by_method(journal: Path) -> dict[str, list[Outcome]]:
    """Return what a journal of benchmarks.methods.effects has, by method, one a seed from 0 on."""
    found: dict[str, dict[int, Outcome]] = {}
    for who, outcome in Journal(journal).by_name().items():
        method, _, seed = who.rpartition(" ")
        found.setdefault(method, {})[int(seed)] = outcome
    seeds = range(len(found.get(NoTeacher.kind, {})))
    return {
        method: [by_seed[seed] for seed in takewhile(by_seed.__contains__, seeds)]
        for method, by_seed in found.items()
        if 0 in by_seed and seeds
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


def _adapters() -> Iterator[tuple[str, ...]]:
    yield "method", "what it trains", "settings of its own", "depthwise layers"
    for name, one in ADAPTERS.items():
        own = ", ".join(f"`{each}`" for each in one.has)
        yield f"`{name}`", one.words, own, ("yes" if one.grouped else "no") if one.leaves else ""


def _effect(name: str, outcomes: Mapping[str, Sequence[Outcome]]) -> tuple[str, str]:
    if name == NoTeacher.kind:
        return "", "1.00x" if outcomes else ""
    if name not in outcomes:
        return "not measured", ""
    above = gains(outcomes, name)
    return f"{mean(above):+.2f}{spread(above, len(above))}", f"{cost(outcomes, name):.2f}x"


def _beside_published(outcomes: Mapping[str, Sequence[Outcome]]) -> str:
    source = read_source("kd_methods")
    published = {str(row.answers[METHOD]): row.published for row in source.rows if row.answers}
    alone = published.pop(NoTeacher.kind) or nan
    theirs = {
        name: value - alone
        for name, value in published.items()
        if value is not None and name in outcomes
    }
    ours = {name: mean(gains(outcomes, name)) for name in theirs}
    place = {name: i for i, name in enumerate(sorted(ours, key=lambda name: -ours[name]), 1)}
    order = sorted(theirs, key=lambda name: -theirs[name])
    rows = [
        ("method", "published above alone", "ours above alone", "our place"),
        *((f"`{n}`", f"{theirs[n]:+.2f}", f"{ours[n]:+.2f}", str(place[n])) for n in order),
    ]
    ranks = float(spearmanr(list(theirs.values()), list(ours.values())).statistic)
    return "\n\n".join(
        (
            f"Published: {source.source}",
            _table(rows),
            f"Rank correlation of the two orders (Spearman): {ranks:+.2f}.",
            _DIFFERENCES,
        )
    )


def _measured(outcomes: Mapping[str, Sequence[Outcome]]) -> str:
    schemes = list(next(iter(outcomes.values()))[0].accuracies)
    return "\n".join([_HOW.format(study=_MEASURED), "", *table(outcomes, schemes)])


def _first_line(thing: object) -> str:
    return (inspect.getdoc(thing) or "").partition("\n")[0]


def _source(name: str) -> str:
    module = inspect.getmodule(TRAINED[name])
    line = _first_line(module)
    return line[line.find("(") + 1 : line.rfind(")")] if "(" in line else ""


def _asks(method: Method) -> str:
    if not method.needs_teacher:
        return "labels; the teacher as peer" if isinstance(method, Dml) else "labels"
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
    print(methods_page(outcomes_by_method(JOURNAL)), end="")
