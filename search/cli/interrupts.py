"""Ctrl-C stays Ctrl-C, whatever compiled code makes of it."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def interruptible() -> Iterator[None]:
    """Raise KeyboardInterrupt in place of an error that comes after Ctrl-C within the block.

    Compiled code that calls Python (safetensors while it makes a tensor) may drop the
    KeyboardInterrupt that it meets and raise an error of its own; told as that error, a sound
    file would be called damaged.
    """
    before = signal.getsignal(signal.SIGINT)
    if not callable(before):  # Ctrl-C is ignored here, or not Python's to handle.
        yield
        return
    answer, came = before, False

    def note(number: int, frame: FrameType | None) -> None:
        nonlocal came
        came = True
        answer(number, frame)

    signal.signal(signal.SIGINT, note)
    try:
        yield
    except Exception as error:
        if came:
            raise KeyboardInterrupt from error
        raise
    finally:
        signal.signal(signal.SIGINT, before)
