"""The one root of all errors this project raises on purpose."""


class DistilfrontError(Exception):
    """Root of the project's own errors; its text is one line fit to be shown to the user."""


class InputError(DistilfrontError):
    """Something the user gave cannot be used and the user can mend it (a command exits with 2)."""


class UnknownNameError(InputError):
    """A name is not one of those known; the text lists the known ones."""

    def __init__(self, what: str, name: object, known: list[str] | tuple[str, ...]) -> None:
        super().__init__(f"unknown {what} {name!r}: known are {', '.join(known)}")


def printable(words: object) -> str:
    """Return `words` as text that every terminal, file and database takes, on one line.

    What has no shape of its own (line ends, control characters, bytes that are no UTF-8) is
    escaped.
    """
    return "".join(
        each if each.isprintable() else each.encode("unicode_escape").decode()
        for each in str(words)
    )


def is_text(words: str) -> bool:
    """Say whether `words`, the name of a file perhaps, can stand in UTF-8: studies and pages do.

    On most systems a name is any bytes; Python keeps those that are no text as lone surrogates.
    """
    try:
        words.encode()
    except UnicodeEncodeError:
        return False
    return True


def in_one_line(error: BaseException) -> str:
    """Return what was raised in one line that is never empty: its type, and its words if any.

    An error of ours is its words alone.
    """
    words, kind = " ".join(str(error).split()), type(error).__name__
    if isinstance(error, DistilfrontError) and words:
        return words
    return f"{kind}: {words}" if words else kind
