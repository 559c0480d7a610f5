"""Output under a code page that lacks some of our characters, as cp1251 lacks the sign of a factor.

Without them the first such character would end a command, hours into a search.
"""

import codecs
import io
import sys
import unicodedata

STAND_INS = {"×": "x", "–": "-", "—": "-", "…": "~", "→": "->", "±": "+-"}  # noqa: RUF001
"""What ASCII says in their place: as wide where a table has them, so that its columns stay."""

_HANDLER = "distilfront-stand-ins"


def use_stand_ins() -> None:
    """Let standard output and standard error take any text, whatever their encoding."""
    codecs.register_error(_HANDLER, _stand_in)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # Not what a test or a notebook put there.
            stream.reconfigure(errors=_HANDLER)


def _stand_in(error: UnicodeError) -> tuple[str | bytes, int]:
    """Return what is written for the first character that cannot be, and where to go on."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    character, after = error.object[error.start], error.start + 1
    if "\udc80" <= character <= "\udcff":  # A byte of a path that was not decoded either.
        return bytes([ord(character) - 0xDC00]), after
    plain = unicodedata.normalize("NFKD", character).encode("ascii", "ignore").decode()
    return STAND_INS.get(character) or plain or "?", after
