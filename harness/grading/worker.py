"""One grading process, at the end of a pipe of its own.

No pipe and no lock is shared between workers, so that one that is killed at any moment, while it
reads or writes for instance, loses nothing but the call in progress.
"""

from __future__ import annotations

import atexit
import contextlib
import multiprocessing
import os
import re
import signal
import socket
import struct
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import cache, lru_cache
from importlib import import_module
from multiprocessing import forkserver
from multiprocessing.connection import Connection, wait
from typing import TYPE_CHECKING, NamedTuple

from harness.grading import grade_answer, profiles
from harness.grading.extraction.result import Extraction
from harness.types import AnswerType, Status, Tolerance, Verdict

if TYPE_CHECKING:
    from multiprocessing.context import ForkServerContext

# What the fork server loads takes seconds, and minutes from a slow network drive.
_START_SECONDS = 180.0
_EXIT_SECONDS = 5.0
_SECRET = re.compile(r"(?:^|_)(?:KEY|TOKEN|SECRET|PASSWORD|CREDENTIALS?)(?:_|$)", re.I)
#: Longer answers are not remembered.
_MEMO_LENGTH = 1000
_MEMO_SIZE = 20_000
#: Starting a process also polls the others, and two polls at once lose an exit code.
_processes = threading.Lock()


class Call(NamedTuple):
    """One grading request: the arguments of :meth:`harness.grading.GraderPool.submit`."""

    gold: str
    response: str
    truncated: bool
    answer_type: AnswerType
    tolerance: Tolerance | None
    is_answer: bool
    scorer: str
    profile: str
    cpu_seconds: float = 0.0
    #: Send the extracted answer before grading it, so that a second failure can still report it.
    announce: bool = False


class WorkerEnded(Exception):
    """A worker process died, or was killed because it did not answer.

    Attributes:
        verdict: The verdict on the call in progress.
        by_wall_clock: It hit the wall-clock limit, not the CPU limit.
    """

    def __init__(self, status: Status, method: str, *, by_wall_clock: bool = False) -> None:
        super().__init__(method)
        self.verdict = Verdict(correct=False, status=status, method=method)
        self.by_wall_clock = by_wall_clock


class Worker:
    """A running worker; to be used by one thread, except for :meth:`kill`.

    Args:
        memory_bytes: Address space it may use beyond what it has when it starts.
        scorers: The ``module:function`` it may call.
        wall_seconds: How long it may take for one call before it is killed.

    Raises:
        WorkerEnded: It cannot be started.
    """

    def __init__(self, memory_bytes: int, scorers: frozenset[str], wall_seconds: float) -> None:
        self._wall_seconds = wall_seconds
        self._connection, theirs = _context().Pipe()
        _set_socket_timeouts(self._connection, max(wall_seconds, 1.0))
        self._process = _context().Process(
            target=_main, args=(theirs, memory_bytes, scorers), name="grader", daemon=True
        )
        try:
            _start(self._process)
            theirs.close()
            if not self._connection.poll(_START_SECONDS):
                raise TimeoutError
            self._connection.recv()
        except (OSError, EOFError) as error:
            theirs.close()
            self.kill()
            raise WorkerEnded(Status.CRASH, "no worker starts") from error

    @property
    def pid(self) -> int | None:
        """The process, once there is one."""
        return self._process.pid

    def judge(self, calls: Sequence[Call]) -> Iterator[Verdict | Extraction]:
        """Yield a verdict for each call, in order.

        The verdict of a call that announces comes after what was extracted.

        Raises:
            WorkerEnded: Before the next verdict; it has been killed.
        """
        try:
            self._connection.send(calls)
            for _ in calls:
                outcome: Verdict | Extraction | None = None
                while not isinstance(outcome, Verdict):
                    if not self._connection.poll(self._wall_seconds):
                        raise TimeoutError
                    outcome = self._connection.recv()
                    yield outcome
        except (TimeoutError, BlockingIOError):
            self.kill()
            raise WorkerEnded(Status.TIMEOUT, "wall clock", by_wall_clock=True) from None
        except (OSError, EOFError):
            raise self._ended() from None

    def kill(self) -> None:
        """Kill the process; may be called by any thread."""
        if self._process.pid is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._process.pid, signal.SIGKILL)

    def _ended(self) -> WorkerEnded:
        wait([self._process.sentinel], _EXIT_SECONDS)
        with _processes:
            code = self._process.exitcode
        if code == -signal.SIGPROF:
            return WorkerEnded(Status.TIMEOUT, "cpu time")
        status = Status.MEMORY if code == -signal.SIGKILL else Status.CRASH
        return WorkerEnded(status, f"exit code {code}")


def start_server() -> None:
    """Start the fork server unless it runs; it preloads the workers' imports in the background.

    Do so **before** an inference engine binds this process to cores, and early: what the server
    loads takes seconds.
    """
    with _processes:
        _ensure_server()


def _ensure_server() -> None:
    forkserver.set_forkserver_preload(["harness.grading.preload"])
    kept = os.environ.get("PYTHONSAFEPATH")
    # Both the server and the resource tracker are `python -c`, which would look for modules, those
    # of the standard library too, in the current folder first.
    os.environ["PYTHONSAFEPATH"] = "1"
    try:
        forkserver.ensure_running()
    finally:
        if kept is None:
            del os.environ["PYTHONSAFEPATH"]
        else:
            os.environ["PYTHONSAFEPATH"] = kept
    _end_server_at_exit()


@cache
def _end_server_at_exit() -> None:
    # A server that is still loading would keep this program's output open until it is done.
    atexit.register(_kill_server)


def _kill_server() -> None:
    pid = getattr(forkserver._forkserver, "_forkserver_pid", None)
    if pid is not None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def _context() -> ForkServerContext:
    return multiprocessing.get_context("forkserver")


def _start(process: multiprocessing.context.ForkServerProcess) -> None:
    """Start a process; kill a fork server that hangs, so that the next start gets a new one."""
    with _processes:
        _ensure_server()
        watchdog = threading.Timer(_START_SECONDS, _kill_server)
        watchdog.daemon = True
        watchdog.start()
        try:
            process.start()
        finally:
            watchdog.cancel()


def _set_socket_timeouts(connection: Connection, seconds: float) -> None:
    """Set socket timeouts, so that no read or write blocks on a stopped worker."""
    limit = struct.pack("ll", int(seconds), 0)
    with socket.socket(fileno=os.dup(connection.fileno())) as handle:
        handle.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, limit)
        handle.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, limit)


# What follows runs in the worker.


def _main(connection: Connection, memory_bytes: int, scorers: frozenset[str]) -> None:
    """Grade the calls that come through the pipe until its other end is closed."""
    _set_up(memory_bytes)
    with contextlib.suppress(EOFError, OSError):
        connection.send(None)
        while True:
            for call in connection.recv():
                verdict = _grade(call, scorers, connection)
                try:
                    connection.send(verdict)
                except OSError:
                    raise
                except Exception as error:  # noqa: BLE001 - a scorer may return a verdict that cannot be pickled
                    connection.send(crash_verdict(error))


def crash_verdict(error: BaseException) -> Verdict:
    """Return the verdict on an answer that made the grader itself fail."""
    return Verdict(correct=False, status=Status.CRASH, method=type(error).__name__)


def _grade(call: Call, scorers: frozenset[str], connection: Connection) -> Verdict:
    """Grade one response under its deadline in CPU time."""
    try:
        own = _own_scorer(call.scorer, scorers) if call.scorer else None
        # SIGPROF's default action lets the kernel itself end a worker stuck in a C routine.
        signal.setitimer(signal.ITIMER_PROF, call.cpu_seconds)
        try:
            if own is not None:
                return replace(own(call.gold, call.response, call.truncated), extraction="scorer")
            return _grade_answer(call, connection)
        finally:
            signal.setitimer(signal.ITIMER_PROF, 0)
    except MemoryError:
        return Verdict(correct=False, status=Status.MEMORY, method="memory cap")
    except Exception as error:  # noqa: BLE001 - any error of the grader or a scorer costs one answer only
        return crash_verdict(error)


def _grade_answer(call: Call, connection: Connection) -> Verdict:
    if call.is_answer:
        found = Extraction(call.response, "given")
    else:
        found, settled = grade_answer.find_answer(
            gold=call.gold,
            response=call.response,
            truncated=call.truncated,
            answer_type=call.answer_type,
            profile=call.profile,
        )
        if settled is not None:
            return settled
    if call.announce and profiles.get(call.profile).extracts:
        connection.send(found)
    judge = _remembered if len(found.answer) <= _MEMO_LENGTH else grade_answer.grade
    hits = _remembered.cache_info().hits
    verdict = judge(
        gold=call.gold,
        answer=found.answer,
        answer_type=call.answer_type,
        tolerance=call.tolerance,
        profile=call.profile,
    )
    if _remembered.cache_info().hits > hits:
        verdict = replace(verdict, seconds=0.0)
    return replace(verdict, extraction=found.rule)


_remembered = lru_cache(maxsize=_MEMO_SIZE)(grade_answer.grade)


@cache
def _own_scorer(name: str, allowed: frozenset[str]) -> Callable[[str, str, bool], Verdict]:
    """Import a benchmark's own scorer, once a worker.

    The time and address space of its imports count against no answer's limits.
    """
    import resource

    if name not in allowed:
        raise ValueError(f"{name} is no scorer of a loaded task")
    module, _, function = name.partition(":")
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    before = _address_space()
    resource.setrlimit(resource.RLIMIT_AS, (hard, hard))
    try:
        scorer: Callable[[str, str, bool], Verdict] = getattr(import_module(module), function)
    finally:
        if soft != resource.RLIM_INFINITY:
            resource.setrlimit(resource.RLIMIT_AS, (soft + _address_space() - before, hard))
    return scorer


def _set_up(memory_bytes: int) -> None:
    """Set a new worker's niceness, memory limit, signals and environment."""
    import resource

    import harness.grading.preload  # noqa: F401  (no cost where the fork server has loaded it)

    _die_with_parent()
    for name in filter(_SECRET.search, list(os.environ)):
        del os.environ[name]  # a process that reads model output needs no credentials
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent handles Ctrl-C
    signal.signal(signal.SIGPROF, signal.SIG_DFL)
    os.nice(19)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform == "linux":  # elsewhere nothing is bound to cores, and no such limit is kept
        os.sched_setaffinity(0, range(os.cpu_count() or 1))
        _, hard = resource.getrlimit(resource.RLIMIT_AS)
        resource.setrlimit(resource.RLIMIT_AS, (_address_space() + memory_bytes, hard))


def _die_with_parent() -> None:
    """Have this process end when the one that owns the pool ends, however it ends.

    The worker's parent in the kernel's eyes is the fork server, so PR_SET_PDEATHSIG would not fire.
    The sentinel is a pipe whose other end only the owner holds: its hang-up raises a signal, and
    that signal is made SIGKILL, which ends even a worker stuck in a C routine.
    """
    owner = multiprocessing.parent_process()
    assert owner is not None, "a worker always has an owner"
    sentinel = owner.sentinel
    if sys.platform == "linux":
        import fcntl

        fcntl.fcntl(sentinel, fcntl.F_SETOWN, os.getpid())
        fcntl.fcntl(sentinel, fcntl.F_SETSIG, signal.SIGKILL)
        flags = fcntl.fcntl(sentinel, fcntl.F_GETFL)
        fcntl.fcntl(sentinel, fcntl.F_SETFL, flags | os.O_ASYNC)
        if wait([sentinel], timeout=0):  # it ended before the signal was armed
            os.kill(os.getpid(), signal.SIGKILL)
    else:
        threading.Thread(target=_watch_owner, args=(sentinel,), daemon=True).start()


def _watch_owner(sentinel: int) -> None:
    wait([sentinel])
    os._exit(1)


def _address_space() -> int:
    """Return this process's address space in bytes; 0 on platforms without ``/proc``."""
    import resource

    if sys.platform != "linux":
        return 0
    with open("/proc/self/statm", encoding="ascii") as stat:
        return int(stat.read().split()[0]) * resource.getpagesize()
