"""What is searched by default, as a table made from the settings' own declarations.

    python -m studies.settings_table

The README has it between two marks; a test holds it to this.
"""

from collections.abc import Iterator

from spaces import DEFAULT_CHAIN, Steps, keys_of

_HEAD = ("key of `[space]`", "searched where a file does not say")


def settings_table() -> str:
    """Return the table as Markdown: what a study of the default chain searches that names nothing.

    The settings of methods are left out: a study that names no method has only the plain one.
    """
    rows = [_HEAD, *(["---"] * len(_HEAD),), *_rows()]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows) + "\n"


def _rows() -> Iterator[tuple[str, ...]]:
    for name, (key, *_) in keys_of(DEFAULT_CHAIN).items():
        domain = key.declared.setting.domain
        if domain is None or (key.method is not None and not key.declared.setting.shared):
            continue
        if isinstance(domain, Steps):
            words = f"{domain.low:g} to {domain.high:g} in steps of {domain.step:g}"
        else:
            words = ", ".join(map(str, domain.values))
        yield f"`{name}`", words


if __name__ == "__main__":
    print(settings_table(), end="")
