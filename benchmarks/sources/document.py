"""docs/sources.md, made from what the sources published and from the journals of ours.

    python -m benchmarks.sources.document > docs/sources.md

A test holds the page to this.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from benchmarks.sources.measured import Found, read_found
from benchmarks.sources.published import SOURCES, Source, Table, read_source
from benchmarks.sources.quantized_pair import (
    ROUNDINGS,
    STUDENT,
    TEACHER,
    answer,
    at_equal_bits,
    at_equal_bytes,
    journal_lines,
    rounded,
)
from benchmarks.sources.table import beside, command

_HEAD = """\
# The five sources

Made by `python -m benchmarks.sources.document` from what each source published
(`benchmarks/sources/published`) and from journals of ours. Every source is a built-in study of the
same name, complete at full length, which takes a GPU: none of the rows at full scale was made yet.
Every table says at which scale ours was, and what differs; a column in which nothing stands is left
out. Accuracies are of the test split in points, of the artifact run by its runtime, mean and
standard deviation over seeds or sets of calibration images. Changes are in points, beside the
student alone or the file that a row was made from, paired by seed, with their standard error.
Latencies of ours are of one image on one thread of a machine that other work shared."""

_TRIED = """\
The study on embedded data, within minutes on two cores, which shows that its chain runs and nothing
of its accuracy:"""

_PAIR = """\
### The quantized teacher, or the quantized student?

A public ResNet-56 of CIFAR-10 as the teacher and a public ResNet-20, which nobody distilled, as the
student; weights of 8 to 2 bits, one scale a channel, chosen on 128 training images; all
{images:,} test images, scored on the artifact. `neither`: the difference is within two standard
errors, taken as of two sets of images; ± is over sets of calibration images, where there were
several. It is their CIFAR-10 at another pair of networks; of CIFAR-100 nothing was measured.
`python -m benchmarks.low_bits.schemes` made the rows."""

_NTK = """\
### NTK compression

Gu et al. (NeurIPS 2022; arXiv 2403.00258) show that, for data of a mixture of Gaussians, of a
number and a dimension that are both large, wide fully-connected networks with weights of
{0, ±1} times a scale and activations of few levels have in the limit the spectrum of the neural
tangent kernel of the dense ones.

How far that goes: it is about kernels of wide dense layers whose weights are drawn at random. It
says nothing of convolutions, of batch norms and shortcuts, or of the trained weights of a given
network. Their experiment on CIFAR-10 compresses dense layers behind the convolutions of a trained
VGG-19, which stay as they are.

Why it is no stage here: a stage takes a trained network and gives a smaller trained one; this draws
another network and trains that. In the networks of these studies dense layers hold little: a
ResNet's only one is its classifier. The last two bits are reached here by rounding the trained
weights (`int2_weight_only+refined`), and zeros by the stage `prune`.

What it would take: a VGG or another network with wide dense layers; a stage that draws ternary
weights for these alone, solves for activations with the layer's coefficients by calibration images,
and trains what is left; activations of few levels in the file, which no runtime here has kernels
for."""


def sources_page(journal: Sequence[Mapping[str, Any]]) -> str:
    """Return the page as Markdown; journal: lines of benchmarks.low_bits.schemes."""
    parts = [_HEAD]
    for name in SOURCES:
        parts += _source(read_source(name), journal)
    return "\n\n".join(parts) + "\n"


def _source(source: Source, journal: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    yield f"## `{source.name}`"
    yield f"{source.title}. [The study](../studies/{source.name}.toml)."
    yield "What it says:"
    yield _list(source.claims)
    if source.shown:
        yield "What ours shows:"
        yield _list(source.shown)
    found = [(table, read_found(source, table, "small")) for table in source.tables]
    for table, ours in found:
        if ours:
            yield from _table(source, table, ours)
    for table, ours in found:
        if not ours:
            yield f"{table.title}: not made here yet. `{command(source, table, 'full')}`, on a GPU."
    if source.name == "ucsd":
        yield from _pair(journal)
        yield _NTK
    yield "What differs throughout:"
    yield _list(source.differences)
    yield _TRIED
    yield f"```\n{tried(source)}\n```"


def _table(source: Source, table: Table, found: Found) -> Iterator[str]:
    yield f"### {table.title}"
    yield (
        f"Ours: {table.scale('small').words}. `{command(source, table, 'small')}`; at full scale "
        f"({table.full.words}) `--scale full`."
    )
    yield "\n".join(beside(table, table.rows, found, "small")[2:])


def _pair(journal: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    pairs = {
        rounding: (rounded(journal, TEACHER, rounding), rounded(journal, STUDENT, rounding))
        for rounding in ROUNDINGS
    }
    images = next(one.images for one in pairs[ROUNDINGS[0]][0].values())
    yield _PAIR.format(images=images)
    for rounding, (teacher, student) in pairs.items():
        yield f"`{rounding}`. {answer(teacher, student)}"
        yield "\n".join(at_equal_bits(teacher, student))
    teacher, student = pairs[ROUNDINGS[-1]]
    yield (
        f"The best file of either that is no larger, by `{ROUNDINGS[-1]}` and by these test "
        "images; a size at which both are what they were is left out:"
    )
    yield "\n".join(at_equal_bytes(teacher, student))


def _list(lines: Sequence[str]) -> str:
    return "\n".join(f"- {line}" for line in lines)


def tried(source: Source) -> str:
    """Return the command that runs a source's study on embedded data."""
    words = [f"python -m search.run --study {source.name} --trials 2"]
    for setting in source.tried:
        quoted = f"'{setting}'" if " " in setting or "[" in setting else setting
        line = f"{words[-1]} --set {quoted}"
        words[-1:] = [line] if len(line) <= 98 else [f"{words[-1]} \\", f"    --set {quoted}"]
    return "\n".join(words)


if __name__ == "__main__":
    print(sources_page(journal_lines()), end="")
