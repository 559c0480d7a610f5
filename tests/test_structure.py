"""What holds of the source itself: where settings have names, and how long files are."""

import io
import re
import token
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest

from spaces import METHODS, STAGES
from spaces.settings import own_settings

ROOT = Path(__file__).parents[1]
MOST_LINES = 300

STUDY_AGNOSTIC = ("search", "reports")
"""Packages that know that there are stages, methods and settings, and not which."""

KINDS = {*STAGES, *METHODS, "lora", "distillation"} - {"none"}
CLASSES = {kind.__name__ for kind in (*STAGES.values(), *METHODS.values())}
SETTINGS = {
    declared.name
    for kind in (*STAGES.values(), *METHODS.values())
    for declared in own_settings(kind)
}
ORDINARY = {
    *("epochs", "batch_size", "method", "dist", "hint", "weight", "mix", "teacher", "layout"),
    *("prune", "shares", "steps", "amount"),
}
"""Names that may be told: every stage has epochs and a batch size, every study a teacher, every
file a layout, scipy has methods, some systems install into dist-packages, messages have hints,
fonts weights, and CSS can mix colours. Trials are pruned too, figures show shares, ranges have
steps, and rulings amounts."""

_TEXT = {token.STRING, getattr(token, "FSTRING_MIDDLE", token.STRING)}
_WORD = re.compile(r"[A-Za-z_]+")
_IGNORED = {token.COMMENT, token.NL, token.NEWLINE, token.INDENT, token.DEDENT}


def files(*packages: str) -> list[Path]:
    return sorted(path for package in packages for path in (ROOT / package).rglob("*.py"))


def templates(*packages: str) -> list[Path]:
    """Return what is filled in or sent to a browser."""
    found = [
        path
        for package in packages
        for suffix in ("j2", "js", "css")
        for path in (ROOT / package).rglob(f"*.{suffix}")
    ]
    assert found
    return sorted(found)


def words(source: str) -> Iterator[tuple[int, str]]:
    """Yield line and word of all names and texts; neither comments nor docstrings are any."""
    begins = True  # Of a statement: a text that stands there alone is a docstring.
    for each in tokenize.generate_tokens(io.StringIO(source).readline):
        if each.type == token.NAME or (each.type in _TEXT and not begins):
            for word in _WORD.findall(each.string):
                yield each.start[0], word
        if each.type in {token.NEWLINE, token.INDENT, token.DEDENT}:
            begins = True
        elif each.type not in {*_IGNORED, token.STRING}:
            begins = False


def test_words_are_those_of_names_and_texts_and_of_nothing_else():
    source = '"""Of adapt."""\n\nclass A:\n    """Of\n    dropout."""\n\n    b = 1  # lora\n'
    source += '    """rank"""\n\n    def c(self):\n        return {"distill.alpha": f"{b} logit"}\n'
    found = list(words(source))
    told = {word for _, word in found} - {"class", "def", "return", "self", "f"}
    assert told == {"A", "b", "c", "distill", "alpha", "logit"}
    assert (11, "distill") in found


def test_search_and_reports_know_no_stage_method_or_setting_by_its_name():
    names = (KINDS | CLASSES | SETTINGS) - ORDINARY
    assert names >= {"distill", "adapt", "logit", "temperature", "lora_alpha", "dropout"}
    assert names >= {"learning_rate", "targets", "alpha", "Distill", "Adapt", "Logit"}
    told = [
        *(
            (path, line, word)
            for path in files(*STUDY_AGNOSTIC)
            for line, word in words(path.read_text("utf-8"))
        ),
        *(
            (path, line, word)
            for path in templates(*STUDY_AGNOSTIC)
            for line, text in enumerate(path.read_text("utf-8").splitlines(), 1)
            for word in _WORD.findall(text)
        ),
    ]
    offenders = [
        f"{path.relative_to(ROOT)}:{line}: {word}" for path, line, word in told if word in names
    ]
    assert not offenders, "\n".join(offenders)


@pytest.mark.parametrize(
    "package", ["spaces", "objectives", "studies", "search", "reports", "benchmarks"]
)
def test_no_file_is_too_long_to_be_read_at_once(package):
    lengths = {path: len(path.read_text("utf-8").splitlines()) for path in files(package)}
    assert lengths
    offenders = [
        f"{path.relative_to(ROOT)}: {length} lines"
        for path, length in lengths.items()
        if length > MOST_LINES
    ]
    assert not offenders, "\n".join(offenders)
