"""Limit CPU time and memory of rendering a checkpoint's chat template (untrusted Jinja)."""

from __future__ import annotations

import contextlib
import signal
import sys
import threading
from collections.abc import Iterator
from types import FrameType

# A template renders in milliseconds.
CPU_SECONDS = 10.0
_MORE_BYTES = 2 << 30


class TemplateTooSlow(Exception):
    """Rendering took more CPU time than the limit."""


@contextlib.contextmanager
def resource_limits() -> Iterator[None]:
    """Limit CPU time and memory of the main thread within, where the system allows it.

    Raises:
        TemplateTooSlow: It took more than ten seconds of CPU time.
        MemoryError: It asked for more than 2 GiB.
    """
    # Python runs handlers in the main thread alone, and a limit on memory is the whole process's:
    # a second thread would put back the first one's.
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    with _cpu_time(), _memory():
        yield


def _too_costly(signum: int, frame: FrameType | None) -> None:
    raise TemplateTooSlow(f"it takes more than {CPU_SECONDS:.4g} seconds")


@contextlib.contextmanager
def _cpu_time() -> Iterator[None]:
    before = signal.signal(signal.SIGVTALRM, _too_costly)
    signal.setitimer(signal.ITIMER_VIRTUAL, CPU_SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)


@contextlib.contextmanager
def _memory() -> Iterator[None]:
    if sys.platform != "linux":  # elsewhere the memory in use is not known
        yield
        return
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_DATA)
    with open("/proc/self/statm") as statm:
        in_use = int(statm.read().split()[5]) * resource.getpagesize()
    if not in_use:  # a sandbox that leaves it out
        yield
        return
    most = in_use + _MORE_BYTES
    if soft != resource.RLIM_INFINITY:
        most = min(most, soft)
    resource.setrlimit(resource.RLIMIT_DATA, (most, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, (soft, hard))
