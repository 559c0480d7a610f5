"""Whom the dashboard answers."""

from wsgiref.util import setup_testing_defaults

import pytest

from search.cli import guarded

OWN = "127.0.0.1:8080"


def asked(method="GET", host=OWN, origin=None, *, hosts=(), writable=False):
    """Return the status and the words of an answer."""
    environ = {"REQUEST_METHOD": method, "HTTP_HOST": host}
    if origin is not None:
        environ["HTTP_ORIGIN"] = origin
    setup_testing_defaults(environ)
    said = []

    def app(_, start_response):
        start_response("200 OK", [])
        return [b"the study"]

    app = guarded(app, hosts, writable=writable)
    body = b"".join(app(environ, lambda status, _: said.append(status)))
    return int(said[0].split()[0]), body.decode()


@pytest.mark.parametrize("host", [OWN, "localhost", "LOCALHOST:1", "[::1]:8080"])
def test_loopback_names_are_answered(host):
    assert asked(host=host) == (200, "the study")


@pytest.mark.parametrize(
    "host", ["evil.example", "127.0.0.1.evil.example:8080", "evil.example@127.0.0.1", "[", ""]
)
def test_other_names_are_not(host):
    status, words = asked(host=host)
    assert status == 403
    assert "--allow-host" in words


def test_a_name_that_is_allowed_is():
    assert asked(host="bench.lab:80", hosts=["Bench.lab"])[0] == 200


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
def test_it_changes_something_only_where_asked_to_and_for_its_own_page(method):
    own = f"http://{OWN}"
    status, words = asked(method, origin=own)
    assert (status, "--writable" in words) == (403, True)
    assert asked(method, origin=own, writable=True)[0] == 200
    for origin in (None, "null", "http://evil.example", "http://127.0.0.1:9999", "http://["):
        assert asked(method, origin=origin, writable=True)[0] == 403
