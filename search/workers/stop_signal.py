"""A worker's standard input: how the command that started it asks it to stop, and how it ends."""

import os
import sys
import threading
import time


class StopSignal:
    """Watches standard input and the clock.

    A line on standard input asks for a stop after the current epoch; its end means that the
    command is gone, and with it whoever would hear of the result: the process ends at once, and
    its trial is gone on with by whoever runs the study next.
    """

    def __init__(self, deadline: float | None = None) -> None:
        """`deadline`: time.monotonic() after which it stops by itself."""
        self._asked = threading.Event()
        self._deadline = deadline

    def watch_stdin(self) -> None:
        """Begin to watch standard input, in a thread of its own."""
        threading.Thread(target=self._watch, daemon=True).start()

    def _watch(self) -> None:
        for _ in sys.stdin:
            self._asked.set()
        os._exit(130)

    @property
    def stopping(self) -> bool:
        """True once the worker shall stop: asked to, or out of time."""
        late = self._deadline is not None and time.monotonic() >= self._deadline
        return late or self._asked.is_set()

    def wait(self, seconds: float) -> None:
        """Sleep, but wake at once when asked to stop."""
        self._asked.wait(seconds)
