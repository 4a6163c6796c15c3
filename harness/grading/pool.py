"""Worker processes that judge answers under a deadline in CPU time.

Everything that supervises processes comes from pebble; what is here decides what a dead worker
means, tries once more, and remembers verdicts.
"""

from __future__ import annotations

import os
import signal
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable
from concurrent.futures import Future, TimeoutError
from dataclasses import dataclass, field, replace
from functools import cache, partial
from importlib import import_module
from typing import TYPE_CHECKING, Any

from harness.grading import equivalence
from harness.grading.extract import Extraction
from harness.types import INFRASTRUCTURE_FAILURES, AnswerType, Status, Tolerance, Verdict

if TYPE_CHECKING:
    from multiprocessing.context import ForkServerContext
    from types import TracebackType

    import pebble

_MEMO_SIZE = 100_000
#: Shares of an answer's CPU time for its first try and for its second.
_SHARES = (0.4, 0.6)
_Key = tuple[str, str, AnswerType, Tolerance | None, str, bool]


@dataclass(slots=True)
class _Job:
    """One distinct answer under way, and everybody who waits for it."""

    key: _Key
    waiting: list[tuple[Future[Verdict], str]] = field(default_factory=list)
    attempts: int = 0


_Started = tuple[_Job, "Future[Verdict]"]


class GraderPool:
    """Judges responses in worker processes at nice 19.

    Each answer may use ``cpu_seconds`` of CPU time; the kernel kills a worker that goes past it,
    even inside a C routine, and another takes its place within milliseconds. An answer whose
    worker died is tried once more before its status is reported; both tries share the deadline.
    Verdicts are remembered by (gold, answer, type, tolerance, profile), and answers under way are
    shared.

    Start the pool **before** an inference engine binds this process to cores: workers ask for all
    cores again, but the fork server is cheapest to start from a small process. The pool may be
    used from any thread. Scripts need the usual ``if __name__ == "__main__"`` guard.

    Args:
        workers: Number of processes; ``None`` takes one for each core.
        cpu_seconds: CPU time an answer may take, over both tries.
        wall_seconds: Far backstop in wall-clock time. What it cut off is tried again when nothing
            else is under way.
        memory_bytes: Address space a worker may use beyond what it has when it starts.
        profile: Name of the grading profile.
    """

    def __init__(
        self,
        *,
        workers: int | None = None,
        cpu_seconds: float = 5.0,
        wall_seconds: float = 60.0,
        memory_bytes: int = 1 << 30,
        profile: str = "strict",
    ) -> None:
        self._workers = workers or len(os.sched_getaffinity(0))
        self._cpu_seconds = cpu_seconds
        self._wall_seconds = wall_seconds
        self._memory_bytes = memory_bytes
        self._profile = profile
        self._lock = threading.Lock()
        self._idle = threading.Condition(self._lock)
        self._memo: OrderedDict[_Key, Verdict] = OrderedDict()
        self._jobs: dict[_Key, _Job] = {}
        self._postponed: list[_Job] = []
        self._closed = False
        self._pool = self._new_pool()

    def __enter__(self) -> GraderPool:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close(wait=kind is None)

    def submit(
        self,
        *,
        gold: str,
        response: str,
        truncated: bool,
        answer_type: AnswerType = AnswerType.AUTO,
        tolerance: Tolerance | None = None,
        is_answer: bool = False,
        scorer: str = "",
        reference: str = "",
    ) -> Future[Verdict]:
        """Judge a response (without its thought).

        Args:
            gold: The reference answer.
            response: What the model wrote, or the bare answer if ``is_answer``.
            truncated: The response was cut off by its budget.
            answer_type: How answers are compared with the gold.
            tolerance: For numbers.
            is_answer: ``response`` is the answer itself; nothing is to be extracted.
            scorer: ``module:function`` of a benchmark that brings its own judgement; called in a
                worker with ``reference``, the whole response and ``truncated``.
            reference: What that function judges by.

        Returns:
            A future that never raises for the grader's own trouble: that is a verdict with status
            ``timeout``, ``memory`` or ``crash``.

        Raises:
            RuntimeError: The pool is closed.
        """
        future: Future[Verdict] = Future()
        if scorer:
            found = Extraction(response, "scorer")
            gold = reference
        elif is_answer:
            found = Extraction(response, "given")
        else:
            found, settled = equivalence.find_answer(
                gold=gold,
                response=response,
                truncated=truncated,
                answer_type=answer_type,
                profile=self._profile,
            )
            if settled is not None:
                future.set_result(settled)
                return future
        key = (
            gold,
            found.answer,
            answer_type,
            tolerance,
            scorer or self._profile,
            bool(scorer) and truncated,
        )
        with self._lock:
            if self._closed:
                raise RuntimeError("The grader pool is closed.")
            known = self._memo.get(key)
            if known is None:
                started = []
                job = self._jobs.get(key)
                if job is None:
                    job = self._jobs[key] = _Job(key)
                    started = [self._dispatch(job)]
                job.waiting.append((future, found.rule))
            else:
                self._memo.move_to_end(key)
        if known is None:
            self._watch(started)
        else:
            verdict = _as_found(known, found.answer, found.rule)
            future.set_result(replace(verdict, seconds=0.0))
        return future

    def close(self, *, wait: bool = True) -> None:
        """Stop the workers.

        Args:
            wait: Finish what is under way first; otherwise its futures are cancelled.
        """
        with self._lock:
            self._closed = True
            while wait and self._jobs:
                self._idle.wait()
            pool = self._pool
            jobs = list(self._jobs.values())
            self._jobs.clear()
        for job in jobs:
            for future, _ in job.waiting:
                future.cancel()
        _dispose(pool)

    def _new_pool(self) -> pebble.ProcessPool:
        import pebble

        return pebble.ProcessPool(
            max_workers=self._workers,
            initializer=_start_worker,
            initargs=(self._memory_bytes,),
            context=_context(),
        )

    def _dispatch(self, job: _Job) -> _Started:
        """Hand a job to a worker; called with the lock held, and to be watched without it."""
        cpu_seconds = self._cpu_seconds * _SHARES[job.attempts]
        job.attempts += 1
        call: dict[str, Any] = {
            "function": _judge,
            "args": (*job.key, cpu_seconds),
            "timeout": self._wall_seconds,
        }
        try:
            task = self._pool.schedule(**call)
        except RuntimeError:  # an idle worker was killed from outside, which ends pebble's pool
            threading.Thread(target=_dispose, args=(self._pool,), daemon=True).start()
            self._pool = self._new_pool()
            task = self._pool.schedule(**call)
        return job, task

    def _watch(self, started: Iterable[_Started]) -> None:
        """Take the outcome of jobs once they have one, which they may have already."""
        for job, task in started:
            task.add_done_callback(partial(self._finished, job))

    def _finished(self, job: _Job, task: Future[Verdict]) -> None:
        """Take a job's outcome; called by one of pebble's threads, or by the one that watches."""
        verdict, by_wall_clock = _outcome(task)
        with self._lock:
            if self._jobs.get(job.key) is not job:
                return
            started = []
            final = verdict.status not in INFRASTRUCTURE_FAILURES or job.attempts == len(_SHARES)
            if final:
                del self._jobs[job.key]
                self._memo[job.key] = verdict
                if len(self._memo) > _MEMO_SIZE:
                    self._memo.popitem(last=False)
                self._idle.notify_all()
            elif by_wall_clock:
                self._postponed.append(job)
            else:
                started.append(self._dispatch(job))
            started += self._retry_postponed()
        self._watch(started)
        if final:
            self._resolve(job, verdict)

    def _retry_postponed(self) -> list[_Started]:
        """Try again what the wall clock cut off once nothing else is under way."""
        if not self._postponed or len(self._jobs) != len(self._postponed):
            return []
        jobs, self._postponed = self._postponed, []
        return [self._dispatch(job) for job in jobs]

    def _resolve(self, job: _Job, verdict: Verdict) -> None:
        for future, rule in job.waiting:
            if future.set_running_or_notify_cancel():
                future.set_result(_as_found(verdict, job.key[1], rule))


def _as_found(verdict: Verdict, answer: str, rule: str) -> Verdict:
    """Add what was judged and how it was found; a benchmark's own scorer says so itself."""
    if rule == "scorer":
        return replace(verdict, extraction=rule)
    return replace(verdict, extracted=answer, extraction=rule)


def _outcome(task: Future[Verdict]) -> tuple[Verdict, bool]:
    """Read a finished task as a verdict, and whether the wall-clock backstop ended it."""
    from pebble import ProcessExpired

    error = task.exception() if not task.cancelled() else RuntimeError("cancelled")
    if error is None:
        return task.result(), False
    if isinstance(error, TimeoutError):
        return Verdict(correct=False, status=Status.TIMEOUT, method="wall clock"), True
    if isinstance(error, ProcessExpired):
        by_signal = {-signal.SIGPROF: Status.TIMEOUT, -signal.SIGKILL: Status.MEMORY}
        status = by_signal.get(error.exitcode, Status.CRASH)
        method = "cpu time" if status is Status.TIMEOUT else f"exit code {error.exitcode}"
        return Verdict(correct=False, status=status, method=method), False
    if isinstance(error, MemoryError):
        return Verdict(correct=False, status=Status.MEMORY, method="memory cap"), False
    return Verdict(correct=False, status=Status.CRASH, method=type(error).__name__), False


def _dispose(pool: pebble.ProcessPool) -> None:
    pool.stop()
    pool.join()


def _context() -> ForkServerContext:
    """Return the fork-server context, whose server has the heavy modules loaded."""
    import multiprocessing

    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["harness.grading.warm"])
    return context


def _start_worker(memory_bytes: int) -> None:
    """Make a fresh worker polite, bounded and mortal."""
    import harness.grading.warm  # noqa: F401  (no cost where the fork server has loaded it)

    _die_with_parent()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's business
    signal.signal(signal.SIGPROF, signal.SIG_DFL)
    os.nice(19)
    os.sched_setaffinity(0, range(os.cpu_count() or 1))
    import resource

    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    baseline = _address_space()
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (baseline + memory_bytes, hard))


def _die_with_parent() -> None:
    """Have the kernel end this process when the one that owns the pool ends, however it ends.

    The worker's parent in the kernel's eyes is the fork server, which lives as long as any worker
    does, so PR_SET_PDEATHSIG would never fire. The sentinel is a pipe whose other end only the
    owner holds: its hang-up raises a signal, and that signal is made SIGKILL, which ends even a
    worker stuck in a C routine.
    """
    import fcntl
    import multiprocessing
    from multiprocessing.connection import wait

    owner = multiprocessing.parent_process()
    assert owner is not None, "a worker always has an owner"
    fcntl.fcntl(owner.sentinel, fcntl.F_SETOWN, os.getpid())
    fcntl.fcntl(owner.sentinel, fcntl.F_SETSIG, signal.SIGKILL)
    flags = fcntl.fcntl(owner.sentinel, fcntl.F_GETFL)
    fcntl.fcntl(owner.sentinel, fcntl.F_SETFL, flags | os.O_ASYNC)
    if wait([owner.sentinel], timeout=0):  # it ended before the signal was armed
        os.kill(os.getpid(), signal.SIGKILL)


@cache
def _own_scorer(name: str) -> Callable[[str, str, bool], Verdict]:
    """Import a benchmark's own scorer, once a worker.

    What its libraries take in time and address space is no answer's fault, so neither counts.
    """
    import resource

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


def _address_space() -> int:
    """Return how many bytes of address space this process has."""
    import resource

    with open("/proc/self/statm", encoding="ascii") as stat:
        return int(stat.read().split()[0]) * resource.getpagesize()


def _judge(
    gold: str,
    answer: str,
    answer_type: AnswerType,
    tolerance: Tolerance | None,
    profile: str,
    truncated: bool,
    cpu_seconds: float,
) -> Verdict:
    """Judge one answer, or one response by a benchmark's own scorer, inside a worker."""
    own = _own_scorer(profile) if ":" in profile else None
    # SIGPROF's default action lets the kernel itself end a worker stuck in a C routine.
    signal.setitimer(signal.ITIMER_PROF, cpu_seconds)
    try:
        if own is not None:
            return own(gold, answer, truncated)
        return equivalence.grade(
            gold=gold,
            answer=answer,
            answer_type=answer_type,
            tolerance=tolerance,
            profile=profile,
        )
    except MemoryError:
        return Verdict(correct=False, status=Status.MEMORY, method="memory cap")
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
