"""Ctrl-C ends a command as Ctrl-C, also where compiled code met it first."""

import os
import signal
import sys

import pytest

from search.cli import interruptible, make_app, run_app
from spaces import InputError


@pytest.fixture(autouse=True)
def _hears_ctrl_c():
    """Tests that run in the background are started with Ctrl-C ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def dropped_by_compiled_code() -> None:
    """Be interrupted, and tell of it as safetensors does from within its tensors."""
    try:
        os.kill(os.getpid(), signal.SIGINT)
        signal.sigtimedwait([], 5)  # The handler runs here at the latest.
    except KeyboardInterrupt:
        message = "weights.safetensors are damaged: no shape of 'UntypedStorage'"
        raise InputError(message) from None


def test_an_error_that_took_the_place_of_ctrl_c_is_ctrl_c():
    with pytest.raises(KeyboardInterrupt), interruptible():
        dropped_by_compiled_code()


def test_an_error_without_ctrl_c_stays_itself_and_the_handler_is_put_back():
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(InputError, match="too many"), interruptible():
        raise InputError("too many")
    assert signal.getsignal(signal.SIGINT) is before


def test_a_command_ends_with_the_code_of_an_interruption(capsys, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["broken"])

    def broken() -> None:
        """Be interrupted."""
        dropped_by_compiled_code()

    with pytest.raises(SystemExit) as ended:
        run_app(make_app(broken))
    assert ended.value.code == 130
    assert capsys.readouterr().err == "distilfront: interrupted\n"


def test_an_ignored_ctrl_c_stays_ignored():
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with interruptible():
            os.kill(os.getpid(), signal.SIGINT)
    finally:
        signal.signal(signal.SIGINT, before)
