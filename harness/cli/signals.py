"""Signals that stop a command: what is finished is kept, and one sentence says so."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from harness.errors import HarnessError, Stopped

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
# While what is finished is being written, a second signal would only do harm. Later it may end a
# wait for a results file that somebody else holds: all rows are on disk a second after they came.
_UNDISTURBED_SECONDS = 10.0
_GOES_ON = "Run the same command again to go on."


class _Signalled(KeyboardInterrupt):
    """A signal other than Ctrl-C's, which everything takes for Ctrl-C."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.number = number


@contextmanager
def stoppable(
    sentence: Callable[[], str], error: Callable[[str, str], HarnessError] = Stopped
) -> Iterator[None]:
    """Turn SIGINT, SIGTERM and SIGHUP into an error, once what runs inside has put itself in order.

    A signal that was ignored when the command started (``nohup``) stays ignored.

    Args:
        sentence: Says what is kept.
        error: Made of that and its remedy. :class:`Stopped` gets the exit code that a shell reports
            for the signal, and 2 for Ctrl-C.

    Raises:
        HarnessError: A signal came.
    """
    before = _install()
    try:
        yield
    except KeyboardInterrupt as stop:
        raised = error(sentence(), _GOES_ON)
        if isinstance(raised, Stopped) and isinstance(stop, _Signalled):
            raised.exit_code = 128 + stop.number
        raise raised from None
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _install() -> dict[int, Callable[..., object] | int]:
    """Install the handler; return what was there before, by signal."""
    if threading.current_thread() is not threading.main_thread():
        return {}
    owner = os.getpid()
    stopped_at: list[float] = []

    def stop(number: int, frame: FrameType | None) -> None:
        if os.getpid() != owner:  # a forked child, which is to end as if this did not exist
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)
            return
        if stopped_at and time.monotonic() - stopped_at[0] < _UNDISTURBED_SECONDS:
            return
        stopped_at[:] = [time.monotonic()]
        raise KeyboardInterrupt if number == signal.SIGINT else _Signalled(number)

    before = {}
    for number in _SIGNALS:
        handler = signal.getsignal(number)
        if handler is not None and handler != signal.SIG_IGN:
            before[int(number)] = handler
            signal.signal(number, stop)
    return before
