"""Send responses to the grader pool and store its verdicts, with backpressure."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from functools import partial

from harness.grading import GRADER_VERSION, GraderPool, crash_verdict
from harness.store import Journal
from harness.store.rows import grade_row
from harness.types import DEFAULT_PROFILE, Item, Verdict

OnGrade = Callable[[str, str, bool], None]

# Ungraded answers take memory; generating more of them would not end the run sooner.
_MAX_UNGRADED = 10_000
_MAX_UNGRADED_CHARACTERS = 100_000_000


class RunGrader:
    """Submits the responses of runs to a grader pool and journals its verdicts.

    Args:
        pool: Grades.
        journal: Where grades are written.
        profile: Name under which the grades are kept; the pool's own.
        on_grade: Called with run id, item id and verdict, by the pool's threads.
    """

    def __init__(self, pool: GraderPool, journal: Journal, profile: str, on_grade: OnGrade) -> None:
        self._pool = pool
        self._journal = journal
        self._profile = profile
        self._on_grade = on_grade
        self._outstanding = 0
        self._characters = 0
        self._failure: Exception | None = None
        self._graded = threading.Condition()

    def submit(
        self,
        run_id: str,
        item: Item,
        key: str,
        answer: str,
        *,
        truncated: bool,
        then: Callable[[Verdict], None] | None = None,
    ) -> None:
        """Grade a response against an item's reference answer, and call ``then`` with the verdict.

        Blocks while too many answers are ungraded.

        Raises:
            Exception: What an earlier verdict's ``on_grade`` or ``then`` raised, or its journal.
        """
        with self._graded:
            self._graded.wait_for(self._has_room)
            self._raise_failure()
            self._outstanding += 1
            self._characters += len(answer)
        try:
            future = self._pool.submit(
                gold=item.gold,
                response=answer,
                truncated=truncated,
                answer_type=item.answer_type,
                tolerance=item.tolerance,
                scorer=item.scorer if self._profile == DEFAULT_PROFILE else "",
                reference=item.reference,
            )
        except Exception:
            self._done_with(answer, None)
            raise
        future.add_done_callback(partial(self._store, run_id, item, key, answer, then))

    def wait(self) -> None:
        """Wait until every verdict has been handed to the journal.

        Raises:
            Exception: What a verdict's ``on_grade`` or ``then`` raised, or its journal.
        """
        with self._graded:
            self._graded.wait_for(lambda: self._outstanding == 0)
            self._raise_failure()

    def _has_room(self) -> bool:
        few = self._outstanding < _MAX_UNGRADED and self._characters < _MAX_UNGRADED_CHARACTERS
        return few or self._outstanding == 0

    def _raise_failure(self) -> None:
        failure, self._failure = self._failure, None
        if failure is not None:
            raise failure

    def _store(
        self,
        run_id: str,
        item: Item,
        key: str,
        answer: str,
        then: Callable[[Verdict], None] | None,
        future: Future[Verdict],
    ) -> None:
        failure: Exception | None = None
        try:
            if not future.cancelled():
                error = future.exception()
                verdict = future.result() if error is None else crash_verdict(error)
                row = grade_row(key, item, verdict, self._profile, GRADER_VERSION)
                self._journal.append("grade", row)
                self._on_grade(run_id, item.id, verdict.correct)
                if then is not None:
                    then(verdict)
        except Exception as error:  # noqa: BLE001 - raised where somebody can act on it
            failure = error
        finally:
            # Not the future's own waiters: they are woken before its callbacks have run.
            self._done_with(answer, failure)

    def _done_with(self, answer: str, failure: Exception | None) -> None:
        with self._graded:
            self._failure = self._failure or failure
            self._characters -= len(answer)
            self._outstanding -= 1
            self._graded.notify_all()
