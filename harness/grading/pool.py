"""A pool of worker processes that grade answers under a deadline in CPU time.

``worker.py`` supervises one process; the pool schedules the work, turns the death of a worker into
a status, retries once, and caches verdicts.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict, deque
from collections.abc import Collection, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from hashlib import blake2b
from typing import TYPE_CHECKING

from harness.environment import usable_cores
from harness.grading.extraction.result import Extraction
from harness.grading.worker import Call, Worker, WorkerEnded, crash_verdict, start_server
from harness.types import INFRASTRUCTURE_FAILURES, AnswerType, Status, Tolerance, Verdict

if TYPE_CHECKING:
    from types import TracebackType

_MEMO_SIZE = 100_000
#: Verdicts on longer answers are not remembered.
_MEMO_LENGTH = 1000
#: Shares of an answer's CPU time for its first try and for its second.
_SHARES = (0.4, 0.6)
#: A worker gets this many answers at once, and this many characters of them.
_BATCH = 16
_BATCH_LENGTH = 200_000
#: Failed starts in a row after which all waiting answers are given the status ``crash``.
_STARTS = 5
_CLOSE_SECONDS = 5.0
_Key = bytes


@dataclass(slots=True, eq=False)
class _Job:
    """One distinct answer in flight, and the futures that wait for it."""

    key: _Key
    call: Call
    waiting: list[Future[Verdict]] = field(default_factory=list)
    attempts: int = 0


class GraderPool:
    """Judges responses in worker processes at nice 19: finds the answer and compares it.

    Each answer may use ``cpu_seconds`` of CPU time; the kernel kills a worker that goes past it,
    even inside a C routine, and another takes its place within milliseconds. An answer whose
    worker died is tried once more before its status is reported; both tries share the deadline.
    Every answer gets a verdict in bounded time, whatever is killed or stopped. Verdicts are
    remembered by what was asked, and answers under way are shared.

    The constructor returns at once and the workers start in threads, so that no caller waits for
    them. The pool may be used from any thread. Scripts need the usual
    ``if __name__ == "__main__"`` guard.

    Args:
        workers: Number of processes; ``None`` takes one for each core.
        cpu_seconds: CPU time an answer may take, over both tries.
        wall_seconds: Wall-clock limit, far above the CPU limit. An answer that hits it is retried
            when nothing else is in flight.
        memory_bytes: Address space a worker may use beyond what it has when it starts.
        profile: Name of the grading profile.
        scorers: The ``module:function`` that loaded tasks declare; workers call no others.
    """

    def __init__(
        self,
        *,
        workers: int | None = None,
        cpu_seconds: float = 5.0,
        wall_seconds: float = 60.0,
        memory_bytes: int = 1 << 30,
        profile: str = "strict",
        scorers: Collection[str] = (),
    ) -> None:
        self._cpu_seconds = cpu_seconds
        self._wall_seconds = wall_seconds
        self._memory_bytes = memory_bytes
        self._profile = profile
        self._scorers = frozenset(scorers)
        self._lock = threading.Lock()
        self._work = threading.Condition(self._lock)
        self._idle = threading.Condition(self._lock)
        self._resolving = threading.RLock()
        self._memo: OrderedDict[_Key, Verdict] = OrderedDict()
        self._jobs: dict[_Key, _Job] = {}
        self._postponed: list[_Job] = []
        self._running: set[Worker] = set()
        self._closed = False
        start_server()
        # One queue per worker. Answers to one question go to the same worker, whose memo may know
        # them; an idle worker steals from the longest queue.
        self._queues: list[deque[_Job]] = [deque() for _ in range(workers or usable_cores())]
        self._starting = threading.Semaphore(0)
        self._threads = [
            threading.Thread(target=self._serve, args=(queue,), daemon=True)
            for queue in self._queues
        ]
        for thread in self._threads:
            thread.start()

    def __enter__(self) -> GraderPool:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close(wait=kind is None)

    @property
    def pids(self) -> list[int]:
        """The worker processes that run at the moment."""
        with self._lock:
            return [worker.pid for worker in self._running if worker.pid is not None]

    def wait_until_ready(self) -> None:
        """Wait until the workers run: before this process forks, as some engines do."""
        for _ in self._threads:
            self._starting.acquire()
        self._starting.release(len(self._threads))

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
            answer_type: How answers are compared with the reference.
            tolerance: For numbers.
            is_answer: ``response`` is the answer itself; nothing is to be extracted.
            scorer: ``module:function`` of a benchmark that brings its own judgement; called in a
                worker with ``reference``, the whole response and ``truncated``.
            reference: What that function judges by.

        Returns:
            A future that never raises for a failure of the grader: that is a verdict with status
            ``timeout``, ``memory`` or ``crash``.

        Raises:
            RuntimeError: The pool is closed.
            ValueError: The scorer is none of those the pool was given.
        """
        if scorer and scorer not in self._scorers:
            raise ValueError(f"{scorer!r} is no scorer that a loaded task declares.")
        call = Call(
            gold=reference if scorer else gold,
            response=response,
            truncated=truncated,
            answer_type=answer_type,
            tolerance=tolerance,
            is_answer=is_answer,
            scorer=scorer,
            profile=self._profile,
        )
        key = _key(call)
        future: Future[Verdict] = Future()
        with self._lock:
            if self._closed:
                raise RuntimeError("The grader pool is closed.")
            known = self._memo.get(key)
            if known is None:
                job = self._jobs.get(key)
                if job is None:
                    job = self._jobs[key] = _Job(key, call)
                    self._queue_of(job).append(job)
                    self._work.notify()
                job.waiting.append(future)
            else:
                self._memo.move_to_end(key)
        if known is not None:
            future.set_result(replace(known, seconds=0.0))
        return future

    def close(self, *, wait: bool = True) -> None:
        """Stop the workers.

        Args:
            wait: Finish what is under way first; otherwise its futures are cancelled.
        """
        with self._lock:
            self._closed = True
            self._work.notify_all()
            while wait and self._jobs:
                self._idle.wait()
            jobs = list(self._jobs.values())
            self._jobs.clear()
            for queue in self._queues:
                queue.clear()
            self._work.notify_all()
            running = list(self._running)
        for job in jobs:
            for future in job.waiting:
                future.cancel()
        if not wait:
            for worker in running:
                worker.kill()
        deadline = time.monotonic() + _CLOSE_SECONDS
        for thread in self._threads:
            if thread is not threading.current_thread():
                thread.join(max(0.0, deadline - time.monotonic()))

    def _queue_of(self, job: _Job) -> deque[_Job]:
        return self._queues[hash(job.call.gold) % len(self._queues)]

    def _serve(self, own: deque[_Job]) -> None:
        """Feed one worker; the main loop of a pool thread."""
        worker = self._start_worker()
        self._starting.release()
        while jobs := self._take(own):
            worker = worker or self._start_worker()
            if worker is None:
                self._requeue(jobs)
                self._fail_all()
            elif not self._judge(worker, jobs):
                with self._lock:
                    self._running.discard(worker)
                worker = None
        if worker is not None:
            worker.kill()  # it shares no pipe or lock with others

    def _start_worker(self) -> Worker | None:
        """Return a new worker; ``None`` if none starts, or none is needed any more."""
        for attempt in range(_STARTS):
            if self._closed and not self._jobs:
                break
            try:
                worker = Worker(self._memory_bytes, self._scorers, self._wall_seconds)
            except Exception:  # noqa: BLE001 - any system error; the waiting futures still get a verdict
                time.sleep(0.1 * 2**attempt)
            else:
                with self._lock:
                    self._running.add(worker)
                return worker
        return None

    def _take(self, own: deque[_Job]) -> list[_Job]:
        """Wait for work and take a batch; empty once the pool is closed and drained."""
        with self._lock:
            while not (queue := own or max(self._queues, key=len)):
                if self._closed and not self._jobs:
                    return []
                self._work.wait()
            count = min(_BATCH, -(-len(queue) // 2))
            taken: list[_Job] = []
            length = 0
            while len(taken) < count and length < _BATCH_LENGTH:
                taken.append(queue.popleft())
                length += len(taken[-1].call.response)
            return taken

    def _judge(self, worker: Worker, jobs: list[_Job]) -> bool:
        """Have a worker judge jobs; return whether it is still alive."""
        left = deque(jobs)
        found: Extraction | None = None
        try:
            for outcome in worker.judge([self._call(job) for job in jobs]):
                if isinstance(outcome, Extraction):
                    found = outcome
                    continue
                job = left.popleft()
                if outcome.status in INFRASTRUCTURE_FAILURES:
                    self._failed(job, outcome, found)
                else:
                    self._resolve(job, outcome)
                found = None
            return True
        except WorkerEnded as ended:
            verdict, by_wall_clock = ended.verdict, ended.by_wall_clock
        except Exception as error:  # noqa: BLE001 - the futures of these jobs must be resolved
            worker.kill()
            verdict, by_wall_clock = crash_verdict(error), False
        job = left.popleft()
        self._requeue(left)  # the worker had not started on them
        self._failed(job, verdict, found, by_wall_clock=by_wall_clock)
        return False

    def _call(self, job: _Job) -> Call:
        cpu_seconds = self._cpu_seconds * _SHARES[job.attempts]
        return job.call._replace(cpu_seconds=cpu_seconds, announce=job.attempts > 0)

    def _requeue(self, jobs: Sequence[_Job]) -> None:
        with self._lock:
            for job in reversed(jobs):
                if self._jobs.get(job.key) is job:
                    self._queue_of(job).appendleft(job)
            self._work.notify_all()

    def _failed(
        self, job: _Job, verdict: Verdict, found: Extraction | None, *, by_wall_clock: bool = False
    ) -> None:
        """Retry a job once; after the second failure resolve it with the failure's status."""
        job.attempts += 1
        if job.attempts == len(_SHARES):
            if found is not None:
                verdict = replace(verdict, extracted=found.answer, extraction=found.rule)
            self._resolve(job, verdict)
        elif by_wall_clock:
            with self._lock:
                if self._jobs.get(job.key) is job:
                    self._postponed.append(job)
                self._retry_postponed()
        else:
            self._requeue([job])

    def _fail_all(self) -> None:
        """Resolve all jobs as ``crash`` if no worker runs and none can be started."""
        with self._lock:
            jobs = [] if self._running else list(self._jobs.values())
            if jobs:
                self._postponed.clear()
                for queue in self._queues:
                    queue.clear()
        for job in jobs:
            self._resolve(job, Verdict(False, Status.CRASH, method="no worker starts"))

    def _resolve(self, job: _Job, verdict: Verdict) -> None:
        """Set a job's verdict on all its futures."""
        with self._lock:
            if self._jobs.get(job.key) is not job:
                return
            del self._jobs[job.key]
            if len(verdict.extracted) <= _MEMO_LENGTH:
                self._memo[job.key] = verdict
                if len(self._memo) > _MEMO_SIZE:
                    self._memo.popitem(last=False)
            self._retry_postponed()
            if not self._jobs:
                self._idle.notify_all()
                if self._closed:
                    self._work.notify_all()
        with self._resolving:  # callbacks run one at a time
            for future in job.waiting:
                if future.set_running_or_notify_cancel():
                    future.set_result(verdict)

    def _retry_postponed(self) -> None:
        """Requeue answers that hit the wall-clock limit once nothing else is in flight."""
        if self._postponed and len(self._jobs) == len(self._postponed):
            for job in self._postponed:
                self._queue_of(job).append(job)
            self._postponed.clear()
            self._work.notify_all()


def _key(call: Call) -> _Key:
    """Hash what decides a verdict, since responses are too long to be kept."""
    settings = (
        len(call.gold),
        call.truncated,
        str(call.answer_type),
        call.tolerance,
        call.is_answer,
    )
    made = blake2b(repr((*settings, call.scorer)).encode(), digest_size=16)
    for text in (call.gold, call.response):
        made.update(text.encode("utf-8", "surrogatepass"))
    return made.digest()
