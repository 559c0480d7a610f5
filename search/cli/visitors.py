"""Whom the dashboard answers: pages of other sites are to see and change nothing.

A browser sends a page's requests wherever the page says. A name that first led to the page's site
and then to this machine (DNS rebinding) makes the dashboard look like a part of that site; what
gives it away is the Host header.
"""

from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import SplitResult, urlsplit

LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})

_Environ = dict[str, Any]
_App = Callable[[_Environ, Callable[..., Any]], Iterable[bytes]]
_READING = frozenset({"GET", "HEAD", "OPTIONS"})


def guarded(app: _App, hosts: Iterable[str], *, writable: bool) -> _App:
    """Return the WSGI application `app`, with 403 for whatever is none of these.

    - It asks for a host by one of the loopback names or of `hosts`.
    - It reads; or it changes something, which is `writable`, from a page of that very host.
    """
    known = LOOPBACK | {host.lower() for host in hosts}

    def answer(environ: _Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
        if refusal := _refusal(environ, known, writable=writable):
            start_response("403 Forbidden", [("Content-Type", "text/plain; charset=utf-8")])
            return [f"{refusal}\n".encode()]
        return app(environ, start_response)

    return answer


def _refusal(environ: _Environ, known: frozenset[str], *, writable: bool) -> str:
    """Say why a request is refused, "" where it is not."""
    host = str(environ.get("HTTP_HOST", "")).lower()
    name = _split(f"//{host}").hostname
    if name not in known or "@" in host:
        return f"the dashboard does not answer to the name {host!r}: --allow-host lets it"
    if environ["REQUEST_METHOD"] in _READING:
        return ""
    if not writable:
        return "the dashboard is for reading: --writable lets it change studies"
    if _split(str(environ.get("HTTP_ORIGIN", "")).lower()).netloc != host:
        return "only the dashboard's own page may change something"
    return ""


def _split(url: str) -> SplitResult:
    try:
        return urlsplit(url)
    except ValueError:  # Not one at all.
        return urlsplit("")
