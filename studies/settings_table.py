"""What can be searched, as a table made from the settings' own declarations.

    python -m studies.settings_table

The README has it between two marks; a test holds it to this.
"""

from collections.abc import Iterator

from spaces import DEFAULT_CHAIN, Key, Steps, keys_of

_HEAD = ("key of `[space]`", "searched by default", "or settled at")


def settings_table() -> str:
    """Return the table as Markdown: every setting of the default chain."""
    rows = [_HEAD, *(["---"] * len(_HEAD),), *_rows()]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows) + "\n"


def _rows() -> Iterator[tuple[str, ...]]:
    for name, (key, *_) in keys_of(DEFAULT_CHAIN).items():
        yield f"`{name}`", _searched(key), _default(key)


def _searched(key: Key) -> str:
    domain = key.declared.setting.domain
    if domain is None:
        return ""
    if isinstance(domain, Steps):
        return f"{domain.low:g} to {domain.high:g} in steps of {domain.step:g}"
    return ", ".join(map(str, domain.values))


def _default(key: Key) -> str:
    if key.name == "network.image_size":
        return "that of the data"
    default = key.declared.default
    if key.declared.kinds is not None:
        return f"{default.kind} (of {', '.join(key.declared.kinds)})"
    if key.declared.setting.domain is not None:
        return ""
    return f"{default:g}" if isinstance(default, float) else str(default)


if __name__ == "__main__":
    print(settings_table(), end="")
